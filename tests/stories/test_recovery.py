"""Whatever crashes, whenever: after the next start every accepted question has its one answer, in its message.

Real processes on a real database; what is killed is killed with SIGKILL.
"""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot.events import Address
from bot.storage import SqlShelf, open_store
from bot.turn import STOPPED_LATE_TEXT
from tests.emulators.llm import LlmEmulator, Script
from tests.stories.home import BOTH, PATIENCE, Person, person
from tests.stories.process import Start, starting

ENGINES = BOTH
LONG = "One sentence after another, calmly. " * 40
SLOW = Script(text=LONG, rate=20)
SOME = 150  # characters: by then the room has kept the message itself; its first moments may be made again
WHOLE = "The whole answer, from its **first** word to its last."


@pytest.fixture
def start(tmp_path: Path, llm: LlmEmulator, database_url: str) -> Start:
    return starting(tmp_path, llm, database_url, "-m", "tests.stories.crashing")


async def asks(someone: Person, text: str, client_id: str = "the one") -> None:
    """Send as the page does; the connection may break while it waits."""
    body: dict[str, Any] = {"channel": "general", "thread": None, "text": text, "files": [], "client_id": client_id}
    try:
        await someone.post("/api/messages", body)
    except httpx.TransportError:
        return


async def first_level(someone: Person) -> list[dict[str, Any]]:
    params = {"person": someone.id, "channel": "general"}
    found: list[dict[str, Any]] = (await someone.http.get("/api/messages", params=params)).json()["messages"]
    return found


async def until(holds: Callable[[], Awaitable[Any]]) -> Any:
    async with asyncio.timeout(PATIENCE):
        while not (found := await holds()):
            await asyncio.sleep(0.02)
    return found


async def until_asked(llm: LlmEmulator, times: int) -> None:
    async def asked() -> bool:
        return len(llm.seen) >= times

    await until(asked)


def prompt(llm: LlmEmulator, number: int = -1) -> list[str]:
    return [str(m["content"]) for m in llm.seen[number].body["messages"] if m["role"] != "system"]


async def test_killed_in_the_middle_of_an_answer_the_same_message_is_completed_once_and_word_for_word(
    start: Start, llm: LlmEmulator
) -> None:
    llm.scripts.append(SLOW)
    llm.default = Script(text=WHOLE, ttft=0.1)
    async with start() as process, person(process) as ana:
        root = await ana.says("@Parley tell me")
        begun = await ana.begins(root, SOME)
        assert (await process.end()).code == -signal.SIGKILL
    async with start() as process, person(process) as ana:
        assert await process.outcomes(1) == {"answered": 1}
        (reply,) = await ana.thread(root)
    assert (reply["id"], reply["text"], reply["notes"], reply["streaming"]) == (begun["id"], WHOLE, [], False)
    assert len(llm.seen) == 2
    assert prompt(llm, 1) == prompt(llm, 0)


BEFORE_THE_ANSWER = {"event about to be committed": (False,), "event committed": (False, True)}


@pytest.mark.parametrize(
    ("point", "sends_again"), [(point, again) for point, ways in BEFORE_THE_ANSWER.items() for again in ways]
)
async def test_killed_at_the_beginning_of_a_turn_the_question_is_answered_once_also_when_the_page_sends_it_again(
    point: str, sends_again: bool, start: Start, llm: LlmEmulator
) -> None:
    llm.default = Script(text=WHOLE)
    async with start(point) as process, person(process) as ana:
        await asks(ana, "@Parley tell me")
        assert (await process.end(None)).code == -signal.SIGKILL
    async with start() as process, person(process) as ana:
        if sends_again:
            await asks(ana, "@Parley tell me")
        assert await process.outcomes(1) == {"answered": 1}
        (root,) = await first_level(ana)
        assert (root["text"], root["author"]["name"]) == ("@Parley tell me", "Ana")
        assert [m["text"] for m in await ana.thread(root)] == [WHOLE]
    assert len(llm.seen) == 1


