"""Messages as Slack keeps them: putting them in a channel, changing them, and showing them to the app as JSON."""

from __future__ import annotations

from tests.emulators.slack.reading import rendered
from tests.emulators.slack.records import Channel, Json, Message, Sight
from tests.emulators.slack.state import State


def describe(state: State, message: Message, *, with_metadata: bool = False) -> Json:
    """The message as events and answers carry it."""
    answer: Json = {"type": "message", "user": message.user, "text": message.text, "ts": message.ts}
    answer["team"] = message.team
    for name in ("subtype", "bot_id", "app_id", "client_msg_id", "username", "edited"):
        value = getattr(message, name)
        if value:
            answer[name] = value
    for name in ("blocks", "attachments", "files"):
        if getattr(message, name):
            answer[name] = list(getattr(message, name))
    if message.stream is not None:
        answer["streaming_state"] = "in_progress" if message.streaming else "completed"
    if message.metadata and with_metadata:
        answer["metadata"] = message.metadata
    if message.reactions:
        answer["reactions"] = [
            {"name": name, "users": list(users), "count": len(users)} for name, users in message.reactions.items()
        ]
    return answer | _place(state, message)


def _place(state: State, message: Message) -> Json:
    channel = state.channels[message.channel]
    if message.thread_ts and message.thread_ts != message.ts:
        root = channel.messages.get(message.thread_ts)
        return {"thread_ts": message.thread_ts, "parent_user_id": root.user if root else ""}
    replies = [reply for reply in channel.threads.get(message.ts, ()) if not reply.deleted]
    if not replies:
        return {}
    return {
        "thread_ts": message.ts,
        "reply_count": len(replies),
        "reply_users": sorted({reply.user for reply in replies}),
        "latest_reply": replies[-1].ts,
    }


def seen(state: State, message: Message, how: str) -> None:
    """Note what the message reads now, with a time that is later than every earlier one."""
    at = state.clock.now()
    if message.sights:
        at = max(at, message.sights[-1].at + 1e-6)
    message.sights.append(Sight(at, rendered(message), how))


def put(state: State, channel: Channel, message: Message, how: str) -> Message:
    """Place a new message in its channel and thread; a reply of the app clears the thread's working sign."""
    channel.messages[message.ts] = message
    if message.thread_ts and message.thread_ts != message.ts:
        channel.threads.setdefault(message.thread_ts, []).append(message)
    if message.app_id == state.app.id:
        state.set_status(channel.id, message.thread_ts or message.ts, "")
    seen(state, message, how)
    return message


def announce(state: State, channel: Channel, message: Message) -> None:
    """Tell the app (also of its own messages: telling them apart is its business)."""
    event = describe(state, message) | {"channel": channel.id, "channel_type": channel.event_type}
    for name in ("reply_count", "reply_users", "latest_reply"):
        event.pop(name, None)
    event["event_ts"] = message.ts
    for team in state.teams_of(channel):
        state.emit(team, event, channel)


def announce_change(state: State, channel: Channel, before: Json, message: Message) -> None:
    """A ``message_changed``: an edit, a link preview, or a reply count; only an edit carries ``edited``."""
    event: Json = {
        "type": "message",
        "subtype": "message_changed",
        "hidden": True,
        "channel": channel.id,
        "channel_type": channel.event_type,
        "message": describe(state, message),
        "previous_message": before,
        "ts": state.clock.stamp(),
    }
    event["event_ts"] = event["ts"]
    for team in state.teams_of(channel):
        state.emit(team, event, channel)


def remove(state: State, channel: Channel, message: Message, how: str) -> None:
    """Delete a message and say so. A root with replies leaves a tombstone in its place."""
    before = describe(state, message)
    replies = [reply for reply in channel.threads.get(message.ts, ()) if not reply.deleted]
    if replies:
        message.tombstone, message.subtype, message.user = True, "tombstone", "USLACKBOT"
        message.text, message.blocks, message.files = "This message was deleted.", [], []
    else:
        message.deleted = True
    seen(state, message, how)
    event: Json = {
        "type": "message",
        "subtype": "message_deleted",
        "hidden": True,
        "channel": channel.id,
        "channel_type": channel.event_type,
        "deleted_ts": message.ts,
        "previous_message": before,
        "ts": state.clock.stamp(),
    }
    event["event_ts"] = event["ts"]
    for team in state.teams_of(channel):
        state.emit(team, event, channel)
