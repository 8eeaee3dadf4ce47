"""What people do with an answer: ask, follow up, stop, regenerate, edit, delete, come back after a restart."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from bot.storage.store import SqlStore
from bot.wiring import House
from tests.emulators.llm import LlmEmulator, Script
from tests.stories.faults import refusal
from tests.stories.home import BOTH, Person, home, person

ENGINES = BOTH
FAILS = refusal(400, "invalid_request_error", "no")
LONG = "One sentence after another, calmly. " * 40


def asked(llm: LlmEmulator, number: int = -1) -> list[tuple[str, str]]:
    """The prompt of one request without its system message: (role, content)."""
    return [(m["role"], m["content"]) for m in llm.seen[number].body["messages"] if m["role"] != "system"]


async def test_a_mention_is_answered_in_its_thread_word_for_word_and_the_working_sign_goes(
    ana: Person, llm: LlmEmulator
) -> None:
    llm.default = Script(text="Hello **world**, as `asked`.", ttft=0.05)
    root = await ana.says("@Parley say hello")
    answer = await ana.answer(root)
    assert answer["text"] == "Hello **world**, as `asked`."
    assert (answer["thread"], answer["notes"]) == (root["id"], [])
    assert asked(llm) == [("user", "Ana: say hello")]
    await ana.until(lambda: ana.statuses[-1:] == [None])
    assert ana.statuses[0] == "thinking"


async def test_the_answer_grows_on_the_screen_while_the_model_writes(ana: Person, llm: LlmEmulator) -> None:
    llm.default = Script(text=LONG, rate=150)
    root = await ana.says("@Parley tell me a lot")
    answer = await ana.answer(root)
    assert answer["text"] == LONG.strip()
    lengths = [event["len"] for event in ana.seen if event["type"] == "text" and event["id"] == answer["id"]]
    assert len(lengths) > 3
    assert lengths == sorted(lengths)


async def test_a_message_without_a_mention_is_not_answered_and_never_reaches_the_model(
    ana: Person, llm: LlmEmulator
) -> None:
    await ana.says("just chatting among ourselves")
    root = await ana.says("@Parley now you")
    await ana.answer(root)
    assert len(llm.seen) == 1
    assert asked(llm) == [("user", "Ana: now you")]


async def test_a_follow_up_needs_no_mention_and_everybody_in_the_thread_takes_part(
    ana: Person, bo: Person, llm: LlmEmulator
) -> None:
    llm.scripts.extend([Script(text="First."), Script(text="Second.")])
    root = await ana.says("@Parley one")
    await ana.answer(root)
    await bo.says("two", thread=root["id"])
    await ana.answer(root, 2)
    assert asked(llm) == [("user", "Ana: one"), ("assistant", "First."), ("user", "Bo: two")]
    assert llm.seen[1].body["messages"][:2] == llm.seen[0].body["messages"]


async def test_a_follow_up_that_opens_with_another_name_is_remembered_not_answered(
    ana: Person, bo: Person, llm: LlmEmulator
) -> None:
    root = await ana.says("@Parley one")
    await ana.answer(root)
    await ana.says("@Bo what do you think?", thread=root["id"])
    await bo.says("and you, then?", thread=root["id"])
    await ana.answer(root, 2)
    assert len(llm.seen) == 2
    assert asked(llm)[-1] == ("user", "Ana: @Bo what do you think?\nBo: and you, then?")


async def test_summoned_into_a_thread_it_has_read_what_was_said_before(
    ana: Person, bo: Person, llm: LlmEmulator
) -> None:
    root = await ana.says("The build is red since noon.")
    await bo.says("Only on Linux.", thread=root["id"])
    await ana.says("@Parley any idea?", thread=root["id"])
    await ana.answer(root)
    assert asked(llm) == [("user", "Ana: The build is red since noon.\nBo: Only on Linux.\nAna: any idea?")]


async def test_a_direct_conversation_needs_no_mention_and_no_speaker_labels(ana: Person, llm: LlmEmulator) -> None:
    llm.default = Script(text="Hi.")
    await ana.says("hello there", channel=f"dm-{ana.id}")
    await ana.until(lambda: [m for m in ana.messages.values() if m["author"]["bot"] and not m["streaming"]])
    assert asked(llm) == [("user", "hello there")]


async def test_messages_sent_while_it_answers_wait_and_are_answered_together(ana: Person, llm: LlmEmulator) -> None:
    said = asyncio.Event()
    llm.scripts.extend([Script(text="First.", hold=said), Script(text="Both.")])
    root = await ana.says("@Parley one")
    await ana.says("two", thread=root["id"])
    await ana.says("three", thread=root["id"])
    said.set()
    assert (await ana.answer(root, 2))["text"] == "Both."
    assert len(llm.seen) == 2
    assert asked(llm) == [("user", "Ana: one"), ("assistant", "First."), ("user", "Ana: two\nAna: three")]


async def test_stop_ends_the_request_upstream_keeps_what_was_written_and_marks_it(
    ana: Person, llm: LlmEmulator
) -> None:
    llm.default = Script(text=LONG, rate=20)
    root = await ana.says("@Parley talk")
    growing = await ana.begins(root, 20)
    assert growing["controls"]["stop"]
    assert await ana.presses(growing, "stop") is None
    stopped = await ana.answer(root)
    assert stopped["notes"] == ["Stopped."]
    assert 0 < len(stopped["text"]) < len(LONG) / 2
    assert LONG.startswith(stopped["text"])
    await llm.seen[0].over.wait()
    assert llm.seen[0].left_early
    llm.default = Script(text="Fine.")
    await ana.says("go on", thread=root["id"])
    await ana.answer(root, 2)
    assert asked(llm)[1] == ("assistant", stopped["text"])


async def test_the_word_stop_and_the_command_stop_the_same_way(ana: Person, llm: LlmEmulator) -> None:
    llm.default = Script(text=LONG, rate=20)
    root = await ana.says("@Parley talk")
    await ana.begins(root)
    await ana.says("stop", thread=root["id"])
    assert (await ana.answer(root))["notes"] == ["Stopped."]
    again = await ana.says("@Parley talk again")
    await ana.begins(again)
    await ana.commands("stop", thread=again["id"])
    assert (await ana.answer(again))["notes"] == ["Stopped."]


async def test_regenerate_answers_in_the_same_message_and_history_uses_the_version_shown(
    ana: Person, llm: LlmEmulator
) -> None:
    llm.scripts.extend([Script(text="Blue."), Script(text="Green."), Script(text="Done.")])
    root = await ana.says("@Parley a colour")
    first = await ana.answer(root)
    await ana.presses(first, "regenerate")
    await ana.until(
        lambda: ana.messages[first["id"]]["text"] == "Green." and not ana.messages[first["id"]]["streaming"]
    )
    controls = ana.messages[first["id"]]["controls"]
    assert (controls["version"], controls["versions"]) == (2, 2)
    assert len(ana.replies(root)) == 1
    assert await ana.presses(first, "version", "1") is None
    await ana.until(lambda: ana.messages[first["id"]]["text"] == "Blue.")
    await ana.says("thanks", thread=root["id"])
    await ana.answer(root, 2)
    assert asked(llm)[1] == ("assistant", "Blue.")


@pytest.fixture
def slow_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of a turn reaches the store well after its last words stand on the page."""
    settle = SqlStore.settle

    async def late(*arguments: Any) -> Any:
        await asyncio.sleep(0.5)
        return await settle(*arguments)

    monkeypatch.setattr(SqlStore, "settle", late)


