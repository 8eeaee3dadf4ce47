"""What people see while they wait: agent sessions, and the older ``assistant.threads`` calls bridged to them.

Only an app declared as an agent may create a session. What Slack answers to any other app is not published; the
emulator says ``feature_not_enabled``.
"""

from __future__ import annotations

from tests.emulators.slack.asking import Ask, Refused, method
from tests.emulators.slack.records import Channel, Json
from tests.emulators.slack.state import State

_STATES = frozenset(["processing", "active", "suspended", "closed"])


def _session_place(ask: Ask) -> tuple[Channel, str]:
    channel = ask.writable("channel_id")
    if not ask.state.app.agent:
        raise Refused("feature_not_enabled")
    thread_ts = ask.text("thread_ts")
    if channel.kind == "session":
        if thread_ts:
            raise Refused("invalid_thread_ts")
    else:
        _check_thread(channel, thread_ts)
    return channel, thread_ts


def _check_thread(channel: Channel, thread_ts: str) -> None:
    root = channel.messages.get(thread_ts)
    if root is None or root.deleted or not root.is_root:
        raise Refused("invalid_thread_ts")


@method("agents.sessions.setStatus", tier=3, scopes=("chat:write",))
def set_session_status(state: State, ask: Ask) -> Json:
    status = ask.need("status")
    if status not in _STATES:
        raise Refused("invalid_arguments")
    channel, thread_ts = _session_place(ask)
    title = ask.text("title")
    initiator = ask.text("initiator_user_id")
    if len(title) > 200:
        raise Refused("invalid_arguments")
    if ask.given("username") or ask.given("icon_emoji") or ask.given("icon_url"):
        ask.require("chat:write.customize")
    is_new = (channel.id, thread_ts) not in state.sessions
    if is_new and initiator and initiator not in channel.members:
        raise Refused("user_not_in_channel")
    session = state.set_session(channel.id, thread_ts, status)
    if is_new:
        session.title = title
    answer: Json = {"status": status, "agent_status": status, "title": session.title}
    if "agent_session_stopped" not in state.app.subscriptions:
        answer["warning"] = "missing_agent_session_stopped_event_subscription"
    return answer


@method("agents.sessions.rename", tier=3, scopes=("chat:write",))
def rename_session(state: State, ask: Ask) -> Json:
    title = ask.need("title")
    if len(title) > 200:
        raise Refused("invalid_arguments")
    channel, thread_ts = _session_place(ask)
    session = state.sessions.get((channel.id, thread_ts))
    if session is None:
        raise Refused("session_not_found")
    session.title = title
    return {"title": title}


@method("assistant.threads.setStatus", tier=0, scopes=("chat:write", "assistant:write"))
def set_thread_status(state: State, ask: Ask) -> Json:
    channel = ask.writable("channel_id")
    if channel.kind == "session":
        raise Refused("method_not_supported_for_channel_type")
    thread_ts = ask.need("thread_ts", "invalid_thread_ts")
    _check_thread(channel, thread_ts)
    if not ask.given("status"):
        raise Refused("invalid_arguments")
    loading = ask.structure("loading_messages") or []
    if not isinstance(loading, list) or len(loading) > 10:
        raise Refused("invalid_arguments")
    state.set_status(channel.id, thread_ts, ask.text("status"), loading)
    if state.app.agent:
        state.set_session(channel.id, thread_ts, "processing" if ask.text("status") else "active")
    return {}


@method("assistant.threads.setTitle", tier=3, scopes=("assistant:write",))
def set_thread_title(state: State, ask: Ask) -> Json:
    channel, thread_ts, title = ask.writable("channel_id"), ask.need("thread_ts"), ask.need("title")
    if channel.kind != "im":
        raise Refused("method_not_supported_for_channel_type")
    _check_thread(channel, thread_ts)
    session = state.sessions.get((channel.id, thread_ts)) or state.set_session(channel.id, thread_ts, "active")
    session.title = title
    return {}


@method("assistant.threads.setSuggestedPrompts", tier=3, scopes=("assistant:write",))
def set_suggested_prompts(state: State, ask: Ask) -> Json:
    channel = ask.writable("channel_id")
    if channel.kind != "im":
        raise Refused("method_not_supported_for_channel_type")
    prompts = ask.structure("prompts")
    if not isinstance(prompts, list) or not 1 <= len(prompts) <= 4:
        raise Refused("invalid_arguments")
    if any(not prompt.get("title") or not prompt.get("message") for prompt in prompts):
        raise Refused("invalid_arguments")
    state.prompts[channel.id, ask.text("thread_ts")] = {"title": ask.text("title"), "prompts": prompts}
    return {}
