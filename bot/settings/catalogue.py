"""Every setting there is, as data: what it is called, what it takes, where it may be set, by whom.

A key appears here once, and commands, forms, completion, help and the resolution of levels follow from it. Values
are JSON-able; ``None`` as default means that the provider's own default is used. ``lock.KEY`` and ``cap.KEY`` are
not keys but rules about keys, see ``bot.settings.change``; ``schema.NAME`` holds a JSON schema.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any

from bot.errors import SettingRefused
from bot.ports import Level
from bot.settings import kinds
from bot.settings.kinds import OFF, Kind

SYSTEM = (
    "You are an assistant in a team's chat. Answer the newest message, in the language it is written in. "
    "Be correct first and brief second: lead with the answer, leave out preambles and repetition. "
    "Use Markdown where it helps: code in fenced blocks with a language, tables for comparisons, short lists. "
    "In a shared conversation every message begins with its writer's name and a colon; "
    "never begin your own answer with a name. "
    "When you do not know or cannot see something, say so plainly instead of guessing."
)

RESET = "reset"
"""The word that clears a key at a level, for every key."""

EVERYWHERE = (Level.WORKSPACE, Level.CHANNEL, Level.PERSON, Level.THREAD, Level.TURN)
_LASTING = (Level.WORKSPACE, Level.CHANNEL, Level.PERSON, Level.THREAD)
_SHARED = (Level.WORKSPACE, Level.CHANNEL, Level.THREAD)


@dataclass(frozen=True, slots=True)
class Key:
    """One setting. ``optional``: "off" is a value too. ``cappable``: an admin may set a highest value.

    ``admin``: only admins may set it. ``levels``: where it may be set.
    """

    name: str
    label: str
    help: str
    kind: Kind
    default: Any = None
    levels: tuple[Level, ...] = EVERYWHERE
    admin: bool = False
    optional: bool = False
    cappable: bool = False
    aliases: tuple[str, ...] = ()

    @property
    def expects(self) -> str:
        return f"{self.kind.expects}, or `off`" if self.optional else self.kind.expects

    def parse(self, text: str) -> Any:
        """The value ``text`` stands for. Raises ``SettingRefused`` saying what would fit."""
        if self.optional and text.strip().lower() == "off":
            return OFF
        try:
            return self.kind.parse(text)
        except ValueError:
            raise SettingRefused(f"value of {self.name}", user_text=f"`{self.name}` takes {self.expects}.") from None

    def show(self, value: Any) -> str:
        """``value`` as a person would type it; "" when it is not set."""
        if value is None:
            return ""
        return "off" if self.optional and value == OFF else self.kind.show(value)

    def is_sound(self, value: Any) -> bool:
        """Whether a stored value is still one this key can have."""
        try:
            return bool(self.parse(self.show(value)) == value)
        except (SettingRefused, TypeError, ValueError):
            return False


_KEYS = (
    Key(
        "model",
        "Model",
        "Which model answers.",
        kinds.model(),
        default="openai/gpt-oss-20b",
    ),
    Key(
        "system",
        "System prompt",
        "What the model is told before the conversation: its role, tone and rules.",
        kinds.prose(8_000),
        default=SYSTEM,
        optional=True,
        aliases=("prompt", "system_prompt"),
    ),
    Key(
        "temperature",
        "Temperature",
        "How freely the model chooses its words: 0 is steady, 1 is usual, 2 is wild.",
        kinds.number(0, 2),
        optional=True,
        cappable=True,
        aliases=("temp",),
    ),
    Key(
        "top_p",
        "Top-p",
        "Another way to limit the choice of words. Change this or the temperature, not both.",
        kinds.number(0, 1),
        optional=True,
        cappable=True,
    ),
    Key(
        "max_completion_tokens",
        "Longest answer",
        "The most tokens an answer may have, its thinking included. A token is about three quarters of a word.",
        kinds.whole(1, 1_000_000),
        optional=True,
        cappable=True,
        aliases=("max_tokens",),
    ),
    Key(
        "reasoning_effort",
        "Reasoning effort",
        "How long a reasoning model thinks before it answers.",
        kinds.choice("none", "default", "low", "medium", "high"),
        optional=True,
        aliases=("effort", "reasoning"),
    ),
    Key(
        "show_reasoning",
        "Show reasoning",
        "Whether the model's thinking is shown, apart from the answer.",
        kinds.switch(),
        default=False,
    ),
    Key(
        "response_format",
        "Answer format",
        "`text`, `json_object` for any JSON, or the name of a schema saved with the json command.",
        kinds.prose(64, "choice"),
        default="text",
        aliases=("format",),
    ),
    Key(
        "stop",
        "Stop sequences",
        "The answer ends where one of these texts would come.",
        kinds.sequences(4, 200),
        optional=True,
    ),
    Key(
        "seed",
        "Seed",
        "The same seed with the same question gives the same answer, as far as the provider can.",
        kinds.whole(0, 2**31 - 1),
        optional=True,
    ),
    Key(
        "prefill",
        "Beginning of the answer",
        "The model continues from these words instead of starting by itself.",
        kinds.prose(1_000),
        optional=True,
    ),
    Key(
        "prompt_tokens",
        "Longest prompt",
        "The most tokens of conversation that are sent with a question. Older messages are left out first.",
        kinds.whole(500, 2_000_000),
        optional=True,
        cappable=True,
        aliases=("context", "history"),
    ),
    Key(
        "stream",
        "Streaming",
        "`progressive`: the answer grows while it is written. `final`: it appears when it is complete.",
        kinds.choice("progressive", "final"),
        default="progressive",
    ),
    Key(
        "trigger",
        "When it answers",
        "`follow`: mentions, and everything in threads it takes part in. `mention`: only mentions. "
        "`always`: every message. `off`: never.",
        kinds.choice("follow", "mention", "always", "off"),
        default="follow",
        levels=_SHARED,
    ),
    Key(
        "busy",
        "While it is answering",
        "`queue`: new messages wait and are answered together. `interrupt`: they stop the running answer. "
        "`ignore`: they are not answered.",
        kinds.choice("queue", "interrupt", "ignore"),
        default="queue",
        levels=_LASTING,
    ),
    Key("tools", "Tools", "Whether the model may use tools.", kinds.switch(), default=True),
    Key(
        "fallback_models",
        "Fallback models",
        "Models that are tried in this order when the first one cannot answer.",
        kinds.models(4),
        levels=_LASTING,
        admin=True,
        optional=True,
        aliases=("fallback", "fallbacks"),
    ),
    Key(
        "service_tier",
        "Service tier",
        "Which of the provider's service tiers is used.",
        kinds.choice("auto", "on_demand", "flex", "performance"),
        levels=_LASTING,
        admin=True,
        optional=True,
        aliases=("tier",),
    ),
)

KEYS: dict[str, Key] = {key.name: key for key in _KEYS}
_NAMES = {alias: key.name for key in _KEYS for alias in (key.name, *key.aliases)}


def find_key(name: str) -> Key:
    """The key called ``name`` or one of its aliases. Raises ``SettingRefused`` with the nearest name."""
    plain = name.strip().strip("`").lower().replace("-", "_")
    if plain in _NAMES:
        return KEYS[_NAMES[plain]]
    near = difflib.get_close_matches(plain, _NAMES, n=1)
    hint = f"Did you mean `{_NAMES[near[0]]}`?" if near else f"There are: {', '.join(f'`{key}`' for key in KEYS)}."
    raise SettingRefused("unknown setting", user_text=f"There is no setting of that name. {hint}")