@pytest.mark.usefixtures("slow_end")
async def test_retry_pressed_the_moment_it_stands_there_answers(ana: Person, llm: LlmEmulator) -> None:
    llm.scripts.extend([FAILS, FAILS, Script(text="Here it is.")])
    root = await ana.says("@Parley a colour")
    failed = await ana.answer(root)
    assert failed["controls"]["retry"]
    for _ in range(2):
        count = len(llm.seen)
        assert await ana.presses(failed, "retry") is None
        await ana.until(lambda seen=count: len(llm.seen) > seen)  # type: ignore[misc]  # bound now
        await ana.answer(root)
    await ana.until(lambda: ana.messages[failed["id"]]["text"] == "Here it is.")
    assert (len(ana.replies(root)), len(llm.seen)) == (1, 3)


@pytest.mark.usefixtures("slow_end")
async def test_retry_typed_the_moment_an_answer_failed_answers(ana: Person, llm: LlmEmulator) -> None:
    llm.scripts.extend([FAILS, Script(text="Here it is.")])
    root = await ana.says("@Parley a colour")
    failed = await ana.answer(root)
    await ana.commands("retry", thread=root["id"])
    await ana.until(lambda: ana.messages[failed["id"]]["text"] == "Here it is.")
    assert ana.notices == []