async def test_killed_before_the_room_kept_the_question_only_the_page_knows_it_and_sends_it_again(
    start: Start, llm: LlmEmulator
) -> None:
    async with start("room about to keep the question") as process, person(process) as ana:
        await asks(ana, "@Parley tell me")
        await process.end(None)
    async with start() as process, person(process) as ana:
        assert await first_level(ana) == []
        await asks(ana, "@Parley tell me")
        assert await process.outcomes(1) == {"answered": 1}
        (root,) = await first_level(ana)
        assert [m["text"] for m in await ana.thread(root)] == [llm.default.text]
    assert len(llm.seen) == 1


@pytest.mark.parametrize("point", ["answer stored", "last write made"])
async def test_killed_after_the_answer_was_stored_only_its_last_write_is_repeated_and_no_model_is_asked(
    point: str, start: Start, llm: LlmEmulator
) -> None:
    llm.scripts.append(Script(text=WHOLE, finish_reason="length"))
    async with start(point) as process, person(process) as ana:
        await asks(ana, "@Parley tell me")
        await process.end(None)
    async with start() as process, person(process) as ana:
        assert await process.outcomes(1) == {"answered": 1}
        (root,) = await first_level(ana)
        (reply,) = await ana.thread(root)
        assert (reply["text"], reply["streaming"]) == (WHOLE, False)
        assert reply["notes"] == ["Cut off at the token limit (max_completion_tokens)."]
        assert reply["controls"]["regenerate"] is True
        assert len(llm.seen) == 1
        await ana.says("and then?", thread=root["id"])
        await process.outcomes(2)
    assert prompt(llm) == ["Ana: tell me", WHOLE, "Ana: and then?"]


async def test_killed_between_an_explanation_and_its_settling_the_question_is_asked_once_more_in_the_same_message(
    start: Start, llm: LlmEmulator
) -> None:
    llm.scripts.append(Script(status=401, body={"error": {"message": "no", "code": "invalid_api_key"}}))
    llm.default = Script(text=WHOLE)
    async with start("last write made") as process, person(process) as ana:
        await asks(ana, "@Parley tell me")
        await process.end(None)
    async with start() as process, person(process) as ana:
        assert await process.outcomes(1) == {"answered": 1}
        (root,) = await first_level(ana)
        assert [m["text"] for m in await ana.thread(root)] == [WHOLE]


async def test_killed_after_everything_was_done_nothing_is_done_again(start: Start, llm: LlmEmulator) -> None:
    async with start("turn settled") as process, person(process) as ana:
        await asks(ana, "@Parley tell me")
        await process.end(None)
    async with start() as process, person(process) as ana:
        (root,) = await first_level(ana)
        before = await ana.thread(root)
        await asks(ana, "@Parley another", "another")
        assert await process.outcomes(1) == {"answered": 1}
        assert await ana.thread(root) == before
        assert [m["text"] for m in before] == [llm.default.text]
    assert len(llm.seen) == 2


async def test_a_regeneration_that_was_killed_is_made_in_the_same_message_as_its_next_version(
    start: Start, llm: LlmEmulator
) -> None:
    llm.scripts.extend([Script(text="Blue."), SLOW])
    llm.default = Script(text="Green.")
    async with start() as process, person(process) as ana:
        root = await ana.says("@Parley a colour")
        first = await ana.answer(root)
        await process.outcomes(1)
        await ana.presses(first, "regenerate")
        await ana.until(lambda: ana.messages[first["id"]]["text"].startswith("One"))
        await process.end()
    async with start() as process, person(process) as ana:
        assert await process.outcomes(1) == {"answered": 1}
        (reply,) = await ana.thread(root)
    assert (reply["id"], reply["text"]) == (first["id"], "Green.")
    assert (reply["controls"]["version"], reply["controls"]["versions"]) == (2, 2)


async def test_questions_that_waited_in_line_survive_and_are_answered_in_order(start: Start, llm: LlmEmulator) -> None:
    llm.scripts.append(SLOW)
    llm.scripts.extend([Script(text="First."), Script(text="The others.")])
    async with start() as process, person(process) as ana:
        root = await ana.says("@Parley one")
        await ana.begins(root)
        for text in ("two", "three", "four"):
            await ana.says(text, thread=root["id"])
        await process.end()
    async with start() as process, person(process) as ana:
        await process.outcomes(2)
        thread = await ana.thread(root)
    assert [m["text"] for m in thread if m["author"]["bot"]] == ["First.", "The others."]
    assert prompt(llm) == ["Ana: one", "First.", "Ana: two\nAna: three\nAna: four"]
    assert len(llm.seen) == 3


