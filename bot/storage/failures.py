"""The border between the database drivers' errors and ours. No SQL and no values pass it."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from bot.errors import StoreBusy, StoreDamaged, StoreError, StoreFull, StoreReadOnly

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
