"""The provider refuses, is away or talks nonsense before a word came: one plain sentence, and a Retry that works."""

from __future__ import annotations

import io
import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bot.wiring import House
from tests.emulators.llm import LlmEmulator, Script
from tests.stories.faults import LONG, MODEL, SHORT, Scene, client, logged_lines, rate_limit, refusal
from tests.stories.home import Person, home, person

log = pytest.fixture(logged_lines)


@pytest_asyncio.fixture
async def opened(tmp_path: Path, llm: LlmEmulator, log: io.StringIO) -> AsyncIterator[House]:
    async with home(tmp_path, llm, client(llm)) as it:
        yield it


@pytest.fixture
def scene(opened: House, ana: Person, llm: LlmEmulator, log: io.StringIO) -> Scene:
    return Scene(opened, ana, llm, log)


REFUSALS = {
    "a wrong key": (refusal(401, "invalid_api_key", "Invalid API Key"), r"refused the API key\. Whoever runs this bot"),
    "a key without permission": (refusal(403, None, "forbidden"), r"refused this bot access to `openai/gpt-oss-20b`"),
    "a model blocked for the account": (
        refusal(403, "model_permission_blocked_org", "blocked", "permissions_error"),
        r"may not use `openai/gpt-oss-20b`\. There are `openai/gpt-oss-120b`, `qwen",
    ),
    "the spending limit": (refusal(400, "blocked_api_access", "blocked"), r"monthly spending limit .* is reached"),
    "no credit": (refusal(402, None, "pay"), r"no credit left"),
    "a minute's limit with a long way to go": (
        rate_limit("tokens per minute (TPM)", retry_after="47"),
        r"limit of tokens per minute that Groq sets for `openai/gpt-oss-20b` is used up\. It frees up in about 47 s\. ",
    ),
    "a day's limit": (
        rate_limit("tokens per day (TPD)", "Please try again in 9m38.016s."),
        r"limit of tokens per day .* is used up\. It frees up in about 10 minutes\.",
    ),
    "a day's requests": (
        rate_limit("requests per day (RPD)", retry_after="7200"),
        r"limit of requests per day .* is used up\. It frees up in about 2 hours\.",
    ),
    "a limit that never says when": (rate_limit("requests per minute (RPM)"), r"is used up\. Try again in a moment"),
    "a body too large": (refusal(413, "request_too_large", "Request Entity Too Large"), r"Send fewer or smaller"),
    "a context overflow with its code": (
        refusal(400, "context_length_exceeded", "Please reduce the length of the messages or completion"),
        r"no longer fits the model's window",
    ),
    "a context overflow without a code": (
        refusal(400, None, "Please reduce the length of the messages or completion"),
        r"no longer fits the model's window",
    ),
    "no flex capacity": (refusal(498, "flex_capacity", "capacity"), r"no free flex capacity for `openai/gpt-oss-20b`"),
    "a server error": (refusal(500, None, "oops", "internal_server_error"), r"Groq has trouble right now"),
    "a page of a proxy with status 502": (
        Script(status=502, body=b"<html>WORDSOFTHEPROVIDER</html>", content_type="text/html"),
        r"Groq has trouble right now",
    ),
    "no capacity": (
        refusal(503, None, "m is currently over capacity. Please back off", "internal_server_error"),
        r"`openai/gpt-oss-20b` is over capacity at Groq right now",
    ),
    "a long pause asked for": (refusal(503, None, "x", retry_after="40"), r"Groq has trouble right now"),
    "a request it does not accept": (refusal(400, None, "something odd"), r"did not accept this request"),
    "a web page with status 200": (
        Script(body=b"<html>WORDSOFTHEPROVIDER</html>", content_type="text/html"),
        r"not an answer of a language model",
    ),
    "json that is no answer": (Script(body={"hello": "WORDSOFTHEPROVIDER"}), r"answered with nothing|broke off"),
    "an error with status 200": (
        Script(body={"error": {"message": "WORDSOFTHEPROVIDER org_01x", "code": 402}}),
        r"no credit left",
    ),
    "silence before the headers": (Script(fault="hang"), r"Groq did not answer in time"),
    "a connection dropped unanswered": (Script(fault="closed"), r"could not reach Groq"),
    "silence before the first word": (Script(fault="stall"), r"went silent before the answer began"),
    "a reset before the first word": (Script(fault="reset"), r"broke off before the answer began"),
    "an end before the first word": (Script(fault="end"), r"broke off before the answer began"),
    "a malformed chunk at once": (Script(fault="malformed"), r"not an answer of a language model"),
    "an error event at once": (
        Script(
            fault="error_event", error={"message": "WORDSOFTHEPROVIDER over capacity", "type": "internal_server_error"}
        ),
        r"over capacity at Groq",
    ),
    "an empty answer": (Script(text=""), r"answered with nothing"),
    "an answer of blanks": (Script(text="  \n \n"), r"answered with nothing"),
    "only thinking": (
        Script(text="", reasoning="WORDSOFTHEPROVIDER, thought.", finish_reason="length"),
        r"spent all its tokens on thinking and wrote no answer\. Raise max_completion_tokens",
    ),
    "a filter that withheld everything": (Script(text="", finish_reason="content_filter"), r"content filter withheld"),
}


