"""What people press: buttons, menus, slash commands, shortcuts, modals, the Home and the native Stop.

Each returns after the app has acknowledged (or has failed to). A button can only be pressed where it is drawn.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.emulators.slack.asking import Refused
from tests.emulators.slack.blocks import elements
from tests.emulators.slack.deliveries import Delivery
from tests.emulators.slack.inputs import acted, first_missing, state_of, values_of
from tests.emulators.slack.messages import describe
from tests.emulators.slack.people import People
from tests.emulators.slack.records import Channel, Json, Message, Person, ResponseUrl, Trigger, View
from tests.emulators.slack.room import Impossible
from tests.emulators.slack.views import add_view, change_view, check_view, describe_view, stack_of


@dataclass(frozen=True, slots=True)
class Submission:
    """How a modal took being sent. ``errors``: by block id; ``failed``: no answer in time, the person sees an error."""

    delivery: Delivery
    errors: dict[str, str] = field(default_factory=dict)
    failed: bool = False


class Hands(People):
    """The people's hands."""

    def _trigger(self, person: Person, view: str = "") -> str:
        trigger = f"{secrets.token_hex(6)}.{secrets.token_hex(8)}"
        self.state.triggers[trigger] = Trigger(self._team(person), person.id, self.clock.now(), view=view)
        return trigger

    def _team(self, person: Person) -> str:
        """The workspace whose installation answers this person: their own, else the first that has the app."""
        return person.team if self.state.bot(person.team) else self.home.id

    def _response_url(self, person: Person, channel: Channel, source: Message | None = None) -> str:
        name = secrets.token_hex(12)
        team = self._team(person)
        self.state.response_urls[name] = ResponseUrl(team, channel.id, person.id, self.clock.now(), source)
        return f"{self.state.base_url}/response/{name}"

    def _interaction(self, kind: str, person: Person, view: str = "") -> Json:
        team = self.state.workspaces[self._team(person)]
        user = {"id": person.id, "username": person.name, "name": person.name, "team_id": person.team}
        return {
            "type": kind,
            "team": {"id": team.id, "domain": team.domain},
            "user": user,
            "api_app_id": self.app.id,
            "token": "legacy",
            "is_enterprise_install": False,
            "enterprise": None,
            "trigger_id": self._trigger(person, view),
        }

    async def _sent(self, kind: str, body: Json, *, answers: bool = False) -> Delivery:
        delivery = self.deliveries.send(Delivery(kind, body, answers))
        await delivery.done.wait()
        return delivery

    # --- commands and shortcuts --------------------------------------------------------------------

    async def command(self, user: Person | str, channel: Channel | str, command: str, text: str = "") -> Delivery:
        """A slash command (never in a thread: Slack has none there); an answer in the acknowledgement is shown."""
        person, place = self._who(user), self._where(channel)
        if person.id not in place.members:
            raise Impossible(f"{person.name} is not in {place.name}")
        team = self.state.workspaces[self._team(person)]
        body: Json = {
            "token": "legacy",
            "team_id": team.id,
            "team_domain": team.domain,
            "channel_id": place.id,
            "channel_name": {"im": "directmessage", "private": "privategroup"}.get(place.kind, place.name),
            "user_id": person.id,
            "user_name": person.name,
            "command": command,
            "text": text,
            "api_app_id": self.app.id,
            "is_enterprise_install": "false",
            "response_url": self._response_url(person, place),
            "trigger_id": self._trigger(person),
        }
        delivery = await self._sent("slash_commands", body, answers=True)
        if delivery.answer.get("text") or delivery.answer.get("blocks"):
            self._show_answer(person, place, delivery.answer)
        return delivery

    def _show_answer(self, person: Person, place: Channel, answer: Json) -> None:
        name = self._response_url(person, place).rsplit("/", 1)[-1]
        self.respond(self.state.response_urls[name], answer)

    def respond(self, url: ResponseUrl, answer: Json) -> None:
        """Show an interaction's answer; the emulator's response URL fills this in."""
        raise NotImplementedError("the emulator says how")

    async def shortcut(self, user: Person | str, callback_id: str, message: Message | None = None) -> Delivery:
        """A global shortcut, or with ``message`` the message shortcut on it (also where the bot is not)."""
        person = self._who(user)
        body = self._interaction("shortcut" if message is None else "message_action", person)
        body |= {"callback_id": callback_id, "action_ts": self.clock.stamp()}
        if message is not None:
            place = self.state.channels[message.channel]
            if person.id not in place.members:
                raise Impossible(f"{person.name} cannot see this message")
            body |= {"channel": {"id": place.id, "name": place.name}, "message_ts": message.ts}
            body |= {"message": describe(self.state, message)}
            body["response_url"] = self._response_url(person, place, message)
        return await self._sent("interactive", body)

    # --- buttons -----------------------------------------------------------------------------------

    async def presses(
        self, user: Person | str, target: Message | View, action_id: str, value: str | None = None
    ) -> Delivery:
        """Press a button, or choose ``value`` of a menu or of two feedback buttons, on a message or a view."""
        person = self._who(user)
        blocks = target.blocks if isinstance(target, Message) else target.body["blocks"]
        if isinstance(target, Message) and target.stream is not None and not target.blocks:
            blocks = [] if target.streaming else target.stream.blocks
        for block, element in elements(blocks):
            if element["action_id"] == action_id and value in (None, *values_of(element)):
                action = acted(element, value) | {
                    "block_id": block.get("block_id", ""),
                    "action_ts": self.clock.stamp(),
                }
                return await self._sent("interactive", self._pressed(person, target, action, blocks))
        raise Impossible(f"nothing to press is called {action_id}" + (f" with {value}" if value else ""))

    def _pressed(self, person: Person, target: Message | View, action: Json, blocks: list[Json]) -> Json:
        body = self._interaction("block_actions", person, target.id if isinstance(target, View) else "")
        body |= {"actions": [action], "state": {"values": state_of(blocks, {})}}
        if isinstance(target, View):
            body |= {"view": describe_view(self.state, target), "container": {"type": "view", "view_id": target.id}}
            return body
        place = self.state.channels[target.channel]
        if person.id not in place.members or target.only_for not in ("", person.id) or target.deleted:
            raise Impossible(f"{person.name} cannot see this button")
        container: Json = {"type": "message", "message_ts": target.ts, "channel_id": place.id}
        container |= {"is_ephemeral": bool(target.only_for), "thread_ts": target.thread_ts or target.ts}
        body |= {"container": container, "channel": {"id": place.id, "name": place.name}}
        if not target.only_for:
            body["message"] = describe(self.state, target)
        body["response_url"] = self._response_url(person, place, target)
        return body

    async def presses_stop(self, user: Person | str, channel: Channel | str, thread_ts: str) -> list[str]:
        """The native Stop of a working session; returns the streams Slack has ended. The session is left as it was."""
        person, place = self._who(user), self._where(channel)
        if not self.app.agent or "agent_session_stopped" not in self.app.subscriptions:
            raise Impossible("the app has no native Stop")
        if self.state.session_state(place.id, thread_ts) != "processing":
            raise Impossible("nothing is at work in this thread")
        stopped: list[str] = []
        for message in self.open_streams():
            if message.channel == place.id and message.thread_ts == thread_ts and message.stream is not None:
                message.stream.state = "stopped"
                stopped.append(message.ts)
        event: Json = {"type": "agent_session_stopped", "channel": place.id, "thread_ts": thread_ts, "user": person.id}
        event |= {"streaming_message_ts": stopped, "event_ts": self.clock.stamp()}
        self._emit(self._team(person), event, place)
        return stopped

    async def renames_session(self, user: Person | str, channel: Channel | str, thread_ts: str, title: str) -> None:
        person, place = self._who(user), self._where(channel)
        session = self.state.sessions.get((place.id, thread_ts))
        if session is None:
            raise Impossible("there is no session in this thread")
        event: Json = {"type": "agent_session_title_changed", "channel": place.id, "thread_ts": thread_ts}
        event |= {"title": title, "previous_title": session.title, "user": person.id, "event_ts": self.clock.stamp()}
        session.title = title
        self._emit(self._team(person), event, place)

    # --- views -------------------------------------------------------------------------------------

    async def opens_home(self, user: Person | str, tab: str = "home") -> View | None:
        """Open the app's Home (or its ``messages`` tab); returns the Home that was there before, if any."""
        person = self._who(user)
        team = self._team(person)
        home = self.state.homes.get((team, person.id))
        place = self.dm(person)
        event: Json = {"type": "app_home_opened", "user": person.id, "channel": place.id, "tab": tab}
        event["event_ts"] = self.clock.stamp()
        if home is not None and tab == "home":
            event["view"] = describe_view(self.state, home)
        self._emit(team, event, place)
        return home

    def home_of(self, user: Person | str) -> View | None:
        person = self._who(user)
        return self.state.homes.get((self._team(person), person.id))

    def modal_of(self, user: Person | str) -> View | None:
        """The modal on top of this person's screen."""
        wanted = self._who(user).id
        shown = [
            view for view in self.state.views.values() if view.user == wanted and view.open and view.kind == "modal"
        ]
        return shown[-1] if shown else None

    async def submits(self, user: Person | str, view: View, values: Mapping[str, Any] | None = None) -> Submission:
        """Fill in inputs by action id (text, or an option's value; a list for several) and send the modal."""
        person = self._who(user)
        if not view.open or view.user != person.id or view.kind != "modal" or "submit" not in view.body:
            raise Impossible("this modal cannot be sent")
        missing = first_missing(view.body["blocks"], values or {})
        if missing:
            raise Impossible(f"Slack asks to fill in {missing}")
        body = self._interaction("view_submission", person, view.id)
        body["view"] = describe_view(self.state, view) | {
            "state": {"values": state_of(view.body["blocks"], values or {})}
        }
        body["response_urls"] = []
        delivery = await self._sent("interactive", body, answers=True)
        if not delivery.acked:
            return Submission(delivery, failed=True)
        return self._after_submission(delivery, view)

    def _after_submission(self, delivery: Delivery, view: View) -> Submission:
        answer = delivery.answer
        action = answer.get("response_action", "")
        if action == "errors":
            named = {block.get("block_id") for block in view.body["blocks"] if block.get("type") == "input"}
            unknown = set(answer.get("errors", {})) - named
            if unknown or not answer.get("errors"):
                self.state.sin("errors_for_no_input", "view_submission", str(sorted(unknown)))
            return Submission(delivery, dict(answer.get("errors", {})), failed=bool(unknown))
        if action in ("update", "push"):
            try:
                body = check_view(self.state, answer.get("view"), "modal")
            except Refused as refusal:
                self.state.sin("invalid_view", "view_submission", str(refusal.more))
                return Submission(delivery, failed=True)
            if action == "update":
                change_view(self.state, view, body)
            else:
                add_view(self.state, view.team, view.user, body, view)
            return Submission(delivery)
        for other in stack_of(self.state, view.root) if action == "clear" else [view]:
            other.open = False
        return Submission(delivery)

    async def closes(self, user: Person | str, view: View) -> Delivery | None:
        """Close a modal; the app hears of it only if it asked to."""
        view.open = False
        if not view.body.get("notify_on_close"):
            return None
        body = self._interaction("view_closed", self._who(user), view.id)
        body |= {"view": describe_view(self.state, view), "is_cleared": False}
        return await self._sent("interactive", body)

    async def looks_up(self, user: Person | str, target: Message | View, action_id: str, typed: str) -> list[Json]:
        """Type into an external select; returns the options the app offers."""
        person = self._who(user)
        blocks = target.blocks if isinstance(target, Message) else target.body["blocks"]
        for block, element in elements(blocks):
            if element["action_id"] == action_id and "external_select" in element["type"]:
                body = self._interaction("block_suggestion", person)
                body |= {"action_id": action_id, "block_id": block.get("block_id", ""), "value": typed}
                if isinstance(target, View):
                    body["view"] = describe_view(self.state, target)
                delivery = await self._sent("interactive", body, answers=True)
                options: list[Json] = delivery.answer.get("options", [])
                return options
        raise Impossible(f"no menu that looks things up is called {action_id}")
