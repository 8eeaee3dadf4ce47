"""Deploys under load, and clocks that are wrong: processes on one PostgreSQL go and come one after the other while
people ask, and nothing is lost or doubled.

Real processes beside strict platforms; each is asked to end with SIGTERM, as a deploy does it.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import json
import signal
import sys
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.adapters.discord import conversing as discord_words
from tests.adapters.slack.conversing import is_final, markdown
from tests.emulators.discord import Channel, Discord
from tests.emulators.discord import Message as DiscordMessage
from tests.emulators.llm import LlmEmulator, Script
from tests.emulators.slack import Delivery, Message, Slack
from tests.emulators.slack.deliveries import Carried
from tests.postgres import Server
from tests.stories.process import Process, environment, running

GRACE = 8.0
SLACKNESS = 15.0  # seconds that a process may take beyond its grace, on a machine that is slow and shared
PATIENCE = 60.0
LONG = "One sentence after another, calmly. " * 20
SKEWED = """
import sys, time
right = time.time
time.time = lambda: right() + ({seconds})
from bot.cli import main
sys.exit(main(["run"]))
"""

ENDLESS = """
import asyncio, sys
import bot.wiring
from bot.cli import main
from bot.desk import Bot

async def never(self, grace):
    await asyncio.Event().wait()

