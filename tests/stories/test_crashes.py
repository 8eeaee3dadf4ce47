"""Killed between any two steps of a turn, on every surface: after the next start the question has its one outcome.

Real processes, with the real SDKs beside strict platforms; what is killed is killed with SIGKILL. All points on SQLite,
and each on PostgreSQL on some surface.
"""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import update

from bot.storage import open_store
from bot.storage.schema import turns
from bot.turn import ATTEMPTS, INTERRUPTED_TEXT, STOPPED_LATE_TEXT
from tests.emulators.llm import LlmEmulator, Script
from tests.stories.crashing import POINTS
from tests.stories.home import BOTH
from tests.stories.parts import rejoined
from tests.stories.process import Process, Start, starting
from tests.stories.rooms import SURFACES, DiscordRoom, Room, Said, SlackRoom, begins, ends, room_of, until

WHOLE = "The whole answer, from its **first** word to its last. " * 12
LONG = "One sentence after another, calmly. " * 60
SLOW = Script(text=LONG, rate=60)
SOME = 150  # characters: by then the web room has kept the message itself

# Points of an ordinary turn: may the model have to be asked a second time?
ASKED_ONCE = ("answer stored", "last write made", "turn settled")
ASKED_AGAIN = (
    "event about to be committed",
    "event committed",
    "first write about to be made",
    "first write made",
    "answer complete",
)


def everywhere(*points: str, first: int = 0) -> pytest.MarkDecorator:
    """Each point on each surface on SQLite, and on PostgreSQL on one after the other, from the ``first`` on."""
    beside = ("slack without streams", *SURFACES)
    places = [(point, surface, "sqlite") for point in points for surface in SURFACES]
    places += [(point, beside[number % len(beside)], "postgresql") for number, point in enumerate(points, first)]
    return pytest.mark.parametrize(("point", "surface", "engine"), places)


on_all = pytest.mark.parametrize("surface", SURFACES)
# The page tells the same stories in test_recovery.py, on both engines.
on_platforms = pytest.mark.parametrize("surface", [it for it in SURFACES if it != "web"])


@pytest_asyncio.fixture
async def room(surface: str) -> AsyncIterator[Room]:
    async with room_of(surface) as it:
        yield it


@pytest.fixture
def start(tmp_path: Path, llm: LlmEmulator, database_url: str, room: Room) -> Start:
    return starting(tmp_path, llm, database_url, "-m", "tests.stories.crashing", **room.variables)


def reads(text: str) -> Callable[[list[Said]], bool]:
    return lambda replies: [said.text.strip() for said in replies] == [text.strip()]


async def grows(room: Room, text: str, start: str) -> bool:
    return any(said.text.startswith(start) for said in await room.replies(text))


async def until_asked(llm: LlmEmulator, times: int) -> None:
    async def asked() -> bool:
        return len(llm.seen) >= times

    await until(asked, "the model to be asked")


def asked(llm: LlmEmulator) -> set[str]:
    """The words of what the model was asked last."""
    return set(str(llm.seen[-1].body["messages"][-1]["content"]).split())


async def changes(database_url: str, folder: Path, **values: Any) -> None:
    """Give every turn these values, as a process that has died would have left them."""
    store, db = await open_store(database_url, folder)
    await db.tx(lambda connection: connection.execute(update(turns).values(**values)))
    await store.close()


async def died(process: Process, number: signal.Signals | None = None) -> None:
    assert (await process.end(number)).code == -signal.SIGKILL


@everywhere(*ASKED_AGAIN, *ASKED_ONCE)
async def test_killed_there_the_question_has_one_whole_answer_after_the_next_start(
    point: str, room: Room, start: Start, llm: LlmEmulator
) -> None:
    llm.default = Script(text=WHOLE, rate=400)
    async with start(point) as process, room.serving(process):
        await room.asks("tell me")
        await died(process)
    async with start() as process, room.serving(process):
        await ends(room, "tell me", reads(WHOLE))
        if point != "turn settled":
            assert await process.outcomes(1) == {"answered": 1}
        await room.is_taken("tell me")
        await room.asks("and then?", under="tell me")
        await ends(room, "tell me", lambda replies: len(replies) == 2)
        await room.audit("tell me", parts=2)
    assert len(llm.seen) - 1 in ((1,) if point in ASKED_ONCE else (1, 2))


