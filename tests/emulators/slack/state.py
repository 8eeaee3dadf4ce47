"""What Slack knows, behind the emulator's own door: nothing here waits and nothing is sent.

What has to reach the app is handed to ``State.emit`` as an inner event.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

from tests.emulators.slack.clock import Clock
from tests.emulators.slack.ledger import Ledger
from tests.emulators.slack.limits import BOT_SCOPES, Limits
from tests.emulators.slack.records import (
    App,
    Channel,
    Json,
    Message,
    Person,
    ResponseUrl,
    Session,
    StatusLine,
    StoredFile,
    Token,
    Trigger,
    View,
    Workspace,
)

Emit = Callable[[str, Json, Channel | None], None]


class State:
    """``emit(team, event, channel)`` hands an inner event to delivery."""

    def __init__(self, app: App, limits: Limits, clock: Clock, ledger: Ledger) -> None:
        self.app, self.limits, self.clock, self.ledger = app, limits, clock, ledger
        self.base_url = ""
        self.emit: Emit = lambda _team, _event, _channel: None
        self.workspaces: dict[str, Workspace] = {}
        self.channels: dict[str, Channel] = {}
        self.tokens: dict[str, Token] = {}
        self.sessions: dict[tuple[str, str], Session] = {}
        self.statuses: dict[tuple[str, str], StatusLine] = {}
        self.prompts: dict[tuple[str, str], Json] = {}
        self.ephemerals: list[Message] = []
        self.views: dict[str, View] = {}
        self.homes: dict[tuple[str, str], View] = {}
        self.files: dict[str, StoredFile] = {}
        self.triggers: dict[str, Trigger] = {}
        self.response_urls: dict[str, ResponseUrl] = {}
        self.oauth_codes: dict[str, tuple[str, str, bool]] = {}
        self.refreshes: dict[str, str] = {}
        self.streams: list[Message] = []
        self.history_throttled = False
        self.granted_scopes = BOT_SCOPES
        self.tickets: set[str] = set()
        self._ids = itertools.count(1)

    def new_id(self, prefix: str) -> str:
        """An id shaped like Slack's: a letter or two and eight digits."""
        return f"{prefix}{next(self._ids):08d}"

    def sin(self, name: str, where: str, detail: str = "") -> None:
        self.ledger.sin(name, where, detail, self.clock.now())

    def person(self, user: str) -> Person | None:
        for workspace in self.workspaces.values():
            if user in workspace.people:
                return workspace.people[user]
        return None

    def bot(self, team: str) -> Person | None:
        installation = self.workspaces[team].installation
        return installation.bot if installation else None

    def teams_of(self, channel: Channel) -> list[str]:
        return [channel.team, *sorted(channel.shared_with)]

    def thread(self, channel: Channel, root: str) -> list[Message]:
        """The root, then its replies, oldest first, without what was deleted."""
        first = channel.messages.get(root)
        head = [first] if first is not None and not first.deleted else []
        return head + [reply for reply in channel.threads.get(root, ()) if not reply.deleted]

    def settle_streams(self) -> None:
        """Let streams whose time is over expire: their message keeps what it had, and the session is idle again."""
        now = self.clock.now()
        for message in [message for message in self.streams if message.streaming]:
            stream = message.stream
            if stream is not None and now >= stream.expires:
                stream.state = "expired"
                self.sin("stream_left_open", "chat.startStream", f"{message.channel} {message.ts}")
                self.set_session(message.channel, message.thread_ts, "active")
        self.streams = [message for message in self.streams if message.streaming]

    def set_session(self, channel: str, thread_ts: str, state: str) -> Session:
        now = self.clock.now()
        session = self.sessions.get((channel, thread_ts))
        if session is None:
            session = self.sessions[channel, thread_ts] = Session(channel, thread_ts, state, now)
        session.state, session.since = state, now
        session.history.append((now, state))
        return session

    def session_state(self, channel: str, thread_ts: str) -> str:
        """The session's state as people see it, "" when there is none; ``processing`` ends by itself after an hour."""
        self.settle_streams()
        session = self.sessions.get((channel, thread_ts))
        if session is None:
            return ""
        if session.state == "processing" and self.clock.now() - session.since >= self.limits.session_lifetime:
            self.set_session(channel, thread_ts, "active")
        return session.state

    def set_status(self, channel: str, thread_ts: str, text: str, loading: list[str] | None = None) -> None:
        now = self.clock.now()
        line = self.statuses.setdefault((channel, thread_ts), StatusLine("", now))
        if line.text == text == "":
            return
        line.text, line.since, line.loading_messages = text, now, loading or []
        line.history.append((now, text))

    def status_text(self, channel: str, thread_ts: str) -> str:
        """The custom sign people see now: gone after two minutes or when the app has replied."""
        line = self.statuses.get((channel, thread_ts))
        if line is None or self.clock.now() - line.since >= self.limits.status_lifetime:
            return ""
        return line.text
