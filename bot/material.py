"""Everything a turn is made of before the model is asked: settings, history, files, and the request they become."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.errors import ParleyError
from bot.events import File
from bot.ports import (
    Claim,
    CompletionRequest,
    Completions,
    Level,
    LimitState,
    ModelProfile,
    Source,
    Store,
    StoredMessage,
    Usage,
)
from bot.preferences import Preference, Preferences
from bot.prompt.build import MOST_IMAGES, Attached
from bot.prompt.files import LARGEST, read_files
from bot.prompt.prepare import Prompt, prepare
from bot.prompt.trim import HISTORY_LIMIT, Room, measure_room
from bot.settings.catalogue import KEYS
from bot.settings.view import TurnSettings

EARLIER_LIMIT = 50  # messages read once when it is summoned into an existing thread
_EARLIER_PATIENCE = 3.0  # seconds; history is a help, not something to wait for
_MOST_UNREAD = 5  # messages whose files are read although nobody asked with them
_FILES_SHARE = 3  # of the prompt's room, the files of one question take at most one third
_GENEROUS = 16_384  # tokens for an answer where nothing says that they are scarce
_SHARE, _LEAST = 8, 2_048  # of what a minute has left, one answer plans with an eighth
_SCARCE_SHARE, _LEAST_SCARCE = 4, 1_024  # of a small allowance, such as a free plan's, with a quarter
_NO_WORDS = "(wrote only your name)"


@dataclass(frozen=True, slots=True)
class Material:
    """What the model is asked, and what people are told about it beside the answer (``notices``)."""

    settings: TurnSettings
    preference: Preference
    request: CompletionRequest
    notices: tuple[str, ...]
    left_out: int
    trimmed_before: int | None

    def told_settings(self) -> dict[str, tuple[str, str]]:
        """key → (value as text, level) of everything somebody set, for "why this answer"."""
        chosen = self.preference.effective.chosen
        return {
            name: (KEYS[name].show(found.value)[:200], found.level.value)
            for name, found in chosen.items()
            if found.level is not Level.DEPLOYMENT
        }

    @staticmethod
    def cost(profile: ModelProfile, usage: Usage | None) -> float | None:
        """US dollars, ``None`` when a price or the usage is unknown."""
        if usage is None or profile.price_in is None or profile.price_out is None:
            return None
        cached = profile.price_cached if profile.price_cached is not None else profile.price_in
        fresh = usage.prompt_tokens - usage.cached_tokens
        return (
            fresh * profile.price_in + usage.cached_tokens * cached + usage.completion_tokens * profile.price_out
        ) / 1e6


class MaterialReader:
    """Reads the material of one claim at a time; keeps nothing."""

    def __init__(self, store: Store, completions: Completions, preferences: Preferences) -> None:
        self._store = store
        self._completions = completions
        self._preferences = preferences

    async def read(self, claim: Claim, source: Source) -> Material | None:
        """``None`` when every question of the claim was deleted while it waited. Raises ``StoreError``."""
        preference, (asked, history) = await asyncio.gather(
            self._preferences.at(claim.address, claim.author, claim.direct, claim.overrides),
            self._said(claim),
        )
        if not asked:
            return None
        if not history:
            history = await self._earlier(claim, source, asked[0].seq)
        settings = preference.settings
        profile = self._completions.profile(settings.model)
        room = self._room(settings, profile)
        attached = await self._attach(claim, history, asked, source, profile, room.prompt // _FILES_SHARE)
        prompt = prepare(
            settings.system,
            history,
            [_with_words(message) for message in asked],
            shared=not claim.direct,
            room=room.prompt,
            vision=profile.vision,
            attached=attached,
        )
        return Material(
            settings=settings,
            preference=preference,
            request=_request(claim, settings, prompt, room),
            notices=prompt.notes,
            left_out=prompt.left_out,
            trimmed_before=prompt.trimmed_before,
        )

    async def stands(self, claim: Claim, source: Source) -> bool:
        """Whether any question of the claim still stands. Raises ``StoreError``.

        Of the inherited ones that is asked of the platform, and those that are gone there are removed here.
        """
        asked = await self._store.question(claim.conversation, claim.target or claim.seq, claim.merged)
        inherited = [message.platform_id for message in asked if message.seq <= claim.inherited]
        standing = await asyncio.gather(*(source.stands(message) for message in inherited))
        gone = [message for message, stands in zip(inherited, standing, strict=True) if not stands]
        for message in gone:
            await self._store.delete_message(claim.address, message)
        return len(gone) < len(asked)

    async def _said(self, claim: Claim) -> tuple[Sequence[StoredMessage], Sequence[StoredMessage]]:
        """(what is asked, what was said before it), in one look where they stand together, as they mostly do."""
        place = claim.target or claim.seq
        if claim.merged == 1:
            said = await self._store.history(claim.conversation, place + 1, HISTORY_LIMIT + 1)
            if said and said[-1].seq == place:
                return said[-1:], said[:-1]
        asked = await self._store.question(claim.conversation, place, claim.merged)
        before = asked[0].seq if asked else place
        return asked, await self._store.history(claim.conversation, before, HISTORY_LIMIT) if asked else ()

    async def _earlier(self, claim: Claim, source: Source, before: int) -> Sequence[StoredMessage]:
        if claim.direct or claim.address.thread in ("", claim.message_id):
            return ()
        try:  # summoned into the middle of a thread: what was said there is read once, and kept
            async with asyncio.timeout(_EARLIER_PATIENCE):
                earlier = await source.earlier(claim.message_id, EARLIER_LIMIT)
        except (ParleyError, TimeoutError):
            return ()
        if not earlier:
            return ()
        await self._store.backfill(claim.conversation, earlier)
        return await self._store.history(claim.conversation, before, HISTORY_LIMIT)

    def _room(self, settings: TurnSettings, profile: ModelProfile) -> Room:
        minute = next(
            (
                state
                for state in self._completions.limits()
                if state.model == settings.model and state.kind == "tokens/minute"
            ),
            None,
        )
        completion = settings.max_completion_tokens
        if completion is None and profile.known:
            completion = plan_answer(minute)
        per_minute = minute.limit if minute is not None else None
        return measure_room(profile, completion, per_minute=per_minute, setting=settings.prompt_tokens)

    async def _attach(
        self,
        claim: Claim,
        history: Sequence[StoredMessage],
        asked: Sequence[StoredMessage],
        source: Source,
        profile: ModelProfile,
        budget: int,
    ) -> dict[int, Attached]:
        """The excerpts kept from earlier turns, those of the files that are new read now, and the newest images."""
        attached = {message.seq: Attached(message.excerpts) for message in history if message.excerpts}
        unread = _unread(history, {file.id for message in asked for file in message.files})
        fresh = [(message, files, budget // len(unread)) for message, files in unread]
        for message, files, share in fresh + [(it, it.files, budget) for it in asked if it.files]:
            found = await self._read_files(files, source, profile, share)
            attached[message.seq] = found
            if found.blocks and found.blocks != message.excerpts:
                await self._store.keep_excerpts(claim.conversation, message.seq, found.blocks)
        if profile.vision:
            await self._look_again(history, source, attached)
        return attached

    async def _read_files(
        self, files: tuple[File, ...], source: Source, profile: ModelProfile, budget: int
    ) -> Attached:
        fetched = await asyncio.gather(*(_fetch(source, file) for file in files))
        pairs = list(zip(files, fetched, strict=True))
        return await asyncio.to_thread(read_files, pairs, vision=profile.vision, budget=budget)

    async def _look_again(
        self, history: Sequence[StoredMessage], source: Source, attached: dict[int, Attached]
    ) -> None:
        """Images of earlier turns stay in sight, the newest few."""
        left = MOST_IMAGES - sum(len(found.images) for found in attached.values())
        for message in reversed(history):
            pictures = tuple(file for file in message.files if file.media_type.startswith("image/"))[-max(left, 0) :]
            if left <= 0 or not pictures:
                continue
            pairs = [(file, await _fetch(source, file)) for file in pictures]
            found = await asyncio.to_thread(read_files, pairs, vision=True, budget=0)
            left -= len(found.images)
            attached[message.seq] = replace(attached.get(message.seq, Attached()), images=found.images)


def plan_answer(minute: LimitState | None) -> int:
    """How long an answer may get where nobody set it.

    The provider counts the room for an answer against the minute before a word is written, so answers that are
    written at the same time have to share what is left of it.
    """
    if minute is None:
        return _GENEROUS
    if minute.limit < 4 * _GENEROUS:
        return max(_LEAST_SCARCE, minute.remaining // _SCARCE_SHARE)
    return max(_LEAST, min(_GENEROUS, minute.remaining // _SHARE))


async def _fetch(source: Source, file: File) -> bytes | None:
    try:
        return await source.file(file, LARGEST)
    except ParleyError:
        return None


def _unread(history: Sequence[StoredMessage], cited: set[str]) -> list[tuple[StoredMessage, tuple[File, ...]]]:
    """Files sent since the last answer with messages that asked nothing, but for those ``cited`` by the question;
    images are looked at anyhow."""
    found: list[tuple[StoredMessage, tuple[File, ...]]] = []
    for message in reversed(history):
        if message.role == "assistant":
            break
        files = tuple(it for it in message.files if it.id not in cited and not it.media_type.startswith("image/"))
        if files and not message.excerpts:
            found.append((message, files))
    return found[:_MOST_UNREAD]


def _with_words(message: StoredMessage) -> StoredMessage:
    """A mention without any words is still a question: usually about what was said before."""
    return message if message.text.strip() or message.files else replace(message, text=_NO_WORDS)


def _request(claim: Claim, settings: TurnSettings, prompt: Prompt, room: Room) -> CompletionRequest:
    return CompletionRequest(
        model=settings.model,
        messages=prompt.messages,
        temperature=settings.temperature,
        top_p=settings.top_p,
        max_completion_tokens=room.completion,
        stop=settings.stop,
        seed=settings.seed,
        json=settings.json,
        reasoning_effort=settings.reasoning_effort,
        show_reasoning=settings.show_reasoning,
        service_tier=settings.service_tier,
        prefill=settings.prefill,
        user=hash_person(claim.address.platform, claim.author.id),
        fallbacks=settings.fallbacks,
        prompt_tokens=prompt.tokens,
        may_grow=settings.max_completion_tokens is None,
    )


def hash_person(platform: str, person: str) -> str:
    """What the provider is told of a person: the same for the same person, and nothing else."""
    return hashlib.sha256(f"{platform}:{person}".encode()).hexdigest()[:16]
