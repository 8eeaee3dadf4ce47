"""Shows replies as messages in Discord: one message for each part, made once and edited to its newest whole text.

A part's nonce is the same however often it is sent, so Discord makes no second message of a post whose answer was
lost. What it answers with may then be the message as it was first sent, and an edit follows. After a restart it may
even be one that this reply had once and that was taken away since: then the part gets another nonce.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from adapters.discord.calls import Calls, Refused, Shut
from adapters.discord.controls import SUPPRESS_PREVIEWS, content, nonce, notice_texts, sign_row
from adapters.discord.dialect import CREATE, DISCORD, bucket, defuse
from adapters.discord.directory import Memory
from adapters.discord.places import NO_MESSAGE, Place, Places
from adapters.discord.search import own_parts
from adapters.discord.signs import Signs
from bot.errors import Gone, SurfaceError, Unsent
from bot.late import Late
from bot.replies import Notice, Phase, Reply, Status, Way, Write

log = structlog.get_logger("discord")

_ARCHIVED = 50083
_BAD_FORM = 50035
_NO_REPLIES = 160002  # it may not read the history, and so not reply
_FORBIDDEN, _LOCKED = 50013, 160005
_TIME_IS_OVER = "Discord lets me write here for a quarter of an hour only, so this answer ends before it is complete."
_LOCKED_TEXT = "The thread was locked before my answer in it was complete."
_NO_MORE_FOLLOW_UPS = 40094  # an app that only its user installed has five
_FULL_TEXT = "Discord lets me write no more here, so this answer ends too early."
_BLOCKED = frozenset({200000, 200001, 240000})
_BLOCKED_TEXT = "This server's moderation rules do not let me show my answer here."
_NONCE_LIFE = 120.0  # seconds for which Discord certainly knows a nonce

Json = dict[str, Any]


@dataclass(slots=True)
class Stage:
    """What the surfaces of one bot share. ``written``: the parts this process posted, by mark. ``taken_away``: how
    often a part was deleted, for its nonce must not bring the deleted message back."""

    calls: Calls
    places: Places
    signs: Signs
    me: Callable[[], str]
    late: Late
    written: Memory[tuple[str, ...]] = field(default_factory=lambda: Memory(20_000))
    taken_away: Memory[int] = field(default_factory=lambda: Memory(20_000))


class DiscordSurface:
    """Where one reply is shown (``bot.ports.Surface``)."""

    dialect = DISCORD

    def __init__(self, stage: Stage, reply: Reply) -> None:
        self._stage, self._reply = stage, reply
        self._ids: dict[int, str] = dict(enumerate(reply.parts))
        self._shown: dict[int, Json] = {}
        self._tried: dict[int, float] = {}
        self._has_past = reply.resumed or bool(reply.parts)
        self._doubtful: set[int] = set()  # parts whose nonce may have brought back a message that is gone
        self._typing = ""
        self._wants_typing = False
        self._has_begun = False
        stage.late.opened(reply, self.ids)

    def ids(self) -> Sequence[str]:
        """The messages known to be its parts."""
        return tuple(self._ids.values())

    def ways(self, write: Write) -> Sequence[Way]:
        return self._stage.places.ways(self._reply.address, self._ids.get(write.part))

    # --- writing

    async def show(self, write: Write, way: Way) -> str:
        place = await self._stage.places.of(self._reply)
        if place.is_closing and not write.final:
            await self._put(place, write.part, content(write.text, (_TIME_IS_OVER,), None, self._reply.mark))
            raise Gone("the interaction's time is nearly over")
        shown = content(write.text, write.notes, write.controls, self._reply.mark)
        try:
            await self._put(place, write.part, shown)
        except Shut as shut:
            if shut.code == _LOCKED:
                # Where a thread is only locked, what stands there can still be changed.
                is_new = write.part not in self._ids
                if not (is_new and await self._say_under(place, write.part - 1, _LOCKED_TEXT)):
                    await self._say_locked()
            raise
        except Refused as refusal:
            if refusal.code == _BAD_FORM:
                await self._put_bare(place, write)
            else:
                if refusal.code in _BLOCKED:
                    await self._say_blocked(place, write.part)
                elif refusal.code == _NO_MORE_FOLLOW_UPS:
                    await self._say_under(place, write.part - 1, _FULL_TEXT)
                raise Gone(f"refused: {refusal.code}") from refusal
        self._quiet()
        return self._ids[write.part]

    async def _put_bare(self, place: Place, write: Write) -> None:
        """Discord may refuse what is around the words for reasons it does not publish; the words are worth more."""
        log.warning("Discord refused the form of a message; its words are shown alone")
        try:
            await self._put(place, write.part, content(defuse(write.text), (), None, self._reply.mark))
        except Refused as refusal:
            raise Gone(f"refused: {refusal.code}") from refusal

    async def _put(self, place: Place, part: int, shown: Json) -> None:
        if part not in self._ids:
            await self._look_for(place, part)
        if part not in self._ids:
            is_new = bool(place.hook) or (part not in self._tried and not self._has_past)
            stands = await self._create(place, part, shown)
            if is_new and stands.get("content") in (shown["content"], shown["content"].strip()):
                self._shown[part] = shown
                return
            if self._has_past and not place.hook:
                self._doubtful.add(part)
        if self._shown.get(part) == shown:
            return
        try:
            await self._edit(place, self._ids[part], part, shown)
        except Unsent:  # it may be carried out after the next one
            self._stage.late.doubt(self._reply, self.ids)
            raise
        except Shut as shut:
            if shut.code != NO_MESSAGE or part not in self._doubtful:
                raise
            self._take_off(part)
            await self._put(place, part, shown)
            return
        self._shown[part] = shown
        self._doubtful.discard(part)

    async def _create(self, place: Place, part: int, shown: Json) -> Json:
        if place.hook:
            found = await self._answer(place, part, shown)
        else:
            self._tried.setdefault(part, time.monotonic())
            self._has_begun = True
            if self._typing:
                await self._stage.signs.hush(self._typing, self._reply.mark)
            found = await self._post(place, part, shown)
        self._ids[part] = str(found["id"])
        self._note_written()
        return found

    def _note_written(self) -> None:
        self._stage.written.put(self._reply.mark, tuple(self._ids[number] for number in sorted(self._ids)))

    async def _post(self, place: Place, part: int, shown: Json) -> Json:
        mark = self._reply.mark
        salt = self._stage.taken_away.get(f"{mark}|{part}") or 0
        body: Json = shown | {
            "nonce": nonce(mark, part, place.channel, salt),
            "enforce_nonce": True,
            "flags": SUPPRESS_PREVIEWS,
        }
        if not shown["components"]:
            del body["components"]
        return await self._send(place, body, place.reference)

    async def _send(self, place: Place, body: Json, about: str) -> Json:
        """Post ``body`` as a reply to the message ``about``, if any."""
        reference = {"message_reference": {"message_id": about, "fail_if_not_exists": False}} if about else {}
        try:
            found: Json = await self._stage.calls.call("POST", place.messages, body | reference, key=self._key(None))
        except Refused as refusal:
            if refusal.code != _NO_REPLIES:
                raise
            found = await self._stage.calls.call("POST", place.messages, body, key=self._key(None))
        return found

    async def _answer(self, place: Place, part: int, shown: Json) -> Json:
        """An interaction has one answer, which stands already, and messages that follow it."""
        calls, body = self._stage.calls, shown | {"flags": SUPPRESS_PREVIEWS}
        if part == 0:
            found: Json = await calls.call("PATCH", f"{place.messages}/@original", body, is_open=True)
        else:
            found = await calls.call("POST", place.hook, body, query={"wait": "true"}, is_open=True)
        return found

    async def _edit(self, place: Place, id: str, part: int, shown: Json) -> None:
        # No flags: Discord then leaves the previews suppressed.
        path = f"{place.messages}/{id}"
        is_hook = bool(place.hook)
        try:
            await self._stage.calls.call("PATCH", path, shown, key="" if is_hook else self._key(id), is_open=is_hook)
        except Refused as refusal:
            if refusal.code != _ARCHIVED or is_hook:
                raise
            await self._reopen(place.channel)
            await self._stage.calls.call("PATCH", path, shown, key=self._key(id))

    async def _reopen(self, thread: str) -> None:
        """Nothing in an archived thread can be changed before it is opened again, which a moderator can forbid."""
        try:
            await self._stage.calls.ask("PATCH", f"/channels/{thread}", {"archived": False})
        except Refused as refusal:
            raise Shut("the thread is archived", _LOCKED) from refusal
        except Shut as shut:
            raise (Shut("the thread is locked", _LOCKED) if shut.code == _FORBIDDEN else shut) from None

    async def _say_locked(self) -> None:
        """People look for the rest of the answer: it is said where they can still be told."""
        address = self._reply.address
        body = content(_LOCKED_TEXT, (), None, "") | {
            "nonce": nonce(f"locked {self._reply.mark}", 0, address.channel),
            "enforce_nonce": True,
            "message_reference": {"message_id": address.thread, "fail_if_not_exists": False},
        }
        with contextlib.suppress(SurfaceError):
            key = bucket(CREATE, address.channel)
            await self._stage.calls.ask("POST", f"/channels/{address.channel}/messages", body, key=key)

    async def _say_blocked(self, place: Place, part: int) -> None:
        with contextlib.suppress(SurfaceError):
            await self._put(place, part, content(_BLOCKED_TEXT, (), None, self._reply.mark))

    async def _say_under(self, place: Place, part: int, text: str) -> bool:
        """The last message that could be made is full of the answer's text: the sign takes the place of buttons.
        False where it cannot be set."""
        if part not in self._shown:
            return False
        try:
            await self._put(place, part, self._shown[part] | {"components": sign_row(text)})
        except (Gone, Refused):
            return False
        return True

    async def _look_for(self, place: Place, part: int, known_for: float = _NONCE_LIFE) -> None:
        """A post whose answer was lost may stand there; Discord forgets its nonce after ``known_for`` seconds."""
        tried = self._tried.get(part)
        if tried is None or place.hook or time.monotonic() - tried < known_for:
            return
        reply = self._reply
        found = await own_parts(self._stage.calls, place.channel, self._stage.me, reply.mark, reply.question)
        known = set(self._ids.values())
        fresh = [id for id in found if id not in known]
        if fresh:
            self._ids[part] = fresh[0]
        self._tried[part] = time.monotonic()

    def _key(self, id: str | None) -> str:
        return self._stage.places.key(self._reply.address, id)

    # --- beside the text

    async def tell(self, person: str, notice: Notice) -> None:
        """There is no message in Discord that only one person sees, but as an answer to what they pressed: this is a
        plain reply to the answer it is about, which pings nobody and cannot be taken for a part of an answer."""
        place = await self._stage.places.of(self._reply)
        for number, text in enumerate(notice_texts(notice)):
            shown = content(text, (), None, "")
            with contextlib.suppress(SurfaceError):
                if place.hook:
                    body = shown | {"flags": SUPPRESS_PREVIEWS}
                    await self._stage.calls.call("POST", place.hook, body, is_open=True)
                    continue
                del shown["components"]
                body = shown | {"enforce_nonce": True, "flags": SUPPRESS_PREVIEWS}
                body["nonce"] = nonce(
                    f"{self._reply.mark} {notice.text}", number, place.channel, int(time.time()) // 60
                )
                await self._send(place, body, self._ids.get(0, place.reference))

    async def status(self, status: Status) -> None:
        if status.phase in (Phase.DONE, Phase.LEFT):
            self._wants_typing = False
            self._quiet()
            return
        self._wants_typing = True
        with contextlib.suppress(SurfaceError):
            place = await self._stage.places.of(self._reply)
            # Typing ends with a new message, and else ten seconds late: where there is a message already, it is edited.
            if not place.hook and self._wants_typing and not (self._ids or self._has_begun):
                self._typing = place.channel
                self._stage.signs.start(place.channel, self._reply.mark)

    def _quiet(self) -> None:
        if self._typing:
            self._stage.signs.stop(self._typing, self._reply.mark)
            self._typing = ""

    async def close(self, parts: int) -> None:
        lost = [number for number in self._tried if number >= parts and number not in self._ids]
        if not lost and all(number < parts for number in self._ids):
            return
        place = await self._stage.places.of(self._reply)
        for number in lost:
            await self._look_for(place, number, known_for=0.0)
        leftover = sorted((number for number in self._ids if number >= parts), reverse=True)
        for number in leftover:
            path = f"{place.messages}/{self._ids[number]}"
            with contextlib.suppress(Gone, Refused):  # a person was faster
                await self._stage.calls.call("DELETE", path, is_open=bool(place.hook))
            self._take_off(number)

    def _take_off(self, part: int) -> None:
        """The message of this part is deleted: its nonce must not bring it back."""
        name = f"{self._reply.mark}|{part}"
        self._stage.taken_away.put(name, (self._stage.taken_away.get(name) or 0) + 1)
        del self._ids[part]
        self._shown.pop(part, None)
        self._tried.pop(part, None)
        self._doubtful.discard(part)
        self._note_written()