@pytest.mark.usefixtures("slow_end")
async def test_a_version_turned_to_the_moment_a_regeneration_failed_shows(ana: Person, llm: LlmEmulator) -> None:
    llm.scripts.extend([Script(text="Blue."), Script(text="Green."), FAILS])
    root = await ana.says("@Parley a colour")
    first = await ana.answer(root)
    assert await ana.presses(first, "regenerate") is None
    await ana.until(lambda: ana.messages[first["id"]]["text"] == "Green.")
    await ana.answer(root)
    assert await ana.presses(first, "regenerate") is None
    await ana.until(lambda: ana.notices)
    assert await ana.presses(first, "version", "1") is None
    await ana.until(lambda: ana.messages[first["id"]]["text"] == "Blue.")


@pytest.mark.usefixtures("slow_end")
async def test_regenerate_pressed_the_moment_a_failed_one_gave_way_makes_it_again(
    ana: Person, llm: LlmEmulator
) -> None:
    llm.scripts.extend([Script(text="Blue."), FAILS, Script(text="Green.")])
    root = await ana.says("@Parley a colour")
    first = await ana.answer(root)
    assert await ana.presses(first, "regenerate") is None
    await ana.until(lambda: ana.notices)
    assert ana.messages[first["id"]]["text"] == "Blue."
    assert await ana.presses(first, "regenerate") is None
    await ana.until(lambda: ana.messages[first["id"]]["text"] == "Green.")


@pytest.mark.usefixtures("slow_end")
async def test_where_busy_means_ignore_a_question_asked_the_moment_the_answer_stands_there_is_answered(
    ana: Person, llm: LlmEmulator
) -> None:
    llm.scripts.extend([Script(text="One.", rate=10), Script(text="Two.")])
    await ana.commands("set busy ignore")
    root = await ana.says("@Parley first")
    await ana.answer(root)
    await ana.says("second", thread=root["id"])
    await ana.answer(root, 2)
    assert [message["text"] for message in ana.replies(root)] == ["One.", "Two."]
    assert ana.notices == []


async def test_regenerate_pressed_twice_at_once_makes_one_version(ana: Person, llm: LlmEmulator) -> None:
    llm.scripts.append(Script(text="Blue."))
    llm.default = Script(text="Green.", ttft=0.3)
    root = await ana.says("@Parley a colour")
    first = await ana.answer(root)
    assert await asyncio.gather(*(ana.presses(first, "regenerate") for _ in range(3))) == [None] * 3
    await ana.until(lambda: ana.messages[first["id"]]["text"] == "Green.")
    await ana.says("thanks", thread=root["id"])
    await ana.answer(root, 2)
    assert ana.messages[first["id"]]["controls"]["versions"] == 2
    assert len(llm.seen) == 3


async def test_a_stopped_version_is_still_marked_when_it_is_turned_back_to(ana: Person, llm: LlmEmulator) -> None:
    llm.scripts.extend([Script(text=LONG, rate=20), Script(text="Whole.")])
    root = await ana.says("@Parley talk")
    growing = await ana.begins(root)
    await ana.presses(growing, "stop")
    assert (await ana.answer(root))["notes"] == ["Stopped."]
    await ana.presses(growing, "regenerate")
    await ana.until(lambda: ana.messages[growing["id"]]["text"] == "Whole.")
    await ana.until(lambda: ana.messages[growing["id"]]["controls"]["versions"] == 2)
    for version, notes in (("1", ["Stopped."]), ("2", []), ("1", ["Stopped."])):
        assert await ana.presses(growing, "version", version) is None
        await ana.until(lambda v=version: ana.messages[growing["id"]]["controls"]["version"] == int(v))  # type: ignore[misc]  # bound now
        assert ana.messages[growing["id"]]["notes"] == notes


