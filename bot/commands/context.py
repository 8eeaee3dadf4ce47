"""What a command needs from outside: who gave it where, and the seams it works through."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from bot.events import Address, Author, MessageReceived
from bot.ports import Completions, Scope, Store
from bot.replies import Notice, Receipt


class Operations(Protocol):
    """What the desk does for a command."""

    async def stop(self, address: Address, author: Author) -> bool:
        """End the answer being written there; False when there is none."""
        ...

    async def retry(self, address: Address, author: Author, event_id: str) -> Notice | None:
        """Answer the newest question again; a notice says why not. ``event_id`` makes it happen once."""
        ...

    async def new(self, address: Address, author: Author) -> bool:
        """Send nothing said so far to the model again; False when there was no conversation."""
        ...

    async def ask(self, question: MessageReceived) -> Receipt:
        """Take a question that was given as a command."""
        ...

    def lanes(self) -> tuple[int, int]:
        """(answers being written now, conversations known)."""
        ...


class Preferences(Protocol):
    """Where settings are read for turns."""

    @property
    def defaults(self) -> Mapping[str, Any]:
        """The deployment's values, by key."""
        ...

    def changed(self, scope: Scope) -> None:
        """The rows of ``scope`` were written: what is remembered of them is old."""
        ...


@dataclass(frozen=True, slots=True)
class CommandContext:
    """One command's surroundings. ``now``: Unix seconds. ``name_of``: a person's name for people, from the id.

    ``event_id`` identifies the event the command came with, "" when the surface gives none.
    """

    address: Address
    author: Author
    direct: bool
    admin: bool
    store: Store
    completions: Completions
    preferences: Preferences
    operations: Operations
    command_name: str
    now: float
    event_id: str = ""
    version: str = ""
    name_of: Callable[[str], str] = str


@dataclass(frozen=True, slots=True)
class CommandOutcome:
    """``notice`` for the person who gave the command; ``form``: open the settings form as well."""

    notice: Notice | None
    form: bool = False


def say(text: str) -> CommandOutcome:
    """An outcome that only says something."""
    return CommandOutcome(Notice(text))