@on_all
async def test_killed_once_it_was_acknowledged_and_nothing_is_shown_it_is_answered_after_the_next_start(
    room: Room, start: Start, llm: LlmEmulator
) -> None:
    llm.scripts.append(Script(fault="hang"))
    llm.default = Script(text=WHOLE)
    async with start() as process, room.serving(process):
        await room.asks("tell me")
        await room.is_taken("tell me")
        await until_asked(llm, 1)
        await died(process, signal.SIGKILL)
    async with start() as process, room.serving(process):
        await ends(room, "tell me", reads(WHOLE))
        assert await process.outcomes(1) == {"answered": 1}
        await room.audit("tell me")


@on_platforms
async def test_killed_while_it_streams_the_same_message_is_completed(
    room: Room, start: Start, llm: LlmEmulator
) -> None:
    llm.scripts.append(SLOW)
    llm.default = Script(text=WHOLE)
    async with start() as process, room.serving(process):
        await room.asks("tell me")
        (begun,) = await begins(room, "tell me", SOME)
        await died(process, signal.SIGKILL)
    async with start() as process, room.serving(process):
        (reply,) = await ends(room, "tell me", reads(WHOLE))
        assert await process.outcomes(1) == {"answered": 1}
        await room.audit("tell me")
    assert reply.id == begun.id


@everywhere("second part kept", first=2)
async def test_killed_when_the_second_message_of_a_reply_had_begun_the_same_messages_are_completed(
    point: str, room: Room, start: Start, llm: LlmEmulator
) -> None:
    text = "\n\n".join(f"Paragraph {number}. " + "It goes on and on. " * 20 for number in range(36)).strip()
    llm.scripts.append(Script(text=text, fault="stall", after=len(text)))
    llm.default = Script(text=text)
    async with start(point, SYSTEM_PROMPT="x") as process, room.serving(process):
        await room.asks("tell me")
        await died(process)
    async with start(SYSTEM_PROMPT="x") as process, room.serving(process):
        replies = await ends(room, "tell me", lambda found: rejoined(text, [said.text for said in found]))
        assert await process.outcomes(1) == {"answered": 1}
        assert len(replies) > 1
        await room.audit("tell me", parts=len(replies))


@everywhere("second part kept")
async def test_where_the_answer_made_again_is_shorter_the_messages_it_does_not_need_go(
    point: str, room: Room, start: Start, llm: LlmEmulator
) -> None:
    llm.scripts.append(Script(text="All work and no play. " * 700, fault="stall", after=10_000))
    llm.default = Script(text=WHOLE)
    async with start(point, SYSTEM_PROMPT="x") as process, room.serving(process):
        await room.asks("tell me")
        await died(process)
    async with start(SYSTEM_PROMPT="x") as process, room.serving(process):
        await ends(room, "tell me", reads(WHOLE))
        assert await process.outcomes(1) == {"answered": 1}


@everywhere("turn settled", first=3)
async def test_killed_between_a_turn_and_the_next_in_line_the_next_is_answered_after_the_start(
    point: str, room: Room, start: Start, llm: LlmEmulator
) -> None:
    llm.default = Script(text=WHOLE, rate=100)
    async with start(point) as process, room.serving(process):
        await room.asks("one")
        await begins(room, "one")
        await room.asks("two", under="one")
        await died(process)
    async with start() as process, room.serving(process):
        await ends(room, "one", lambda found: [said.text.strip() for said in found] == [WHOLE.strip()] * 2)
        assert await process.outcomes(1) == {"answered": 1}
        await room.audit("one", parts=2)
    assert len(llm.seen) == 2


# --- what people do around a crash


@everywhere("edit committed", first=1)
async def test_killed_once_an_edit_was_kept_the_edited_question_is_answered_in_the_same_message(
    point: str, room: Room, start: Start, llm: LlmEmulator
) -> None:
    llm.scripts.append(Script(text="Paris."))
    llm.default = Script(text="Rome.")
    async with start(point) as process, room.serving(process):
        await room.asks("capital of France?")
        (first,) = await ends(room, "capital of France?", reads("Paris."))
        assert await process.outcomes(1) == {"answered": 1}
        await room.edits("capital of France?", "capital of Italy?")
        await died(process)
    async with start() as process, room.serving(process):
        (again,) = await ends(room, "capital of Italy?", reads("Rome."))
        assert await process.outcomes(1) == {"answered": 1}
        await room.audit("capital of Italy?")
    assert again.id == first.id
    assert len(llm.seen) == 2


