"""Several processes on one PostgreSQL: each message has its one outcome, whichever of them dies, freezes or leaves.

Real processes beside a strict Slack, which sends what happens to the one that a story names.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from bot.storage import open_store
from tests.adapters.discord import conversing as discord_words
from tests.adapters.slack.conversing import is_final, markdown, under
from tests.emulators.discord import Discord
from tests.emulators.discord import Message as DiscordMessage
from tests.emulators.llm import LlmEmulator, Script
from tests.emulators.slack import Message, Slack
from tests.postgres import Cluster, Server
from tests.stories.process import Process, running

LEASE = 8.0  # seconds; a shared machine may stand still for some
SLACKNESS = 5.0  # seconds beyond the lease
PATIENCE = 45.0  # seconds: a lease and a tick, on a machine that is slow and shared
LONG = "One sentence after another, calmly. " * 60
SLOW = Script(text=LONG, rate=15)  # half a minute: long enough on any machine
WHOLE = "The whole answer, from its first word to its last."
FREEZING = """
import os, signal, sys
from bot.cli import main
from bot.storage import turns
queue = turns._queue
def freeze(connection, turn, *more):
    if "freeze" in turn.text:
        turns._queue = queue  # once
        os.kill(os.getpid(), signal.SIGSTOP)
    return queue(connection, turn, *more)
