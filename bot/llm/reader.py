"""One answer, from bytes to pieces: events, chunks, reasoning, the end and what it cost.

A pure machine between the network and the core, so that every way a stream can arrive or break is tested
without one. Text that came in one read leaves as one piece. It keeps what the caller must know when things
go wrong: whether anything in the body was an event (``events_seen``), whether text came (``text_seen``),
whether the model said it was finished (``reason``), whether the closing mark came (``done``). Blanks and thinking
before the first word wait for it: an answer of blanks is an empty answer, and an attempt that breaks off while the
model thinks has shown nothing that would have to be taken back.
"""

from __future__ import annotations

import msgspec

from bot.llm.reasoning import ThinkFilter
from bot.llm.sse import EventSplitter, EventTooLarge
from bot.llm.wire import Chunk, Problem, XGroq, decode_chunk, find_problem, read_usage
from bot.ports import Finished, Piece, ReasoningDelta, TextDelta, Usage


class ProviderSaid(Exception):
    """The server reported a failure inside a response that began well."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.code or problem.type)
        self.problem = problem


class NotTheProtocol(Exception):
    """What came cannot be read as a chat completion."""


class AnswerReader:
    """``prefill`` goes in front of the first text; reasoning is passed on only with ``show_reasoning``."""

    def __init__(self, *, show_reasoning: bool = False, prefill: str = "", event_limit: int = 1 << 20) -> None:
        self._events = EventSplitter(event_limit)
        self._think = ThinkFilter()
        self._show = show_reasoning
        self._prefill = prefill
        self._lead = ""
        self._thoughts: list[str] = []
        self._salvaged: list[Piece] = []
        self.done = False
        self.events_seen = False
        self.text_seen = False
        self.reasoning_seen = False
        self.reason = ""
        self.model = ""
        self.request_id = ""
        self.seed: int | None = None
        self.complaint: Problem | None = None
        self.usage: Usage | None = None

    def feed(self, data: bytes) -> list[Piece]:
        """The pieces in one network read. Raises ``ProviderSaid`` or ``NotTheProtocol``.

        Pieces read before the trouble in the same call are kept for ``salvage``.
        """
        texts: list[str] = []
        thoughts: list[str] = []
        try:
            for name, payload in self._events.feed(data):
                self._event(name, payload, texts, thoughts)
        except (EventTooLarge, msgspec.DecodeError, UnicodeDecodeError) as error:
            self._salvaged = self._pieces(texts, thoughts)
            raise NotTheProtocol(type(error).__name__) from None
        except ProviderSaid:
            self._salvaged = self._pieces(texts, thoughts)
            raise
        if self.text_seen and not thoughts:  # nearly every read
            text = texts[0] if len(texts) == 1 else "".join(texts)
            return [TextDelta(text)] if text else []
        return self._pieces(texts, thoughts)

    def salvage(self) -> list[Piece]:
        """What the failed ``feed`` had already read."""
        pieces, self._salvaged = self._salvaged, []
        return pieces

    def end(self) -> list[Piece]:
        """The body is over, cleanly or not: everything held back comes out now. Never raises; see ``complaint``."""
        texts: list[str] = []
        thoughts: list[str] = []
        try:
            for name, payload in self._events.end():
                self._event(name, payload, texts, thoughts)
        except (EventTooLarge, msgspec.DecodeError, UnicodeDecodeError):
            self.done = False
        except ProviderSaid as said:
            self.complaint = said.problem
        text, thought = self._think.end()
        texts.append(text)
        thoughts.append(thought)
        return self._pieces(texts, thoughts)

    def whole(self, body: bytes) -> list[Piece]:
        """An unstreamed answer. Raises as ``feed`` does."""
        texts: list[str] = []
        thoughts: list[str] = []
        try:
            self._chunk(decode_chunk(body), texts, thoughts)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise NotTheProtocol(type(error).__name__) from None
        self.done = True
        text, thought = self._think.end()
        texts.append(text)
        thoughts.append(thought)
        return self._pieces(texts, thoughts)

    def finished(self, model: str, request_id: str) -> Finished:
        """The last piece; ``model`` and ``request_id`` stand in where the server named none."""
        return Finished(
            self.reason or "stop", self.model or model, self.usage, self.request_id or request_id, self.seed
        )

    def _event(self, name: bytes, payload: bytes, texts: list[str], thoughts: list[str]) -> None:
        self.events_seen = True
        if self.done:
            return
        if payload[:1] == b"{":  # nearly every event
            self._chunk(decode_chunk(payload), texts, thoughts)
        elif payload.strip() == b"[DONE]":
            self.done = True
        elif name == b"error":
            raise ProviderSaid(Problem(message=payload[:500].decode("utf-8", "replace")))
        elif payload.strip():
            raise msgspec.DecodeError("not an object")

    def _chunk(self, chunk: Chunk, texts: list[str], thoughts: list[str]) -> None:
        for choice in chunk.choices or ():
            delta = choice.delta or choice.message
            if delta is not None:
                if delta.content:
                    if self._think.open:
                        text, thought = self._think.feed(delta.content)
                        texts.append(text)
                        thoughts.append(thought)
                    else:
                        texts.append(delta.content)
                elif delta.refusal:
                    texts.append(delta.refusal)
                if apart := delta.reasoning or delta.reasoning_content:
                    thoughts.append(apart)
            if choice.finish_reason:
                self.reason = choice.finish_reason
        if chunk.error is not None or chunk.object == "error":
            self._raise(chunk)
        if chunk.x_groq is not None:
            self._extras(chunk.x_groq, chunk)
        if chunk.usage is not None:
            self.usage = read_usage(chunk.usage)
        if not self.model:
            self.model = chunk.model or ""

    def _extras(self, extras: XGroq, chunk: Chunk) -> None:
        if extras.error is not None:
            self._raise(chunk)
        self.request_id = extras.id or self.request_id
        self.seed = extras.seed if extras.seed is not None else self.seed
        if extras.usage is not None and (extras.usage.prompt_tokens or extras.usage.completion_tokens):
            self.usage = read_usage(extras.usage)

    @staticmethod
    def _raise(chunk: Chunk) -> None:
        raise ProviderSaid(find_problem(chunk) or Problem())

    def _pieces(self, texts: list[str], thoughts: list[str]) -> list[Piece]:
        pieces: list[Piece] = []
        if thoughts and (thought := "".join(thoughts)):
            self.reasoning_seen = True
            if self._show:
                self._thoughts.append(thought)
        text = "".join(texts)
        if text and not self.text_seen:
            self._lead += text
            if self._lead.strip():
                self.text_seen = True
                text = self._prefill + self._lead
        if self.text_seen and self._thoughts:
            pieces.append(ReasoningDelta("".join(self._thoughts)))
            self._thoughts.clear()
        if self.text_seen and text:
            pieces.append(TextDelta(text))
        return pieces
