"""Settings as they are stored, and as forms and completions show them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Level(StrEnum):
    """Where a setting can be made, lowest first. ``PERSON`` takes the channel's place in a direct conversation."""

    DEPLOYMENT = "deployment"
    WORKSPACE = "workspace"
    CHANNEL = "channel"
    PERSON = "person"
    THREAD = "thread"
    TURN = "turn"


@dataclass(frozen=True, slots=True)
class Scope:
    """One level's place, e.g. (CHANNEL, "slack:T1:C1"). See ``bot.settings.resolve.scopes``."""

    level: Level
    id: str


@dataclass(frozen=True, slots=True)
class SettingRow:
    """A value somebody set: JSON-able ``value``, by whom (platform user id) and when (Unix seconds)."""

    scope: Scope
    key: str
    value: Any
    set_by: str
    set_at: float


@dataclass(frozen=True, slots=True)
class FormField:
    """One line of a settings form. ``kind``: text, long, number, choice or switch. ``value``: as typed; ""
    when not set at this level. ``effective`` and ``origin``: what counts now and from where, for people."""

    key: str
    label: str
    help: str
    kind: str
    value: str
    effective: str
    origin: str
    choices: tuple[str, ...] = ()
    locked: bool = False


@dataclass(frozen=True, slots=True)
class Form:
    """The settings form of one level. ``levels``: those the person may choose from."""

    level: Level
    levels: tuple[Level, ...]
    fields: tuple[FormField, ...]


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A completion of a command line: ``line`` is the whole new line, ``label`` and ``hint`` are for people."""

    line: str
    label: str
    hint: str = ""