async def test_conversations_that_ran_side_by_side_are_all_completed(start: Start, llm: LlmEmulator) -> None:
    llm.default = Script(fault="hang")
    async with start() as process, person(process) as ana:
        roots = [await ana.says(f"@Parley number {n}") for n in range(5)]
        await until_asked(llm, 5)
        await process.end()
    llm.default = Script(text=WHOLE)
    async with start() as process, person(process) as ana:
        assert await process.outcomes(5) == {"answered": 5}
        assert [[m["text"] for m in await ana.thread(root)] for root in roots] == [[WHOLE]] * 5


async def test_three_runs_that_did_not_live_end_with_an_explanation_and_retry_answers_in_the_same_message(
    start: Start, llm: LlmEmulator
) -> None:
    llm.default = SLOW
    async with start() as process, person(process) as ana:
        root = await ana.says("@Parley tell me")
        begun = await ana.begins(root, SOME)
        await process.end()
    for run in (2, 3):
        async with start() as process:
            await until_asked(llm, run)
            await process.end()
    llm.default = Script(text=WHOLE)
    async with start() as process, person(process) as ana:
        assert await process.outcomes(1) == {"interrupted": 1}
        (reply,) = await ana.thread(root)
        assert reply["id"] == begun["id"]
        assert reply["text"].startswith("I was interrupted several times while answering this.")
        assert reply["controls"]["retry"] is True
        assert len(llm.seen) == 3
        assert await ana.presses(reply, "retry") is None
        assert await process.outcomes(2) == {"interrupted": 1, "answered": 1}
        (again,) = await ana.thread(root)
        assert (again["id"], again["text"]) == (begun["id"], WHOLE)


# --- deleted while it was away


async def begun_question(start: Start, llm: LlmEmulator) -> tuple[dict[str, Any], dict[str, Any]]:
    """A thread with one answer, and a second question whose answer was begun when the process was killed."""
    llm.scripts.extend([Script(text="First."), SLOW])
    async with start() as process, person(process) as ana:
        root = await ana.says("@Parley one")
        await ana.answer(root)
        second = await ana.says("two", thread=root["id"])
        await ana.begins(root, number=2)
        await process.end()
    return root, second


async def test_a_question_deleted_just_before_the_crash_is_not_answered_and_its_beginning_goes(
    tmp_path: Path, start: Start, llm: LlmEmulator, database_url: str
) -> None:
    root, second = await begun_question(start, llm)
    store, _ = await open_store(database_url, tmp_path)
    await store.delete_message(Address("web", "local", "general", root["id"]), second["id"])
    await store.close()
    async with start() as process, person(process) as ana:
        assert await process.outcomes(1) == {"cancelled": 1}
        assert [m["text"] for m in await ana.thread(root) if m["author"]["bot"]] == ["First."]
    assert len(llm.seen) == 2


async def test_a_deletion_that_the_bot_was_not_told_of_any_more_takes_the_answer_away_after_the_start(
    tmp_path: Path, start: Start, llm: LlmEmulator, database_url: str
) -> None:
    root, second = await begun_question(start, llm)
    llm.default = SLOW
    store, db = await open_store(database_url, tmp_path)
    shelf = SqlShelf(db, "web")
    row: Any = json.loads(json.dumps(await shelf.get("message", second["id"])))
    row["it"] |= {"deleted": True, "owed": "deletion", "text": ""}
    await shelf.put("message", second["id"], row, row["position"])
    await store.close()
    async with start() as process, person(process) as ana:
        assert await process.outcomes(1) == {"cancelled": 1}
        assert [m["text"] for m in await ana.thread(root)] == ["First."]


# --- asked to stop