async def test_only_the_person_who_asked_may_regenerate(ana: Person, bo: Person, llm: LlmEmulator) -> None:
    root = await ana.says("@Parley a colour")
    first = await ana.answer(root)
    notice = await bo.presses(first, "regenerate")
    assert notice is None or notice["error"]
    assert len(await ana.thread(root)) == 1


async def test_editing_the_newest_question_answers_it_again_in_place_once(ana: Person, llm: LlmEmulator) -> None:
    llm.scripts.extend([Script(text="Paris."), Script(text="Rome.")])
    root = await ana.says("@Parley capital of France?")
    first = await ana.answer(root)
    await ana.edits(root, "@Parley capital of Italy?")
    await ana.until(lambda: ana.messages[first["id"]]["text"] == "Rome.")
    assert asked(llm) == [("user", "Ana: capital of Italy?")]
    assert len(await ana.thread(root)) == 1
    await ana.edits(root, "@Parley capital of Italy?")
    assert len(llm.seen) == 2


async def test_editing_the_question_while_it_is_answered_starts_over_in_the_same_message(
    ana: Person, llm: LlmEmulator
) -> None:
    llm.scripts.extend([Script(text=LONG, rate=20), Script(text="Rome.")])
    root = await ana.says("@Parley capital of France?")
    growing = await ana.begins(root)
    await ana.edits(root, "@Parley capital of Italy?")
    await ana.until(lambda: ana.messages[growing["id"]]["text"] == "Rome.")
    assert len(await ana.thread(root)) == 1
    await llm.seen[0].over.wait()
    assert llm.seen[0].left_early


async def test_editing_an_older_question_corrects_history_and_answers_nothing(ana: Person, llm: LlmEmulator) -> None:
    root = await ana.says("@Parley one")
    await ana.answer(root)
    await ana.says("two", thread=root["id"])
    await ana.answer(root, 2)
    await ana.edits(root, "@Parley uno")
    await ana.says("three", thread=root["id"])
    await ana.answer(root, 3)
    assert len(llm.seen) == 3
    assert asked(llm)[0] == ("user", "Ana: uno")


async def test_deleting_a_question_removes_it_and_its_answer_from_history(ana: Person, llm: LlmEmulator) -> None:
    root = await ana.says("@Parley one")
    await ana.answer(root)
    second = await ana.says("my password is tulip", thread=root["id"])
    await ana.answer(root, 2)
    await ana.deletes(second)
    await ana.says("three", thread=root["id"])
    await ana.answer(root, 3)
    assert [content for _, content in asked(llm)] == ["Ana: one", llm.default.text, "Ana: three"]


async def test_deleting_the_question_while_it_is_answered_cancels_the_run_and_takes_the_beginning_away(
    ana: Person, llm: LlmEmulator
) -> None:
    llm.scripts.extend([Script(text="Hi."), Script(text=LONG, rate=20)])
    root = await ana.says("@Parley one")
    await ana.answer(root)
    second = await ana.says("two", thread=root["id"])
    await ana.begins(root, number=2)
    await ana.deletes(second)
    await ana.until(lambda: len(ana.replies(root)) == 1)
    await llm.seen[1].over.wait()
    assert llm.seen[1].left_early
    await ana.until(lambda: ana.statuses[-1] is None)
    counted = (await ana.http.get("/metrics")).text
    assert 'parley_events_total{kind="MessageDeleted",result="accepted"} 1.0' in counted


async def test_a_channels_model_is_changed_and_named_in_why(ana: Person, llm: LlmEmulator) -> None:
    outcome = await ana.commands("model openai/gpt-oss-120b")
    assert not outcome["notice"]["error"]
    root = await ana.says("@Parley hello")
    answer = await ana.answer(root)
    assert llm.seen[-1].body["model"] == "openai/gpt-oss-120b"
    told = await ana.presses(answer, "why")
    assert told is not None
    assert "openai/gpt-oss-120b" in told["text"]
    assert "channel" in told["text"]


