"""What people get when the provider's limits are reached, on both transports."""

from __future__ import annotations

import asyncio

import pytest

from bot.errors import RateLimited, TooLarge
from bot.ports import Waiting
from tests.bot.llm.conftest import OpenClient, ask, fails
from tests.contracts.completions import collect, text_of
from tests.emulators.llm import LlmEmulator, Script, Seen
from tests.emulators.llm_script import HELLO

RATE_LIMITED = {
    "error": {
        "message": "Rate limit reached for model `x` in organization `org_01secret` service tier `on_demand` on tokens "
        "per day (TPD): Limit 200000, Used 199999, Requested 50. Please try again in 9m38.016s. Visit https://x.y",
        "type": "tokens",
        "code": "rate_limit_exceeded",
    }
}


def _last_words(seen: Seen) -> str:
    return str(seen.body["messages"][-1]["content"])


async def test_a_short_rate_limit_is_waited_out_with_a_place_in_line(
    server: LlmEmulator, open_client: OpenClient
) -> None:
    server.scripts.append(Script(status=429, body=RATE_LIMITED, headers=(("retry-after", "0.1"),)))
    pieces = await collect(open_client(), ask())
    assert isinstance(pieces[0], Waiting)
    assert "in line, about 1 s" in pieces[0].why
    assert text_of(pieces) == HELLO


async def test_a_long_rate_limit_says_which_limit_and_when_it_ends(
    server: LlmEmulator, open_client: OpenClient
) -> None:
    server.default = Script(status=429, body=RATE_LIMITED, headers=(("retry-after", "579"),))
    error = await fails(open_client(), ask())
    assert isinstance(error, RateLimited)
    assert "tokens per day" in error.user_text
    assert "10 minutes" in error.user_text
    assert error.retry_after == 579
    assert len(server.seen) == 1


async def test_a_known_empty_budget_is_not_asked_again(server: LlmEmulator, open_client: OpenClient) -> None:
    server.tpm = 1_000
    client = open_client(patience=1.0)
    await collect(client, ask(max_completion_tokens=900, prompt_tokens=20))
    error = await fails(client, ask(max_completion_tokens=900, prompt_tokens=20))
    assert isinstance(error, RateLimited)
    assert error.retry_after is not None
    assert error.retry_after > 1
    assert len(server.seen) == 1


async def test_a_request_waits_for_tokens_that_are_known_to_be_missing_instead_of_being_refused(
    server: LlmEmulator, open_client: OpenClient
) -> None:
    server.tpm = 6_000_000  # a hundred thousand in a second
    client = open_client()
    request = ask(model="acme/unknown-7b", max_completion_tokens=3_100_000, prompt_tokens=20)
    await collect(client, request)
    pieces = await collect(client, request)
    assert isinstance(pieces[0], Waiting)
    assert text_of(pieces) == HELLO
    assert [seen.status for seen in server.seen] == [200, 200]


async def test_what_was_just_sent_is_counted_before_the_server_tells(
    server: LlmEmulator, open_client: OpenClient
) -> None:
    server.tpm = 60_000_000
    client = open_client()
    await collect(client, ask(model="acme/unknown-7b"))
    request = ask(model="acme/unknown-7b", max_completion_tokens=30_200_000, prompt_tokens=20)
    await asyncio.gather(collect(client, request), collect(client, request))
    assert [seen.status for seen in server.seen] == [200, 200, 200]


async def test_a_crowd_over_the_limit_is_answered_to_the_last(server: LlmEmulator, open_client: OpenClient) -> None:
    server.tpm = 60_000_000
    client = open_client()
    request = ask(model="acme/unknown-7b", max_completion_tokens=10_100_000, prompt_tokens=20)
    answers = await asyncio.gather(*(collect(client, request) for _ in range(6)))
    assert [text_of(pieces) for pieces in answers] == [HELLO] * 6


async def test_who_was_refused_in_a_crowd_is_served_in_the_order_they_came(
    server: LlmEmulator, open_client: OpenClient
) -> None:
    server.tpm = 60_000_000  # forty go at once, and one in each second and a half after them
    client = open_client()
    requests = [
        ask(f"I am number {number}.", model="acme/unknown-7b", max_completion_tokens=1_500_000, prompt_tokens=20)
        for number in range(43)
    ]
    await asyncio.gather(*(collect(client, request) for request in requests))
    words = {status: [_last_words(seen) for seen in server.seen if seen.status == status] for status in (200, 429)}
    came = [request.messages[-1].text for request in requests]
    assert len(set(words[429])) >= 3
    again = [text for text in words[200] if text in words[429]]
    assert again == sorted(again, key=came.index)


async def test_a_request_over_the_whole_minute_limit_is_told_that_waiting_does_not_help(
    server: LlmEmulator, open_client: OpenClient
) -> None:
    server.tpm = 8_000
    error = await fails(open_client(), ask("word " * 8_000, max_completion_tokens=2_000, prompt_tokens=9_000))
    assert isinstance(error, TooLarge)
    assert "8,000 tokens per minute" in error.user_text
    assert len(server.seen) == 1


@pytest.mark.parametrize("budget", [32_000, 8_000])
async def test_when_only_the_answers_budget_is_too_large_a_smaller_one_is_asked_for_and_the_limit_is_learnt(
    budget: int, server: LlmEmulator, open_client: OpenClient
) -> None:
    server.tpm = 8_000
    client = open_client()
    assert text_of(await collect(client, ask(max_completion_tokens=budget, prompt_tokens=20))) == HELLO
    assert [seen.status for seen in server.seen] == [413, 200]
    assert server.seen[1].body["max_completion_tokens"] == 4_000
    assert [(state.kind, state.limit) for state in client.limits()][-1] == ("tokens/minute", 8_000)


async def test_the_limit_is_learnt_from_the_refusals_words_where_no_header_says_it(
    server: LlmEmulator, open_client: OpenClient
) -> None:
    words = "Request too large on tokens per minute (TPM): Limit 6000, Requested 9020, please reduce your message size."
    silent = (("x-ratelimit-limit-tokens", ""), ("x-ratelimit-limit-requests", ""))
    refusal = {"error": {"message": words, "type": "tokens", "code": "rate_limit_exceeded"}}
    server.default = Script(headers=silent)
    server.scripts.append(Script(status=413, body=refusal, headers=silent))
    client = open_client()
    assert text_of(await collect(client, ask(max_completion_tokens=4_000, prompt_tokens=9_000))) == HELLO
    assert server.seen[1].body["max_completion_tokens"] == 980
    assert [(state.kind, state.limit) for state in client.limits()] == [("tokens/minute", 6_000)]


async def test_limits_tell_what_the_provider_last_said(server: LlmEmulator, open_client: OpenClient) -> None:
    client = open_client()
    assert client.limits() == []
    await collect(client, ask())
    kinds = {state.kind: state for state in client.limits()}
    assert kinds["tokens/minute"].limit == server.tpm
    assert kinds["requests/day"].remaining == server.rpd - 1