@pytest.mark.parametrize("name", REFUSALS)
async def test_without_a_word_from_the_model_a_plain_sentence_stands_there_and_retry_answers_in_the_same_message(
    name: str, scene: Scene
) -> None:
    script, sentence = REFUSALS[name]
    scene.llm.default = script
    if script.fault in ("hang", "stall"):
        scene.waits(SHORT)
    root, reply = await scene.asks()
    assert re.search(sentence, reply["text"]), reply["text"]
    assert len(reply["text"]) < 400
    assert (reply["notes"], reply["controls"]["retry"], reply["controls"]["stop"]) == ([], True, False)
    assert await scene.outcomes() == {"failed": 1}
    scene.llm.default = Script(text="Hello again.")
    scene.waits(LONG)
    again = await scene.retried(root, reply)
    assert (again["text"], again["notes"]) == ("Hello again.", [])
    assert again["controls"]["retry"] is False
    assert await scene.outcomes() == {"failed": 1, "answered": 1}


async def test_a_retry_that_fails_too_says_what_is_the_matter_now(scene: Scene) -> None:
    scene.llm.default = refusal(401, "invalid_api_key", "no")
    root, reply = await scene.asks()
    scene.llm.default = refusal(503, None, "m is currently over capacity", "internal_server_error")
    again = await scene.retried(root, reply)
    assert "over capacity" in again["text"]
    assert again["controls"]["retry"] is True
    assert await scene.outcomes() == {"failed": 2}


async def test_a_failed_regeneration_leaves_the_answer_that_stood_there_and_tells_who_asked(scene: Scene) -> None:
    scene.llm.scripts.extend([Script(text="Blue."), refusal(401, "invalid_api_key", "no")])
    root, reply = await scene.asks()
    assert await scene.ana.presses(reply, "regenerate") is None
    await scene.ana.until(lambda: scene.ana.notices)
    stands = await scene.settled(root)
    assert (stands["text"], stands["notes"]) == ("Blue.", [])
    assert "refused the API key" in scene.ana.notices[0]["text"]


async def test_what_was_explained_is_no_part_of_the_conversation_for_the_model(scene: Scene) -> None:
    scene.llm.scripts.extend([refusal(401, "invalid_api_key", "no"), Script(text="Fine.")])
    root, _ = await scene.asks("@Parley one")
    await scene.ana.says("two", thread=root["id"])
    await scene.ana.answer(root, 2)
    told = [(m["role"], m["content"]) for m in scene.llm.seen[-1].body["messages"] if m["role"] != "system"]
    assert told == [("user", "Ana: one\nAna: two")]


RECOVERED = {
    "one server error": [refusal(500, None, "oops")],
    "two capacity errors": [refusal(503, None, "over capacity"), refusal(498, None, "flex")],
    "a dropped connection": [Script(fault="closed")],
    "a reset before the first word": [Script(fault="reset")],
    "a malformed first chunk": [Script(fault="malformed")],
    "a rate limit that never said when": [rate_limit("requests per minute (RPM)")],
}


