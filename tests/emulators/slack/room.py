"""The furnished world: workspaces, people, channels, installations, and how what happens there becomes an event.

A new world has one workspace "acme" with the app installed, two people (ada, an admin, and grace) and a public
channel "general" with all of them in it.
"""

from __future__ import annotations

from tests.emulators.slack.clock import Clock
from tests.emulators.slack.conversations import dm_of
from tests.emulators.slack.deliveries import Carried, Deliveries, Delivery
from tests.emulators.slack.ledger import Ledger
from tests.emulators.slack.limits import Limits
from tests.emulators.slack.oauth import install, uninstall
from tests.emulators.slack.records import App, Channel, Installation, Json, Person, Token, Workspace
from tests.emulators.slack.sockets import Sockets
from tests.emulators.slack.state import State
from tests.emulators.slack.webhooks import Webhooks

_FAMILIES = {"channel": "channels", "group": "groups", "im": "im", "mpim": "mpim"}


class Impossible(AssertionError):
    """A person could not do this in Slack: the button is not there, the channel is closed to them, …"""


class Room:
    def __init__(self, app: App | None, limits: Limits, scopes: frozenset[str]) -> None:
        self.ledger, self.clock = Ledger(), Clock()
        self.state = State(app or App(), limits, self.clock, self.ledger)
        self.state.emit = self._emit
        self.state.granted_scopes = scopes
        self.sockets = Sockets(self.state)
        self.webhooks: Webhooks | None = None
        self.deliveries = Deliveries(self.state, self)
        config = Token(self.state.app.config_token, "config", "", frozenset())
        self.state.tokens[config.value] = config
        app_token = Token(self.state.app.app_token, "app", "", frozenset(["connections:write"]))
        self.state.tokens[app_token.value] = app_token
        self.home = self.add_workspace("acme", token="xoxb-acme-emulated")
        self.ada = self.add_person("ada", real_name="Ada Lovelace", admin=True)
        self.grace = self.add_person("grace", real_name="Grace Hopper")
        self.general = self.add_channel("general", self.ada, self.grace)

    @property
    def app(self) -> App:
        return self.state.app

    @property
    def bot(self) -> Person:
        """The app's bot user in the first workspace."""
        if self.home.installation is None:
            raise Impossible("the app is not installed")
        return self.home.installation.bot

    @property
    def bot_token(self) -> str:
        if self.home.installation is None:
            raise Impossible("the app is not installed")
        return self.home.installation.token.value

    async def carry(self, delivery: Delivery, number: int, reason: str) -> Carried:
        """Over HTTP where request URLs are set, else over Socket Mode."""
        return await (self.webhooks or self.sockets).carry(delivery, number, reason)

    # --- furniture ---------------------------------------------------------------------------------

    def add_workspace(self, name: str, *, installed: bool = True, token: str = "") -> Workspace:
        workspace = Workspace(self.state.new_id("T"), name, name)
        self.state.workspaces[workspace.id] = workspace
        if installed:
            self.install(workspace, token=token)
        return workspace

    def install(self, workspace: Workspace, *, token: str = "", scopes: frozenset[str] | None = None) -> Installation:
        """Install the app (again, with other scopes or a new token)."""
        return install(self.state, workspace.id, self.state.granted_scopes if scopes is None else scopes, value=token)

    def uninstall(self, workspace: Workspace, *, revoked_first: bool = True) -> None:
        uninstall(self.state, workspace.id, revoked_first=revoked_first)

    def revoke(self, workspace: Workspace) -> None:
        """An admin revokes the bot token; the app stays installed."""
        if workspace.installation is None:
            raise Impossible("the app is not installed")
        workspace.installation.token.refused = "token_revoked"
        bot = [workspace.installation.bot.id]
        self._emit(workspace.id, {"type": "tokens_revoked", "tokens": {"oauth": [], "bot": bot}}, None)

    def add_person(
        self,
        name: str,
        *,
        workspace: Workspace | None = None,
        real_name: str = "",
        admin: bool = False,
        guest: bool = False,
        bot: bool = False,
    ) -> Person:
        """A member, a guest, or another app's bot."""
        home = workspace or self.home
        person = Person(self.state.new_id("U"), name, home.id, real_name or name.title(), admin=admin, guest=guest)
        if bot:
            person.bot_id, person.app_id = self.state.new_id("B"), self.state.new_id("A")
        home.people[person.id] = person
        return person

    def add_channel(
        self,
        name: str,
        *members: Person,
        kind: str = "public",
        workspace: Workspace | None = None,
        shared_with: tuple[Workspace, ...] = (),
        with_bot: bool = True,
    ) -> Channel:
        """A channel with ``members`` and, with ``with_bot``, the app's bot of every workspace in it."""
        home = workspace or self.home
        channel = Channel(self.state.new_id("C"), name, kind, home.id, {person.id for person in members})
        channel.shared_with = {other.id for other in shared_with}
        self.state.channels[channel.id] = channel
        for team in self.state.teams_of(channel):
            bot = self.state.bot(team)
            if with_bot and bot is not None:
                channel.members.add(bot.id)
        return channel

    def dm(self, person: Person) -> Channel:
        """The DM of ``person`` with the app's bot."""
        bot = self.state.bot(person.team)
        if bot is None:
            raise Impossible("the app is not installed")
        return dm_of(self.state, person.team, {person.id, bot.id})

    def person(self, name: str) -> Person:
        """Somebody by id or by name, in any workspace."""
        for workspace in self.state.workspaces.values():
            for person in workspace.people.values():
                if name in (person.id, person.name):
                    return person
        raise Impossible(f"nobody is called {name}")

    def channel(self, name: str) -> Channel:
        """A channel by id or by name."""
        for channel in self.state.channels.values():
            if name in (channel.id, channel.name):
                return channel
        raise Impossible(f"there is no channel {name}")

    def _who(self, person: Person | str) -> Person:
        return self.person(person) if isinstance(person, str) else person

    def _where(self, channel: Channel | str) -> Channel:
        return self.channel(channel) if isinstance(channel, str) else channel

    # --- events ------------------------------------------------------------------------------------

    def _emit(self, team: str, event: Json, channel: Channel | None) -> None:
        """Send ``event`` to the app as installed in ``team``, if it is subscribed and may see it."""
        bot = self.state.bot(team)
        if bot is None or not self._subscribed(event):
            return
        if channel is not None and bot.id not in channel.members:
            return
        authorization: Json = {"enterprise_id": None, "team_id": team, "user_id": bot.id}
        authorization |= {"is_bot": True, "is_enterprise_install": False}
        body: Json = {
            "token": "legacy",
            "team_id": team,
            "context_team_id": team,
            "context_enterprise_id": None,
            "api_app_id": self.state.app.id,
            "event": event,
            "type": "event_callback",
            "event_id": self.state.new_id("Ev"),
            "event_time": int(self.clock.unix()),
            "authorizations": [authorization],
            "is_ext_shared_channel": bool(channel is not None and channel.shared_with),
            "event_context": self.state.new_id("EC"),
        }
        self.deliveries.send(Delivery("events_api", body))

    def _subscribed(self, event: Json) -> bool:
        kind = str(event["type"])
        if kind == "message":
            kind = f"message.{_FAMILIES.get(str(event.get('channel_type')), 'channels')}"
        return kind in self.state.app.subscriptions
