"""Histories made up for tests: messages as the store gives them, and a Hypothesis strategy for whole threads."""

from __future__ import annotations

from hypothesis import strategies as st

from bot.ports import StoredMessage


def person(seq: int, text: str, name: str = "Anna") -> StoredMessage:
    return StoredMessage(seq, "user", f"U-{name}", name, text, f"m{seq}", float(seq))


def bot(seq: int, text: str) -> StoredMessage:
    return StoredMessage(seq, "assistant", "", "Parley", text, f"m{seq}", float(seq))


_WORDS = st.one_of(
    st.text(min_size=1, max_size=200).filter(lambda text: bool(text.strip())),
    st.integers(1, 400).map(lambda count: "word " * count),
)


@st.composite
def threads(draw: st.DrawFn, most: int = 12) -> list[tuple[list[StoredMessage], StoredMessage]]:
    """Turns of one thread in order: (the messages of people since the last answer, the answer)."""
    turns = []
    seq = 0
    for _ in range(draw(st.integers(1, most))):
        asked = []
        for _ in range(draw(st.integers(1, 3))):
            seq += 1
            asked.append(person(seq, draw(_WORDS), draw(st.sampled_from(["Anna", "Ben", "  ", "C:\nD"]))))
        seq += 1
        turns.append((asked, bot(seq, draw(_WORDS))))
    return turns
