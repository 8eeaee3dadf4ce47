"""Runs one measurement in a fresh process, so that processor time and memory are its own: on uvloop, as the bot runs,
unless it is of something else that people run on asyncio's own loop."""

from __future__ import annotations

import asyncio
import gc
import importlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[2]
_LONGEST = 240.0  # seconds


def apart(function: str, *, loop: str = "uvloop", **arguments: Any) -> Any:
    """What ``async def function(folder, **arguments)``, named ``module:name``, gives in a process of its own.
    ``loop`` is uvloop or asyncio."""
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as folder, tempfile.TemporaryFile() as told:
        done = subprocess.run(
            [sys.executable, "-m", "tests.bench.subject", function, folder, json.dumps(arguments), loop],
            cwd=_ROOT,
            stdout=subprocess.PIPE,
            stderr=told,
            env={name: value for name, value in os.environ.items() if not _is_of_the_bot(name)},
            timeout=_LONGEST,
            check=False,
        )
        if done.returncode != 0:
            told.seek(0)
            raise RuntimeError(f"{function} broke:\n{told.read().decode(errors='replace')[-4_000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def _is_of_the_bot(name: str) -> bool:
    return name.startswith(("GROQ_", "LLM_", "SLACK_", "DISCORD_", "WEB_", "DATA", "LOG_"))


def main() -> None:
    import uvloop

    from bot.observe.logging import start_logging

    start_logging("info", "json")
    module, _, name = sys.argv[1].partition(":")
    function = getattr(importlib.import_module(f"tests.bench.{module}"), name)
    gc.freeze()  # as ``parley run`` does
    with asyncio.Runner(loop_factory=uvloop.new_event_loop if sys.argv[4] == "uvloop" else None) as runner:
        result = runner.run(function(Path(sys.argv[2]), **json.loads(sys.argv[3])))
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