@pytest.mark.parametrize("name", RECOVERED)
async def test_a_fault_that_passes_is_not_noticed(name: str, scene: Scene) -> None:
    scene.llm.scripts.extend(RECOVERED[name])
    scene.llm.default = Script(text="Hello, exactly.")
    _, reply = await scene.asks()
    assert (reply["text"], reply["notes"]) == ("Hello, exactly.", [])
    assert len(scene.llm.seen) == len(RECOVERED[name]) + 1
    assert await scene.outcomes() == {"answered": 1}


@pytest.mark.parametrize(
    ("script", "sign"),
    [
        (rate_limit("tokens per minute (TPM)", retry_after="1"), "next in line, about 1 s"),
        (rate_limit("tokens per minute (TPM)", "Please try again in 1.2s."), "next in line, about 2 s"),
        (refusal(503, None, "busy", retry_after="1"), "trying again in about 1 s"),
    ],
)
async def test_a_short_wait_is_waited_with_a_sign_that_says_so_only_as_long_as_it_is_true(
    script: Script, sign: str, scene: Scene
) -> None:
    scene.llm.scripts.append(script)
    scene.llm.default = Script(text="After a moment.", ttft=1.0)
    _, reply = await scene.asks()
    assert (reply["text"], reply["notes"]) == ("After a moment.", [])
    assert scene.ana.statuses == ["thinking", sign, "thinking", None]


@pytest.mark.parametrize(
    ("model", "instead"),
    [("llama-3.3-70b-versatile", "openai/gpt-oss-120b"), ("qwen/qwen3-32b", "qwen/qwen3.8-27b")],
)
async def test_a_retired_model_is_answered_with_the_models_there_are_and_what_to_take_instead(
    model: str, instead: str, tmp_path: Path, llm: LlmEmulator, log: io.StringIO
) -> None:
    async with home(tmp_path, llm, client(llm, model=model)) as opened, person(opened) as ana:
        scene = Scene(opened, ana, llm, log)
        root, reply = await scene.asks()
        assert reply["text"].startswith(f"Groq does not offer `{model}` (any more). Try `{instead}` instead")
        assert "`openai/gpt-oss-20b`" in reply["text"]
        assert "whisper" not in reply["text"]
        await ana.commands(f"model {instead}")
        again = await scene.retried(root, reply)
        assert again["text"] == llm.default.text
        assert llm.seen[-1].body["model"] == instead


async def test_a_server_that_is_not_there_is_said_to_be_out_of_reach(
    tmp_path: Path, llm: LlmEmulator, log: io.StringIO
) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        away = client(llm, base_url=f"http://127.0.0.1:{reserved.getsockname()[1]}/v1")
        async with home(tmp_path, llm, away) as opened, person(opened) as ana:
            _, reply = await Scene(opened, ana, llm, log).asks()
            assert "could not reach Groq" in reply["text"]
            assert reply["controls"]["retry"] is True


async def test_the_time_to_wait_for_a_silent_server_is_configured(
    tmp_path: Path, llm: LlmEmulator, log: io.StringIO
) -> None:
    llm.default = Script(fault="hang")
    async with home(tmp_path, llm, llm_timeout=1) as opened, person(opened) as ana:
        _, reply = await Scene(opened, ana, llm, log).asks()
        assert "did not answer in time" in reply["text"]
        await llm.seen[0].over.wait()
        assert llm.seen[0].left_early


# --- other models


async def test_the_next_model_of_the_chain_answers_and_the_answer_says_so(
    tmp_path: Path, llm: LlmEmulator, log: io.StringIO
) -> None:
    llm.scripts.append(rate_limit("tokens per day (TPD)", retry_after="9000"))
    chain = client(llm, fallbacks=("openai/gpt-oss-120b", "qwen/qwen3.8-27b"))
    async with home(tmp_path, llm, chain) as opened, person(opened) as ana:
        _, reply = await Scene(opened, ana, llm, log).asks()
        assert reply["text"] == llm.default.text
        assert reply["notes"] == [
            "Answered by openai/gpt-oss-120b, because `openai/gpt-oss-20b` has used up its limit."
        ]
        assert [seen.body["model"] for seen in llm.seen] == [MODEL, "openai/gpt-oss-120b"]
        told = await ana.presses(reply, "why")
        assert told is not None
        assert "openai/gpt-oss-120b" in told["text"]


