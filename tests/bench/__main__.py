"""``python -m tests.bench [NAME ...]``: prints the table; exit code 1 when a figure misses what it has to reach."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

from tests.bench import crowd, latency, memory, processor, start
from tests.bench.figures import Figure, machine, table

MEASURES: dict[str, Callable[[], list[Figure]]] = {
    "latency": latency.measure,
    "processor": processor.measure,
    "crowd": crowd.measure,
    "memory": memory.measure,
    "start": start.measure,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("name", nargs="*", help=f"what to measure: {', '.join(MEASURES)}; all when left out")
    names: list[str] = parser.parse_args().name or list(MEASURES)
    if unknown := [name for name in names if name not in MEASURES]:
        parser.error(f"unknown: {', '.join(unknown)}")
    print(machine(), "\n", sep="", flush=True)
    began = time.monotonic()
    figures: list[Figure] = []
    for name in names:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        figures += MEASURES[name]()
    print(table(figures))
    missed = [figure.name for figure in figures if figure.verdict == "MISSED"]
    print(f"\n{len(missed)} missed, {time.monotonic() - began:.0f} s")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
