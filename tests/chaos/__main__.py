"""``python -m tests.chaos [--full] …``: prints the counts of each run; exit code 1 when anything is wrong.

The seed repeats the schedule: what is asked, what breaks and at which question. What meets what in which millisecond
is the machine's.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from tests.bench.figures import machine
from tests.chaos.options import Options, read_options
from tests.chaos.report import figures, missed, told
from tests.chaos.run import Result, play


def main() -> int:
    runs = read_options(sys.argv[1:])
    print(machine(), "\n", sep="", flush=True)
    wrong = 0
    for options in runs:
        print(f"{options.engine}: {options.again()}", file=sys.stderr, flush=True)
        result = _played(options)
        print(f"{options.engine}, {options.replicas} at a time, lease {options.lease:g} s, seed {options.seed}\n")
        print(told(result), "\n", sep="", flush=True)
        wrong += missed(figures(result))
    print(f"{wrong} missed")
    return 1 if wrong else 0


def _played(options: Options) -> Result:
    import uvloop

    kept = os.environ.get("CHAOS_FOLDER")
    folder = Path(kept) / f"{options.engine}-{options.seed}" if kept else None
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(play(options, folder))


if __name__ == "__main__":
    sys.exit(main())
