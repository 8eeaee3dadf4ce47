"""Finds the section of a documentation that answers a question. Pure, deterministic, plain word statistics (BM25).

Documents are Markdown; a section is what stands under one heading, fenced code included. Words in headings weigh
more, because that is where a manual says what a section is about.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_WORD = re.compile(r"[a-z0-9_]+")
_HEADING = re.compile(r"(#{1,6})\s+(.*?)\s*#*$")
_TITLE_WEIGHT = 4
_K1, _B = 1.4, 0.6
_COMMON_WORDS = """
a about an and any are as at be but by can could do does for from get has have how i if in into is it its just me my no
not of on or our please so some that the their them then there these they this to up us use using want was we what when
where which who why will with would you your tell explain show parley bot connect set setup install add integrate
"""
_COMMON = frozenset(_COMMON_WORDS.split())


@dataclass(frozen=True, slots=True)
class Section:
    """``title`` is the heading, ``path`` the document and the headings above it, for people."""

    document: str
    title: str
    path: str
    body: str


@dataclass(frozen=True, slots=True)
class Match:
    """``cover``: the share of the question's rare words that the section has, 0 to 1."""

    section: Section
    score: float
    cover: float


def find_words(text: str) -> list[str]:
    """The meaningful words of a text, lower case, plural and verb endings taken off."""
    return [_stem(word) for word in _WORD.findall(text.lower().replace("'", "")) if word not in _COMMON]


def _stem(word: str) -> str:
    for ending in ("ings", "ing", "ies", "ied", "ers", "ed", "es", "er", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)] + ("y" if ending in ("ies", "ied") else "")
            break
    return word[:-1] if word.endswith("e") and len(word) > 3 else word


def name_words(document: str) -> set[str]:
    """What a document's file name says it is about."""
    return set(find_words(document.rpartition(".")[0].replace("-", " ")))


def split_sections(document: str, text: str) -> list[Section]:
    """The sections of a Markdown document that have a body, in order."""
    sections: list[Section] = []
    path: list[str] = []
    title, lines, fenced = "", list[str](), False

    def keep() -> None:
        body = "\n".join(lines).strip()
        if body and title:
            sections.append(Section(document, title, " › ".join([document, *path]), body))

    for line in text.splitlines():
        if line.lstrip().startswith(("```", "~~~")):
            fenced = not fenced
        heading = None if fenced else _HEADING.match(line)
        if heading is None:
            lines.append(line)
            continue
        keep()
        level, title, lines = len(heading.group(1)), heading.group(2), []
        path = [*path[: level - 1], title]
    keep()
    return sections


class GuideIndex:
    """An index over documents (name → Markdown)."""

    def __init__(self, documents: Mapping[str, str]) -> None:
        self.sections = [section for name, text in documents.items() for section in split_sections(name, text)]
        self._counts = [self._count(section) for section in self.sections]
        self._lengths = [sum(counts.values()) for counts in self._counts]
        self._mean = sum(self._lengths) / len(self._lengths) if self._lengths else 1.0
        self._seen = Counter(word for counts in self._counts for word in counts)

    def find(self, question: str, limit: int = 4) -> list[Match]:
        """The best sections, best first; empty when no word of the question occurs."""
        words = list(dict.fromkeys(find_words(question)))
        total = sum(self._rarity(word) for word in words)
        matches = [self._match(index, words, total) for index in range(len(self.sections))]
        found = [match for match in matches if match.score > 0]
        return sorted(found, key=lambda match: -match.score)[:limit]

    def _match(self, index: int, words: Iterable[str], total: float) -> Match:
        counts, score, covered = self._counts[index], 0.0, 0.0
        norm = _K1 * (1 - _B + _B * self._lengths[index] / self._mean)
        for word in words:
            if count := counts.get(word, 0):
                rarity = self._rarity(word)
                score += rarity * count * (_K1 + 1) / (count + norm)
                covered += rarity
        return Match(self.sections[index], score, covered / total if total else 0.0)

    def _rarity(self, word: str) -> float:
        seen = self._seen.get(word, 0)
        return math.log(1 + (len(self.sections) - seen + 0.5) / (seen + 0.5))

    def document_of(self, question: str) -> list[Section]:
        """The sections of the document that is about what the question names and nothing else, in their order."""
        words = set(find_words(question))
        return [section for section in self.sections if words and words == name_words(section.document)]

    @staticmethod
    def _count(section: Section) -> Counter[str]:
        counts = Counter(find_words(section.body))
        for word in name_words(section.document):
            counts[word] += 1
        for word in find_words(section.title):
            counts[word] += _TITLE_WEIGHT
        return counts
