"""Commands that act on the conversation: new, stop, retry, ask."""

from __future__ import annotations

from bot.commands.context import CommandContext, CommandOutcome, say
from bot.commands.parse import Invocation
from bot.events import MessageReceived
from bot.replies import Notice
from bot.settings.change import refuse

_WHERE = "I cannot see which thread you mean. Write `!{word}` as a message in that thread."


async def start_anew(invocation: Invocation, context: CommandContext) -> CommandOutcome:
    """Forget what was said in this conversation, for the model."""
    if not _is_conversation(context):
        return say(
            "In a channel every mention starts a new conversation by itself. "
            "To start anew inside a thread, write `!new` there."
        )
    if await context.operations.new(context.address, context.author):
        return say("Done. I start anew: nothing said here before is sent to the model any more.")
    return say("We have not talked here yet, so there is nothing to forget.")


async def stop_answer(invocation: Invocation, context: CommandContext) -> CommandOutcome:
    """End the running answer. A bare "stop" among people, with nothing running, was not meant for us."""
    if await context.operations.stop(context.address, context.author):
        return CommandOutcome(None) if invocation.bare else say("Stopped.")
    if invocation.bare:
        return CommandOutcome(None)
    return say("I am not writing anything here." if _is_conversation(context) else _WHERE.format(word="stop"))


async def answer_again(invocation: Invocation, context: CommandContext) -> CommandOutcome:
    """Answer the newest question once more, in place."""
    if not _is_conversation(context):
        raise refuse(_WHERE.format(word="retry"))
    return CommandOutcome(await context.operations.retry(context.address, context.author, _name_event(context)))


async def ask_question(invocation: Invocation, context: CommandContext) -> CommandOutcome:
    """Take the text as a question put to the bot."""
    if not invocation.rest:
        return CommandOutcome(Notice(f"What would you like to know? `/{context.command_name} ask TEXT`", error=True))
    question = MessageReceived(
        id=_name_event(context),
        address=context.address,
        author=context.author,
        text=invocation.rest,
        sent_at=context.now,
        mentions_bot=True,
        direct=context.direct,
        in_thread=bool(context.address.thread),
    )
    return CommandOutcome((await context.operations.ask(question)).notice)


def _is_conversation(context: CommandContext) -> bool:
    return context.direct or bool(context.address.thread)


def _name_event(context: CommandContext) -> str:
    return context.event_id or f"{context.author.id}-{context.now:.3f}"
