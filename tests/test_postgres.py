"""The PostgreSQL that the tests run on: it is real, shared, reachable for its user, and gone when nobody needs it."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import asyncpg
import pytest

from tests.postgres import _ENVIRONMENT, Cluster, Server, _demoted, copied_programs, shared_server

ROOT = Path(__file__).resolve().parent.parent
_WORKER = """
import sys
from pathlib import Path
from tests.postgres import shared_server
with shared_server(Path(sys.argv[1])) as server:
    print(server.port, flush=True)
    sys.stdin.read()
"""


def worker(meeting: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _WORKER, str(meeting)],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def port_of(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


def listens(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def ends(port: int) -> None:
    until = time.monotonic() + 60
    while listens(port) and time.monotonic() < until:
        time.sleep(0.05)
    assert not listens(port)


async def test_each_database_is_new_and_gone_afterwards(postgresql: Server) -> None:
    async with postgresql.database() as one, postgresql.database() as other:
        assert one != other
        there = await asyncpg.connect(one)
        assert await there.fetchval("SELECT version_num FROM alembic_version")
        await there.close()
    with pytest.raises(asyncpg.InvalidCatalogNameError):
        await asyncpg.connect(one)


def test_workers_share_a_server_that_ends_with_the_last_of_them_even_when_it_is_killed(tmp_path: Path) -> None:
    first, second = worker(tmp_path), worker(tmp_path)
    try:
        port = port_of(first)
        assert port_of(second) == port
        first.communicate("")
        assert first.returncode == 0
        assert listens(port)
    finally:
        for process in (first, second):
            process.kill()
            process.communicate()
    ends(port)
    for _ in range(2):
        with shared_server(tmp_path) as server:
            assert listens(server.port)
        ends(server.port)
        time.sleep(1.0)  # in which its keeper goes too


def test_programs_in_a_closed_folder_are_copied_to_where_the_servers_user_reaches_them(tmp_path: Path) -> None:
    cluster = Cluster.make()
    try:
        package = cluster.programs.parent.parent
        closed = tmp_path / "closed"
        closed.mkdir(mode=0o700)
        shutil.copytree(package, closed / package.name)
        if (libraries := package.with_name(f"{package.name}.libs")).exists():
            shutil.copytree(libraries, closed / libraries.name)
        copied = copied_programs(closed / package.name / "pginstall" / "bin", cluster.folder / "copy")
        cluster.folder.joinpath("copy").chmod(0o755)
        shutil.rmtree(closed)
        told = subprocess.run([copied / "initdb", "--version"], env=_ENVIRONMENT, check=True, cwd="/", **_demoted())
        assert told.returncode == 0
    finally:
        cluster.remove()


def test_a_server_that_crashed_starts_again_where_it_was() -> None:
    cluster = Cluster.make()
    try:
        before = cluster.start()
        cluster.end(signal.SIGQUIT)
        assert not listens(before.port)
        assert cluster.start() == before
        assert listens(before.port)
    finally:
        cluster.remove()
    assert not listens(before.port)
    assert not cluster.folder.exists()
    assert not cluster.data.exists()
