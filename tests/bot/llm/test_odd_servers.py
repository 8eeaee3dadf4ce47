"""Servers that speak the protocol in their own way: what they mean is understood, on both transports.

Each answers with exactly these bytes, which is more than the strict emulator would ever say.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from bot.errors import BadAnswer, CompletionFailed, Cut, KeyRefused, ModelGone, OverCapacity, RateLimited
from bot.llm import ChatCompletions, LlmConfig
from bot.ports import Finished, Usage
from tests.bot.llm.conftest import ask
from tests.contracts.completions import collect, text_of


@dataclass
class OddServer:
    """``replies``: the bytes of each answer in turn, the last one for ever. ``open``: it never hangs up."""

    replies: list[bytes]
    open: bool = False
    url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    asked: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
            if length is not None:
                self.bodies.append(json.loads(await reader.readexactly(int(length[1]))))
            writer.write(self.replies[min(self.asked, len(self.replies) - 1)])
            self.asked += 1
            await writer.drain()
            if self.open:
                await reader.read(1)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@contextlib.asynccontextmanager
async def odd(*replies: bytes, **options: Any) -> AsyncIterator[OddServer]:
    it = OddServer(list(replies), **options)
    server = await asyncio.start_server(it.serve, "127.0.0.1", 0)
    it.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    async with server:
        yield it


@contextlib.asynccontextmanager
async def client(it: OddServer, transport: str, **changes: Any) -> AsyncIterator[ChatCompletions]:
    given: dict[str, Any] = {"kind": "groq", "transport": transport, "backoff": 0.0, "patience": 1.0, **changes}
    completions = ChatCompletions(LlmConfig(it.url, "gsk_x", **given), chance=lambda: 0.5)
    try:
        yield completions
    finally:
        await completions.close()


def response(
    body: bytes | str, kind: str = "text/event-stream", status: str = "200 OK", version: str = "1.1", more: str = ""
) -> bytes:
    """An HTTP response that ends with its connection."""
    head = f"HTTP/{version} {status}\r\n" + (f"content-type: {kind}\r\n" if kind else "") + more + "\r\n"
    return head.encode() + (body if isinstance(body, bytes) else body.encode())


def events(*chunks: object, space: str = " ", newline: str = "\n", end: str = "[DONE]") -> str:
    lines = [chunk if isinstance(chunk, str) else json.dumps(chunk) for chunk in chunks] + ([end] if end else [])
    return "".join(f"data:{space}{line}{newline}{newline}" for line in lines)


def chunk(delta: object, reason: object = None, **more: object) -> dict[str, object]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}], **more}


HEL, LO, STOP = chunk({"content": "Hel"}), chunk({"content": "lo"}), chunk({}, "stop")
HELLO = events(chunk({"role": "assistant", "content": ""}), HEL, LO, STOP)
WHOLE = {"choices": [{"message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}]}

UNDERSTOOD = {
    "bytes of no known kind": response(HELLO, "application/octet-stream"),
    "events called plain text": response(HELLO, "text/plain; charset=utf-8"),
    "events called json": response(HELLO, "application/json"),
    "events called nothing": response(HELLO, ""),
    "a whole answer called events": response(json.dumps(WHOLE)),
    "a whole answer called plain text": response(json.dumps(WHOLE), "text/plain"),
    "an old http": response(HELLO, version="1.0"),
    "created": response(HELLO, status="201 Created"),
    "blank lines to keep one waiting": response("\n\n\n" + json.dumps(WHOLE), "application/json"),
    "no space after the colon": response(events(HEL, LO, STOP, space="")),
    "the line ends of windows": response(events(HEL, LO, STOP, newline="\r\n")),
    "a byte order mark": response(b"\xef\xbb\xbf" + HELLO.encode()),
    "blanks around the closing mark": response(events(HEL, LO, STOP, end=" [DONE] ")),
    "events of blanks": response("data:\n\ndata:   \n\n" + HELLO),
    "comments and pings": response(': hi\n\nevent: ping\ndata: {"type":"ping"}\n\n' + HELLO),
    "no closing mark": response(events(HEL, LO, STOP, end="")),
    "no reason, only the closing mark": response(events(HEL, LO)),
    "no blank line at the end": response(events(HEL, LO, STOP, end="").rstrip()),
    "nulls in all places": response(
        events({"id": None, "choices": None, "usage": None, "error": None}, chunk(None), end="")
        + events(chunk({"content": None}), HEL, LO, chunk({"content": None, "role": None}, "stop", usage=None))
    ),
    "a choice that is null": response(events({"choices": [None]}, HEL, LO, STOP)),
    "no choices": response(events({}, {"choices": []}, HEL, LO, STOP, {"choices": [], "usage": {}})),
    "a reason that is a number": response(events(HEL, LO, chunk({}, 1))),
    "text in parts": response(events(chunk({"content": [{"type": "text", "text": "Hel"}, "lo"]}), STOP)),
    "a whole answer in parts": response(
        json.dumps({"choices": [{"message": {"content": [{"text": "Hello"}]}, "finish_reason": "stop"}]})
    ),
    "a message where a delta belongs": response(events(WHOLE)),
    "usage in words": response(events(HEL, LO, chunk({}, "stop", usage="some"))),
    "usage in a list": response(events(HEL, LO, chunk({}, "stop", usage=[1]))),
    "extras of other types": response(events(chunk({"content": "Hel"}, model=3, x_groq={"id": 7}), LO, STOP)),
    "thinking that is an object": response(events(chunk({"reasoning": {"a": 1}}), HEL, LO, STOP)),
    "thinking by another name": response(events(chunk({"reasoning_content": "Hm."}), HEL, LO, STOP)),
    "thinking in the text": response(
        events(chunk({"content": "<think>Hm.</th"}), chunk({"content": "ink>"}), HEL, LO, STOP)
    ),
    "a refusal apart": response(events(chunk({"refusal": "Hello"}), STOP)),
}  # fmt: skip


@pytest.fixture(params=["aiohttp", "httpx"])
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("name", UNDERSTOOD)
async def test_an_answer_is_understood_however_the_server_puts_it(name: str, transport: str) -> None:
    async with odd(UNDERSTOOD[name]) as server, client(server, transport) as completions:
        pieces = await collect(completions, ask())
        assert text_of(pieces) == "Hello"
        assert isinstance(pieces[-1], Finished)
        assert server.asked == 1


async def test_of_an_odd_usage_the_numbers_count(transport: str) -> None:
    counted = {"prompt_tokens": "12", "completion_tokens": 3, "total_tokens": None, "prompt_tokens_details": "none"}
    reply = response(events(HEL, LO, chunk({}, "stop", usage=counted)))
    async with odd(reply) as server, client(server, transport) as completions:
        last = (await collect(completions, ask()))[-1]
    assert isinstance(last, Finished)
    assert last.usage == Usage(12, 3)


async def test_when_the_model_is_done_nobody_waits_for_a_mark_that_never_comes(transport: str) -> None:
    reply = response(events(HEL, LO, STOP, end=""))
    async with odd(reply, open=True) as server, client(server, transport) as completions, asyncio.timeout(30):
        assert text_of(await collect(completions, ask())) == "Hello"


def refusal(status: str, body: object, kind: str = "application/json", more: str = "") -> bytes:
    content = body if isinstance(body, str) else json.dumps(body)
    return response(content, kind, status, more=f"content-length: {len(content)}\r\n{more}")


@pytest.mark.parametrize(
    ("reply", "error", "sentence"),
    [
        (refusal("401 Unauthorized", "", ""), KeyRefused, "refused the API key"),
        (refusal("401 Unauthorized", "nope", "text/plain"), KeyRefused, "refused the API key"),
        (refusal("404 Not Found", {"error": "model 'm' not found"}), ModelGone, "does not offer"),
        (refusal("404 Not Found", {"error": {"message": "The model `m` does not exist"}}), ModelGone, "does not offer"),
        (refusal("404 Not Found", ""), ModelGone, "does not offer"),
        (refusal("404 Not Found", "<html>404</html>", "text/html"), BadAnswer, "no chat completions at the address"),
        (refusal("404 Not Found", {"detail": "Not Found"}), BadAnswer, "no chat completions at the address"),
        (refusal("404 Not Found", "404 page not found", "text/plain"), BadAnswer, "no chat completions at the address"),
        (refusal("405 Method Not Allowed", {"detail": "Method Not Allowed"}), BadAnswer, "no chat completions at the"),
        (
            refusal("404 Not Found", {"error": {"message": "Unknown request URL: POST /v2", "code": "unknown_url"}}),
            BadAnswer,
            "no chat completions at the address",
        ),
        (
            refusal("429 Too Many", {"error": "slow down"}, more="date: Wed, 21 Oct 2026 07:28:00 GMT\r\n"
                    "retry-after: Wed, 21 Oct 2026 07:29:30 GMT\r\n"),
            RateLimited,
            "about 90 s",
        ),
        (response(events({"error": "overloaded"})), OverCapacity, "has trouble"),
        (response("event: error\ndata: overloaded\n\n"), OverCapacity, "has trouble"),
        (response('data: {"error": {"message": "overloaded"}}'), OverCapacity, "has trouble"),
        (response("<html>Welcome</html>"), BadAnswer, "not an answer of a language model"),
        (response("Welcome to the proxy.\n", "text/plain"), BadAnswer, "not an answer of a language model"),
        (response("{}", "application/json"), BadAnswer, "answered with nothing"),
        (response(""), CompletionFailed, "broke off before the answer began"),
    ],
)  # fmt: skip
async def test_a_failure_is_understood_however_the_server_puts_it(
    reply: bytes, error: type[CompletionFailed], sentence: str, transport: str
) -> None:
    async with odd(reply) as server, client(server, transport) as completions:
        with pytest.raises(error) as caught:
            await collect(completions, ask(model="m"))
    assert sentence in caught.value.user_text


async def test_a_complaint_without_its_last_line_before_a_cut_is_a_cut_answer(transport: str) -> None:
    cut = response(events(HEL, end="") + 'data: {"error": {"message": "m"}}\n', more="content-length: 5000\r\n")
    async with odd(cut) as server, client(server, transport) as completions:
        with pytest.raises(Cut):
            await collect(completions, ask())


@pytest.mark.parametrize(
    "words",
    [
        {"error": {"message": "Unknown parameter: 'seed'."}},
        {"error": {"message": "Unrecognized request argument supplied: seed"}},
        {"error": {"message": "Additional properties are not allowed ('seed' was unexpected)"}},
        {"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs are not permitted"}]},
        {"detail": [{"loc": ["body", "seed"], "msg": "extra fields not permitted", "type": "value_error.extra"}]},
    ],
)
@pytest.mark.parametrize("status", ["400 Bad Request", "422 Unprocessable Entity"])
async def test_what_a_server_does_not_know_is_left_out_however_it_says_so(
    words: object, status: str, transport: str
) -> None:
    async with odd(refusal(status, words), response(HELLO)) as server, client(server, transport) as completions:
        assert text_of(await collect(completions, ask(seed=7))) == "Hello"
    assert ["seed" in body for body in server.bodies] == [True, False]


@pytest.mark.parametrize(
    "reply",
    [
        refusal("404 Not Found", {"detail": "Not Found"}),
        refusal("405 Method Not Allowed", ""),
        refusal("501 Not Implemented", ""),
        refusal("200 OK", {"object": "list", "data": []}),
        refusal("200 OK", {"data": None}),
    ],
)
async def test_a_server_without_a_list_of_models_answers_all_the_same(reply: bytes, transport: str) -> None:
    async with odd(reply, response(HELLO)) as server, client(server, transport, model="acme/own") as completions:
        assert list(await completions.models()) == []
        assert text_of(await collect(completions, ask(model=""))) == "Hello"
    assert server.bodies[-1]["model"] == "acme/own"


@pytest.mark.parametrize(
    "listing",
    [
        [{"id": "acme/one"}, {"id": "acme/two"}],
        {"data": [{"id": "acme/one", "context_window": "large"}, {"name": "acme/two"}, {"x": 1}, None]},
        {"models": ["acme/one", "acme/two"]},
    ],
)
async def test_a_list_of_models_is_read_however_it_is_wrapped(listing: object, transport: str) -> None:
    async with odd(refusal("200 OK", listing)) as server, client(server, transport) as completions:
        assert [profile.id for profile in await completions.models()] == ["acme/one", "acme/two"]


async def test_a_model_that_the_list_does_not_name_is_asked_all_the_same(transport: str) -> None:
    listing = refusal("200 OK", {"object": "list", "data": [{"id": "acme/one", "object": "model"}]})
    async with odd(listing, response(HELLO)) as server, client(server, transport) as completions:
        await completions.models()
        assert text_of(await collect(completions, ask(model="acme/hidden"))) == "Hello"
    assert server.bodies[-1]["model"] == "acme/hidden"


async def test_strict_servers_get_nothing_but_what_was_asked_for(transport: str) -> None:
    async with odd(response(HELLO)) as server, client(server, transport) as completions:
        await collect(completions, ask(model="acme/own"))
        await collect(completions, ask(max_completion_tokens=100, temperature=0.5))
    assert server.bodies == [
        {"model": "acme/own", "messages": [{"role": "user", "content": "Say something."}], "stream": True},
        {
            "model": "openai/gpt-oss-20b",
            "messages": [{"role": "user", "content": "Say something."}],
            "stream": True,
            "temperature": 0.5,
            "max_completion_tokens": 100,
            "include_reasoning": False,
        },
    ]