async def test_asked_to_end_the_process_lets_the_answer_finish_and_exits_with_0(start: Start, llm: LlmEmulator) -> None:
    llm.default = Script(text=LONG, rate=150)
    async with start() as process, person(process) as ana:
        root = await ana.says("@Parley tell me")
        begun = await ana.begins(root)
        process.handle.send_signal(signal.SIGTERM)
        assert (await ana.answer(root))["text"] == LONG.strip()
        assert (await process.end(None)).code == 0
    async with start() as process, person(process) as ana:
        (reply,) = await ana.thread(root)
    assert (reply["id"], reply["text"], reply["notes"]) == (begun["id"], LONG.strip(), [])
    assert len(llm.seen) == 1
    assert not llm.seen[0].left_early


async def test_while_it_ends_new_questions_are_turned_away_with_a_sentence_and_are_not_lost_silently(
    start: Start, llm: LlmEmulator
) -> None:
    llm.default = Script(text=LONG, rate=40)
    async with start() as process, person(process) as ana:
        root = await ana.says("@Parley tell me")
        await ana.begins(root)
        process.handle.send_signal(signal.SIGTERM)

        async def turned_away() -> Any:
            body = {"channel": "general", "thread": root["id"], "text": "and?", "files": [], "client_id": "late"}
            answer = await ana.post("/api/messages", body)
            return answer if answer.status_code == 503 else None

        assert "restart" in (await until(turned_away)).json()["error"].lower()
        assert (await process.end(None)).code == 0


async def test_a_grace_too_short_hands_the_answer_over_to_the_next_start(start: Start, llm: LlmEmulator) -> None:
    llm.scripts.append(Script(text=LONG, rate=20))
    llm.default = Script(text=WHOLE)
    async with start(SHUTDOWN_GRACE="0.2") as process, person(process) as ana:
        root = await ana.says("@Parley tell me")
        begun = await ana.begins(root, SOME)
        assert (await process.end(signal.SIGTERM)).code == 0
    await llm.seen[0].over.wait()
    assert llm.seen[0].left_early
    async with start() as process, person(process) as ana:
        assert await process.outcomes(1) == {"answered": 1}
        (reply,) = await ana.thread(root)
    assert (reply["id"], reply["text"], reply["notes"]) == (begun["id"], WHOLE, [])
    assert len(llm.seen) == 2


async def test_a_person_who_pressed_stop_just_before_the_crash_does_not_get_the_answer_after_all(
    start: Start, llm: LlmEmulator, tmp_path: Path, database_url: str
) -> None:
    llm.default = SLOW
    async with start() as process, person(process) as ana:
        root = await ana.says("@Parley tell me")
        await ana.begins(root, SOME)
        await process.end()
    store, _ = await open_store(database_url, tmp_path)
    view = await store.newest_turn(Address("web", "local", "general", root["id"]))
    assert view is not None
    await store.ask_stop(view.conversation, view.seq)
    await store.close()
    async with start() as process, person(process) as ana:
        assert await process.outcomes(1) == {"stopped": 1}
        (reply,) = await ana.thread(root)
    assert reply["text"] == STOPPED_LATE_TEXT
    assert reply["controls"]["retry"] is True


# --- twins


async def test_the_same_message_sent_twice_at_once_is_one_question_with_one_answer(
    start: Start, llm: LlmEmulator
) -> None:
    async with start() as process, person(process) as ana:
        await asyncio.gather(*(asks(ana, "@Parley tell me") for _ in range(4)))
        await process.outcomes(1)
        (root,) = await first_level(ana)
        assert len(await ana.thread(root)) == 1
    async with start() as process, person(process) as ana:
        await asks(ana, "@Parley tell me")
        assert len(await first_level(ana)) == 1
        assert await process.outcomes() == {}
    assert len(llm.seen) == 1


async def test_the_room_is_there_again_as_it_was(start: Start, llm: LlmEmulator) -> None:
    async with start() as process, person(process) as ana, person(process, "Bo") as bo:
        await ana.post("/api/channels", {"name": "garden"})
        root = await ana.says("@Parley one")
        await ana.answer(root)
        await bo.says("thanks", thread=root["id"])
        await ana.answer(root, 2)
        await process.outcomes(2)
        before, people = await ana.thread(root), (await ana.http.get("/api/hello")).json()
        await process.end()
    async with start() as process, person(process) as ana:
        assert await ana.thread(root) == before
        after = (await ana.http.get("/api/hello")).json()
        assert (after["people"], after["channels"]) == (people["people"], people["channels"])