turns._queue = freeze
sys.exit(main(["run"]))
"""


@dataclass
class Town:
    """One Slack, one provider, one database; processes come and go. ``heard_by`` is the one that Slack sends to."""

    slack: Slack
    llm: LlmEmulator
    database: str
    folder: Path

    @contextlib.asynccontextmanager
    async def replica(self, name: str, *program: str, **variables: str) -> AsyncIterator[Process]:
        folder = self.folder / name
        folder.mkdir()
        given = {
            **self.slack.environment(),
            "SLACK_MODE": "http",
            "SLACK_APP_TOKEN": "",
            "GROQ_API_KEY": self.llm.key,
            "LLM_BASE_URL": self.llm.url,
            "DATABASE_URL": self.database,
            "REPLICA_LEASE": f"{LEASE}",
            "SHUTDOWN_GRACE": "5",
            **variables,
        }
        before = await self._heard()
        async with running(folder, *program, **given) as process:
            # It reads what was written meanwhile, and could be the first to hear a question that is put to another one.
            async with asyncio.timeout(PATIENCE):
                while await self._heard() == before:
                    await asyncio.sleep(0.05)
            yield process

    async def _heard(self) -> str:
        """Who wrote last that everything is heard; the times in it are whole seconds."""
        door = await asyncpg.connect(self.database)
        try:
            noted = "SELECT xmin::text FROM shelf WHERE platform = 'slack' AND kind = 'heard'"
            return str(await door.fetchval(noted))
        finally:
            await door.close()

    def hears(self, process: Process) -> None:
        """What happens from now on is sent to this process."""
        assert self.slack.webhooks is not None
        self.slack.webhooks.url = f"{process.url}/slack/events"

    async def asks(self, text: str, thread: str | None = None) -> Message:
        return await self.slack.says("ada", self.slack.general, f"<@{self.slack.bot.id}> {text}", thread)

    def replies(self, root: Message) -> list[Message]:
        return self.slack.replies(root.channel, root.thread_ts or root.ts)

    def texts(self, root: Message) -> list[str]:
        return [markdown(message) for message in self.replies(root)]

    async def begun(self, root: Message, number: int = 1) -> Message:
        """The reply, once some of its text can be seen."""
        await self.until(lambda: len(self.replies(root)) >= number and markdown(self.replies(root)[number - 1]))
        return self.replies(root)[number - 1]

    async def answered(self, root: Message, text: str, number: int = 1) -> Message:
        def done() -> bool:
            found = self.replies(root)[number - 1 : number]
            return bool(found) and markdown(found[0]) == text and is_final(found[0])

        try:
            await self.until(done)
        except TimeoutError:
            pytest.fail(f"the thread reads {self.texts(root)!r}, sins {self.slack.sins}")
        return self.replies(root)[number - 1]

    async def begins(self, process: Process, text: str) -> Message:
        """Ask in this process; the question, once some of the answer can be seen."""
        self.hears(process)
        root = await self.asks(text)
        await self.begun(root)
        return root

    async def tells(self, words: str, root: Message) -> None:
        await self.slack.says("ada", self.slack.general, f"<@{self.slack.bot.id}> {words}", root.ts)
        await self.slack.settled()

    async def is_done(self, root: Message, number: int = 1) -> None:
        await self.until(lambda: is_final(self.replies(root)[number - 1]))

    def notes(self, root: Message) -> str:
        """What stands below the text of the first reply."""
        found = [block for block in under(self.replies(root)[0]) if block["type"] == "context"]
        return " ".join(element["text"] for block in found for element in block["elements"])

    async def until(self, holds: Any) -> None:
        await self.slack.until(holds, PATIENCE)


def is_frozen(process: Process) -> bool:
    """It has been stopped by a signal (state T in /proc)."""
    return Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


@pytest_asyncio.fixture
async def town(tmp_path: Path, llm: LlmEmulator, postgresql: Server) -> AsyncIterator[Town]:
    async with Slack() as slack, postgresql.database() as database:
        slack.use_http("http://127.0.0.1:9/slack/events")
        yield Town(slack, llm, database, tmp_path)


async def test_killed_in_the_middle_of_an_answer_another_process_completes_the_same_message(town: Town) -> None:
    town.llm.scripts.append(SLOW)
    town.llm.default = Script(text=WHOLE)
    async with town.replica("one") as one, town.replica("two") as two:
        town.hears(one)
        root = await town.asks("tell me")
        begun = await town.begun(root)
        await one.end(signal.SIGKILL)
        town.hears(two)
        waiting = await town.asks("and this?", root.ts)
        reply = await town.answered(root, WHOLE)
        assert reply.ts == begun.ts
        await town.answered(waiting, WHOLE, 2)
        assert await two.outcomes(2) == {"answered": 2}
    assert len(town.replies(root)) == 2
    assert len(town.llm.seen) == 3
    assert "update_of_streaming_message" not in town.slack.sin_names  # the open stream was ended first


async def test_what_is_told_to_two_processes_is_carried_out_and_told_once(town: Town) -> None:
    def told() -> list[str]:
        return [notice.text for notice in town.slack.ephemerals("ada")]

    async with (
        town.replica("one", USER_TURNS_PER_MINUTE="1") as one,
        town.replica("two", USER_TURNS_PER_MINUTE="1") as two,
    ):
        town.hears(one)
        root = await town.asks("tell me")
        await town.begun(root)
        for words in ("!set temperature 0.3", "!help", "one too many"):
            await town.tells(words, root)
        town.hears(two)
        for delivery in list(town.slack.deliveries.all):
            town.slack.deliveries.repeat(delivery)
        await town.slack.settled()
        await town.is_done(root)
        assert {**await one.outcomes(1), **await two.outcomes()} == {"answered": 1}
    assert ["`temperature`" in text for text in told()] == [True, False, False]
    assert ["a lot of questions" in text for text in told()] == [False, False, True]
    assert len(town.llm.seen) == 1


async def test_frozen_for_longer_than_its_lease_a_process_writes_nothing_into_what_was_taken_over(town: Town) -> None:
    town.llm.scripts.append(SLOW)
    town.llm.default = Script(text=WHOLE)
    async with town.replica("one") as one, town.replica("two") as two:
        town.hears(one)
        root = await town.asks("tell me")
        begun = await town.begun(root)
        one.handle.send_signal(signal.SIGSTOP)
        reply = await town.answered(root, WHOLE)
        sights = len(reply.sights)
        one.handle.send_signal(signal.SIGCONT)
        second = await town.asks("and now?", root.ts)  # it lives again, under another name
        await town.answered(second, WHOLE, 2)
        assert reply.ts == begun.ts
        assert len(reply.sights) == sights
        assert len(town.replies(root)) == 2
        assert "stopped" not in await one.outcomes()
        assert (await two.outcomes(1))["answered"] >= 1


async def test_frozen_while_it_looks_for_a_post_that_may_have_arrived_a_process_posts_nothing_after_the_take_over(
    town: Town,
) -> None:
    def looks() -> bool:
        return any("include_all_metadata" in call.args for call in town.slack.calls_of("conversations.replies"))

    async with town.replica("one") as one, town.replica("two") as two:
        town.hears(one)
        town.llm.scripts.append(SLOW)
        town.llm.default = Script(text=WHOLE)
        town.slack.fault("chat.startStream", status=503)
        town.slack.latency(4.0, "conversations.replies")  # the second half is for the answer
        root = await town.asks("tell me")
        await town.until(looks)
        one.handle.send_signal(signal.SIGSTOP)
        town.slack.latency(0.0, "conversations.replies")
        town.hears(two)
        await town.answered(root, WHOLE)
        one.handle.send_signal(signal.SIGCONT)
        town.hears(one)
        await town.answered(await town.asks("and now?", root.ts), WHOLE, 2)
        assert town.texts(root) == [WHOLE] * 2
        assert town.slack.open_streams() == []


async def test_a_post_of_a_killed_process_that_arrives_after_the_answer_of_another_does_not_stay(town: Town) -> None:
    town.llm.default = Script(text=WHOLE)
    async with town.replica("one") as one, town.replica("two") as two:
        town.hears(one)
        late = town.slack.fault("chat.postMessage", delay=LEASE + SLACKNESS + 2.0)
        root = await town.asks("tell me")
        await town.until(lambda: late.hits)
        await one.end(signal.SIGKILL)
        town.hears(two)
        reply = await town.answered(root, WHOLE)
        await town.until(lambda: len(town.replies(root)) == 2)
        await town.until(lambda: len(town.replies(root)) == 1)
        assert town.replies(root) == [reply]
        assert town.slack.open_streams() == []


async def test_frozen_while_its_thread_is_made_a_process_writes_nothing_into_the_answer_of_another_on_discord(
    tmp_path: Path, llm: LlmEmulator, postgresql: Server
) -> None:
    async with Discord() as discord, postgresql.database() as database:
        given = {
            **discord.environment(),
            "GROQ_API_KEY": llm.key,
            "LLM_BASE_URL": llm.url,
            "DATABASE_URL": database,
            "REPLICA_LEASE": f"{LEASE}",
            "DISCORD_SHARD_COUNT": "2",
        }
        shard = (int(discord.home.id) >> 22) % 2

        def replica(name: str, shard: int) -> contextlib.AbstractAsyncContextManager[Process]:
            (tmp_path / name).mkdir()
            discord.advance(5.5)  # Discord grants a new session every five seconds
            return running(tmp_path / name, **given, DISCORD_SHARD_IDS=f"{shard}")

        def replies() -> list[DiscordMessage]:
            return (
                [it for it in discord.replies(root.thread) if it.kind != discord_words.STARTER] if root.thread else []
            )

        def answered(number: int) -> bool:
            return len(replies()) == number and discord_words.is_final(replies()[-1])

        async with replica("one", shard) as one, replica("two", 1 - shard):
            await discord.connected(2)
            llm.scripts.append(SLOW)
            llm.default = Script(text=WHOLE)
            discord.latency(4.0, "thread_from_message")  # the second half is for the answer
            root = await discord.says("ada", discord.general, f"<@{discord.bot.id}> tell me")
            await discord.until(lambda: root.thread, PATIENCE)
            one.handle.send_signal(signal.SIGSTOP)
            await discord.until(lambda: answered(1), PATIENCE)
            one.handle.send_signal(signal.SIGCONT)
            assert root.thread is not None
            await discord.says("ada", root.thread, "and now?")
            await discord.until(lambda: answered(2), PATIENCE)
            assert {sight.content for sight in replies()[0].sights} == {WHOLE}
            assert [discord_words.words(it) for it in replies()] == [WHOLE] * 2


async def test_frozen_between_two_statements_a_process_keeps_its_conversation_locked_no_longer_than_its_lease(
    town: Town,
) -> None:
    town.llm.scripts.append(SLOW)
    town.llm.default = Script(text=WHOLE)
    async with town.replica("one", "-c", FREEZING) as one, town.replica("two"):
        root = await town.begins(one, "tell me")
        begun = town.replies(root)[0]
        await town.asks("freeze", root.ts)
        await town.until(lambda: is_frozen(one))
        began = time.monotonic()
        await town.until(lambda: len(town.llm.seen) == 2)
        assert time.monotonic() - began < LEASE + SLACKNESS
        assert (await town.answered(root, WHOLE)).ts == begun.ts
        one.handle.send_signal(signal.SIGCONT)


async def test_told_to_go_a_process_hands_over_at_once_and_does_not_wait_for_its_lease(town: Town) -> None:
    town.llm.scripts.append(SLOW)
    town.llm.default = Script(text=WHOLE)
    names = {"REPLICA_LEASE": "300", "SHUTDOWN_GRACE": "0.1"}
    async with town.replica("two", **names) as two:
        async with town.replica("one", **names) as one:
            town.hears(one)
            root = await town.asks("tell me")
            begun = await town.begun(root)
        assert (await town.answered(root, WHOLE)).ts == begun.ts
        assert await two.outcomes(1) == {"answered": 1}
    assert len(town.llm.seen) == 2


async def test_what_people_do_reaches_the_process_that_writes_the_answer(town: Town) -> None:
    async with town.replica("one") as one, town.replica("two") as two:
        # A person stops it.
        town.llm.scripts.append(SLOW)
        stopped = await town.begins(one, "tell me")
        town.hears(two)
        await town.tells("stop", stopped)
        await town.is_done(stopped)
        assert "Stopped." in town.notes(stopped)
        assert len(town.texts(stopped)[0]) < len(LONG) / 2

        # The question reads differently.
        town.llm.scripts.extend([SLOW, Script(text="To the new words.")])
        edited = await town.begins(one, "a question")
        town.hears(two)
        await town.slack.edits("ada", edited, edited.text + " with more words")
        await town.answered(edited, "To the new words.")

        # The question is taken back.
        town.llm.scripts.append(SLOW)
        deleted = await town.begins(one, "a mistake")
        town.hears(two)
        await town.slack.deletes("ada", deleted)
        await town.until(lambda: not town.replies(deleted))

        # A newer question interrupts it, where that is the setting; or is turned away.
        town.llm.scripts.append(SLOW)
        interrupted = await town.begins(one, "first")
        town.hears(two)
        await town.tells("!set busy interrupt", interrupted)
        town.llm.scripts.append(SLOW)
        second = await town.asks("second", interrupted.ts)
        await town.until(lambda: len(town.replies(second)) == 2 and town.texts(second)[1])
        assert "Stopped for a newer question." in town.notes(interrupted)
        await town.tells("!set busy ignore", interrupted)
        await town.asks("third", interrupted.ts)
        await town.until(lambda: [n for n in town.slack.ephemerals("ada") if "still answering" in n.text])
        await town.tells("stop", interrupted)
        await town.is_done(interrupted, 2)
    assert len(town.replies(interrupted)) == 2


async def test_a_setting_changed_in_another_process_counts_for_the_next_answer(town: Town) -> None:
    async with town.replica("one", REPLICA_LEASE="300") as one, town.replica("two", REPLICA_LEASE="300") as two:
        root = await town.begins(one, "one")
        await town.answered(root, town.llm.default.text)
        town.hears(two)
        await town.tells("!set temperature 0.3", root)
        town.hears(one)

        async def counts() -> bool:
            await town.answered(await town.asks("and?", root.ts), town.llm.default.text, len(town.replies(root)) + 1)
            return bool(town.llm.seen[-1].body.get("temperature") == 0.3)

        async with asyncio.timeout(PATIENCE):  # the signal comes a moment after the command's answer
            while not await counts():
                pass


async def test_processes_together_write_no_more_than_slack_allows(town: Town) -> None:
    """More people ask at once than may be answered at once; each process would have believed the minute its own."""
    crowd, text = 30, "One sentence after another, calmly. " * 12
    town.llm.default = Script(text=text, rate=60)
    async with town.replica("one", REPLICA_LEASE="15") as one, town.replica("two", REPLICA_LEASE="15") as two:
        roots = []
        for number in range(crowd):
            town.hears((one, two)[number % 2])
            roots.append(await town.asks(f"question {number}"))
            await town.slack.settled()
        await town.slack.until(lambda: all(map(town.replies, roots)), 2 * PATIENCE)
        for root in roots:
            await town.answered(root, text.strip())
            assert len(town.replies(root)) == 1
        async with asyncio.timeout(PATIENCE):
            while sum(map(Counter.total, told := [Counter(await it.outcomes()) for it in (one, two)])) < crowd:
                await asyncio.sleep(0.05)
    assert told[0] + told[1] == {"answered": crowd}
    assert all(told), "both have answered; what one takes too long to acknowledge is told to the other"
    assert [call.method for call in town.slack.calls if call.outcome == "ratelimited"] == []
    assert town.slack.sins == []


# --- the database away


def silent(cluster: Cluster) -> contextlib.AbstractContextManager[None]:
    """The server keeps its connections and answers nothing."""
    assert cluster.process is not None
    found = subprocess.run(["pgrep", "-P", str(cluster.process.pid)], capture_output=True, text=True, check=True)
    return frozen(cluster.process.pid, *map(int, found.stdout.split()))


@contextlib.contextmanager
def frozen(*pids: int) -> Iterator[None]:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    """A server of this story's own, which keeps what it has committed when it crashes."""
    it = await asyncio.to_thread(Cluster.make)
    try:
        await asyncio.to_thread(it.start)
        yield it
    finally:
        await asyncio.to_thread(it.remove)


