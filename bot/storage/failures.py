"""The border between the database drivers' errors and ours. No SQL and no values pass it."""

from __future__ import annotations

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from bot.errors import ConfigurationError, StoreBusy, StoreDamaged, StoreError, StoreFull, StoreReadOnly

# SQLite primary result codes (https://www.sqlite.org/rescode.html) and PostgreSQL SQLSTATEs.
_KINDS: dict[str, type[StoreError]] = {
    "SQLITE_BUSY": StoreBusy,
    "SQLITE_LOCKED": StoreBusy,
    "SQLITE_FULL": StoreFull,
    "SQLITE_READONLY": StoreReadOnly,
    "SQLITE_CORRUPT": StoreDamaged,
    "SQLITE_NOTADB": StoreDamaged,
    "53100": StoreFull,
    "25006": StoreReadOnly,
    "55P03": StoreBusy,
    "57014": StoreBusy,
    "40001": StoreBusy,
    "40P01": StoreBusy,
    "53300": StoreBusy,
    "XX001": StoreDamaged,
    "XX002": StoreDamaged,
}
# Starting, stopping, or gone again. A driver that met nobody has no code.
_AWAY = frozenset({"", "57P01", "57P02", "57P03", "08000", "08001", "08003", "08004", "08006"})
UNOPENABLE = frozenset({"SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM"})


def code_of(error: BaseException) -> str:
    """The driver's stable name of what happened: ``SQLITE_FULL``, a SQLSTATE, or "" when it gave none."""
    seen: BaseException | None = error.orig if isinstance(error, DBAPIError) else error
    while seen is not None:
        name = getattr(seen, "sqlite_errorname", None)
        if name:
            return "_".join(name.split("_")[:2])
        state = getattr(seen, "sqlstate", None) or getattr(seen, "pgcode", None)
        if state:
            return str(state)
        seen = seen.__cause__
    return ""


def translate(error: BaseException) -> StoreError:
    """What a driver raised, as one of ours: its detail is the code alone."""
    if isinstance(error, PoolTimeout):
        return StoreBusy("no connection was free in time")
    code = code_of(error)
    return _KINDS.get(code, StoreError)(code or type(error).__name__)


def is_away(error: BaseException) -> bool:
    """The server could not be reached, or takes nobody yet: it may do so in a moment."""
    return code_of(error) in _AWAY


def closed(variable: str, url: URL, error: BaseException) -> ConfigurationError:
    """Why the server at ``url``, which ``variable`` names, could not be used."""
    code = code_of(error)
    problem, fix = f"the database server does not let us in ({code})", "Look at the server's log for the reason."
    if is_away(error):
        problem = f"no database server can be reached at {url.host}:{url.port or 5432} ({code or type(error).__name__})"
        fix = "See whether it runs, and check host and port in the address."
    elif code in ("28P01", "28000"):
        problem = f"the database server refuses the user or the password ({code})"
        fix = "Check both, and whether the server lets this machine in (pg_hba.conf)."
    elif code == "3D000":
        problem = f"the database server has no database called {url.database}"
        fix = "Make it with CREATE DATABASE, or correct the name in the address."
    return ConfigurationError(variable, problem, fix)
