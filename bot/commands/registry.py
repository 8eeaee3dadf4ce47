"""Every command there is, as data: help, completion, and the platforms' own command lists are made from this.

``usage`` and ``examples`` leave out the command's name on the platform (``/ai``), which is configured. Summaries are
short enough for Discord (100 characters).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bot.ports import Level


class ArgumentKind(StrEnum):
    """What an argument stands for, so that a surface can offer values."""

    TEXT = "text"
    COMMAND = "command"
    MODEL = "model"
    KEY = "key"
    VALUE = "value"
    PLACE = "place"
    SCHEMA = "schema"


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument in its order. ``choices``: all possible values, where they are fixed."""

    name: str
    summary: str
    kind: ArgumentKind = ArgumentKind.TEXT
    required: bool = False
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CommandHelp:
    """One command. ``details``: a sentence or two more; ``placed``: it takes ``--channel`` and the like."""

    name: str
    usage: str
    summary: str
    arguments: tuple[Argument, ...] = ()
    details: str = ""
    examples: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    placed: bool = False


FLAGS: Mapping[str, Level] = {
    "--thread": Level.THREAD,
    "--channel": Level.CHANNEL,
    "--workspace": Level.WORKSPACE,
    "--me": Level.PERSON,
}
"""Where a change is made, when not where the command is given."""

_PLACES = ("thread", "channel", "workspace")

_COMMANDS = (
    CommandHelp(
        "help",
        "help [COMMAND]",
        "What I can do, or how one command works",
        (Argument("command", "The command to explain", ArgumentKind.COMMAND),),
        aliases=("?", "commands"),
        examples=("help", "help set"),
    ),
    CommandHelp(
        "ask",
        "ask TEXT",
        "Ask a question without mentioning me",
        (Argument("text", "Your question", required=True),),
        examples=("ask What is a monad?",),
    ),
    CommandHelp(
        "model",
        "model [ID]",
        "List the models, or choose the one that answers here",
        (Argument("id", "The model to use", ArgumentKind.MODEL),),
        "A part of the id is enough when it names one model only. `model reset` goes back to the usual one.",
        ("model", "model gpt-oss-120b", "model reset"),
        ("models",),
        placed=True,
    ),
    CommandHelp(
        "system",
        "system [TEXT]",
        "Show or write the system prompt: the model's role, tone and rules",
        (Argument("text", "The new system prompt, or off, or reset"),),
        "`system off` sends none at all, `system reset` goes back to the usual one.",
        ("system Answer like a patient teacher.", "system off"),
        ("prompt",),
        placed=True,
    ),
    CommandHelp(
        "set",
        "set KEY [VALUE]",
        "Show or change one setting",
        (
            Argument("key", "The setting", ArgumentKind.KEY, required=True),
            Argument("value", "Its new value, or reset", ArgumentKind.VALUE),
        ),
        "`set KEY` explains the setting, `set KEY reset` takes the value made here away. "
        "Admins can also `set lock.KEY on` and `set cap.KEY VALUE` for a channel or the workspace.",
        ("set temperature 0.2", 'set stop "END" "###"', "set reasoning_effort low --workspace"),
        placed=True,
    ),
    CommandHelp(
        "settings",
        "settings",
        "Show the settings here and open the form",
        aliases=("config", "preferences"),
    ),
    CommandHelp("why", "why", "Which value counts here, and who set it, where and when"),
    CommandHelp(
        "reset-settings",
        "reset-settings [thread|channel|workspace]",
        "Take away every setting made here",
        (Argument("place", "Whose settings", ArgumentKind.PLACE, choices=_PLACES),),
        aliases=("reset_settings",),
        placed=True,
    ),
    CommandHelp(
        "json",
        "json [off|list|NAME] [SCHEMA]",
        "Answer as JSON, or exactly as a saved JSON schema says",
        (
            Argument("name", "on, off, or a schema's name", ArgumentKind.SCHEMA),
            Argument("schema", "A JSON schema to save under this name, or remove"),
        ),
        "`json` alone asks for any JSON object. A schema is saved for the whole workspace and used here.",
        (
            "json",
            'json ticket {"type": "object", "properties": {"title": {"type": "string"}}}',
            "json ticket",
            "json ticket remove",
            "json off",
        ),
        placed=True,
    ),
    CommandHelp("new", "new", "Start anew: I forget what was said here before", aliases=("clear",)),
    CommandHelp("stop", "stop", "Stop the answer I am writing here", aliases=("cancel",)),
    CommandHelp("retry", "retry", "Answer the newest question again", aliases=("regenerate",)),
    CommandHelp(
        "usage",
        "usage",
        "What your answers and this channel's cost: answers, tokens, dollars",
        aliases=("cost",),
    ),
    CommandHelp("status", "status", "Model, limits left at the provider, and how busy I am", aliases=("limits",)),
)

COMMANDS: Mapping[str, CommandHelp] = {command.name: command for command in _COMMANDS}
_NAMES = {name: command for command in _COMMANDS for name in (command.name, *command.aliases)}


def command_helps() -> Sequence[CommandHelp]:
    """All commands in the order people read them."""
    return _COMMANDS


def find_command(word: str) -> CommandHelp | None:
    """The command called ``word``, in any case, or by an alias."""
    return _NAMES.get(word.casefold())


def command_words() -> Sequence[str]:
    """Every word that names a command."""
    return tuple(_NAMES)
