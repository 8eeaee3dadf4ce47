"""What holds for every test: Hypothesis profiles, no way out but 127.0.0.1, and an environment that says nothing.

``HYPOTHESIS_PROFILE`` chooses default (quick), ci (the same examples every time) or deep (thousands of them).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from tests.postgres import Server

_SLOW_MACHINE = [HealthCheck.too_slow]

settings.register_profile("default", max_examples=50, deadline=None, suppress_health_check=_SLOW_MACHINE)
settings.register_profile("ci", parent=settings.get_profile("default"), derandomize=True, print_blob=True)
settings.register_profile("deep", parent=settings.get_profile("default"), max_examples=3_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "default"))

_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_OURS = (
    "GROQ_", "LLM_", "SLACK_", "DISCORD_", "WEB_", "LOG_", "REPLICA_",
    "DATABASE_URL", "DATA_DIR", "HOST", "PORT", "BOT_NAME",
)  # fmt: skip

# A bot as it is installed has no zstandard, so discord.py asks for zlib there, and so it does here. Bots that tests
# start as processes find the package, and ask for zstd.
sys.modules.setdefault("zstandard", None)  # type: ignore[arg-type]  # which is how Python is told that there is none

for name in list(os.environ):  # before any test module makes a client of its own at import
    if name.lower() in _PROXIES or (name.startswith(_OURS) and name != "HOSTNAME"):
        del os.environ[name]


_LONGEST = ("test_chaos.py", "test_deploys.py", "test_replicas.py", "test_crashes.py", "test_recovery.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first: at the end no worker is busy with it while the others have nothing to do."""
    items.sort(key=lambda item: _LONGEST.index(item.path.name) if item.path.name in _LONGEST else len(_LONGEST))


@pytest.fixture
def empty_folder(tmp_path: os.PathLike[str], monkeypatch: pytest.MonkeyPatch) -> os.PathLike[str]:
    """The working directory is a new one: no ``.env``, no ``data``."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real PostgreSQL, the same one for all workers of the run."""
    from tests.postgres import shared_server  # most runs of a few tests need none

    own = tmp_path_factory.getbasetemp()
    with shared_server(own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) as server:
        yield server