async def test_when_two_models_of_the_chain_fail_the_note_names_who_answered_and_why_neither_of_them_did(
    tmp_path: Path, llm: LlmEmulator, log: io.StringIO
) -> None:
    llm.scripts.extend([rate_limit("tokens per day (TPD)", retry_after="9000"), refusal(404, "model_not_found")])
    chain = client(llm, fallbacks=("openai/gpt-oss-120b", "qwen/qwen3.8-27b"))
    async with home(tmp_path, llm, chain) as opened, person(opened) as ana:
        _, reply = await Scene(opened, ana, llm, log).asks()
        assert reply["text"] == llm.default.text
        (note,) = reply["notes"]
        assert note.startswith("Answered by qwen/qwen3.8-27b, because `openai/gpt-oss-20b` has used up its limit and ")
        assert note.endswith(" and `openai/gpt-oss-120b` is not available.")


async def test_a_chain_whose_models_all_fail_ends_with_one_sentence(
    tmp_path: Path, llm: LlmEmulator, log: io.StringIO
) -> None:
    llm.default = refusal(503, None, "m is currently over capacity", "internal_server_error")
    async with home(tmp_path, llm, client(llm, fallbacks=("openai/gpt-oss-120b",))) as opened, person(opened) as ana:
        scene = Scene(opened, ana, llm, log)
        root, reply = await scene.asks()
        assert "`openai/gpt-oss-120b` is over capacity" in reply["text"]
        assert not [note for note in reply["notes"] if note.startswith("Answered by")], reply["notes"]
        llm.default = Script(text="Fine.")
        assert (await scene.retried(root, reply))["text"] == "Fine."


# --- one request over the per-minute limit


async def test_when_only_the_answers_budget_is_over_the_limit_it_shrinks_and_the_question_is_answered(
    scene: Scene,
) -> None:
    scene.llm.tpm = 8_000
    _, reply = await scene.asks()
    assert (reply["text"], reply["notes"]) == (scene.llm.default.text, [])
    first, second = (seen.body["max_completion_tokens"] for seen in scene.llm.seen)
    assert first > 8_000
    assert 256 <= second <= 4_000
    assert await scene.outcomes() == {"answered": 1}


async def test_the_limit_learnt_from_a_refusal_sizes_the_next_request_at_once(scene: Scene) -> None:
    scene.llm.tpm = 8_000
    await scene.asks()
    other = await scene.ana.says("@Parley and now?")
    await scene.ana.answer(other)
    assert [seen.status for seen in scene.llm.seen] == [413, 200, 200]


async def test_a_conversation_over_the_limit_is_shortened_by_what_the_refusal_taught_and_answered(
    scene: Scene,
) -> None:
    root, _ = await scene.asks("@Parley " + "tell me about oaks and elms, please. " * 250)
    await scene.ana.says("and beeches? " * 600, thread=root["id"])
    await scene.ana.answer(root, 2)
    scene.llm.tpm = 4_000  # a smaller plan from now on; this process believes the old one
    await scene.ana.says("in short?", thread=root["id"])
    answer = await scene.ana.answer(root, 3)
    assert answer["text"] == scene.llm.default.text
    assert [note for note in answer["notes"] if "left out" in note], answer["notes"]
    assert [seen.status for seen in scene.llm.seen[2:]] == [413, 200]


async def test_a_single_question_over_the_limit_loses_its_middle_and_says_so(scene: Scene) -> None:
    scene.llm.tpm = 2_000
    _, reply = await scene.asks("@Parley " + "wood and stone and water. " * 450)
    assert reply["text"] == scene.llm.default.text
    assert reply["notes"] == ["Your message was too long for this model, so I left out its middle."]


async def test_a_request_that_cannot_be_made_small_enough_is_told_in_numbers(scene: Scene) -> None:
    message = "Request too large on tokens per minute (TPM): Limit 100, Requested 9000, please reduce your message size"
    scene.llm.default = refusal(413, "rate_limit_exceeded", message, "tokens")
    root, reply = await scene.asks()
    assert "9,000 tokens" in reply["text"]
    assert "100 tokens per minute" in reply["text"]
    assert "waiting does not help" in reply["text"]
    scene.llm.default = Script(text="Fine.")
    assert (await scene.retried(root, reply))["text"] == "Fine."