@pytest_asyncio.fixture
async def own_town(tmp_path: Path, llm: LlmEmulator, cluster: Cluster) -> AsyncIterator[Town]:
    assert cluster.server is not None
    door = await asyncpg.connect(cluster.server.url("postgres"))
    await door.execute("CREATE DATABASE town")
    await door.execute("ALTER DATABASE town SET synchronous_commit = on")
    await door.close()
    store, _ = await open_store(cluster.server.url("town"), tmp_path)
    await store.close()
    async with Slack() as slack:
        slack.use_http("http://127.0.0.1:9/slack/events")
        yield Town(slack, llm, cluster.server.url("town"), tmp_path)


async def test_while_the_database_is_away_slack_is_told_to_send_again_and_nothing_more_is_written(
    own_town: Town, cluster: Cluster
) -> None:
    town = own_town
    town.llm.scripts.append(Script(text=LONG, rate=15))
    town.llm.default = Script(text=WHOLE)
    async with town.replica("one") as one:
        root = await town.begins(one, "tell me")
        reply = town.replies(root)[0]
        await asyncio.to_thread(cluster.end, signal.SIGQUIT)
        late = await town.asks("and this?", root.ts)
        await town.slack.settled()
        delivery = next(d for d in reversed(town.slack.deliveries.all) if d.event.get("ts") == late.ts)
        assert not delivery.acked
        await asyncio.sleep(LEASE * 1.2)
        sights = len(reply.sights)
        await asyncio.sleep(LEASE)
        assert len(reply.sights) == sights
        await asyncio.to_thread(cluster.start)
        await town.answered(root, WHOLE)
        assert town.replies(root)[0].ts == reply.ts

        async def taken() -> bool:
            again = town.slack.deliveries.repeat(delivery)
            await again.done.wait()
            return again.acked

        async with asyncio.timeout(PATIENCE):
            while not await taken():
                pass
        await town.answered(late, WHOLE, 2)
        assert await one.outcomes(2) == {"answered": 2}


