"""Native streams: ``chat.startStream``, ``appendStream``, ``stopStream``.

A stream is always a new reply in a thread. It ends by itself after its lifetime, steady appends or not, and holds a
bounded number of UTF-8 bytes; both limits are documented nowhere. Once a person has stopped it, nothing is added.
"""

from __future__ import annotations

from tests.emulators.slack.asking import Ask, Refused, method
from tests.emulators.slack.chat import own_message, thread_root
from tests.emulators.slack.content import (
    check_message_blocks,
    checked_blocks,
    note_after_stop,
    note_pings,
    read_metadata,
)
from tests.emulators.slack.messages import announce, announce_change, describe, put, seen
from tests.emulators.slack.records import Channel, Json, Message, Stream
from tests.emulators.slack.state import State

_TASK_STATES = frozenset(["pending", "in_progress", "complete", "error"])
_SESSION_STATES = frozenset(["processing", "active", "suspended", "closed"])


@method("chat.startStream", tier=2, scopes=("chat:write",))
def start_stream(state: State, ask: Ask) -> Json:
    channel = ask.writable()
    if channel.kind != "session" and not ask.text("thread_ts"):
        raise Refused("invalid_thread_ts")
    root = thread_root(ask, channel, "invalid_thread_ts") if ask.text("thread_ts") else ""
    _check_recipient(ask, channel)
    if ask.given("username") or ask.given("icon_emoji") or ask.given("icon_url"):
        ask.require("chat:write.customize")
    mode = ask.text("task_display_mode") or "timeline"
    if mode not in ("timeline", "plan", "dense"):
        raise Refused("invalid_arguments")
    now = state.clock.now()
    stream = Stream(now, now + state.limits.stream_lifetime, ask.text("recipient_user_id"), mode)
    message = own_message(ask, channel, root)
    message.stream = stream
    _add(ask, message)
    note_after_stop(ask, channel, root)
    put(state, channel, message, ask.method)
    state.streams.append(message)
    if state.app.agent:
        state.set_session(channel.id, root, "processing")
    announce(state, channel, message)
    return {"channel": channel.id, "ts": message.ts}


@method("chat.appendStream", tier=4, scopes=("chat:write",))
def append_stream(state: State, ask: Ask) -> Json:
    _channel, message = _open_stream(ask)
    if not (ask.text("markdown_text") or ask.structure("chunks")):
        raise Refused("no_text")
    _add(ask, message)
    if message.stream is not None:
        message.stream.appends += 1
    seen(state, message, ask.method)
    return {"channel": message.channel, "ts": message.ts}


@method("chat.stopStream", tier=2, scopes=("chat:write",))
def stop_stream(state: State, ask: Ask) -> Json:
    channel, message = _open_stream(ask)
    blocks = checked_blocks(ask)
    metadata = read_metadata(ask)
    session_status = ask.text("session_status") or "active"
    if session_status not in _SESSION_STATES:
        raise Refused("invalid_arguments")
    before = describe(state, message)
    _add(ask, message)
    stream = message.stream
    if stream is None:
        raise Refused("message_not_in_streaming_state")
    stream.state = "finished"
    message.text = stream.markdown
    if blocks:
        note_pings(ask, blocks)
        stream.blocks += blocks
    if metadata is not None:
        message.metadata = metadata or None
    if any(task.get("status") in ("pending", "in_progress") for task in stream.tasks.values()):
        state.sin("task_left_open", ask.method, message.ts)
    if not (stream.markdown or stream.blocks or stream.tasks):
        state.sin("empty_stream", ask.method, message.ts)
    seen(state, message, ask.method)
    if state.app.agent:
        state.set_session(channel.id, message.thread_ts, session_status)
    announce_change(state, channel, before, message)
    return {"channel": channel.id, "ts": message.ts, "message": describe(state, message, with_metadata=True)}


def _check_recipient(ask: Ask, channel: Channel) -> None:
    if channel.kind in ("im", "session"):
        return
    user = ask.need("recipient_user_id", "missing_recipient_user_id")
    team = ask.need("recipient_team_id", "missing_recipient_team_id")
    person = ask.state.person(user)
    if person is None or user not in channel.members:
        raise Refused("invalid_recipient_user_id")
    if team not in ask.state.teams_of(channel):
        raise Refused("invalid_recipient_team_id")


def _open_stream(ask: Ask) -> tuple[Channel, Message]:
    ask.state.settle_streams()
    channel = ask.channel()
    message = ask.own_message(channel, foreign="message_not_owned_by_app")
    stream = message.stream
    if stream is not None and stream.state == "stopped":
        # The first one may have been on its way when the person pressed Stop.
        if stream.told:
            ask.state.sin("write_after_stop", ask.method, message.ts)
        stream.told = True
        raise Refused("stopped_by_user" if ask.method == "chat.appendStream" else "message_not_in_streaming_state")
    if stream is None or stream.state != "open":
        raise Refused("message_not_in_streaming_state")
    return channel, message


def _add(ask: Ask, message: Message) -> None:
    """Check all that is new, then add all of it: a refused call changes nothing."""
    limits, stream = ask.state.limits, message.stream
    markdown, chunks = ask.text("markdown_text"), ask.structure("chunks", "invalid_chunks")
    if markdown and chunks:
        raise Refused("cannot_provide_both_markdown_text_and_chunks")
    if chunks is not None and not isinstance(chunks, list):
        raise Refused("invalid_chunks")
    new = list(chunks or []) + ([{"type": "markdown_text", "text": markdown}] if markdown else [])
    texts = [str(chunk.get("text", "")) for chunk in new if chunk.get("type") == "markdown_text"]
    if sum(len(text) for text in texts) > limits.markdown:
        raise Refused("msg_too_long")
    size = sum(_size(ask, chunk) for chunk in new)
    if stream is None or stream.size + size > limits.stream_bytes:
        raise Refused("msg_too_long")
    stream.size += size
    note_pings(ask, *texts)
    for chunk in new:
        _apply(stream, chunk)
    message.text = stream.markdown


def _size(ask: Ask, chunk: Json) -> int:
    """What a chunk weighs in UTF-8 bytes: text, titles, and twice the details and output. Raises ``Refused``."""
    kind = chunk.get("type")
    if kind == "markdown_text":
        return len(str(chunk.get("text", "")).encode())
    if kind == "blocks":
        check_message_blocks(ask, chunk.get("blocks"))
        return 0
    if kind not in ("task_update", "plan_update"):
        raise Refused("invalid_chunks")
    fields = {name: str(chunk.get(name) or "") for name in ("title", "details", "output")}
    if any(len(value) > ask.state.limits.task_field for value in fields.values()):
        raise Refused("invalid_chunks")
    if kind == "task_update" and (not chunk.get("id") or chunk.get("status", "pending") not in _TASK_STATES):
        raise Refused("invalid_chunks")
    return len(fields["title"].encode()) + 2 * (len(fields["details"].encode()) + len(fields["output"].encode()))


def _apply(stream: Stream, chunk: Json) -> None:
    """Title and status replace by id; details append; output is written once."""
    kind = chunk["type"]
    if kind == "markdown_text":
        stream.markdown += str(chunk.get("text", ""))
    elif kind == "plan_update":
        stream.plan = str(chunk.get("title", ""))
    elif kind == "blocks":
        stream.blocks += chunk["blocks"]
    else:
        task = stream.tasks.setdefault(str(chunk["id"]), {})
        task.update({name: chunk[name] for name in ("title", "status") if chunk.get(name)})
        task["details"] = str(task.get("details", "")) + str(chunk.get("details") or "")
        task["output"] = task.get("output") or str(chunk.get("output") or "")