@on_platforms
async def test_a_regeneration_that_was_killed_is_made_in_the_same_message(
    room: Room, start: Start, llm: LlmEmulator
) -> None:
    llm.scripts.extend([Script(text="Blue."), SLOW])
    llm.default = Script(text="Green.")
    async with start() as process, room.serving(process):
        await room.asks("a colour")
        (first,) = await ends(room, "a colour", reads("Blue."))
        assert await process.outcomes(1) == {"answered": 1}
        await room.presses("a colour", "regenerate")
        await until(lambda: grows(room, "a colour", "One"))
        await died(process, signal.SIGKILL)
    async with start() as process, room.serving(process):
        (again,) = await ends(room, "a colour", reads("Green."))
        assert await process.outcomes(1) == {"answered": 1}
        await room.audit("a colour")
    assert again.id == first.id


@everywhere("deletion committed", first=2)
async def test_killed_once_a_deletion_was_kept_what_was_begun_goes_and_nobody_is_asked_again(
    point: str, room: Room, start: Start, llm: LlmEmulator
) -> None:
    llm.scripts.extend([Script(text="First."), SLOW])
    async with start(point) as process, room.serving(process):
        await room.asks("one")
        await ends(room, "one", reads("First."))
        await room.asks("two", under="one")
        await begins(room, "one", parts=2)
        await room.deletes("two")
        await died(process)
    async with start() as process, room.serving(process):
        await ends(room, "one", reads("First."))
        assert await process.outcomes(1) == {"cancelled": 1}
    assert len(llm.seen) == 2


@on_platforms
async def test_a_stop_that_was_kept_before_the_crash_counts_after_it(
    room: Room, start: Start, llm: LlmEmulator, tmp_path: Path, database_url: str
) -> None:
    llm.scripts.append(SLOW)
    async with start() as process, room.serving(process):
        await room.asks("tell me")
        (begun,) = await begins(room, "tell me", SOME)
        await died(process, signal.SIGKILL)
    await changes(database_url, tmp_path, stop=True)
    async with start() as process, room.serving(process):
        (reply,) = await ends(room, "tell me", reads(STOPPED_LATE_TEXT))
        assert await process.outcomes(1) == {"stopped": 1}
        await room.audit("tell me")
    assert reply.id == begun.id
    assert len(llm.seen) == 1


@everywhere("stop committed", first=3)
async def test_killed_while_it_is_stopped_the_answer_does_not_come_after_all(
    point: str, room: Room, start: Start, llm: LlmEmulator
) -> None:
    llm.scripts.append(SLOW)
    async with start(point) as process, room.serving(process):
        await room.asks("tell me")
        (begun,) = await begins(room, "tell me", SOME)
        await room.says("stop", under="tell me")
        await died(process)
    async with start() as process, room.serving(process):
        (reply,) = await ends(room, "tell me", lambda found: found[0].text.strip() != "")
        assert reply.text == STOPPED_LATE_TEXT or LONG.startswith(reply.text)
        assert set(await process.outcomes()) <= {"stopped"}
        await room.audit("tell me")
    assert reply.id == begun.id
    assert len(llm.seen) == 1


# --- while nobody was there


@on_platforms
async def test_a_question_deleted_while_nobody_was_there_is_not_answered_and_what_was_begun_goes(
    room: Room, start: Start, llm: LlmEmulator
) -> None:
    llm.scripts.append(SLOW)
    async with start() as process, room.serving(process):
        await room.asks("a mistake")
        await begins(room, "a mistake", 80)
        await died(process, signal.SIGKILL)
    await room.deletes("a mistake")
    llm.default = SLOW
    async with start() as process, room.serving(process):
        assert await process.outcomes(1) == {"cancelled": 1}
        assert await room.replies("a mistake") == []


@on_platforms
async def test_a_question_that_waited_and_was_deleted_while_nobody_was_there_is_not_answered(
    room: SlackRoom | DiscordRoom, start: Start, llm: LlmEmulator
) -> None:
    llm.scripts.append(SLOW)
    llm.default = Script(text=WHOLE)
    async with start() as process, room.serving(process):
        await room.asks("one")
        await begins(room, "one", SOME)
        await room.asks("a mistake", under="one")
        await process.accepts(2)
        await died(process, signal.SIGKILL)
    await room.deletes_untold("a mistake")
    async with start() as process, room.serving(process):
        assert await process.outcomes(2) == {"answered": 1, "cancelled": 1}
        await ends(room, "one", reads(WHOLE))
        await room.audit("one")
    assert len(llm.seen) == 2


