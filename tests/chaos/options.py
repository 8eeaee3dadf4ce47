"""What a run is made of."""

from __future__ import annotations

import argparse
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

Engine = Literal["postgresql", "sqlite"]
Mode = Literal["mixed", "http", "socket"]

_COUNTS = ("turns", "kills", "deploys", "pauses", "restarts", "drops", "replicas", "workspaces", "crowd", "seed")
_AMOUNTS = ("lease", "errors", "patience")


@dataclass(frozen=True, slots=True)
class Options:
    """``crowd``: threads in which people talk at the same time. ``errors``: the share of calls, of Slack's Web API and
    of the model, that go wrong. ``limits``: Slack's rate limits are on. ``patience``: seconds everything may take to
    come to rest at the end. ``mode``: how Slack reaches the processes; mixed is every third one over Socket Mode."""

    engine: Engine = "postgresql"
    mode: Mode = "mixed"
    turns: int = 300
    kills: int = 30
    deploys: int = 3
    pauses: int = 6
    restarts: int = 3
    drops: int = 6
    replicas: int = 3
    workspaces: int = 6
    crowd: int = 14
    lease: float = 15.0
    errors: float = 0.03
    limits: bool = False
    seed: int = 0
    patience: float = 180.0

    def full(self) -> Options:
        return replace(self, turns=2_000, kills=200, deploys=10, pauses=20, restarts=8, drops=30)

    def alone(self) -> Options:
        """One process on a SQLite file: there is no server to restart, and nobody who takes over."""
        return replace(self, engine="sqlite", replicas=1, restarts=0)

    def again(self) -> str:
        """The arguments that make this run again, as far as a schedule can."""
        given = [f"--{name} {getattr(self, name):g}" for name in (*_COUNTS, *_AMOUNTS)]
        return " ".join([f"--engine {self.engine} --mode {self.mode}", *given, *(["--limits"] if self.limits else [])])


def read_options(arguments: Sequence[str] | None = None) -> list[Options]:
    """The runs to make, one after the other. ``CHAOS`` in the environment holds more arguments."""
    plain = Options()
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="Break everything, then audit.")
    parser.add_argument("--engine", choices=("postgresql", "sqlite", "both"), default="both")
    parser.add_argument("--mode", choices=("mixed", "http", "socket"), default=plain.mode, help="how Slack reaches it")
    parser.add_argument("--full", action="store_true", help="2,000 turns and 200 kills")
    parser.add_argument("--limits", action="store_true", help="with Slack's rate limits")
    for name in _COUNTS:
        parser.add_argument(f"--{name}", type=int, help=f"default: {getattr(plain, name) or 'another one each time'}")
    for name in _AMOUNTS:
        parser.add_argument(f"--{name}", type=float, help=f"default: {getattr(plain, name):g}")
    given = parser.parse_args([*os.environ.get("CHAOS", "").split(), *(arguments or ())])
    base = replace(
        plain.full() if given.full else plain, limits=given.limits, mode=given.mode, seed=secrets.randbelow(10**6) + 1
    )
    named = {name: getattr(given, name) for name in (*_COUNTS, *_AMOUNTS)}
    named = {name: value for name, value in named.items() if value is not None}
    runs = {"postgresql": base, "sqlite": base.alone()}
    return [replace(run, **named) for engine, run in runs.items() if given.engine in (engine, "both")]
