"""What goes out: whole texts, never differences and never message ids.

A write says "make part n of this reply read exactly this". So a write can be skipped, repeated or carried
another way (a native stream, an edit, a new message) without text being lost or doubled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bot.events import Address, Author


@dataclass(frozen=True, slots=True)
class Controls:
    """The buttons under a reply, always on its last part. ``version`` of ``versions``, from 1."""

    stop: bool = False
    regenerate: bool = False
    retry: bool = False
    feedback: bool = False
    version: int = 1
    versions: int = 1


@dataclass(frozen=True, slots=True)
class Write:
    """Make part ``part`` (from 0) of the reply read ``text`` (the model's Markdown, well formed).

    ``final``: this part will not change any more in this turn. ``notes`` stand apart from the text (a Slack
    context block, a Discord ``-#`` line) and are empty in the ordinary case. ``controls`` only on the last part.
    ``firm``: in a preview, how many characters at the beginning of ``text`` are the model's own, with no closing
    marks behind them; a way that can only append sends no more than these. ``None``: all of them. Later writes of
    the part begin with them too, unless the part grows over the limit and is cut further up.
    """

    part: int
    text: str
    final: bool
    notes: tuple[str, ...] = ()
    controls: Controls | None = None
    firm: int | None = None


class Phase(StrEnum):
    """``LEFT``: the turn is another process's now, and so is the sign: it is not cleared, and not kept up any more."""

    WAITING = "waiting"
    THINKING = "thinking"
    DONE = "done"
    LEFT = "left"


@dataclass(frozen=True, slots=True)
class Status:
    """The working sign. ``text`` is a plain present participle for people: "thinking", "third in line, about 6 s"."""

    phase: Phase
    text: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """A Markdown text that one person sees. ``error``: something was refused or failed."""

    text: str
    error: bool = False


@dataclass(frozen=True, slots=True)
class Receipt:
    """What ``Bot.receive`` did with an event once it is durable: the adapter may now acknowledge it.

    ``notice`` is for the person who caused the event and only for them; ``None`` when there is nothing to say.
    ``field_errors``: for a settings form, key → what is wrong with its value; then nothing was stored.
    ``form``: the person should be shown the settings form.
    """

    accepted: bool
    duplicate: bool = False
    notice: Notice | None = None
    field_errors: tuple[tuple[str, str], ...] = ()
    form: bool = False


@dataclass(frozen=True, slots=True)
class Budget:
    """A write allowance of a platform as data: ``rate`` writes per second on average, bursts up to ``burst``.

    ``reserve`` of the burst is kept for first and final writes; previews never take it. ``private``: only this process
    writes there, so that no other one need know.
    """

    name: str
    rate: float
    burst: int
    reserve: int = 1
    private: bool = False


@dataclass(frozen=True, slots=True)
class Toll:
    """One unit of ``budget`` in the bucket ``key`` (e.g. ``slack:T1:chat.update``)."""

    budget: Budget
    key: str


@dataclass(frozen=True, slots=True)
class Way:
    """One manner of carrying a write, and what it costs. Surfaces list them by preference."""

    name: str
    tolls: tuple[Toll, ...]


def _nothing(notes: Sequence[str]) -> int:
    return 0


@dataclass(frozen=True, slots=True)
class Dialect:
    """A platform's markup and limits, as data.

    ``weigh`` measures text as the platform counts it (code points, UTF-16 units, UTF-8 bytes) and is additive.
    ``part_limit`` is in that unit and bounds the model's text of one part, repair marks included; ``render``
    turns a part's Markdown into what the platform is sent and must itself stay within the platform's hard
    limit. ``spacing``: least seconds between two previews of one message. ``live``: previews are shown at all.
    ``weigh_notes``: how much of ``part_limit`` notes take from the part that they stand under.
    """

    name: str
    part_limit: int
    weigh: Callable[[str], int]
    render: Callable[[str], str]
    spacing: float
    live: bool = True
    weigh_notes: Callable[[Sequence[str]], int] = _nothing


@dataclass(frozen=True, slots=True)
class Reply:
    """Which reply a surface shows: enough to open the surface again after a crash.

    ``mark`` names the turn's reply for ever (an idempotency mark: Slack metadata, Discord nonce, web id).
    ``question`` is the message id it answers, ``asker`` its author, ``parts`` the platform's message id of each
    part that was shown already, in order. ``resumed``: a process may have died or let go while it wrote them.
    """

    address: Address
    mark: str
    question: str
    asker: Author
    direct: bool = False
    parts: tuple[str, ...] = ()
    resumed: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """A reply that is not being written. ``parts``: the messages it stands in, as far as they could be noted;
    ``shown``: there is something to read in them; ``quiet``: nothing else is being written in its conversation either;
    ``fence``: whether this process may still act on that."""

    parts: tuple[str, ...]
    shown: bool
    quiet: bool
    fence: Callable[[], bool] = lambda: True
