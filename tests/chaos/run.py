"""One run, from an empty database to the findings."""

from __future__ import annotations

import asyncio
import contextlib
import random
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.adapters.slack.conversing import is_final
from tests.chaos.audit import Audit, Findings, sign_of
from tests.chaos.crowd import Crowd, Home
from tests.chaos.database import TOKEN_KEY, Database, Owned, Postgresql, Sqlite
from tests.chaos.fleet import Fleet
from tests.chaos.mishaps import Mishaps, Model
from tests.chaos.options import Options
from tests.chaos.roads import Roads
from tests.chaos.timeline import timeline
from tests.chaos.trouble import Blow, End, Trouble
from tests.emulators.llm import LlmEmulator
from tests.emulators.slack import Slack

_LLM_SILENCE = 5.0
_PLENTY = 1_000_000_000


@dataclass(slots=True)
class Result:
    """Everything that the report tells."""

    options: Options
    found: Findings
    blows: list[Blow]
    ends: list[End]
    seconds: float
    counts: dict[str, int]
    outcomes_of_people: Counter[str]
    takeovers: list[float]
    resumptions: list[float]
    starts: list[float]
    attempts: Counter[int]
    sins: Counter[str]
    folder: str = ""
    trouble: list[str] = field(default_factory=list)


async def play(options: Options, keep: Path | None = None) -> Result:
    """Make the run. ``keep``: the folder for logs, kept; else a passing one."""
    with contextlib.ExitStack() as stack:
        folder = keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="parley-chaos-")))
        folder.mkdir(parents=True, exist_ok=True)
        return await _play(options, folder)


async def _play(options: Options, folder: Path) -> Result:
    rng = random.Random(options.seed)
    model = Model(random.Random(f"{options.seed} model"), options.errors)
    slack = Slack(rate_limits=options.limits, retry_factor=0.05)
    homes = [_furnish(slack, number) for number in range(options.workspaces)]
    llm = LlmEmulator(tpm=_PLENTY, rpd=_PLENTY, answer=model.answer)
    async with slack, llm, _database(options, folder) as database:
        await database.open(slack)
        fleet = Fleet(
            folder, options.replicas, _variables(options, slack, llm, database), slack.app_token, options.mode
        )
        slack.deliveries.carrier = Roads(slack, fleet, random.Random(f"{options.seed} roads"))
        trouble = Trouble(options, fleet, database, slack, rng)
        mishaps = Mishaps(slack, random.Random(f"{options.seed} mishaps"), options.errors)
        trouble.plan()

        def asking(number: int) -> None:
            trouble.strike(number)
            mishaps.strew()

        crowd = Crowd(slack, options, homes, asking, lambda: not trouble.is_behind)
        async with fleet.living():
            began = time.monotonic()
            await crowd.talk()
            await trouble.over()
            slack.faults.clear()
            rest = await _at_rest(slack, crowd, database, options.patience)
            seconds = time.monotonic() - began
            turns = await database.turns()
            journal = await database.journal()
            found = Audit(slack, model, crowd.threads, turns).run()
            (folder / "wrong").write_text(
                "\n".join(timeline(slack, *place, trouble.blows) for place in sorted(found.places))
            )
        takeovers, resumptions = _takeovers(journal, trouble.blows, database.away, fleet)
        return Result(
            options=options,
            found=found,
            blows=trouble.blows,
            ends=trouble.ends,
            seconds=seconds,
            counts={
                "questions": len(crowd.questions),
                "threads": len(crowd.threads),
                "SIGTERM": len(trouble.ends),
                "socket drops": trouble.drops,
                "database crashes": len(database.away),
                "mishaps": mishaps.count,
                "model calls": model.calls.total(),
                "model calls repeated": sum(count - 1 for count in model.calls.values()),
                "ended by themselves": sum(seat.ends for seat in fleet.seats),
                "deliveries": len(slack.deliveries.all),
                "delivery attempts that failed": sum(
                    attempt.outcome != "acked" for it in slack.deliveries.all for attempt in it.attempts
                ),
            },
            outcomes_of_people=crowd.done,
            takeovers=takeovers,
            resumptions=resumptions,
            starts=[after for seat in fleet.seats for after in seat.ready_after],
            attempts=Counter(turn.attempts for turn in turns),
            sins=Counter(sin.name for sin in slack.sins),
            folder=str(folder),
            trouble=[] if rest else ["it did not come to rest"],
        )


