"""What answers cost, read from the ledger and worded for people."""

from __future__ import annotations

from collections.abc import Sequence

from bot.commands.context import CommandContext, CommandOutcome, say
from bot.commands.parse import Invocation
from bot.ports import Spent

_DAY = 86_400.0
_SPANS = (("last 24 hours", _DAY), ("last 30 days", 30 * _DAY))


async def show_usage(invocation: Invocation, context: CommandContext) -> CommandOutcome:
    """The person's and the channel's usage; the workspace's for admins."""
    return say("\n".join(f"- **{who}**: {what}" for who, what in await read_usage(context)))


async def read_usage(context: CommandContext) -> Sequence[tuple[str, str]]:
    """(who, their usage in words): the person, the channel unless it is direct, the workspace for an admin."""
    rows = [("You", "", context.author.id)]
    if not context.direct:
        rows.append(("This channel", context.address.channel, ""))
    if context.admin:
        rows.append(("The workspace", "", ""))
    found = []
    for who, channel, person in rows:
        spans = [f"{word_spent(await _spent(context, length, channel, person))} ({name})" for name, length in _SPANS]
        found.append((who, "; ".join(spans)))
    return found


def word_spent(spent: Spent) -> str:
    """ "3 answers, 1,200 tokens in, 450 out, $0.0012"."""
    if not spent.answers:
        return "nothing"
    text = f"{spent.answers:,} answer{'' if spent.answers == 1 else 's'}, {spent.prompt_tokens:,} tokens in, "
    text += f"{spent.completion_tokens:,} out"
    return text if spent.cost is None else f"{text}, ${spent.cost:.4f}".rstrip("0").rstrip(".")


async def _spent(context: CommandContext, length: float, channel: str, person: str) -> Spent:
    place = context.address
    return await context.store.usage(place.platform, place.workspace, context.now - length, channel, person)
