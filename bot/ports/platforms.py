"""What the core asks of a platform, and what an adapter is to the house."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from bot.events import Address, Author, File
from bot.replies import Dialect, Notice, Reply, Status, Way, Write


@dataclass(frozen=True, slots=True)
class EarlierMessage:
    """A message that was in the thread before the bot was summoned. ``sent_at``: Unix seconds."""

    id: str
    author: Author
    text: str
    sent_at: float
    files: tuple[File, ...] = ()


class Surface(Protocol):
    """Where one reply can be shown. Bound to one ``Reply``; not safe for two writes at once.

    Every call that it makes of its platform asks ``check_fence`` at the last moment, after all waiting.
    """

    dialect: Dialect

    def ways(self, write: Write) -> Sequence[Way]:
        """The manners in which this write could go out now, best first; never empty. No I/O."""
        ...

    async def show(self, write: Write, way: Way) -> str:
        """Carry the write and return the platform's message id of that part.

        Raises ``SlowDown``, ``Unsent``, ``Gone`` or, from the fence, ``Superseded``. Repeating a write must not make a
        second message.
        """
        ...

    async def tell(self, person: str, notice: Notice) -> None:
        """Show ``notice`` to one person of the conversation only; best effort."""
        ...

    async def status(self, status: Status) -> None:
        """Set, clear (``Phase.DONE``) or leave (``Phase.LEFT``) the working sign; best effort, idempotent."""
        ...

    async def close(self, parts: int) -> None:
        """The turn is over and ``parts`` parts stand: take away parts beyond them that an earlier version left."""
        ...


class Source(Protocol):
    """Where earlier messages and files are read, and where a lost reply is looked for."""

    async def earlier(self, before: str, limit: int) -> Sequence[EarlierMessage]:
        """What the thread held before message ``before``, oldest first, at most ``limit``, own replies left out."""
        ...

    async def file(self, file: File, limit: int) -> bytes:
        """At most ``limit`` bytes of a file. Raises ``Unsent`` or ``Gone``."""
        ...

    async def posted(self, mark: str, question: str = "") -> Sequence[str]:
        """The message ids of the parts already posted under ``mark``, in order; empty when there are none. They are
        no older than message ``question``, where it is given. They are written over: none may be left out between
        two others, and none may be another message than this reply's.

        Raises ``Unsent`` or ``SlowDown`` when that cannot be told now, ``Gone`` when it never will be.
        """
        ...

    async def stands(self, message: str) -> bool:
        """False when this message of a person is known to be deleted, as nobody may have told us while we were away."""
        ...


class Platform(Protocol):
    """An adapter as the core sees it. ``name`` is the ``Address.platform`` it serves."""

    name: str

    def surface(self, reply: Reply) -> Surface: ...

    def source(self, address: Address) -> Source: ...


@dataclass(frozen=True, slots=True)
class Check:
    """One line of ``parley doctor``. ``fix`` is the exact thing to do, and only given when ``ok`` is False."""

    name: str
    ok: bool
    found: str
    fix: str = ""


class Shelf(Protocol):
    """Durable rows that belong to one adapter, by ``kind`` and ``id``; the core never reads them.

    ``value`` is JSON-able. ``list`` gives (id, value) by rising ``position``. Raises ``StoreError``.
    """

    async def put(self, kind: str, id: str, value: Mapping[str, Any], position: int = 0) -> None: ...

    async def get(self, kind: str, id: str) -> Mapping[str, Any] | None: ...

    async def remove(self, kind: str, id: str) -> None: ...

    async def list(self, kind: str, after: int = -1, limit: int = 1_000) -> Sequence[tuple[str, Mapping[str, Any]]]: ...


class Adapter(Protocol):
    """A surface of the running bot, as ``bot.wiring`` sees it.

    Each folder ``adapters/NAME`` offers three functions in its ``run`` module: ``configured(config)`` says whether
    its credentials are set, ``open(bot, config)`` gives the adapter, and ``check(config)`` the doctor's lines; it may
    take the adapter's ``shelf`` or the bot's ``commands`` too. One that needs no account may offer
    ``rehearse(adapter)`` as well: a whole round trip through itself, as one ``Check``.
    ``routes`` are Starlette routes mounted on the one HTTP port.
    """

    name: str
    platform: Platform
    routes: Sequence[Any]

    async def start(self) -> None:
        """Connect. Returns when events can come in."""
        ...

    async def pause(self) -> None:
        """Take no more events; replies may still be shown."""
        ...

    async def close(self) -> None: ...

    def healthy(self) -> str:
        """Why this surface is deaf or disconnected, in a few words; "" when it is well."""
        ...
