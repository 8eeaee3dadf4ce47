from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.llm.reader import AnswerReader, NotTheProtocol, ProviderSaid
from bot.ports import Piece, ReasoningDelta, TextDelta
from tests.emulators.llm_script import Script, Stream, apply

BODY = {"model": "openai/gpt-oss-20b", "messages": []}


def wire(script: Script) -> bytes:
    stream = Stream(apply(script, BODY), script, BODY, "req_1", 10)
    return stream.opening() + b"".join(stream.tokens()) + stream.closing()


def texts(pieces: list[Piece], kind: type[TextDelta] | type[ReasoningDelta]) -> str:
    return "".join(piece.text for piece in pieces if isinstance(piece, kind))


@given(
    st.text(st.characters(exclude_categories=["Cs"])).filter(
        lambda text: text.strip() and not text.strip().startswith("<")
    ),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.integers(1, 300),
)
def test_the_answer_does_not_depend_on_packets(text: str, newline: str, size: int) -> None:
    data = wire(Script(text=text, reasoning="I think so.", newline=newline, comments=True))
    reader = AnswerReader(show_reasoning=True)
    pieces = [piece for start in range(0, len(data), size) for piece in reader.feed(data[start : start + size])]
    pieces += reader.end()
    assert texts(pieces, TextDelta) == text
    assert texts(pieces, ReasoningDelta) == "I think so."
    assert reader.done
    assert reader.usage is not None


def feed(data: str) -> AnswerReader:
    reader = AnswerReader()
    reader.feed(data.encode())
    return reader


@pytest.mark.parametrize(
    "data",
    [
        'data: {"error":{"message":"m","code":"tool_use_failed"}}\n\n',
        'event: error\ndata: {"error":"plain words"}\n\n',
        'data: {"object":"error","message":"m","type":"BadRequestError","code":400}\n\n',
        'data: {"choices":[],"x_groq":{"error":"over"}}\n\n',
        'data: {"choices":[{"delta":{},"finish_reason":"error"}],"error":{"code":502,"message":"m"}}\n\n',
    ],
)
def test_an_error_in_the_stream_is_seen_in_every_shape(data: str) -> None:
    with pytest.raises(ProviderSaid):
        feed(data)


@pytest.mark.parametrize("data", ["data: {oops\n\n", "data: [1]\n\n", "data: words\n\n", "data: \udcff\n\n"])
def test_what_is_not_a_chunk_is_not_the_protocol(data: str) -> None:
    with pytest.raises(NotTheProtocol):
        AnswerReader().feed(data.encode("utf-8", "surrogateescape"))


def test_text_before_an_error_in_the_same_packet_is_not_lost() -> None:
    reader = AnswerReader()
    with pytest.raises(ProviderSaid):
        reader.feed(b'data: {"choices":[{"delta":{"content":"half"}}]}\n\ndata: {"error":{"message":"m"}}\n\n')
    assert reader.salvage() == [TextDelta("half")]
    assert reader.text_seen


def test_usage_comes_from_either_place_and_the_last_one_wins() -> None:
    first = 'data: {"choices":[],"x_groq":{"id":"req_9","usage":{"prompt_tokens":1,"completion_tokens":2}}}\n\n'
    details = '"prompt_tokens_details":{"cached_tokens":2}'
    last = 'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,' + details + "}}\n\n"
    usage = feed(first).usage
    assert usage is not None
    assert usage.prompt_tokens == 1
    usage = feed(first + last).usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.cached_tokens) == (3, 2)


def test_unknown_finish_reasons_pass_through_and_null_keys_do_no_harm() -> None:
    choice = '{"delta":{"content":null,"reasoning_content":"r"},"finish_reason":"odd"}'
    data = f'{{"id":null,"choices":[{choice}],"usage":null,"error":null}}'
    reader = feed(f"data: {data}\n\n")
    assert reader.reason == "odd"
    assert reader.reasoning_seen
    assert not reader.text_seen


def test_an_answer_of_blanks_is_no_text() -> None:
    reader = AnswerReader()
    assert reader.feed(b'data: {"choices":[{"delta":{"content":"\\n\\n"}}]}\n\n') == []
    assert not reader.text_seen
