"""``chat.*`` but streaming: post, edit, delete, ephemerals, links to messages; and ``blocks.validate``."""

from __future__ import annotations

from tests.emulators.slack.asking import Ask, Refused, method
from tests.emulators.slack.blocks import view_problems
from tests.emulators.slack.content import (
    Content,
    check_message_blocks,
    checked_blocks,
    note_after_stop,
    read_content,
)
from tests.emulators.slack.messages import announce, announce_change, describe, put, remove, seen
from tests.emulators.slack.records import Channel, Json, Message
from tests.emulators.slack.state import State


@method("chat.postMessage", tier=0, scopes=("chat:write",))
def post_message(state: State, ask: Ask) -> Json:
    channel = _post_target(state, ask)
    content = read_content(ask)
    if not (content.text or content.blocks or content.attachments):
        raise Refused("no_text")
    if ask.given("username") or ask.given("icon_emoji") or ask.given("icon_url"):
        ask.require("chat:write.customize")
    root = thread_root(ask, channel) if ask.text("thread_ts") else ""
    _note_post_sins(ask, channel, root, content)
    text = content.text or ""
    if len(text) > state.limits.post_text:
        state.sin("text_truncated", ask.method, f"{len(text)} characters")
        text = text[: state.limits.post_text]
    message = own_message(ask, channel, root)
    message.text, message.blocks = text, content.blocks or []
    message.attachments, message.metadata = content.attachments or [], content.metadata or None
    message.username = ask.text("username")
    put(state, channel, message, ask.method)
    announce(state, channel, message)
    shown = describe(state, message, with_metadata=True)
    return {"channel": channel.id, "ts": message.ts, "message": shown}


def own_message(ask: Ask, channel: Channel, root: str) -> Message:
    """A new, empty message of the app's bot."""
    state, bot = ask.state, ask.bot
    message = Message(channel.id, state.clock.stamp(), bot.id, bot.team, thread_ts=root)
    message.bot_id, message.app_id = bot.bot_id, state.app.id
    return message


def thread_root(ask: Ask, channel: Channel, error: str = "thread_not_found") -> str:
    """The root that ``thread_ts`` names; a reply's id still finds its thread, and is a sin."""
    named = ask.text("thread_ts")
    message = channel.messages.get(named)
    if message is None or message.deleted:
        raise Refused(error)
    if message.is_root:
        return message.ts
    ask.state.sin("thread_ts_of_a_reply", ask.method, named)
    return message.thread_ts


def _post_target(state: State, ask: Ask) -> Channel:
    named = ask.need("channel", "channel_not_found")
    if named[:1] not in ("U", "W"):
        return ask.writable()
    state.sin("post_to_user_id", ask.method, "open the DM and use its channel id")
    for channel in state.channels.values():
        if channel.kind == "im" and channel.members == {named, ask.bot.id}:
            return channel
    raise Refused("channel_not_found")


def _note_post_sins(ask: Ask, channel: Channel, root: str, content: Content) -> None:
    state = ask.state
    if ask.flag("unfurl_links", True) or ask.flag("unfurl_media", True):
        state.sin("unfurl_not_off", ask.method, "unfurl_links and unfurl_media must be false")
    if ask.flag("reply_broadcast"):
        state.sin("reply_broadcast", ask.method)
    if root:
        note_after_stop(ask, channel, root)
    around = state.thread(channel, root) if root else list(channel.messages.values())[-50:]
    if content.metadata and any(other.metadata == content.metadata and not other.deleted for other in around):
        state.sin("posted_twice", ask.method, f"the same metadata is already in {channel.id}")


@method("chat.update", tier=3, scopes=("chat:write",))
def update(state: State, ask: Ask) -> Json:
    if ask.text("channel")[:1] in ("U", "W"):
        raise Refused("channel_not_found")
    channel = ask.channel()
    if channel.archived:
        raise Refused("is_archived")
    message = ask.own_message(channel, foreign="cant_update_message")
    if message.streaming:
        state.sin("update_of_streaming_message", ask.method, message.ts)
        raise Refused("streaming_state_conflict")
    content = read_content(ask)
    if content.text is None and content.blocks is None and content.attachments is None and content.metadata is None:
        raise Refused("no_text")
    plain = content.text if content.text and not ask.given("markdown_text") else ""
    if len(plain.encode()) > state.limits.update_text_bytes:
        raise Refused("msg_too_long")
    before = describe(state, message)
    _apply(message, content)
    seen(state, message, ask.method)
    announce_change(state, channel, before, message)
    shown = describe(state, message, with_metadata=True)
    return {"channel": channel.id, "ts": message.ts, "text": message.text, "message": shown}


def _apply(message: Message, content: Content) -> None:
    """Text alone takes the old blocks away; what is not given is kept; a finished stream loses its cards."""
    if content.text is not None or content.blocks is not None:
        message.text = content.text or ""
        message.blocks = content.blocks or []
        if message.stream is not None:
            message.stream.markdown, message.stream.plan = "" if message.blocks else message.text, ""
            message.stream.tasks, message.stream.blocks = {}, []
    if content.attachments is not None:
        message.attachments = content.attachments
    if content.metadata is not None:
        message.metadata = content.metadata or None


@method("chat.delete", tier=3, scopes=("chat:write",))
def delete(state: State, ask: Ask) -> Json:
    channel = ask.channel()
    message = ask.own_message(channel, foreign="cant_delete_message")
    if message.streaming:
        raise Refused("streaming_state_conflict")
    remove(state, channel, message, ask.method)
    return {"channel": channel.id, "ts": message.ts}


@method("chat.postEphemeral", tier=4, scopes=("chat:write",))
def post_ephemeral(state: State, ask: Ask) -> Json:
    channel = ask.writable()
    user = ask.need("user", "user_not_found")
    if state.person(user) is None:
        raise Refused("user_not_found")
    if user not in channel.members:
        raise Refused("user_not_in_channel")
    content = read_content(ask)
    if not (content.text or content.blocks or content.attachments):
        raise Refused("no_text")
    root = thread_root(ask, channel) if ask.text("thread_ts") else ""
    message = own_message(ask, channel, root)
    message.only_for, message.text, message.blocks = user, content.text or "", content.blocks or []
    seen(state, message, ask.method)
    state.ephemerals.append(message)
    return {"message_ts": message.ts}


@method("chat.getPermalink", tier=0)
def get_permalink(state: State, ask: Ask) -> Json:
    channel = ask.channel()
    message = channel.messages.get(ask.need("message_ts", "message_not_found"))
    if message is None or message.deleted:
        raise Refused("message_not_found")
    link = f"https://{ask.workspace.domain}.slack.com/archives/{channel.id}/p{message.ts.replace('.', '')}"
    if not message.is_root:
        link += f"?thread_ts={message.thread_ts}&cid={channel.id}"
    return {"channel": channel.id, "permalink": link}


@method("blocks.validate", tier=4)
def validate(state: State, ask: Ask) -> Json:
    given = [name for name in ("blocks", "message", "view") if ask.given(name)]
    if len(given) != 1:
        raise Refused("invalid_arguments")
    if given == ["view"]:
        found = view_problems(ask.structure("view"), most=state.limits.blocks_in_view)
        if found:
            raise Refused("invalid_blocks", errors=found)
    elif given == ["message"]:
        message = ask.structure("message")
        check_message_blocks(ask, message.get("blocks", []) if isinstance(message, dict) else None)
    else:
        checked_blocks(ask)
    return {}