@on_platforms
@pytest.mark.parametrize(("deleted", "left"), [("two", "three"), ("three", "two")])
async def test_of_questions_answered_together_those_that_were_not_deleted_while_nobody_was_there_are_answered(
    deleted: str, left: str, room: SlackRoom | DiscordRoom, start: Start, llm: LlmEmulator
) -> None:
    llm.scripts.extend([Script(text=LONG, fault="stall", after=100), SLOW])
    llm.default = Script(text=WHOLE)
    async with start() as process, room.serving(process):
        await room.asks("one")
        await begins(room, "one", SOME)
        await room.asks("two", under="one")
        await room.asks("three", under="one")
        await process.accepts(3)
        await room.says("stop", under="one")
        begun = await begins(room, "one", SOME, parts=2)
        assert {"two", "three"} <= asked(llm)
        await died(process, signal.SIGKILL)
    await room.deletes_untold(deleted)
    async with start() as process, room.serving(process):
        replies = await ends(room, "one", lambda found: [it.text.strip() for it in found][1:] == [WHOLE.strip()])
        assert await process.outcomes(1) == {"answered": 1}
        await room.audit("one", parts=2)
    assert replies[1].id == begun[1].id
    assert left in asked(llm)
    assert deleted not in asked(llm)


@on_platforms
async def test_a_turn_that_died_three_times_ends_with_an_explanation_in_its_message_and_retry_answers_there(
    room: Room, start: Start, llm: LlmEmulator, tmp_path: Path, database_url: str
) -> None:
    llm.scripts.append(SLOW)
    llm.default = Script(text=WHOLE)
    async with start() as process, room.serving(process):
        await room.asks("tell me")
        (begun,) = await begins(room, "tell me", SOME)
        await died(process, signal.SIGKILL)
    await changes(database_url, tmp_path, attempts=ATTEMPTS)
    async with start() as process, room.serving(process):
        (reply,) = await ends(room, "tell me", reads(INTERRUPTED_TEXT))
        assert await process.outcomes(1) == {"interrupted": 1}
        await room.audit("tell me")
        assert len(llm.seen) == 1
        await room.presses("tell me", "retry")
        (again,) = await ends(room, "tell me", reads(WHOLE))
        await room.audit("tell me")
    assert begun.id == reply.id == again.id


# --- answers that were lost


@pytest.mark.parametrize(
    ("surface", "call"),
    [("slack", "chat.startStream"), ("slack without streams", "chat.postMessage"), ("discord", "create_message")],
)
@pytest.mark.parametrize("arrives", ["at once", "late"])
@pytest.mark.parametrize("engine", BOTH)
async def test_killed_while_its_first_message_is_on_the_way_no_second_one_is_made(
    call: str, arrives: str, room: SlackRoom | DiscordRoom, start: Start, llm: LlmEmulator
) -> None:
    llm.scripts.append(SLOW)
    llm.default = Script(text=WHOLE)
    sent = room.loses_the_answer(call, late=arrives == "late")
    async with start() as process, room.serving(process):
        await room.asks("tell me")
        await until(sent, "the first message")
        await died(process, signal.SIGKILL)
    await until(lambda: room.was_carried_out(call), "the call of the dead to be carried out")
    async with start() as process, room.serving(process):
        await ends(room, "tell me", reads(WHOLE))
        assert await process.outcomes(1) == {"answered": 1}
        await room.audit("tell me")


@pytest.mark.parametrize("surface", ["slack", "slack without streams", "discord"])
async def test_where_the_platform_does_not_say_what_stands_there_it_is_asked_until_it_does_and_nothing_stands_twice(
    room: SlackRoom | DiscordRoom, start: Start, llm: LlmEmulator
) -> None:
    llm.default = Script(text=WHOLE)
    async with start("first write made") as process, room.serving(process):
        await room.asks("tell me")
        await died(process)
    room.forgets()
    async with start() as process, room.serving(process):
        await ends(room, "tell me", reads(WHOLE))
        assert await process.outcomes(1) == {"answered": 1}
        await room.audit("tell me")


def test_every_point_to_die_at_is_tried() -> None:
    here = Path(__file__)
    text = here.read_text() + (here.parent / "test_recovery.py").read_text()
    assert [point for point in POINTS if f'"{point}"' not in text] == []
