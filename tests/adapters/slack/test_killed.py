"""``kill -9`` at any moment, then a new process: one answer, in the message that was begun, and no sign left behind."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.adapters.slack.conversing import buttons, is_final, markdown
from tests.emulators.llm import LlmEmulator, Script
from tests.emulators.slack import Channel, Message, Slack
from tests.stories.process import Process, running

PATIENCE = 60.0
WHOLE = ("This is said once, whatever happens in between. " * 12).rstrip()


@dataclass
class Stage:
    """A Slack and a provider that outlive the bot's processes."""

    slack: Slack
    llm: LlmEmulator
    folder: Path

    @contextlib.asynccontextmanager
    async def bot(self, *program: str, **more: str) -> AsyncIterator[Process]:
        variables = self.slack.environment() | {
            "DATA_DIR": str(self.folder / "data"),
            "GROQ_API_KEY": self.llm.key,
            "LLM_BASE_URL": self.llm.url,
            "SHUTDOWN_GRACE": "1",
        }
        async with running(self.folder, *program, **(variables | more)) as process:
            await self.slack.connected()
            yield process

    def replies(self, root: Message) -> list[Message]:
        return self.slack.replies(root.channel, root.ts)

    async def until(self, holds: object) -> None:
        assert callable(holds)
        await self.slack.until(holds, PATIENCE)

    async def is_whole(self, root: Message) -> Message:
        def done() -> bool:
            found = self.replies(root)
            return bool(found) and markdown(found[0]) == WHOLE and is_final(found[0])

        await self.until(done)
        await self.until(lambda: self.slack.status(root.channel, root.ts) == "")
        (reply,) = self.replies(root)
        assert "parley_regenerate" in buttons(reply)
        assert self.slack.open_streams() == []
        return reply


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with Slack() as slack, LlmEmulator(tpm=50_000_000) as llm:
        yield Stage(slack, llm, tmp_path)
        unacknowledged = {"not_acknowledged"}  # by the process that was killed
        assert {sin.name for sin in slack.sins} <= unacknowledged


def _place(stage: Stage, kind: str) -> tuple[Channel, str]:
    if kind == "im":
        return stage.slack.dm(stage.slack.ada), "tell me"
    return stage.slack.general, f"<@{stage.slack.bot.id}> tell me"


@pytest.mark.parametrize("native", ["true", "false"])
@pytest.mark.parametrize("kind", ["im", "public"])
async def test_killed_while_the_answer_grows_the_same_message_is_completed(
    stage: Stage, kind: str, native: str
) -> None:
    stage.llm.scripts.append(Script(text=WHOLE, rate=20))
    stage.llm.default = Script(text=WHOLE)
    channel, words = _place(stage, kind)
    async with stage.bot(SLACK_NATIVE_STREAM=native) as process:
        root = await stage.slack.says("ada", channel, words)
        await stage.until(lambda: stage.replies(root))
        begun = stage.replies(root)[0]
        await process.end()
    async with stage.bot(SLACK_NATIVE_STREAM=native):
        assert (await stage.is_whole(root)).ts == begun.ts


POINTS = ("event committed", "first write about to be made", "first write made", "answer stored", "last write made")


@pytest.mark.parametrize("point", POINTS)
async def test_killed_at_a_point_of_the_turn_a_question_asked_alone_has_one_answer(stage: Stage, point: str) -> None:
    stage.llm.default = Script(text=WHOLE, rate=400)
    channel, words = _place(stage, "im")  # channels: tests/stories/test_crashes.py
    async with stage.bot("-m", "tests.stories.crashing", point) as process:
        root = await stage.slack.says("ada", channel, words)
        await process.end(None)
    async with stage.bot():
        await stage.is_whole(root)
    assert len(stage.llm.seen) <= 2
    if point in ("answer stored", "last write made"):
        assert len(stage.llm.seen) == 1


LATE = 7.0  # seconds: a restarted process has looked for the post and answered by then


async def _killed_during(stage: Stage, method: str, native: str = "true") -> Message:
    """The question, whose first message Slack carries out late: the process that sent it was killed meanwhile."""
    stage.llm.default = Script(text=WHOLE)
    channel, words = _place(stage, "public")
    async with stage.bot(SLACK_NATIVE_STREAM=native) as process:
        late = stage.slack.fault(method, delay=LATE)
        root = await stage.slack.says("ada", channel, words)
        await stage.until(lambda: late.hits)
        await process.end()
    return root


@pytest.mark.parametrize("native", ["true", "false"])
async def test_a_post_that_slack_carries_out_after_it_was_looked_for_is_taken_away(stage: Stage, native: str) -> None:
    root = await _killed_during(stage, "chat.startStream" if native == "true" else "chat.postMessage", native)
    async with stage.bot(SLACK_NATIVE_STREAM=native):
        reply = await stage.is_whole(root)
        await stage.until(lambda: len(stage.replies(root)) == 2)
        await stage.until(lambda: len(stage.replies(root)) == 1)
        assert await stage.is_whole(root) is reply
    if native == "false":  # by the process that was killed
        assert stage.slack.sins.pop().name == "posted_twice"


async def test_a_late_post_is_taken_away_also_when_the_process_that_looks_for_it_is_killed_too(stage: Stage) -> None:
    root = await _killed_during(stage, "chat.startStream")
    async with stage.bot() as process:
        reply = await stage.is_whole(root)
        await process.end()
    async with stage.bot():
        await stage.until(lambda: len(stage.replies(root)) == 2)
        await stage.until(lambda: len(stage.replies(root)) == 1)
        assert await stage.is_whole(root) is reply


async def test_an_edit_that_slack_carries_out_after_the_last_one_does_not_stay(stage: Stage) -> None:
    stage.llm.scripts.append(Script(text=WHOLE, rate=20))
    stage.llm.default = Script(text=WHOLE)
    channel, words = _place(stage, "public")
    async with stage.bot(SLACK_NATIVE_STREAM="false") as process:
        root = await stage.slack.says("ada", channel, words)
        await stage.until(lambda: stage.replies(root))
        late = stage.slack.fault("chat.update", delay=LATE)
        await stage.until(lambda: late.hits)
        await process.end()
    async with stage.bot(SLACK_NATIVE_STREAM="false"):
        reply = await stage.is_whole(root)
        await stage.until(lambda: markdown(reply) != WHOLE)
        assert await stage.is_whole(root) is reply


async def test_a_late_stream_is_not_mistaken_for_that_of_the_next_answer(stage: Stage) -> None:
    root = await _killed_during(stage, "chat.startStream")
    async with stage.bot():
        reply = await stage.is_whole(root)
        stage.llm.scripts.append(Script(text=WHOLE, rate=6))  # it grows for longer than the late one takes
        await stage.slack.says("ada", stage.slack.general, "and now?", root.ts)
        await stage.until(lambda: len(stage.replies(root)) == 3)
        await stage.until(lambda: len(stage.replies(root)) == 2)
        first, second = stage.replies(root)
        assert first is reply
        assert markdown(first) == markdown(second) == WHOLE
        assert is_final(second)
