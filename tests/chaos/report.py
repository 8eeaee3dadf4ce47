"""The table of a run."""

from __future__ import annotations

from collections.abc import Sequence

from tests.bench.figures import Figure, quantile, table
from tests.chaos.audit import KINDS
from tests.chaos.run import Result

_RESTART = 3.0  # seconds until a killed process on SQLite is ready again


def figures(result: Result) -> list[Figure]:
    found = result.found
    kinds = [blow.kind for blow in result.blows]
    shares = "; ".join(f"{name} {count}" for name, count in sorted(found.outcomes.items()))
    people = "; ".join(f"{name} {count}" for name, count in sorted(result.outcomes_of_people.items()))
    rows = [
        Figure("questions", result.counts["questions"], "", beside=f"in {result.counts['threads']} threads; {people}"),
        Figure("accepted", found.accepted, "", beside=shares),
        Figure("killed (SIGKILL)", sum(kind.startswith("killed") for kind in kinds), "",
               beside=f"{kinds.count('killed, away')} of them gone for longer than a lease"),
        Figure("frozen for longer than a lease", kinds.count("frozen"), ""),
        *(Figure(name, result.counts[name], "") for name in (
            "SIGTERM", "database crashes", "socket drops", "mishaps", "deliveries", "delivery attempts that failed",
            "ended by themselves", "model calls", "model calls repeated")),
    ]  # fmt: skip
    rows += [Figure(kind, len(found.wrong[kind]), "", 0) for kind in KINDS]
    rows.append(Figure("SIGTERM that did not end in time with 0", sum(end.code != 0 for end in result.ends), "", 0))
    rows += _times(result)
    if result.trouble:
        rows.append(Figure("trouble", len(result.trouble), "", 0, "; ".join(result.trouble)))
    return rows


def _times(result: Result) -> list[Figure]:
    options, rows = result.options, []
    if result.takeovers:
        limit = options.lease * 1.2
        rows.append(Figure("taken over by another process, median", quantile(result.takeovers, 0.5), "s"))
        rows.append(
            Figure("taken over by another process, at most", max(result.takeovers), "s", limit,
                   f"{len(result.takeovers)} lanes; a lease and a tick")
        )  # fmt: skip
    if result.resumptions:
        rows.append(Figure("taken up by the one started again, at most", max(result.resumptions), "s",
                           beside=f"{len(result.resumptions)} lanes"))  # fmt: skip
    if result.ends:
        rows.append(Figure("SIGTERM until ended, at most", max(end.seconds for end in result.ends), "s"))
    limited = _RESTART if options.engine == "sqlite" else None
    rows.append(Figure("start until ready, median", quantile(result.starts, 0.5), "s"))
    rows.append(Figure("start until ready, at most", max(result.starts), "s", limited, f"{len(result.starts)} starts"))
    waits = result.found.waits
    if waits:
        rows.append(Figure("question → whole answer, p50", quantile(waits, 0.5), "s"))
        rows.append(
            Figure("question → whole answer, p99", quantile(waits, 0.99), "s", beside=f"at most {max(waits):.1f} s")
        )
    return rows


def told(result: Result) -> str:
    """Everything about a run, as Markdown."""
    lines = [table(figures(result)), ""]
    for kind, texts in result.found.wrong.items():
        lines += [f"{kind}: {text}" for text in texts[:20]]
    if result.sins:
        lines.append("noted by the emulator: " + "; ".join(f"{name} {count}" for name, count in result.sins.items()))
    tries = "; ".join(f"{count} in {tries}" for tries, count in sorted(result.attempts.items()))
    lines += [
        f"turns by attempts: {tries}",
        f"{result.seconds:.0f} s; again: python -m tests.chaos {result.options.again()}",
    ]
    return "\n".join(lines)


def missed(rows: Sequence[Figure]) -> int:
    return sum(row.verdict == "MISSED" for row in rows)
