"""The one loop that writes a reply to its platform.

Deltas go into the draft and wake nobody. The writer sends the first text at once and then, whenever the pacing
lets it, the newest state and nothing in between: whole parts, in order, one write in flight. The last write
waits for the write in flight and for its budget, and for nothing else. A write that may not have arrived is sent
again as it is; that is right because a write says what a part reads, not what is added to it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from bot.errors import Gone, ParleyError, SlowDown, Superseded, Unsent
from bot.ports import Surface
from bot.replies import Controls, Way, Write
from bot.reply.draft import Draft, Part
from bot.reply.pacing import Pacing, Urgency

STREAMING = Controls(stop=True)
PATIENCE = 600.0  # seconds a final write is tried before the caller hears ``Unsent``
FIRST_BACKOFF = 0.25  # seconds after the first failure, doubled for each that follows
LONGEST_BACKOFF = 8.0
CLOSINGS = 10  # times it is tried to take away what is left over
LONGEST_REST = 60.0
LEAVING = 5.0  # seconds an abandoned reply gives its write in flight


class WriteMeter(Protocol):
    """Counts writes: ``kind`` is first, preview or final; ``result`` ok, slow_down, unsent or gone."""

    def wrote(self, platform: str, kind: str, result: str) -> None: ...

    def slowed(self, platform: str) -> None: ...


async def _keep_nothing(ids: Sequence[str]) -> None:
    return None


class Delivery:
    """One reply on one surface; belongs to one running event loop.

    ``conversation`` names the reply for the pacing. ``parts``: platform ids shown in an earlier run.
    ``on_parts`` is told the ids of all parts in order whenever they change; ``fence`` says before every write
    whether this process may still write. ``finish`` and ``replace`` raise ``Gone`` when the place is gone,
    ``Superseded`` when the fence is lost, and ``Unsent`` when the platform was away for ``PATIENCE`` seconds.
    """

    def __init__(
        self,
        surface: Surface,
        pacing: Pacing,
        conversation: str,
        *,
        parts: Sequence[str] = (),
        on_parts: Callable[[Sequence[str]], Awaitable[None]] = _keep_nothing,
        fence: Callable[[], bool] = lambda: True,
        metrics: WriteMeter | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._surface, self._pacing, self._conversation = surface, pacing, conversation
        pacing.open(conversation)
        self._on_parts, self._fence, self._metrics = on_parts, fence, metrics
        self._clock = clock if clock is not None else asyncio.get_running_loop().time
        self._draft = Draft(surface.dialect)
        self._ids = list(parts)
        self._shown: dict[int, Write] = {}
        self._sealed_shown = 0
        self._failures = 0
        self._live = surface.dialect.live
        self._writer: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._idle = True
        self._in_flight = False
        self._ending = False
        self.lost: ParleyError | None = None

    @property
    def gone(self) -> bool:
        """The place of this reply is gone: generating on is of no use."""
        return isinstance(self.lost, Gone)

    @property
    def ids(self) -> tuple[str, ...]:
        """The platform's message ids of the parts shown, in order."""
        return tuple(self._ids)

    def start(self, live: bool = True) -> None:
        """Text will come. Not ``live``: only the final text is shown."""
        self._live = live and self._surface.dialect.live
        if self._live:
            self._expect(Write(0, "", final=False))

    def feed(self, text: str) -> None:
        """Take what the model just wrote. Costs what ``text`` is long; never waits."""
        self._draft.add(text)
        if self._idle and self._live and not self._ending:
            self._idle = False
            if self._writer is None:
                self._writer = asyncio.get_running_loop().create_task(self._write_previews())
            else:
                self._wake.set()

    def hold(self) -> None:
        """The last delta came: start no further preview, so that the final write finds nothing in flight."""
        self._ending = True
        if self._pacing.shared and (parts := self._draft.parts()):
            self._expect(Write(len(parts) - 1, parts[-1].text, final=True))

    def _expect(self, write: Write) -> None:
        """What it costs is kept, or fetched from where processes share it, while model or store are waited for."""
        self._pacing.expect(self._clock(), self._surface.ways(write), self._conversation)

    async def finish(self, notes: Sequence[str] = (), controls: Controls | None = None, whole: bool = True) -> None:
        """Show the whole text for good. ``whole`` is False for a text that was broken off: open marks are closed.

        Raises ``ValueError`` when no visible text came; the caller has ``replace`` for that.
        """
        await self._stop_writer()
        self._draft.finish(whole, self._surface.dialect.weigh_notes(notes))
        await self._settle(self._draft.sealed, notes, controls)

    async def replace(self, text: str, notes: Sequence[str] = (), controls: Controls | None = None) -> None:
        """Show ``text`` for good in place of whatever stands there, and take away the parts it does not need."""
        await self._stop_writer()
        draft = Draft(self._surface.dialect)
        draft.add(text)
        draft.finish(room=self._surface.dialect.weigh_notes(notes))
        await self._settle(draft.sealed, notes, controls)

    async def abandon(self) -> None:
        """Write no more and leave what stands there. Never raises; may be called at any time."""
        self._ending = True
        writer, self._writer = self._writer, None
        try:
            if writer is not None:
                if self._in_flight:
                    await asyncio.wait({writer}, timeout=LEAVING)
                writer.cancel()
                await asyncio.wait({writer})
                if not writer.cancelled():
                    writer.exception()  # whatever it was, nobody waits for this reply any more
        finally:
            self._pacing.closed(self._conversation)

    async def remove(self) -> None:
        """Take away whatever stands there, however often that takes within ``PATIENCE``. Raises as ``finish`` does."""
        await self.abandon()
        patient_until = self._clock() + PATIENCE
        self._failures = 0
        while True:
            try:
                self._check_fence()
                await self._surface.close(0)
                return
            except SlowDown as refusal:
                pause = max(refusal.retry_after, FIRST_BACKOFF)
            except Unsent:
                pause = self._backoff()
            if self._clock() + pause > patient_until:
                raise Unsent("the platform took nothing away in time")
            await asyncio.sleep(pause)

    # --- previews

    async def _write_previews(self) -> None:
        try:
            while not self._ending:
                write = self._newest()
                if write is None:
                    self._idle = True
                    await self._wake.wait()
                    self._wake.clear()
                    continue
                pause = await self._try_preview(write)
                if pause > 0 and not self._ending:
                    await asyncio.sleep(pause)
        except (Gone, Superseded):
            self._ending = True
            self._pacing.closed(self._conversation)

    async def _try_preview(self, write: Write) -> float:
        """Send the preview if it is due; seconds to wait before the next try."""
        is_first = not self._shown
        urgency = Urgency.FIRST if is_first else Urgency.PREVIEW
        rest = self._surface.dialect.spacing
        spacing = rest if write.part in self._shown else 0.0
        ways, now = self._surface.ways(write), self._clock()
        grant = self._pacing.due(now, ways, self._conversation, urgency, spacing)
        if grant.wait > 0:
            return grant.wait
        try:
            await self._send(write, grant.way, "first" if is_first else "preview")
        except SlowDown as refusal:
            return self._rest(refusal, grant.way)
        except Unsent:
            return self._backoff()
        # The same part may not be written sooner, so its next state need not be looked at sooner.
        return 0.0 if write.final else now + rest - self._clock()

    def _newest(self) -> Write | None:
        """The next write that brings what people see up to date; ``None`` when it is."""
        sealed, current = self._draft.sealed, self._draft.current()
        last = len(sealed) - (current is None)
        for part in range(self._sealed_shown, len(sealed)):
            is_last = part == last
            write = Write(part, sealed[part].text, final=not is_last, controls=STREAMING if is_last else None)
            if self._shown.get(part) != write:
                return write
            if not is_last:
                self._sealed_shown = part + 1
        if current is None:
            return None
        firm = len(current.text) - current.tail
        write = Write(last, current.text, final=False, controls=STREAMING, firm=firm)
        return write if self._shown.get(last) != write else None

    async def _stop_writer(self) -> None:
        self._ending = True
        writer, self._writer = self._writer, None
        if writer is not None:
            if self._in_flight:
                await asyncio.wait({writer})
            if not writer.done():
                writer.cancel()  # it sleeps: nothing of it has reached the platform
            elif not writer.cancelled() and (broken := writer.exception()) is not None:
                raise broken
        if self.lost is not None:
            raise self.lost

    # --- final writes

    async def _settle(self, parts: Sequence[Part], notes: Sequence[str], controls: Controls | None) -> None:
        try:
            if not parts:
                raise ValueError("a reply needs visible text")
            last = len(parts) - 1
            for index, part in enumerate(parts):
                is_last = index == last
                write = Write(index, part.text, True, tuple(notes) if is_last else (), controls if is_last else None)
                if self._shown.get(index) != write:
                    await self._put(write)
            await self._close(len(parts))
        finally:
            self._pacing.closed(self._conversation)

    async def _put(self, write: Write) -> None:
        """Send a final write, however often it takes within ``PATIENCE``."""
        patient_until = self._clock() + PATIENCE
        self._failures = 0
        while True:
            ways = self._surface.ways(write)
            grant = self._pacing.due(self._clock(), ways, self._conversation, Urgency.FINAL)
            if grant.wait > 0:
                pause = grant.wait
            else:
                try:
                    await self._send(write, grant.way, "final")
                    return
                except SlowDown as refusal:
                    pause = self._rest(refusal, grant.way)
                except Unsent:
                    pause = self._backoff()
            if self._clock() + pause > patient_until:
                raise Unsent("the platform took no final write in time")
            await asyncio.sleep(pause)

    async def _close(self, count: int) -> None:
        """Take away what an earlier version left behind the last part; a leftover is not worth failing the reply."""
        for attempt in range(CLOSINGS):
            try:
                self._check_fence()
                await self._surface.close(count)
                break
            except SlowDown as refusal:
                await asyncio.sleep(min(refusal.retry_after, LONGEST_REST))
            except Unsent:
                await asyncio.sleep(min(LONGEST_BACKOFF, FIRST_BACKOFF * 2.0**attempt))
            except Gone:
                break
        if len(self._ids) > count:
            del self._ids[count:]
            await self._on_parts(self.ids)

    # --- one write

    async def _send(self, write: Write, way: Way, kind: str) -> None:
        self._shown.pop(write.part, None)  # until it is known to have arrived, it may or may not stand there
        self._in_flight = True
        result = "unsent"
        try:
            self._check_fence()
            id = await self._surface.show(write, way)
            result = "ok"
            self._shown[write.part] = write
            self._failures = 0
            await self._keep(write.part, id)
        except SlowDown:
            result = "slow_down"
            raise
        except (Gone, Superseded) as error:
            result, self.lost = "gone", error
            raise
        finally:
            self._in_flight = False
            if self._metrics is not None:
                self._metrics.wrote(self._surface.dialect.name, kind, result)

    async def _keep(self, part: int, id: str) -> None:
        if self._ids[part : part + 1] == [id]:
            return
        self._ids[part : part + 1] = [id]
        await self._on_parts(self.ids)

    def _check_fence(self) -> None:
        if not self._fence():
            self.lost = Superseded("another process writes this reply now")
            raise self.lost

    def _rest(self, refusal: SlowDown, way: Way) -> float:
        """Tell the pacing; seconds to wait where it cannot know, because no toll names the bucket that refused."""
        self._pacing.slowed(self._clock(), refusal.key, refusal.retry_after)
        if self._metrics is not None:
            self._metrics.slowed(self._surface.dialect.name)
        is_known = any(toll.key == refusal.key for toll in way.tolls)
        return 0.0 if is_known and refusal.retry_after > 0 else max(refusal.retry_after, FIRST_BACKOFF)

    def _backoff(self) -> float:
        self._failures += 1
        return min(LONGEST_BACKOFF, FIRST_BACKOFF * 2.0 ** (self._failures - 1))
