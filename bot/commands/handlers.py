"""From an invocation to its outcome: which function carries out which command."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from bot.commands import actions, choices, formats, ledger, model_choice, views
from bot.commands.context import CommandContext, CommandOutcome
from bot.commands.parse import Invocation
from bot.errors import ParleyError, StoreError
from bot.replies import Notice

_HANDLERS: Mapping[str, Callable[[Invocation, CommandContext], Awaitable[CommandOutcome]]] = {
    "help": views.show_help,
    "ask": actions.ask_question,
    "model": model_choice.choose_model,
    "system": choices.change_system,
    "set": choices.change_setting,
    "settings": views.show_settings,
    "why": views.show_why,
    "reset-settings": choices.reset_settings,
    "json": formats.change_format,
    "new": actions.start_anew,
    "stop": actions.stop_answer,
    "retry": actions.answer_again,
    "usage": ledger.show_usage,
    "status": views.show_status,
}


async def run(invocation: Invocation, context: CommandContext) -> CommandOutcome:
    """Carry out a command. What is refused is said in the notice; only ``StoreError`` is raised."""
    if not invocation.known:
        return views.tell_unknown(invocation, context)
    try:
        return await _HANDLERS[invocation.name](invocation, context)
    except StoreError:
        raise
    except ParleyError as refused:
        return CommandOutcome(Notice(refused.user_text, error=True))
