"""Deaths at points where a doing is half done: what was accepted still gets its one outcome, and nothing older is lost.

Real processes on a real database; what is killed is killed with SIGKILL.
"""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.emulators.llm import LlmEmulator, Script
from tests.stories.home import BOTH, PATIENCE, Person, person
from tests.stories.process import Start, starting

ENGINES = BOTH
LONG = "One sentence after another, calmly. " * 40
SLOW = Script(text=LONG, rate=20)

# The bot with a cable to pull in the middle of one of the store's doings, given the arguments it is called with.
CABLE = """
import os, signal, sys
from bot.cli import main
from bot.ports import TurnKind
from bot.storage.store import SqlStore

def pull(name, at_the_end, when):
    whole = getattr(SqlStore, name)
    async def cut(self, *arguments):
        found = await whole(self, *arguments) if at_the_end else None
        if when(*arguments):
            os.kill(os.getpid(), signal.SIGKILL)
        return found if at_the_end else await whole(self, *arguments)
    setattr(SqlStore, name, cut)

exec(sys.argv[1])
sys.exit(main(["run"]))
"""


@pytest.fixture
def start(tmp_path: Path, llm: LlmEmulator, database_url: str) -> Start:
    return starting(tmp_path, llm, database_url, "-c", CABLE)


async def tries(doing: Any) -> None:
    """The connection may break while one waits."""
    try:
        await doing
    except httpx.TransportError:
        return


async def reads(someone: Person, root: dict[str, Any], text: str) -> dict[str, Any]:
    """The thread's only reply, once it reads ``text`` for good."""
    async with asyncio.timeout(PATIENCE):
        while True:
            (reply,) = await someone.thread(root)
            if reply["text"] == text and not reply["streaming"]:
                return reply
            await asyncio.sleep(0.02)


async def test_a_regeneration_that_never_lives_leaves_the_older_answer_standing_with_its_versions(
    start: Start, llm: LlmEmulator
) -> None:
    llm.scripts.append(Script(text="Blue."))
    llm.default = SLOW
    async with start() as process, person(process) as ana:
        root = await ana.says("@Parley a colour")
        first = await ana.answer(root)
        await process.outcomes(1)
        await ana.presses(first, "regenerate")
        await ana.until(lambda: ana.messages[first["id"]]["text"].startswith("One"))
        await process.end()
    for asked in (3, 4):
        async with start() as process:
            async with asyncio.timeout(PATIENCE):
                while len(llm.seen) < asked:
                    await asyncio.sleep(0.02)
            await process.end()
    llm.default = Script(text="Green.")
    async with start() as process, person(process) as ana:
        assert await process.outcomes(1) == {"interrupted": 1}
        reply = await reads(ana, root, "Blue.")
        assert (reply["controls"]["version"], reply["controls"]["versions"]) == (1, 1)
        assert await ana.presses(reply, "regenerate") is None
        again = await reads(ana, root, "Green.")
        assert (again["controls"]["version"], again["controls"]["versions"]) == (2, 2)


async def test_a_question_deleted_while_its_answer_was_shown_and_then_the_process_killed_leaves_no_reply(
    start: Start, llm: LlmEmulator
) -> None:
    llm.default = Script(text="Blue.", ttft=0.3)
    async with (
        start('pull("delete_message", True, lambda *given: True)\n'
              'async def never(self, *given):\n'
              '    import asyncio; await asyncio.Event().wait()\n'
              'SqlStore.settle = never') as process,
        person(process) as ana,
    ):  # fmt: skip
        root = await ana.says("@Parley a colour")
        await ana.answer(root)
        await tries(ana.deletes(root))
        await process.end(None)
    async with start() as process, person(process) as ana:
        assert await process.outcomes(1) == {"cancelled": 1}
        params = {"person": ana.id, "channel": root["channel"], "thread": root["id"]}
        assert (await ana.http.get("/api/messages", params=params)).status_code == 404, "nothing is left to show"


async def test_a_question_that_is_being_accepted_when_the_process_is_asked_to_end_is_answered_before_it_ends(
    start: Start, llm: LlmEmulator
) -> None:
    slowly = (
        "accept = SqlStore.accept\n"
        "async def slow(self, *given):\n"
        "    import asyncio; found = await accept(self, *given); await asyncio.sleep(0.5); return found\n"
        "SqlStore.accept = slow"
    )
    async with start(slowly) as process, person(process) as ana:
        asking = asyncio.create_task(ana.says("@Parley hello"))
        await ana.until(lambda: any(message["text"] == "@Parley hello" for message in ana.messages.values()))
        ended = await process.end(signal.SIGTERM)
        await asyncio.gather(asking, return_exceptions=True)
        (root,) = [message for message in ana.messages.values() if not message["author"]["bot"]]
    assert ended.code == 0
    assert "database is away" not in ended.told
    assert len(llm.seen) == 1
    async with start() as process, person(process) as ana:
        (reply,) = await ana.thread(root)
        assert (reply["text"], reply["streaming"]) == (llm.default.text, False)
    assert len(llm.seen) == 1
