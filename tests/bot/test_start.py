"""What a start loads: nothing of the platforms and databases that are not configured, for all of it costs time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

_PROGRAM = """
import asyncio, json, sys
from pathlib import Path
from bot.config import Config
from bot.wiring import house

async def main():
    async with house(Config(_env_file=None, data_dir=Path(sys.argv[1]), port=0, groq_api_key="gsk_x")):
        print(json.dumps(sorted(sys.modules)))

asyncio.run(main())
"""
_UNNEEDED = ("alembic", "asyncpg", "discord", "slack_bolt", "slack_sdk", "sqlalchemy.ext.asyncio", "sqlalchemy.orm")


def _loaded(folder: Path) -> set[str]:
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(folder)], env=environment, check=True, capture_output=True, text=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_a_warm_start_loads_no_platform_and_no_database_that_is_not_configured(tmp_path: Path) -> None:
    _loaded(tmp_path)  # the first start makes the tables, with Alembic
    assert [name for name in _UNNEEDED if name in _loaded(tmp_path)] == []