Bot.drain, bot.wiring._LONGEST_END = never, 0.5
sys.exit(main(["run"]))
"""


class Balancer:
    """Gives each event to the next process in turn, also to one that is going or gone: it learns that by failing."""

    def __init__(self, slack: Slack) -> None:
        self._slack, self._turn = slack, itertools.count()
        self._http = slack.use_http("http://127.0.0.1:9/slack/events")
        self.doors: list[str] = []

    async def carry(self, delivery: Delivery, number: int, reason: str) -> Carried:
        self._http.url = f"{self.doors[next(self._turn) % len(self.doors)]}/slack/events"
        return await self._http.carry(delivery, number, reason)


@dataclass
class Seat:
    """Where a process lives, and its successors."""

    folder: Path
    variables: dict[str, str]
    program: tuple[str, ...] = ()
    now: Process | None = None
    _life: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)

    async def start(self) -> Process:
        self.folder.mkdir(exist_ok=True)
        self._life = contextlib.AsyncExitStack()
        self.now = await self._life.enter_async_context(running(self.folder, *self.program, **self.variables))
        return self.now

    async def end(self) -> None:
        """As a deploy does it: it ends well, and in time."""
        assert self.now is not None
        began = time.monotonic()
        assert (await self.now.end(signal.SIGTERM)).code == 0
        assert time.monotonic() - began < GRACE + SLACKNESS
        await self.close()

    async def close(self) -> None:
        await self._life.aclose()
        self.now = None


@contextlib.asynccontextmanager
async def seats(*them: Seat) -> AsyncIterator[Sequence[Seat]]:
    try:
        for seat in them:
            await seat.start()
        yield them
    finally:
        for seat in them:
            await seat.close()


def variables(llm: LlmEmulator, url: str, **more: str) -> dict[str, str]:
    given = {"GROQ_API_KEY": llm.key, "LLM_BASE_URL": llm.url, "DATABASE_URL": url}
    return {**given, "REPLICA_LEASE": "5", "SHUTDOWN_GRACE": f"{GRACE}", **more}


async def keeps_asking(slack: Slack, asked: list[Message], until: asyncio.Event) -> None:
    """A question every moment, each third one in a thread that is there already."""
    for number in itertools.count():
        thread = asked[-2].thread_ts or asked[-2].ts if number % 3 == 2 else None
        asked.append(await slack.says("ada", slack.general, f"<@{slack.bot.id}> question {number}", thread))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.8):
                await until.wait()
        if until.is_set():
            return


async def until_at_rest(process: Process) -> None:
    """Everything that was accepted, wherever, is settled."""
    async with httpx.AsyncClient(base_url=process.url, trust_env=False) as http, asyncio.timeout(PATIENCE):
        while "\nparley_unanswered 0" not in (await http.get("/metrics")).text:
            await asyncio.sleep(0.2)


def is_longer(asked: list[Message], than: int) -> bool:
    return len(asked) > than


def is_quiet(slack: Slack, thread: str) -> bool:
    return slack.status(slack.general, thread) == ""


@pytest.mark.parametrize("mode", ["http", "socket"])
async def test_a_rolling_restart_under_load_loses_and_doubles_nothing(
    mode: str, tmp_path: Path, llm: LlmEmulator, postgresql: Server
) -> None:
    llm.default = Script(text=LONG, rate=150)
    async with Slack() as slack, postgresql.database() as url:
        given = variables(llm, url, **slack.environment())
        if mode == "http":
            balancer = Balancer(slack)
            slack.deliveries.carrier = balancer
            given |= {"SLACK_MODE": "http", "SLACK_APP_TOKEN": ""}
        async with seats(*(Seat(tmp_path / name, given) for name in ("one", "two", "three"))) as fleet:
            if mode == "http":
                balancer.doors = [seat.now.url for seat in fleet if seat.now is not None]
            asked: list[Message] = []
            enough = asyncio.Event()
            asking = asyncio.create_task(keeps_asking(slack, asked, enough))
            for number, seat in enumerate(fleet):
                await slack.until(functools.partial(is_longer, asked, len(asked) + 4), PATIENCE)
                await seat.end()
                process = await seat.start()
                if mode == "http":
                    balancer.doors[number] = process.url
            enough.set()
            await asking
            await slack.settled()
            threads = {message.thread_ts or message.ts for message in asked}

            def is_answered(thread: str) -> bool:
                replies = slack.replies(slack.general, thread)
                return bool(replies) and all(is_final(it) and markdown(it) == LONG.strip() for it in replies)

            try:
                await slack.until(lambda: all(map(is_answered, threads)), PATIENCE)
            except TimeoutError:
                told = {it: [markdown(reply)[-40:] for reply in slack.replies(slack.general, it)] for it in threads}
                pytest.fail(f"there stands {told}")
            assert fleet[0].now is not None
            await until_at_rest(fleet[0].now)
            failed = [delivery.event for delivery in slack.deliveries.all if not delivery.acked]
            assert failed == []
            for thread in threads:
                questions = [it for it in asked if (it.thread_ts or it.ts) == thread]
                answers = slack.replies(slack.general, thread)
                # Questions that wait for the same answer get one together.
                assert 1 <= len(answers) <= len(questions), [markdown(it) for it in answers]
                await slack.until(functools.partial(is_quiet, slack, thread), PATIENCE)
        assert slack.open_streams() == []
        # What one process is refused, the next learns by itself.
        expected = {"called_while_limited"}
        if mode == "http":  # a door that was closing was asked once more
            expected.add("not_acknowledged")
        assert {sin.name for sin in slack.sins} <= expected, slack.sins


async def test_each_shard_of_discord_can_be_restarted_by_itself_and_nothing_said_meanwhile_is_missed(
    tmp_path: Path, llm: LlmEmulator, postgresql: Server
) -> None:
    llm.default = Script(text="Here.", rate=50)
    async with Discord() as discord, postgresql.database() as url:
        places: dict[int, Channel] = {}
        while len(places) < 2:
            guild = discord.add_guild(f"guild {len(places)}")
            places.setdefault((int(guild.id) >> 22) % 2, discord.add_channel("lobby", guild=guild))
        asked: list[DiscordMessage] = []

        async def asks() -> None:
            for place in places.values():
                asked.append(await discord.says("ada", place, f"<@{discord.bot.id}> question {len(asked)}"))

        def answered() -> bool:
            return all(len(replies(it)) == 1 and discord_words.is_final(replies(it)[0]) for it in asked)

        def replies(question: DiscordMessage) -> list[DiscordMessage]:
            found = discord.replies(question.thread) if question.thread is not None else []
            return [it for it in found if it.kind != discord_words.STARTER]

        given = variables(llm, url, **discord.environment(), DISCORD_SHARD_COUNT="2")
        fleet = [Seat(tmp_path / f"shard{it}", {**given, "DISCORD_SHARD_IDS": f"{it}"}) for it in (0, 1)]
        try:
            for seat in fleet:
                await seat.start()
                discord.advance(5.5)  # Discord grants a new session every five seconds
            await discord.connected(2)
            await asks()
            await discord.until(answered, PATIENCE)
            for seat in fleet:
                await seat.end()
                await asks()
                discord.advance(5.5)
                await seat.start()
                await asks()
            await discord.until(answered, PATIENCE)
        finally:
            for seat in fleet:
                await seat.close()
        ever = [it for question in asked if question.thread for it in question.thread.messages.values()]
        assert len([it for it in ever if it.author is discord.bot and it.kind != discord_words.STARTER]) == len(asked)
        assert discord.sins == []


async def test_processes_whose_clocks_are_an_hour_off_neither_steal_nor_lose(
    tmp_path: Path, llm: LlmEmulator, postgresql: Server
) -> None:
    async with Slack() as slack, postgresql.database() as url:
        given = variables(llm, url, **slack.environment()) | {"REPLICA_LEASE": "3"}
        behind, ahead = (
            Seat(tmp_path / name, given, ("-c", SKEWED.format(seconds=seconds)))
            for name, seconds in (("behind", -3_600), ("ahead", 3_600))
        )

        async def asks(text: str) -> Message:
            return await slack.says("ada", slack.general, f"<@{slack.bot.id}> {text}")

        async def is_answered(root: Message, text: str) -> Message:
            def done() -> bool:
                found = slack.replies(slack.general, root.ts)
                return len(found) == 1 and is_final(found[0]) and markdown(found[0]) == text

            await slack.until(done, PATIENCE)
            return slack.replies(slack.general, root.ts)[0]

        # Longer than two leases: whoever goes by its own clock would take it over, or give it up.
        llm.default = Script(text=LONG, rate=15)
        async with seats(behind):
            first = await asks("to the one behind")
            await slack.until(lambda: slack.replies(slack.general, first.ts), PATIENCE)
            async with seats(ahead):
                await is_answered(first, LONG.strip())
                assert len(llm.seen) == 1
        async with seats(ahead):
            second = await asks("to the one ahead")
            await slack.until(lambda: slack.replies(slack.general, second.ts), PATIENCE)
            async with seats(behind):
                await is_answered(second, LONG.strip())
                assert len(llm.seen) == 2
        # And what a dead process leaves, it takes over, in the same message.
        llm.default = Script(text=LONG, rate=2)
        async with seats(behind):
            left = await asks("to one that dies")
            await slack.until(lambda: slack.replies(slack.general, left.ts), PATIENCE)
            (begun,) = slack.replies(slack.general, left.ts)
            async with seats(ahead):
                assert behind.now is not None
                await behind.now.end(signal.SIGKILL)
                llm.default = Script(text="Taken over.")
                assert (await is_answered(left, "Taken over.")).ts == begun.ts
        assert slack.sins == []


async def test_a_process_that_cannot_end_says_what_it_waits_for_and_gives_itself_up(tmp_path: Path) -> None:
    """Whatever the cause: nobody is kept waiting, and the next start takes up what was left, as after a crash."""
    given = environment({"SHUTDOWN_GRACE": "0.5", "LOG_FORMAT": "json"})
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", ENDLESS, cwd=tmp_path, env=given,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE):
        assert (await process.stdout.readline()).startswith(b"ready ")
        process.send_signal(signal.SIGTERM)
        _, told = await process.communicate()
    assert process.returncode == 1
    last = json.loads(told.splitlines()[-1])
    assert last["level"] == "critical"
    assert any("bot/wiring.py" in place and "<string>" in place for place in last["at"]), last
