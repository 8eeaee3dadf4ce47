"""Commands that only show: help, settings, why, status."""

from __future__ import annotations

import difflib

from bot.commands.context import CommandContext, CommandOutcome, say
from bot.commands.parse import Invocation
from bot.commands.places import choose_level, read_effective
from bot.commands.registry import CommandHelp, command_helps, command_words, find_command
from bot.commands.wording import word_duration, word_origin, word_place, word_value
from bot.ports import Backend, LimitState
from bot.replies import Notice
from bot.settings.catalogue import KEYS
from bot.settings.change import PLACES


async def show_help(invocation: Invocation, context: CommandContext) -> CommandOutcome:
    """All commands, or one of them in full."""
    wanted = invocation.rest.split(None, 1)[0].lstrip("!/") if invocation.rest else ""
    command = find_command(wanted) if wanted else None
    if command is not None:
        return say(_explain(command, context.command_name))
    if wanted in KEYS:
        return say(f"`{wanted}` is a setting: {KEYS[wanted].help} It takes {KEYS[wanted].expects}.")
    lines = [f"- `/{context.command_name} {each.usage}`: {each.summary}" for each in command_helps()]
    return say(
        "Mention me and I answer in a thread; inside it just go on writing. These commands change how I work:\n\n"
        + "\n".join(lines)
        + "\n\nInside a thread write them as a message with `!`, like `!model`. "
        + f"`/{context.command_name} help COMMAND` says more."
    )


def tell_unknown(invocation: Invocation, context: CommandContext) -> CommandOutcome:
    """There is no such command; the nearest one and the way to help."""
    near = difflib.get_close_matches(invocation.name.casefold(), command_words(), n=1)
    hint = f" Did you mean `/{context.command_name} {near[0]}`?" if near else ""
    return CommandOutcome(
        Notice(f"I do not know that command.{hint} `/{context.command_name} help` lists all of them.", error=True)
    )


async def show_settings(invocation: Invocation, context: CommandContext) -> CommandOutcome:
    """Every effective value with its level, and the form."""
    effective = await read_effective(context)
    lines = ["| Setting | Value | From |", "| --- | --- | --- |"]
    for name, chosen in effective.chosen.items():
        lines.append(f"| {name} | {word_value(chosen).replace('|', '¦')} | {word_place(chosen.level)} |")
    place = PLACES[choose_level(context)]
    tail = f"`/{context.command_name} set KEY VALUE` changes one for {place}."
    return CommandOutcome(Notice("\n".join(lines) + "\n\n" + tail), form=True)


async def show_why(invocation: Invocation, context: CommandContext) -> CommandOutcome:
    """Each effective value, its level, who set it and when."""
    effective = await read_effective(context)
    made = [chosen for chosen in effective.chosen.values() if chosen.set_by or chosen.locked or chosen.caps]
    usual = [chosen for chosen in effective.chosen.values() if chosen not in made]
    lines = [f"- **{chosen.key}** {word_value(chosen)}: {word_origin(chosen, context)}" for chosen in made]
    if not made:
        lines.append("Nothing was changed here: every setting has its usual value.")
    kept = ", ".join(f"{chosen.key} {word_value(chosen, 30)}" for chosen in usual if chosen.value is not None)
    return say("\n".join(lines) + (f"\n\nWith their usual value: {kept}." if kept else ""))


async def show_status(invocation: Invocation, context: CommandContext) -> CommandOutcome:
    """Model, backend, what the provider has left, how busy, which version."""
    effective = await read_effective(context)
    model = effective.value("model")
    running = context.operations.lanes()[0]
    waiting = max(0, (await context.store.counts()).get("unsettled", 0) - running)
    lines = [
        f"- Model here: `{model}` ({word_place(effective.chosen['model'].level)})",
        f"- Answered by: {_word_backend(context.completions.backend())}",
        *(f"- {_word_limit(limit)}" for limit in context.completions.limits() if limit.model == model),
        f"- Right now: {running} answer{'' if running == 1 else 's'} being written, {waiting} waiting",
    ]
    if context.version:
        lines.append(f"- Version: {context.version}")
    return say("\n".join(lines))


def _explain(command: CommandHelp, name: str) -> str:
    lines = [f"**`/{name} {command.usage}`**", f"{command.summary}.", command.details]
    if command.placed:
        lines.append(
            "It counts where you say it: this thread, this channel, or your direct conversation with me. "
            "`--thread`, `--channel` or `--workspace` at the end chooses another place."
        )
    if command.examples:
        lines.append("\n".join(f"- `/{name} {example}`" for example in command.examples))
    return "\n\n".join(line for line in lines if line)


def _word_backend(backend: Backend) -> str:
    if backend.kind == "guide":
        return "the built-in guide, which is not a language model"
    return f"{backend.name} on this machine" if backend.kind == "local" else backend.name


def _word_limit(limit: LimitState) -> str:
    what, _, span = limit.kind.partition("/")
    when = "today" if span == "day" else f"this {span}"
    return (
        f"{what.capitalize()} left {when}: {limit.remaining:,} of {limit.limit:,}, "
        f"full again in {word_duration(limit.reset_in)}"
    )
