"""Two doings on the same answer within one moment, in the orders that are easy to get wrong."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from adapters.web.inbound import place
from bot.ports import TurnState
from bot.wiring import House
from tests.emulators.llm import LlmEmulator, Script
from tests.stories.home import BOTH, PATIENCE, Person

ENGINES = BOTH
LONG = "One sentence after another, calmly. " * 40


async def idle(opened: House) -> None:
    async with asyncio.timeout(PATIENCE):
        while (await opened.store.counts())["unsettled"]:
            await asyncio.sleep(0.01)


async def merged(ana: Person, llm: LlmEmulator, last: Script) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A thread whose second reply answers three questions; (the root, the three)."""
    said = asyncio.Event()
    llm.scripts.extend([Script(text="First.", hold=said), last])
    root = await ana.says("@Parley one")
    asked = [await ana.says(text, thread=root["id"]) for text in ("two", "three", "four")]
    said.set()
    return root, asked


async def test_regenerate_pressed_five_times_at_once_makes_one_more_version(
    ana: Person, opened: House, llm: LlmEmulator
) -> None:
    pressed = asyncio.Event()
    llm.scripts.extend([Script(text="Blue."), Script(text="Green.", hold=pressed)])
    root = await ana.says("@Parley a colour")
    first = await ana.answer(root)
    await idle(opened)
    await asyncio.gather(*(ana.presses(first, "regenerate") for _ in range(5)))
    pressed.set()
    await idle(opened)
    (reply,) = await ana.thread(root)
    assert (reply["controls"]["version"], reply["controls"]["versions"]) == (2, 2)
    assert len(llm.seen) == 2


async def test_of_merged_questions_the_last_is_deleted_and_the_answer_can_still_be_made_again(
    ana: Person, opened: House, llm: LlmEmulator
) -> None:
    root, asked = await merged(ana, llm, Script(text="All."))
    await ana.answer(root, 2)
    await idle(opened)
    await ana.deletes(asked[-1])
    llm.scripts.append(Script(text="Two and three."))
    assert await ana.presses(ana.replies(root)[1], "regenerate") is None
    await idle(opened)
    assert [m["text"] for m in await ana.thread(root) if m["author"]["bot"]] == ["First.", "Two and three."]
    assert llm.seen[-1].body["messages"][-1]["content"] == "Ana: two\nAna: three"


async def test_of_merged_questions_the_last_is_deleted_and_another_is_edited(
    ana: Person, opened: House, llm: LlmEmulator
) -> None:
    root, asked = await merged(ana, llm, Script(text="All."))
    await ana.answer(root, 2)
    await idle(opened)
    await ana.deletes(asked[-1])
    llm.scripts.append(Script(text="Corrected."))
    await ana.edits(asked[0], "zwei")
    await idle(opened)
    assert [m["text"] for m in await ana.thread(root) if m["author"]["bot"]] == ["First.", "Corrected."]


async def test_stop_pressed_right_after_an_edit_during_a_regeneration_stops_it_all(
    ana: Person, opened: House, llm: LlmEmulator
) -> None:
    llm.scripts.append(Script(text="Blue."))
    llm.default = Script(text=LONG, rate=20)
    root = await ana.says("@Parley a colour")
    first = await ana.answer(root)
    await idle(opened)
    await ana.presses(first, "regenerate")
    await ana.until(lambda: ana.messages[first["id"]]["text"].startswith("One"))
    editing = asyncio.create_task(ana.edits(root, "@Parley another colour"))
    await ana.presses(first, "stop")
    await editing
    await ana.presses(first, "stop")
    await idle(opened)
    (reply,) = await ana.thread(root)
    assert len(reply["text"]) < len(LONG) / 2


async def test_an_edit_after_a_stop_in_the_same_moment_is_answered(
    ana: Person, opened: House, llm: LlmEmulator
) -> None:
    llm.scripts.append(Script(text=LONG, rate=20))
    llm.default = Script(text="Rome.")
    root = await ana.says("@Parley capital of France?")
    growing = await ana.begins(root)
    await asyncio.gather(ana.presses(growing, "stop"), ana.edits(root, "@Parley capital of Italy?"))
    await idle(opened)
    (reply,) = await ana.thread(root)
    assert not reply["streaming"]
    view = await opened.store.newest_turn(place(root["channel"], root["id"]))
    assert view is not None
    assert view.state is TurnState.SETTLED


async def test_versions_turned_in_haste_show_in_the_end_what_history_uses(
    ana: Person, opened: House, llm: LlmEmulator
) -> None:
    llm.scripts.extend(Script(text=text) for text in ("One.", "Two.", "Three."))
    root = await ana.says("@Parley a number")
    first = await ana.answer(root)
    for _ in range(2):
        await idle(opened)
        await ana.presses(first, "regenerate")
    await idle(opened)
    answer = await ana.post("/api/behave", {"behave": "discord"})
    assert answer.status_code == 200, answer.text
    for value in ("1", "2", "3", "1", "2", "3", "2", "1", "3", "1", "2", "1"):
        await ana.presses(first, "version", value)
    await ana.presses(first, "version", "2")
    await ana.until(lambda: ana.messages[first["id"]]["controls"]["version"] == 2)
    await asyncio.sleep(6)  # the room's window of five seconds passes: whatever still waits is written now
    async with asyncio.timeout(PATIENCE):
        while not re.search(
            r'^parley_writes_waiting\{[^}]*"edit"[^}]*\} 0', (await ana.http.get("/metrics")).text, re.M
        ):
            await asyncio.sleep(0.05)
    view = await opened.store.newest_turn(place(root["channel"], root["id"]))
    assert view is not None
    (reply,) = await ana.thread(root)
    assert (reply["text"], reply["controls"]["version"]) == (view.text, view.version) == ("Two.", 2)


async def test_a_newer_question_interrupts_and_is_never_interrupted_by_itself(
    ana: Person, opened: House, llm: LlmEmulator
) -> None:
    llm.scripts.append(Script(text=LONG, rate=20))
    await ana.commands("set busy interrupt")
    root = await ana.says("@Parley one")
    await ana.begins(root)
    await asyncio.gather(*(ana.says(text, thread=root["id"]) for text in ("two", "three", "four")))
    await idle(opened)
    replies = [m for m in await ana.thread(root) if m["author"]["bot"]]
    assert replies[0]["notes"] == ["Stopped for a newer question."]
    assert replies[-1]["text"] == llm.default.text
    assert all(reply["notes"] == ["Stopped for a newer question."] for reply in replies[:-1])
