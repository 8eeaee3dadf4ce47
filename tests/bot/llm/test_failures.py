from __future__ import annotations

import pytest

from bot.errors import CompletionFailed, ContextTooLong, KeyRefused, ModelGone, OverCapacity, RateLimited, TooLarge
from bot.llm.failures import Asked, judge_status
from bot.llm.retries import Remedy, Retries, Step, Verdict
from bot.llm.wire import Problem, read_error_body

ASKED = Asked("Groq", "m", "", ("m", "n"))
SECRETS = "org_01abc gsk_abc https://console.groq.com/settings req_12"


@pytest.mark.parametrize(
    ("status", "problem", "kind"),
    [
        (401, Problem("Invalid API Key"), KeyRefused),
        (400, Problem(code="blocked_api_access"), KeyRefused),
        (403, Problem(code="model_permission_blocked_org"), KeyRefused),
        (400, Problem(code="model_decommissioned"), ModelGone),
        (404, Problem(code="model_not_found"), ModelGone),
        (429, Problem("on tokens per minute (TPM): Limit 1, Used 1"), RateLimited),
        (413, Problem("Limit 8000, Requested 12328", code="rate_limit_exceeded"), TooLarge),
        (413, Problem("Entity too large"), TooLarge),
        (400, Problem("This model's maximum context length is 4096 tokens"), ContextTooLong),
        (400, Problem(code="context_length_exceeded"), ContextTooLong),
        (503, Problem("m is currently over capacity."), OverCapacity),
        (0, Problem("x", "server_error"), OverCapacity),
        (0, Problem("x", status=429), RateLimited),
    ],
)
def test_each_failure_has_its_class_and_a_sentence_without_secrets(
    status: int, problem: Problem, kind: type[CompletionFailed]
) -> None:
    dirty = Problem(f"{problem.message} {SECRETS}", problem.type, problem.code, problem.status)
    error = judge_status(status, {}, dirty, ASKED).error
    assert type(error) is kind
    for secret in SECRETS.split():
        assert secret not in error.user_text
        assert secret not in str(error)


@pytest.mark.parametrize(
    ("body", "message", "code"),
    [
        (b'{"error":{"message":"m","code":"c"}}', "m", "c"),
        (b'{"error":{"message":"m","code":400}}', "m", "400"),
        (b'{"error":"m"}', "m", ""),
        (b'{"object":"error","message":"m","code":400}', "m", "400"),
        (b'{"detail":"m"}', "m", ""),
        (b"<html>", "<html>", ""),
        (b"null", "", ""),
    ],
)
def test_errors_are_read_in_every_shape(body: bytes, message: str, code: str) -> None:
    problem = read_error_body(body)
    assert (problem.message, problem.code) == (message, code)


def test_the_time_to_wait_is_found_in_the_words_when_no_header_says_it() -> None:
    error = judge_status(429, {}, Problem("Please try again in 9m38.016s. Visit"), ASKED).error
    assert error.retry_after == pytest.approx(578.016)


def test_a_rest_is_taken_until_patience_ends_and_shorter_where_others_could_answer() -> None:
    verdict = Verdict(RateLimited("", retry_after=10), Remedy.REST, others_may=True)
    assert Retries(patience=30, others=False).after(verdict, 0, 0).step is Step.AGAIN
    assert Retries(patience=5, others=False).after(verdict, 0, 0).step is Step.GIVE_UP
    assert Retries(patience=30, others=True).after(verdict, 0, 0).step is Step.OTHER


def test_backoff_grows_and_ends() -> None:
    retries, verdict = Retries(patience=30, others=False), Verdict(OverCapacity(), Remedy.BACKOFF)
    decisions = [retries.after(verdict, 0, 0.5) for _ in range(4)]
    assert [decision.seconds for decision in decisions[:3]] == [0.5, 1.0, 2.0]
    assert decisions[3].step is Step.GIVE_UP
