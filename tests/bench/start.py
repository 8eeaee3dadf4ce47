"""How soon ``python -m bot run`` is ready, with its tables made already, and how soon ``--help`` answers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time

from tests.bench.figures import Figure

_ROUNDS = 4


def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as folder:
        _start(folder)  # makes the tables and the byte code
        ready = min(_start(folder) for _ in range(_ROUNDS))
        keyed = min(_start(folder, GROQ_API_KEY="gsk_bench") for _ in range(_ROUNDS))
    python = min(_run("-c", "pass") for _ in range(_ROUNDS))
    help_ = min(_run("-m", "bot", "--help") for _ in range(_ROUNDS))
    return [
        Figure("warm start until ready, without a key", ready, "s", 2, f"bare Python: {python:.2f} s"),
        Figure("warm start until ready, with a Groq key", keyed, "s", 2),
        Figure("parley --help", help_, "s", None),
    ]


def _environment(**more: str) -> dict[str, str]:
    kept = ("PATH", "HOME", "LANG", "VIRTUAL_ENV")
    return {name: os.environ[name] for name in kept if name in os.environ} | more


def _start(folder: str, **more: str) -> float:
    """Seconds from the process's beginning to its line that says ready."""
    environment = _environment(DATA_DIR=folder, PORT="0", PYTHONPATH=os.getcwd(), **more)
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "bot", "run"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        cwd=folder,
        text=True,
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        lasted = time.perf_counter() - began
        assert line.startswith("ready"), line
        return lasted
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)
        process.stdout.close()


def _run(*arguments: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, env=_environment())
    return time.perf_counter() - began