async def test_a_database_that_restarts_within_the_lease_costs_a_running_answer_nothing(
    own_town: Town, cluster: Cluster
) -> None:
    town = own_town
    town.llm.scripts.append(Script(text=LONG, rate=120))
    async with town.replica("one", REPLICA_LEASE="120") as one:
        root = await town.begins(one, "tell me")
        await asyncio.to_thread(cluster.end, signal.SIGQUIT)
        await asyncio.to_thread(cluster.start)
        await town.answered(root, LONG.strip())
        assert await one.outcomes(1) == {"answered": 1}
    assert len(town.llm.seen) == 1
    assert town.notes(root) == ""


async def test_told_to_go_while_the_database_says_nothing_a_process_ends_well_and_soon(
    own_town: Town, cluster: Cluster
) -> None:
    """With every surface: each has something to write down at the end."""
    town = own_town
    own = {"SHUTDOWN_GRACE": "1", "WEB_ENABLED": "true"}
    async with Discord() as discord, town.replica("one", **own, **discord.environment()) as one:
        for number in range(20):
            channel = discord.add_channel(f"channel {number}")
            await discord.says("ada", channel, f"<@{discord.bot.id}> hello")
        await one.outcomes(20)
        town.llm.scripts.append(SLOW)
        await town.begins(one, "tell me")
        with silent(cluster):
            await town.asks("and this?")
            began = time.monotonic()
            ended = await one.end(signal.SIGTERM)
            assert ended.code == 0, ended.told
            assert time.monotonic() - began < 30  # seconds, after which who runs it would kill it