async def test_a_setting_that_the_model_refused_is_said_in_why_not_to_have_been_sent(
    ana: Person, llm: LlmEmulator
) -> None:
    for line in ("model acme/unknown-7b", "set reasoning_effort high", "set temperature 0.5"):
        assert not (await ana.commands(line))["notice"]["error"]
    answer = await ana.answer(await ana.says("@Parley hello"))
    told = await ana.presses(answer, "why")
    assert told is not None
    assert "`reasoning_effort` = high (set for the channel), not sent: this model does not take it" in told["text"]
    assert "`temperature` = 0.5 (set for the channel)\n" in told["text"] + "\n"
    assert [seen.body.get("temperature") for seen in llm.seen] == [0.5, 0.5]


async def test_a_threads_setting_wins_over_the_channels_and_counts_only_there(ana: Person, llm: LlmEmulator) -> None:
    await ana.commands("set temperature 1.5")
    root = await ana.says("@Parley one")
    await ana.answer(root)
    await ana.says("!set temperature 0.2", thread=root["id"])
    await ana.says("two", thread=root["id"])
    await ana.answer(root, 2)
    other = await ana.says("@Parley elsewhere")
    await ana.answer(other)
    assert [seen.body.get("temperature") for seen in llm.seen] == [1.5, 0.2, 1.5]
    assert len(llm.seen) == 3


async def test_json_answers_are_asked_for_and_shown_whole(ana: Person, llm: LlmEmulator) -> None:
    llm.default = Script(text='{"colour": "blue"}')
    await ana.commands("json")
    root = await ana.says("@Parley a colour")
    answer = await ana.answer(root)
    assert answer["text"] == '{"colour": "blue"}'
    assert answer["notes"] == []
    assert llm.seen[-1].body["response_format"] == {"type": "json_object"}


@pytest.mark.parametrize("limited", [False, True])
async def test_json_that_was_cut_is_made_again_with_more_room_unless_somebody_limited_it(
    ana: Person, llm: LlmEmulator, limited: bool
) -> None:
    await ana.commands("json")
    if limited:
        await ana.commands("set max_completion_tokens 2000")
    llm.scripts.append(refusal(400, "json_validate_failed", "Failed to generate JSON."))
    answer = await ana.answer(await ana.says("@Parley a colour"))
    assert answer["text"].startswith("{")
    first, second = (seen.body["max_completion_tokens"] for seen in llm.seen)
    assert second == (first if limited else 2 * first)


async def test_an_answer_that_misses_its_schema_says_so_beside_it(ana: Person, llm: LlmEmulator) -> None:
    llm.default = Script(text='{"colour": "blue"}')
    schema = '{"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}'
    await ana.commands(f"json ticket {schema}")
    root = await ana.says("@Parley a ticket")
    answer = await ana.answer(root)
    assert answer["text"] == '{"colour": "blue"}'
    assert answer["notes"] == ["This answer does not match the schema `ticket`."]
    assert llm.seen[-1].body["response_format"]["json_schema"]["name"] == "ticket"


async def test_after_a_restart_the_thread_goes_on_with_its_history_and_settings(
    tmp_path: Path, llm: LlmEmulator, database_url: str
) -> None:
    llm.scripts.extend([Script(text="First."), Script(text="Second.")])
    async with home(tmp_path, llm, database_url=database_url) as before, person(before) as ana:
        await ana.commands("set temperature 0.3")
        root = await ana.says("@Parley one")
        await ana.answer(root)
    async with home(tmp_path, llm, database_url=database_url) as after, person(after, "Ana") as ana:
        await ana.says("two", thread=root["id"])
        await ana.answer(root)
        assert [m["text"] for m in await ana.thread(root)] == ["First.", "two", "Second."]
    assert asked(llm) == [("user", "Ana: one"), ("assistant", "First."), ("user", "Ana: two")]
    assert llm.seen[1].body["temperature"] == 0.3


async def test_new_starts_afresh_in_the_same_thread(ana: Person, llm: LlmEmulator) -> None:
    root = await ana.says("@Parley one")
    await ana.answer(root)
    await ana.says("!new", thread=root["id"])
    await ana.says("two", thread=root["id"])
    await ana.answer(root, 2)
    assert asked(llm) == [("user", "Ana: two")]


async def test_feedback_is_kept(ana: Person, opened: House) -> None:
    root = await ana.says("@Parley one")
    answer = await ana.answer(root)
    told = await ana.presses(answer, "feedback", "up")
    assert told is not None
    assert not told["error"]
