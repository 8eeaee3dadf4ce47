"""What happened in a thread that an audit found wrong, moment by moment, for whoever looks for the reason."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from tests.chaos.trouble import Blow
from tests.emulators.slack import Slack

_WORDS = 60  # characters of a text that are told


def timeline(slack: Slack, channel: str, root: str, blows: Sequence[Blow]) -> str:
    """Times in Unix seconds."""
    unix = time.time() - time.monotonic()
    found = [*_messages(slack, channel, root), *_calls(slack, channel, root), *_deliveries(slack, channel, root)]
    told = [(at + unix, text) for at, text in found]
    if told:
        first, last = min(told)[0], max(told)[0]
        told += [(blow.at, f"-- {blow.kind}: {blow.seat}") for blow in blows if first < blow.at < last]
    lines = [f"{at:.3f} {text}" for at, text in sorted(told)]
    return "\n".join([f"== {channel} {root}", *lines, ""])


def _messages(slack: Slack, channel: str, root: str) -> Iterator[tuple[float, str]]:
    for message in slack.state.channels[channel].messages.values():
        if root in (message.ts, message.thread_ts):
            for sight in message.sights:
                yield sight.at, f"   {message.ts} by {sight.how} reads {_brief(sight.text)}"
    line = slack.state.statuses.get((channel, root))
    for at, text in line.history if line is not None else ():
        yield at, f"   status {text!r}"
    session = slack.state.sessions.get((channel, root))
    for at, text in session.history if session is not None else ():
        yield at, f"   session {text}"


def _calls(slack: Slack, channel: str, root: str) -> Iterator[tuple[float, str]]:
    thread = slack.state.channels[channel].messages.values()
    stamps = {message.ts for message in thread if root in (message.ts, message.thread_ts)}
    for call in slack.calls:
        args = call.args
        if channel not in (args.get("channel"), args.get("channel_id")):
            continue
        if not stamps & {args.get("ts"), args.get("thread_ts")}:
            continue
        shown = {name: _brief(value) for name, value in args.items() if name not in ("channel", "channel_id")}
        done = "carried out" if call.carried_out else "not carried out"
        yield call.at, f"{call.method} {shown} → {call.outcome} ({done}, {call.ended - call.at:.3f} s)"


def _deliveries(slack: Slack, channel: str, root: str) -> Iterator[tuple[float, str]]:
    for delivery in slack.deliveries.all:
        event = delivery.event
        said = event.get("message") or event.get("previous_message") or event
        if event.get("channel") != channel or root not in (said.get("ts"), said.get("thread_ts")):
            continue
        what = f"{event.get('type')} {event.get('subtype', '')} of {said.get('ts')} by {said.get('user')}"
        for attempt in delivery.attempts:
            took = attempt.ended - attempt.at
            yield attempt.at, f"~ delivery {what}, try {attempt.number} → {attempt.outcome} ({took:.3f} s)"


def _brief(value: Any) -> str:
    text = str(value)
    return repr(text if len(text) <= _WORDS else f"{text[: _WORDS // 2]}…{text[-_WORDS // 2 :]}")
