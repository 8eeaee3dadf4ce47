"""Shows replies as messages in Slack.

Two carriers, chosen write by write through ``ways``: a native stream for text that grows in a thread, and posts with
edits for everything else and for whatever a stream can no longer do. Both carry the whole text the core asks for. A
part whose post may have been carried out is looked for by its mark before it is posted again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from adapters.slack.calls import Calls, Lost, Refused
from adapters.slack.controls import blocks_under, content, metadata, notice_content
from adapters.slack.dialect import APPEND, POST, SLACK, START, STOP, UPDATE, hold_back, way
from adapters.slack.directory import Directory
from adapters.slack.search import Search
from adapters.slack.signs import Signs
from adapters.slack.stream import Over, Stream, Streams
from bot.errors import Gone, Unsent
from bot.late import Late
from bot.replies import Notice, Phase, Reply, Status, Way, Write


@dataclass(frozen=True, slots=True)
class Stage:
    """What the surfaces of one workspace share.

    ``stopped`` is told when Slack says that a person stopped a reply, which its event may say later or never.
    """

    calls: Calls
    streams: Streams
    search: Search
    signs: Signs
    directory: Directory
    native: bool
    late: Late
    echoes: Callable[[], None] = lambda: None
    stopped: Callable[[Reply], object] = lambda reply: None


class SlackSurface:
    """Where one reply is shown (``bot.ports.Surface``)."""

    dialect = SLACK

    def __init__(self, stage: Stage, reply: Reply) -> None:
        self._stage, self._reply = stage, reply
        self._team, self._channel, self._thread = reply.address.workspace, reply.address.channel, reply.address.thread
        self._ids: dict[int, str] = dict(enumerate(reply.parts))
        self._inherited = set(reply.parts) if reply.resumed else set()
        self._doubtful = bool(reply.parts)
        self._has_strays = reply.resumed  # an open stream of the thread may be ours, and nobody else's
        self._said: int | None = None
        self._has_cleared_sign = False
        self._was_told = False
        stage.late.opened(reply, self.ids)

    def ids(self) -> Sequence[str]:
        """The messages known to be its parts."""
        return tuple(self._ids.values())

    # --- ways

    def ways(self, write: Write) -> Sequence[Way]:
        ts = self._ids.get(write.part)
        if ts is None:
            return self._first_ways(write)
        stream = self._stage.streams.find(self._channel, ts)
        if stream is None:
            return (self._way("update", UPDATE),)
        if self._stage.streams.is_spent(stream, write.text):
            return (self._way("rotate", STOP, UPDATE),)
        return (self._way("finish", STOP),) if write.final else (self._way("append", APPEND),)

    def _first_ways(self, write: Write) -> Sequence[Way]:
        post = self._way("post", POST)
        if not (self._stage.native and self._thread and self._stage.streams.are_taken(self._channel)):
            return (post,)
        if write.final:  # two calls, so only where a post would have to wait
            return (post, self._way("whole", START, STOP))
        return (self._way("start", START), post)

    def _way(self, name: str, *budgets: Any) -> Way:
        return way(name, self._team, self._channel, *budgets)

    # --- writing

    async def show(self, write: Write, way: Way) -> str:
        if write.part not in self._ids:
            await self._look_for(write.part)
        text = self.dialect.render(write.text)
        ts = self._ids.get(write.part)
        if ts is None:
            return await self._create(write, way, text)
        stream = self._stage.streams.find(self._channel, ts)
        if stream is None:
            await self._update(ts, write, text)
            return ts
        try:
            await self._grow(stream, write, way, text)
        except Over:
            if self._stage.streams.find(self._channel, ts) is not None:
                await self._stage.streams.end(stream)
            if self._stage.streams.was_stopped(self._channel, self._thread):
                if not self._was_told:
                    self._was_told = True
                    self._stage.stopped(self._reply)
                if not write.final:
                    raise Unsent("a person stopped this answer; its end comes soon") from None
            await self._update(ts, write, text)
        except Gone:  # for this message; a stream that nobody ends would go on spinning
            await self._stage.streams.end_quietly(stream)
            raise
        return ts

    async def _create(self, write: Write, way: Way, text: str) -> str:
        if self._stage.streams.was_stopped(self._channel, self._thread) and self._ids:
            raise Gone("a person stopped this answer: nothing new is posted for it")
        if way.name in ("start", "whole"):
            stream = await self._start(write, text)
            if stream is not None:
                if write.final:
                    await self.show(write, self._way("finish", STOP))
                return stream.ts
        return await self._post(write, text)

    async def _start(self, write: Write, text: str) -> Stream | None:
        """A stream with the first text; ``None`` where Slack draws none."""
        first = text if write.final or write.firm is None else self.dialect.render(write.text[: write.firm])
        first = first if write.final else hold_back(first).rstrip()
        if not first:
            return None
        self._said = self._stage.signs.arrived(self._channel, self._thread)
        try:
            stream = await self._stage.streams.start(
                self._channel, self._thread, first, metadata(self._reply.mark, write.part), **self._recipient()
            )
        except Lost:
            self._doubt()
            raise
        except Refused:
            self._stage.streams.refuse(self._channel)
            return None
        except Gone:  # perhaps for streams alone: a post will tell
            return None
        self._ids[write.part] = stream.ts
        self._stage.signs.text_came(self._channel, self._thread)
        self._stage.echoes()
        return stream

    def _doubt(self) -> None:
        self._doubtful = self._has_strays = True
        self._stage.late.doubt(self._reply, self.ids)

    def _recipient(self) -> dict[str, str]:
        """Who asked: Slack wants to know it everywhere but in the app's direct room."""
        if self._reply.direct:
            return {}
        asker = self._reply.asker.id
        return {"recipient_user_id": asker, "recipient_team_id": self._stage.directory.team(asker) or self._team}

    async def _post(self, write: Write, text: str) -> str:
        async def post(shown: dict[str, Any]) -> str:
            answer = await self._stage.calls.call(
                "chat.postMessage",
                channel=self._channel,
                thread_ts=self._thread or None,
                unfurl_links=False,
                unfurl_media=False,
                metadata=metadata(self._reply.mark, write.part),
                **shown,
            )
            return str(answer["ts"])

        try:
            self._ids[write.part] = await self._with_blocks_or_without(post, write, text)
        except Lost:
            self._doubt()
            raise
        self._stage.signs.text_came(self._channel, self._thread)
        self._stage.echoes()
        return self._ids[write.part]

    async def _grow(self, stream: Stream, write: Write, way: Way, text: str) -> None:
        streams = self._stage.streams
        if way.name == "rotate" or streams.is_spent(stream, text):
            raise Over
        if not write.final:
            firm = text if write.firm is None else self.dialect.render(write.text[: write.firm])
            await streams.append(stream, firm)
            return
        under = blocks_under(write.notes, write.controls, self._reply.mark)
        await streams.finish(stream, text, blocks=under or None)
        self._stage.echoes()
        # The stream's first text took away what had arrived by then, its end the session; what came later stays.
        said = self._stage.signs.arrived(self._channel, self._thread)
        self._has_cleared_sign = said is not None and said == self._said

    async def _update(self, ts: str, write: Write, text: str) -> None:
        async def update(shown: dict[str, Any]) -> str:
            await self._stage.calls.call(
                "chat.update",
                channel=self._channel,
                ts=ts,
                metadata=metadata(self._reply.mark, write.part),
                **shown,
            )
            return ts

        await self._end_inherited(ts)
        try:
            await self._with_blocks_or_without(update, write, text)
            self._stage.echoes()
        except Lost:  # it may be carried out after the next one
            self._stage.late.doubt(self._reply, self.ids)
            raise
        except Refused as refusal:  # an open stream after all
            await self._stage.streams.end_message(self._channel, ts)
            raise Unsent("the message was an open stream; it is ended now") from refusal

    async def _end_inherited(self, ts: str) -> None:
        """A message that an earlier run of this turn began may be an open stream, which cannot be edited."""
        if ts in self._inherited:
            await self._stage.streams.end_message(self._channel, ts)
            self._inherited.discard(ts)

    async def _with_blocks_or_without(self, send: Callable[[dict[str, Any]], Any], write: Write, text: str) -> str:
        """Slack may refuse blocks for reasons it does not publish; the words are worth more than the buttons."""
        shown = content(text, write.notes, write.controls, self._reply.mark)
        try:
            return str(await send(shown))
        except Refused as refusal:
            if refusal.word == "streaming_state_conflict":
                raise
            if "blocks" not in shown:
                raise Gone(f"refused: {refusal.word}") from refusal
        try:
            return str(await send({"markdown_text": text}))
        except Refused as refusal:
            if refusal.word == "streaming_state_conflict":
                raise
            raise Gone(f"refused: {refusal.word}") from refusal

    async def _look_for(self, part: int) -> None:
        """Before a part is posted: it may be there already, when an earlier answer was lost or a process died."""
        if not self._doubtful:
            return
        try:
            found = await self._stage.search.parts(self._reply.address, self._reply.mark, self._reply.question)
        except (Gone, Refused):  # it cannot be looked for: what is not there would be worse than what is there twice
            self._doubtful = False
            return
        known = set(self._ids.values())
        for number, ts in found.parts.items():
            if ts not in known:
                self._ids.setdefault(number, ts)
        streams = self._stage.streams
        strays = [
            ts
            for ts in found.strays
            if self._has_strays and ts not in self._ids.values() and streams.find(self._channel, ts) is None
        ]
        if part not in self._ids and strays:
            self._ids[part] = strays[0]
            await self._stage.streams.end_message(self._channel, strays[0])
        self._doubtful = False

    # --- beside the text

    async def tell(self, person: str, notice: Notice) -> None:
        await self._stage.calls.spend(
            "chat.postEphemeral",
            channel=self._channel,
            thread_ts=self._thread or None,
            user=person,
            **notice_content(notice),
        )

    async def status(self, status: Status) -> None:
        if not self._thread:
            return
        signs, mark = self._stage.signs, self._reply.mark
        match status.phase:
            case Phase.DONE:
                stopped = self._stage.streams.was_stopped(self._channel, self._thread)
                is_cleared = self._has_cleared_sign and not stopped
                await signs.clear(self._channel, self._thread, mark, direct=self._reply.direct, idle=is_cleared)
            case Phase.LEFT:
                signs.forget(self._channel, self._thread, mark)
            case _:
                self._has_cleared_sign = False
                await signs.set(self._channel, self._thread, mark, status, direct=self._reply.direct)

    async def close(self, parts: int) -> None:
        await self._look_for(max(self._ids, default=-1) + 1)
        for number in sorted((number for number in self._ids if number >= parts), reverse=True):
            ts = self._ids[number]
            stream = self._stage.streams.find(self._channel, ts)
            if stream is not None:
                await self._stage.streams.end(stream)
            else:
                await self._end_inherited(ts)
            with contextlib.suppress(Gone, Refused):  # a person was faster
                await self._stage.calls.call("chat.delete", channel=self._channel, ts=ts)
            del self._ids[number]
