from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.llm.sse import Event, EventSplitter, EventTooLarge

_LINES = st.sampled_from(
    [
        b"data: one",
        b"data:two",
        b"data",
        b"data:  three ",
        b"event: error",
        b": comment",
        b"",
        b"",
        b"id: 4",
        b"x",
        "data: ą🦊".encode(),
    ]
)


def split(parts: list[bytes]) -> list[Event]:
    splitter = EventSplitter()
    return [event for part in parts for event in splitter.feed(part)] + splitter.end()


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


@given(
    st.lists(_LINES), st.lists(st.sampled_from([b"\n", b"\r\n", b"\r"]), min_size=1), st.lists(st.integers(0, 10_000))
)
def test_events_do_not_depend_on_how_the_network_cut_the_bytes(
    lines: list[bytes], ends: list[bytes], places: list[int]
) -> None:
    data = b"".join(line + ends[index % len(ends)] for index, line in enumerate(lines))
    assert split(cut(data, places)) == split([data])


@given(st.lists(_LINES))
def test_every_kind_of_line_end_means_the_same(lines: list[bytes]) -> None:
    versions = [split([b"".join(line + end for line in lines)]) for end in (b"\n", b"\r\n", b"\r")]
    assert versions[0] == versions[1] == versions[2]


def test_names_data_and_comments_are_told_apart() -> None:
    data = b": hello\n\nevent: error\ndata: {\ndata: }\n\ndata: [DONE]\n\n"
    assert split([data]) == [(b"error", b"{\n}"), (b"", b"[DONE]")]


def test_a_name_without_data_is_no_event_and_does_not_stick() -> None:
    assert split([b"event: error\n\ndata: x\n\n"]) == [(b"", b"x")]


def test_a_byte_order_mark_is_dropped_even_when_it_is_split() -> None:
    assert split([b"\xef", b"\xbb\xbfdata: x\n\n"]) == [(b"", b"x")]


def test_the_last_event_counts_without_its_blank_line() -> None:
    assert split([b"data: [DONE]"]) == [(b"", b"[DONE]")]


@pytest.mark.parametrize("data", [b"data: " + b"x" * 200, b"data: xxxxxxxxx\n" * 20])
def test_an_event_over_the_limit_is_refused(data: bytes) -> None:
    with pytest.raises(EventTooLarge):
        EventSplitter(limit=100).feed(data)
