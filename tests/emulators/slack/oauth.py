"""Installing and leaving: ``oauth.v2.access`` with token rotation, ``auth.revoke``, ``apps.uninstall``.

Also ``apps.connections.open``, the only call an app-level token is for, and ``apps.manifest.export``.
"""

from __future__ import annotations

import secrets

from tests.emulators.slack.asking import Ask, Refused, method
from tests.emulators.slack.records import Installation, Json, Person, Token
from tests.emulators.slack.state import State


def install(state: State, team: str, scopes: frozenset[str], *, value: str = "") -> Installation:
    """Put the app into a workspace (again): its bot user joins, and a bot token is made."""
    workspace = state.workspaces[team]
    if workspace.installation is None:
        bot_id = state.new_id("B")
        bot = Person(state.new_id("U"), state.app.name, team, state.app.name.title(), bot_id, state.app.id)
        workspace.people[bot.id] = bot
    else:
        bot = workspace.installation.bot
    workspace.installation = Installation(bot, _bot_token(state, team, scopes, value))
    return workspace.installation


def _bot_token(state: State, team: str, scopes: frozenset[str], value: str = "") -> Token:
    prefix = "xoxe.xoxb-1-" if state.app.rotation else f"xoxb-{team}-"
    expires = state.clock.unix() + state.limits.token_lifetime if state.app.rotation else None
    token = Token(value or prefix + secrets.token_hex(12), "bot", team, scopes, expires)
    state.tokens[token.value] = token
    return token


def uninstall(state: State, team: str, *, revoked_first: bool = True) -> None:
    """Take the app out: tokens die, and two events follow in either order."""
    installation = state.workspaces[team].installation
    if installation is None:
        return
    for token in state.tokens.values():
        if token.team == team and token.kind == "bot":
            token.refused = token.refused or "account_inactive"
    revoked: Json = {"type": "tokens_revoked", "tokens": {"oauth": [], "bot": [installation.bot.id]}}
    events: list[Json] = [revoked, {"type": "app_uninstalled"}]
    for event in events if revoked_first else reversed(events):
        state.emit(team, event, None)
    state.workspaces[team].installation = None
    for channel in state.channels.values():
        channel.members.discard(installation.bot.id)


def _check_client(state: State, ask: Ask) -> None:
    if ask.text("client_id") != state.app.client_id:
        raise Refused("invalid_client_id")
    if ask.text("client_secret") != state.app.client_secret:
        raise Refused("bad_client_secret")


@method("oauth.v2.access", tier=4, kinds=())
def access(state: State, ask: Ask) -> Json:
    _check_client(state, ask)
    if ask.text("grant_type") == "refresh_token":
        return _refresh(state, ask)
    code = ask.need("code", "invalid_code")
    if code not in state.oauth_codes:
        raise Refused("invalid_code")
    team, user, used = state.oauth_codes[code]
    if used:
        raise Refused("code_already_used")
    state.oauth_codes[code] = (team, user, True)
    installation = install(state, team, state.granted_scopes)
    return _granted(state, installation, user)


def _refresh(state: State, ask: Ask) -> Json:
    team = state.refreshes.pop(ask.need("refresh_token", "invalid_refresh_token"), "")
    installation = state.workspaces[team].installation if team else None
    if installation is None:
        raise Refused("invalid_refresh_token")
    installation.token = _bot_token(state, team, installation.token.scopes)
    return _granted(state, installation, "")


def _granted(state: State, installation: Installation, user: str) -> Json:
    workspace = state.workspaces[installation.bot.team]
    answer: Json = {
        "access_token": installation.token.value,
        "token_type": "bot",
        "scope": ",".join(sorted(installation.token.scopes)),
        "bot_user_id": installation.bot.id,
        "app_id": state.app.id,
        "team": {"id": workspace.id, "name": workspace.name},
        "enterprise": None,
        "is_enterprise_install": False,
    }
    if user:
        answer["authed_user"] = {"id": user}
    if state.app.rotation:
        installation.refresh = f"xoxe-1-{secrets.token_hex(12)}"
        state.refreshes[installation.refresh] = workspace.id
        answer |= {"refresh_token": installation.refresh, "expires_in": int(state.limits.token_lifetime)}
    return answer


@method("auth.revoke", tier=3)
def revoke(state: State, ask: Ask) -> Json:
    if ask.flag("test"):
        return {"revoked": False}
    if ask.token is not None:
        bot = ask.bot
        ask.token.refused = "token_revoked"
        state.emit(bot.team, {"type": "tokens_revoked", "tokens": {"oauth": [], "bot": [bot.id]}}, None)
    return {"revoked": True}


@method("apps.uninstall", tier=1)
def apps_uninstall(state: State, ask: Ask) -> Json:
    _check_client(state, ask)
    uninstall(state, ask.workspace.id)
    return {}


@method("apps.connections.open", tier=3, kinds=("app",), scopes=("connections:write",))
def open_connection(state: State, ask: Ask) -> Json:
    ticket = secrets.token_hex(8)
    state.tickets.add(ticket)
    return {"url": f"{state.base_url.replace('http', 'ws', 1)}/link?ticket={ticket}&app_id={state.app.id}"}


@method("apps.manifest.export", tier=3, kinds=("config",))
def export_manifest(state: State, ask: Ask) -> Json:
    """The manifest as it was last pasted, with the events that are subscribed to now."""
    if ask.need("app_id") != state.app.id:
        raise Refused("app_not_eligible")
    settings = state.app.manifest.get("settings", {})
    events = settings.get("event_subscriptions", {}) | {"bot_events": sorted(state.app.subscriptions)}
    return {"manifest": state.app.manifest | {"settings": settings | {"event_subscriptions": events}}}