def _furnish(slack: Slack, number: int) -> Home:
    workspace = slack.home if number == 0 else slack.add_workspace(f"w{number}")
    people = tuple(slack.add_person(f"p{number}{name}", workspace=workspace) for name in "abc")
    channels = tuple(slack.add_channel(f"c{number}{name}", *people, workspace=workspace) for name in "xyz")
    assert workspace.installation is not None
    return Home(people, channels, workspace.installation.bot)


@contextlib.asynccontextmanager
async def _database(options: Options, folder: Path) -> AsyncIterator[Database]:
    database: Database = Postgresql(folder) if options.engine == "postgresql" else Sqlite(folder)
    try:
        yield database
    finally:
        await database.close()


def _variables(options: Options, slack: Slack, llm: LlmEmulator, database: Database) -> dict[str, str]:
    return {
        "SLACK_API_URL": slack.api_url,
        "SLACK_SIGNING_SECRET": slack.signing_secret,
        "SLACK_INSTALL": "many",
        "SLACK_CLIENT_ID": slack.app.client_id,
        "SLACK_CLIENT_SECRET": slack.app.client_secret,
        "SLACK_PUBLIC_URL": "https://parley.example.org",
        "SLACK_TOKEN_KEY": TOKEN_KEY,
        "SLACK_TIMEOUT": "3",
        "GROQ_API_KEY": llm.key,
        "LLM_BASE_URL": llm.url,
        "LLM_TIMEOUT": f"{_LLM_SILENCE:g}",
        "DATABASE_URL": database.url,
        "REPLICA_LEASE": f"{options.lease:g}",
        "SHUTDOWN_GRACE": "3",
        "LOG_FORMAT": "json",
    }


async def _at_rest(slack: Slack, crowd: Crowd, database: Database, patience: float) -> bool:
    """Everything is delivered, settled, final and without a sign, and stays so for a moment."""
    until = time.monotonic() + patience
    quiet = 0
    while quiet < 3:
        if time.monotonic() > until:
            return False
        await asyncio.sleep(0.5)
        done = all(delivery.done.is_set() for delivery in slack.deliveries.all)
        quiet = quiet + 1 if done and not await database.unsettled() and _is_still(slack, crowd) else 0
    return True


def _is_still(slack: Slack, crowd: Crowd) -> bool:
    if slack.open_streams():
        return False
    own = (it for channel in slack.state.channels.values() for it in slack.messages(channel) if it.app_id)
    if not all(is_final(message) for message in own if not message.tombstone):
        return False
    return not any(sign_of(slack, thread) for thread in crowd.threads)


def _takeovers(
    journal: list[Owned], blows: list[Blow], away: list[tuple[float, float]], fleet: Fleet
) -> tuple[list[float], list[float]]:
    """Seconds from a blow until somebody else had each conversation of the one it hit: (others, the same one again).

    Left out are those during which the database was away, and those that the dead one had let go of.
    """
    rows: dict[int, list[Owned]] = {}
    for row in journal:
        rows.setdefault(row.conversation, []).append(row)
    by_others: list[float] = []
    by_itself: list[float] = []
    for blow in blows:
        for owned in rows.values():
            before = [row for row in owned if row.at <= blow.at]
            if not blow.name or not before or before[-1].owner != blow.name:
                continue
            after = next((row for row in owned if row.at > blow.at and row.owner != blow.name), None)
            if after is None or not after.owner or any(a < after.at and b > blow.at for a, b in away):
                continue
            seat = fleet.seat_of(after.owner)
            (by_itself if seat is not None and seat.name == blow.seat else by_others).append(after.at - blow.at)
    return by_others, by_itself
