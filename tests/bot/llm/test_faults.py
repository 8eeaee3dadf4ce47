"""What people get when the provider misbehaves: each fault on a real connection, on both transports."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Sequence
from contextlib import aclosing

import pytest

from bot.errors import (
    BadAnswer,
    ContextTooLong,
    Cut,
    KeyRefused,
    ModelGone,
    OverCapacity,
    RequestRefused,
    TooLarge,
    Unreachable,
)
from bot.ports import Finished, JsonSchema, Piece, ReasoningDelta, Switched, Waiting
from tests.bot.llm.conftest import OpenClient, ask, fails, read
from tests.contracts.completions import collect, text_of
from tests.emulators.llm import LlmEmulator, Script
from tests.emulators.llm_script import HELLO

PATIENCE = 30.0


def thoughts_of(pieces: Sequence[Piece]) -> str:
    return "".join(piece.text for piece in pieces if isinstance(piece, ReasoningDelta))


@pytest.mark.parametrize("fault", ["reset", "close", "end", "malformed", "error_event"])
async def test_a_cut_stream_keeps_what_came_and_says_so(
    fault: str, server: LlmEmulator, open_client: OpenClient
) -> None:
    server.default = Script(fault=fault, after=4, rate=200)
    pieces: list[Piece] = []
    error = await fails(open_client(), ask(), pieces)
    assert isinstance(error, Cut)
    text = text_of(pieces)
    assert text
    assert HELLO.startswith(text)
    assert text != HELLO
    assert len(server.seen) == 1


async def test_a_stream_that_falls_silent_is_cut_after_the_stall_time(
    server: LlmEmulator, open_client: OpenClient
) -> None:
    server.default = Script(fault="stall", after=4)
    pieces: list[Piece] = []
    error = await fails(open_client(stall_timeout=1.0), ask(), pieces)
    assert isinstance(error, Cut)
    assert text_of(pieces)
    assert HELLO.startswith(text_of(pieces))
    await asyncio.wait_for(server.seen[0].over.wait(), PATIENCE)
    assert server.seen[0].left_early


async def test_a_process_that_was_held_up_itself_takes_no_server_for_silent(
    server: LlmEmulator, open_client: OpenClient
) -> None:
    server.default = Script(rate=20)
    pieces: list[Piece] = []
    reading = asyncio.create_task(read(open_client(stall_timeout=1.0), ask(), pieces))
    while not text_of(pieces):
        await asyncio.sleep(0.01)
    time.sleep(1.5)  # noqa: ASYNC251 - holds up this very loop, on purpose
    await reading
    assert text_of(pieces) == HELLO


async def test_nor_does_it_when_it_was_held_up_before_the_answer_began(
    server: LlmEmulator, open_client: OpenClient
) -> None:
    server.default = Script(header_delay=0.5)
    pieces: list[Piece] = []
    reading = asyncio.create_task(read(open_client(headers_timeout=1.0), ask(), pieces))
    while not server.seen:
        await asyncio.sleep(0.01)
    time.sleep(1.5)  # noqa: ASYNC251 - holds up this very loop, on purpose
    await reading
    assert text_of(pieces) == HELLO
    assert len(server.seen) == 1


async def test_a_stream_without_the_closing_mark_is_whole_when_the_model_said_it_was_done(
    server: LlmEmulator, open_client: OpenClient
) -> None:
    server.default = Script(fault="no_done")
    pieces = await collect(open_client(), ask())
    assert text_of(pieces) == HELLO
    assert isinstance(pieces[-1], Finished)


@pytest.mark.parametrize("fault", ["reset", "end", "malformed", "error_event", "closed"])
async def test_trouble_before_the_first_word_is_repeated_without_anybody_noticing(
    fault: str, server: LlmEmulator, open_client: OpenClient
) -> None:
    server.scripts.append(Script(fault=fault))
    assert text_of(await collect(open_client(), ask())) == HELLO
    assert len(server.seen) == 2


@pytest.mark.parametrize("model", ["openai/gpt-oss-20b", "acme/unknown-7b"])
@pytest.mark.parametrize("fault", ["reset", "close", "end", "malformed", "error_event"])
async def test_trouble_while_the_model_thinks_is_repeated_and_what_it_thought_in_vain_is_not_told(
    fault: str, model: str, server: LlmEmulator, open_client: OpenClient
) -> None:
    server.default = Script(reasoning="First I count. Then I answer.")
    server.scripts.append(Script(reasoning="This leads nowhere.", fault=fault, after=2, rate=200))
    pieces = await collect(open_client(), ask(model=model, show_reasoning=True))
    assert text_of(pieces) == HELLO
    assert thoughts_of(pieces) == "First I count. Then I answer."
    assert len(server.seen) == 2


async def test_the_next_model_of_the_chain_answers_when_the_first_breaks_off_while_it_thinks(
    server: LlmEmulator, open_client: OpenClient
) -> None:
    in_vain = Script(reasoning="This leads nowhere.", fault="reset", after=2)
    server.scripts.extend([in_vain, in_vain])
    pieces = await collect(open_client(), ask(show_reasoning=True, fallbacks=("openai/gpt-oss-120b",)))
    assert pieces[0] == Switched("openai/gpt-oss-120b", "`openai/gpt-oss-20b` did not answer")
    assert thoughts_of(pieces) == ""
    assert text_of(pieces) == HELLO


async def test_the_next_model_of_the_chain_answers_for_one_that_is_silent(
    server: LlmEmulator, open_client: OpenClient
) -> None:
    server.scripts.append(Script(fault="hang"))
    pieces = await collect(open_client(headers_timeout=0.5), ask(fallbacks=("openai/gpt-oss-120b",)))
    assert pieces[0] == Switched("openai/gpt-oss-120b", "`openai/gpt-oss-20b` did not answer")
    assert text_of(pieces) == HELLO


async def test_a_connection_that_the_server_dropped_meanwhile_is_replaced_by_a_fresh_one(
    server: LlmEmulator, open_client: OpenClient
) -> None:
    server.default = Script(ttft=0.1)
    client = open_client()
    await asyncio.gather(collect(client, ask()), collect(client, ask()))
    for _ in range(20):
        await asyncio.sleep(0)
    server.scripts.append(Script(fault="closed"))
    assert text_of(await collect(client, ask())) == HELLO
    assert [seen.connection for seen in server.seen[2:]] in ([1, 3], [2, 3])


async def test_connections_are_used_again(server: LlmEmulator, open_client: OpenClient) -> None:
    client = open_client()
    for _ in range(4):
        await collect(client, ask())
        for _ in range(20):
            await asyncio.sleep(0)
    assert server.connections == 1


async def test_a_server_that_is_not_there_is_unreachable(open_client: OpenClient) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{reserved.getsockname()[1]}/v1"
        error = await fails(open_client(base_url=closed), ask())
    assert isinstance(error, Unreachable)
    assert error.safe


async def test_a_server_that_never_answers_is_given_up_and_the_request_closed(
    server: LlmEmulator, open_client: OpenClient
) -> None:
    server.default = Script(fault="hang")
    error = await fails(open_client(headers_timeout=0.5), ask())
    assert isinstance(error, Unreachable)
    assert "in time" in error.user_text
    await asyncio.wait_for(server.seen[0].over.wait(), PATIENCE)
    assert server.seen[0].left_early


async def test_slow_headers_are_waited_for_even_when_they_take_longer_than_a_stall(
    server: LlmEmulator, open_client: OpenClient
) -> None:
    server.default = Script(header_delay=1.5)
    assert text_of(await collect(open_client(stall_timeout=1.0), ask())) == HELLO


async def test_leaving_the_stream_closes_the_request_upstream_at_once(
    server: LlmEmulator, open_client: OpenClient
) -> None:
    server.default = Script(text="word " * 5_000, rate=100)
    async with aclosing(open_client().stream(ask())) as batches:
        async for _ in batches:
            break
    await asyncio.wait_for(server.seen[0].over.wait(), PATIENCE)
    assert server.seen[0].left_early
    assert server.seen[0].tokens_sent < 4_000


async def test_cancelling_the_task_closes_the_request_upstream(server: LlmEmulator, open_client: OpenClient) -> None:
    server.default = Script(text="word " * 5_000, rate=100)
    client, started = open_client(), asyncio.Event()

    async def read() -> None:
        async with aclosing(client.stream(ask())) as batches:
            async for _ in batches:
                started.set()

    task = asyncio.create_task(read())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(server.seen[0].over.wait(), PATIENCE)
    assert server.seen[0].left_early


async def test_a_web_page_instead_of_an_answer_is_said_to_be_none(server: LlmEmulator, open_client: OpenClient) -> None:
    server.default = Script(body=b"<html>Welcome</html>", content_type="text/html; charset=utf-8")
    error = await fails(open_client(), ask())
    assert isinstance(error, BadAnswer)
    assert "html" not in error.user_text.lower()


async def test_an_answer_that_ignores_streaming_is_read_whole(server: LlmEmulator, open_client: OpenClient) -> None:
    server.default = Script(body={"choices": [{"message": {"content": "All at once."}, "finish_reason": "stop"}]})
    assert text_of(await collect(open_client(), ask())) == "All at once."


async def test_an_error_that_comes_with_status_200_is_an_error(server: LlmEmulator, open_client: OpenClient) -> None:
    server.default = Script(body={"error": {"code": 402, "message": "Insufficient credits for org_x"}})
    assert isinstance(await fails(open_client(), ask()), KeyRefused)


async def test_an_empty_answer_is_not_shown_as_an_answer(server: LlmEmulator, open_client: OpenClient) -> None:
    server.default = Script(text="")
    error = await fails(open_client(), ask())
    assert isinstance(error, BadAnswer)
    assert len(server.seen) == 1


async def test_thinking_that_used_up_all_tokens_says_which_setting_to_raise(
    server: LlmEmulator, open_client: OpenClient
) -> None:
    server.default = Script(reasoning="Let me think about this for a good while.")
    error = await fails(open_client(), ask(max_completion_tokens=5))
    assert isinstance(error, BadAnswer)
    assert "max_completion_tokens" in error.user_text


async def test_a_wrong_key_is_said_plainly_and_not_tried_twice(server: LlmEmulator, open_client: OpenClient) -> None:
    client = open_client(api_key="gsk_wrong")
    error = await fails(client, ask())
    assert isinstance(error, KeyRefused)
    assert "gsk_wrong" not in error.user_text
    with pytest.raises(KeyRefused):
        await client.models()


async def test_a_retired_model_names_the_models_there_are_and_what_to_take_instead(open_client: OpenClient) -> None:
    error = await fails(open_client(), ask(model="llama-3.3-70b-versatile"))
    assert isinstance(error, ModelGone)
    assert "Try `openai/gpt-oss-120b` instead" in error.user_text
    assert "qwen/qwen3.8-27b" in error.user_text
    assert "whisper" not in error.user_text


async def test_the_next_model_of_the_chain_answers_for_a_retired_one_and_says_so(open_client: OpenClient) -> None:
    request = ask(model="llama-3.3-70b-versatile", fallbacks=("openai/gpt-oss-120b",))
    pieces = await collect(open_client(), request)
    assert pieces[0] == Switched("openai/gpt-oss-120b", "`llama-3.3-70b-versatile` is not available")
    assert text_of(pieces) == HELLO


async def test_a_server_error_is_repeated_and_then_said_plainly(server: LlmEmulator, open_client: OpenClient) -> None:
    server.default = Script(
        status=503, body={"error": {"message": "x is currently over capacity. org_1", "type": "internal_server_error"}}
    )
    error = await fails(open_client(), ask())
    assert isinstance(error, OverCapacity)
    assert "over capacity" in error.user_text
    assert len(server.seen) == 4


async def test_a_longer_pause_that_the_server_asks_for_is_said(server: LlmEmulator, open_client: OpenClient) -> None:
    server.scripts.append(Script(status=503, body={}, headers=(("retry-after", "1"),)))
    pieces = await collect(open_client(), ask())
    assert pieces[0] == Waiting(1.0, "trying again in about 1 s")
    assert text_of(pieces) == HELLO


async def test_a_schema_that_a_model_refuses_is_asked_for_in_words(
    server: LlmEmulator, open_client: OpenClient
) -> None:
    request = ask(model="acme/unknown-7b", json=JsonSchema("s", {"title": "zebra"}))
    assert text_of(await collect(open_client(), request))
    assert "response_format" not in server.seen[-1].body
    assert "zebra" in server.seen[-1].body["messages"][0]["content"]


async def test_one_server_error_is_not_noticed(server: LlmEmulator, open_client: OpenClient) -> None:
    server.scripts.extend([Script(status=500, body=b"oops", content_type="text/plain"), Script(status=498, body={})])
    assert text_of(await collect(open_client(), ask())) == HELLO


async def test_a_body_too_large_is_told_apart_from_too_many_tokens(
    server: LlmEmulator, open_client: OpenClient
) -> None:
    error = await fails(open_client(), ask("x" * (5 << 20)))
    assert isinstance(error, TooLarge)
    assert "tokens" not in error.user_text


async def test_an_overflow_without_a_code_is_recognised_by_its_words(
    server: LlmEmulator, open_client: OpenClient
) -> None:
    message = "Please reduce the length of the messages or completion"
    server.default = Script(status=400, body={"error": {"message": message, "type": "invalid_request_error"}})
    assert isinstance(await fails(open_client(), ask()), ContextTooLong)


async def test_a_setting_that_the_model_refuses_is_left_out_from_then_on(
    server: LlmEmulator, open_client: OpenClient
) -> None:
    client = open_client()
    request = ask(model="acme/unknown-7b", reasoning_effort="high", temperature=0.5)
    for _ in range(2):
        pieces = await collect(client, request)
        assert text_of(pieces) == HELLO
        assert isinstance(pieces[-1], Finished)
        assert pieces[-1].unsent == ("reasoning_effort",)
    assert ["reasoning_effort" in seen.body for seen in server.seen] == [True, False, False]


async def test_a_refused_request_never_shows_the_providers_own_words(
    server: LlmEmulator, open_client: OpenClient
) -> None:
    server.default = Script(status=400, body={"error": {"message": "bad thing in org_secret", "type": "x"}})
    error = await fails(open_client(), ask())
    assert isinstance(error, RequestRefused)
    assert "bad thing" not in error.user_text
    assert "bad thing" not in str(error)


async def test_a_failed_json_answer_is_made_once_more(server: LlmEmulator, open_client: OpenClient) -> None:
    failed = {
        "error": {"message": "Failed to generate JSON.", "code": "json_validate_failed", "failed_generation": "{"}
    }
    server.scripts.append(Script(status=400, body=failed))
    assert text_of(await collect(open_client(), ask(json=True, max_completion_tokens=900))).startswith("{")
    assert [seen.body["max_completion_tokens"] for seen in server.seen] == [900, 900]
    server.default = Script(status=400, body=failed)
    assert isinstance(await fails(open_client(), ask(json=True)), BadAnswer)


@pytest.mark.parametrize(
    ("model", "tpm", "budget", "more"),
    [
        ("openai/gpt-oss-20b", 250_000, 2_000, 4_000),
        ("openai/gpt-oss-20b", 8_000, 2_500, 4_000),
        ("qwen/qwen3.8-27b", 250_000, 12_000, 16_384),
        ("acme/unknown-7b", 250_000, None, None),
    ],
)
async def test_it_is_made_with_more_tokens_where_nobody_limited_them(
    model: str, tpm: int, budget: int | None, more: int | None, server: LlmEmulator, open_client: OpenClient
) -> None:
    failed = {"error": {"message": "Failed to generate JSON.", "code": "json_validate_failed"}}
    server.tpm = tpm
    server.scripts.append(Script(status=400, body=failed))
    request = ask(model=model, json=True, max_completion_tokens=budget, may_grow=True, prompt_tokens=20)
    assert text_of(await collect(open_client(), request)).startswith("{")
    assert [seen.body.get("max_completion_tokens") for seen in server.seen] == [budget, more]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_text_arrives_exactly_however_the_bytes_were_cut(
    newline: str, size: int, server: LlmEmulator, open_client: OpenClient
) -> None:
    text = "Zażółć gęślą jaźń — 日本語 🦊 fin."
    server.default = Script(text=text, newline=newline, comments=True, slice=size)
    pieces = await collect(open_client(), ask(seed=7))
    assert text_of(pieces) == text
    last = pieces[-1]
    assert isinstance(last, Finished)
    assert last.seed == 7
    assert last.request_id.startswith("req_")
    assert last.usage is not None
    assert last.usage.queue_time > 0


async def test_reasoning_is_kept_apart_from_the_answer_whichever_way_the_model_sends_it(
    server: LlmEmulator, open_client: OpenClient
) -> None:
    server.default = Script(reasoning="First I count. Then I answer.")
    for model in ("openai/gpt-oss-20b", "qwen/qwen3.8-27b", "acme/unknown-7b"):
        for show in (True, False):
            pieces = await collect(open_client(), ask(model=model, show_reasoning=show))
            assert text_of(pieces) == HELLO
            assert thoughts_of(pieces) == ("First I count. Then I answer." if show else "")
