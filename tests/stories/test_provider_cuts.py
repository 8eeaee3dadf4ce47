"""The stream breaks, stalls or ends oddly after words have come: they stay, a note says why, and nothing is doubled."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bot.wiring import House
from tests.emulators.llm import LlmEmulator, Script
from tests.emulators.llm_script import split_tokens
from tests.stories.faults import LONG, SHORT, Scene, client, logged_lines
from tests.stories.home import Person, home, person

log = pytest.fixture(logged_lines)

TEXT = "The **first half** stands here, and the second half never came to be read by anybody at all."
BROKE = "The connection to the model broke before the answer was complete."
STOPPED = "The model provider stopped in the middle of the answer."
OVERLOADED = {"message": "WORDSOFTHEPROVIDER org_01x is over capacity", "type": "internal_server_error"}


@pytest_asyncio.fixture
async def opened(tmp_path: Path, llm: LlmEmulator, log: io.StringIO) -> AsyncIterator[House]:
    async with home(tmp_path, llm, client(llm)) as it:
        yield it


@pytest.fixture
def scene(opened: House, ana: Person, llm: LlmEmulator, log: io.StringIO) -> Scene:
    return Scene(opened, ana, llm, log)


def beginning(tokens: int) -> str:
    return "".join(split_tokens(TEXT)[:tokens])


@pytest.mark.parametrize(
    ("fault", "note"),
    [
        ("reset", BROKE),
        ("close", BROKE),
        ("end", BROKE),
        ("stall", BROKE),
        ("malformed", STOPPED),
        ("error_event", STOPPED),
    ],
)
@pytest.mark.parametrize("tokens", [1, 6, 12])
async def test_what_came_before_the_cut_stays_with_a_note_and_can_be_made_again_in_the_same_message(
    fault: str, note: str, tokens: int, scene: Scene
) -> None:
    scene.llm.default = Script(text=TEXT, fault=fault, after=tokens, error=OVERLOADED)
    if fault == "stall":
        scene.waits(SHORT)
    root, reply = await scene.asks()
    shown = reply["text"]
    assert shown.replace("**", "") == beginning(tokens).replace("**", "")
    assert shown.count("**") % 2 == 0, "a mark left open"
    assert reply["notes"] == [note]
    assert reply["controls"]["regenerate"] is True
    assert await scene.outcomes() == {"cut": 1}
    assert len(scene.llm.seen) == 1, "what people have seen is never asked for again behind their back"
    scene.llm.default = Script(text="Whole now.")
    scene.waits(LONG)
    again = await scene.retried(root, reply, "regenerate")
    assert (again["text"], again["notes"]) == ("Whole now.", [])
    assert await scene.outcomes() == {"cut": 1, "answered": 1}


async def test_a_cut_answer_is_remembered_as_far_as_it_was_shown(scene: Scene) -> None:
    scene.llm.scripts.append(Script(text=TEXT, fault="reset", after=6))
    root, _ = await scene.asks("@Parley one")
    await scene.ana.says("go on", thread=root["id"])
    await scene.ana.answer(root, 2)
    assert [m["content"] for m in scene.llm.seen[-1].body["messages"][1:]] == ["Ana: one", beginning(6), "Ana: go on"]


async def test_a_cut_regeneration_is_a_version_of_its_own_and_the_whole_one_can_be_turned_back_to(
    scene: Scene,
) -> None:
    scene.llm.scripts.extend([Script(text="Blue."), Script(text=TEXT, fault="reset", after=6)])
    root, reply = await scene.asks()
    cut = await scene.retried(root, reply, "regenerate")
    assert (cut["notes"], cut["controls"]["versions"]) == ([BROKE], 2)
    assert await scene.ana.presses(cut, "version", "1") is None
    await scene.ana.until(lambda: scene.ana.messages[cut["id"]]["text"] == "Blue.")
    assert scene.ana.messages[cut["id"]]["notes"] == []
    assert await scene.ana.presses(cut, "version", "2") is None
    await scene.ana.until(lambda: scene.ana.messages[cut["id"]]["text"].startswith("The"))
    assert scene.ana.messages[cut["id"]]["notes"] == ["This answer broke off before it was complete."]


async def test_the_answer_of_a_fallback_that_breaks_off_names_both(
    tmp_path: Path, llm: LlmEmulator, log: io.StringIO
) -> None:
    llm.scripts.extend(
        [
            Script(status=404, body={"error": {"code": "model_not_found"}}),
            Script(text=TEXT, fault="reset", after=6),
        ]
    )
    async with home(tmp_path, llm, client(llm, fallbacks=("qwen/qwen3.8-27b",))) as opened, person(opened) as ana:
        _, reply = await Scene(opened, ana, llm, log).asks()
        assert reply["notes"] == [
            "Answered by qwen/qwen3.8-27b, because `openai/gpt-oss-20b` is not available.",
            BROKE,
        ]


async def test_the_time_to_wait_for_a_stalled_stream_is_configured(
    tmp_path: Path, llm: LlmEmulator, log: io.StringIO
) -> None:
    llm.default = Script(text=TEXT, fault="stall", after=6)
    async with home(tmp_path, llm, llm_timeout=2) as opened, person(opened) as ana:
        _, reply = await Scene(opened, ana, llm, log).asks()
        assert reply["notes"] == [BROKE]
        await llm.seen[0].over.wait()
        assert llm.seen[0].left_early


# --- odd, but whole


async def test_a_stream_without_its_closing_mark_is_whole_when_the_model_said_it_was_done(scene: Scene) -> None:
    scene.llm.default = Script(text=TEXT, fault="no_done")
    _, reply = await scene.asks()
    assert (reply["text"], reply["notes"]) == (TEXT, [])
    assert await scene.outcomes() == {"answered": 1}


async def test_an_answer_that_ran_out_of_tokens_says_which_setting_ended_it(scene: Scene) -> None:
    scene.llm.default = Script(text=TEXT, finish_reason="length")
    _, reply = await scene.asks()
    assert reply["text"] == TEXT
    assert reply["notes"] == ["Cut off at the token limit (max_completion_tokens)."]


async def test_a_content_filter_in_the_middle_is_named(scene: Scene) -> None:
    scene.llm.default = Script(text=TEXT, finish_reason="content_filter")
    _, reply = await scene.asks()
    assert reply["notes"] == ["The provider's content filter ended this answer."]


@pytest.mark.parametrize("size", [1, 3, 64])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
async def test_letters_of_several_bytes_arrive_whole_however_the_packets_are_cut(
    size: int, newline: str, scene: Scene
) -> None:
    text = "Zażółć gęślą jaźń, 日本語, 👩‍👩‍👧 and 🦊: fin."
    scene.llm.default = Script(text=text, slice=size, newline=newline, comments=True)
    _, reply = await scene.asks()
    assert reply["text"] == text


async def test_an_answer_that_comes_in_one_piece_though_a_stream_was_asked_for_is_shown(scene: Scene) -> None:
    scene.llm.default = Script(body={"choices": [{"message": {"content": "At once."}, "finish_reason": "stop"}]})
    _, reply = await scene.asks()
    assert (reply["text"], reply["notes"]) == ("At once.", [])
