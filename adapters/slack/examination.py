"""The doctor's lines for Slack: each thing that is missing, with what exactly to do."""

from __future__ import annotations

from collections.abc import Sequence

import aiohttp
from slack_sdk.errors import SlackApiError

from adapters.slack.calls import Calls, Refused, Web
from adapters.slack.config import CoreConfig, SlackConfig
from adapters.slack.manifest import INSTALL_PATH, SPARED, manifest, missing, scopes
from adapters.slack.seal import Seal
from adapters.slack.socket import Socket
from bot.errors import Gone, SurfaceError
from bot.ports import Check, Shelf

_PATIENCE = 8.0


async def examine(slack: SlackConfig, config: CoreConfig, shelf: Shelf | None = None) -> Sequence[Check]:
    """Look at the bot token and its scopes or at the installations, and at the way in."""
    timeout = aiohttp.ClientTimeout(total=slack.timeout)
    async with aiohttp.ClientSession(timeout=timeout, trust_env=True) as session:
        web = Web(slack.api_url, slack.timeout)
        web.open(session)
        if slack.install == "many":
            lines = await _installations(slack, shelf)
        else:
            lines = list(await _token(Calls(web, lambda: _given(slack)), slack))
        if slack.mode == "socket":
            lines.append(await _socket(web, session, slack))
        else:
            lines.append(Check("Slack events", True, "taken at POST /slack/events, signatures verified"))
        lines.append(await _settings(web, slack, config))
        return lines


async def _settings(web: Web, slack: SlackConfig, config: CoreConfig) -> Check:
    """What the app subscribes to and offers, which Slack tells to an app configuration token only."""
    name = "Slack app settings"
    token, app = slack.config_token.get_secret_value(), _app_in(slack.app_token.get_secret_value())
    if not token:
        return Check(name, True, "events and commands not compared; that needs SLACK_CONFIG_TOKEN")

    async def own() -> str:
        return token

    try:
        app = app or await _app_of_bot(Calls(web, lambda: _given(slack)))
        found = (await Calls(web, own).call("apps.manifest.export", app_id=app)).get("manifest") or {}
    except (Gone, Refused) as refusal:
        fix = (
            "Make an App Configuration Token at https://api.slack.com/apps and set SLACK_CONFIG_TOKEN, or leave it out."
        )
        return Check(name, False, f"Slack does not tell them ({refusal})", fix)
    except SurfaceError:
        return Check(
            name, False, "Slack did not answer", "Check the network, proxies and SLACK_API_URL, then try again."
        )
    lacks = missing(manifest(config, slack.mode, agent=slack.agent), found)
    if not lacks:
        return Check(name, True, "events, commands and shortcuts are those of the manifest")
    fix = "Add them in the app's settings (or paste what `parley manifest slack` prints), then install the app again."
    return Check(name, False, f"missing: {'; '.join(lacks)}", fix)


def _app_in(app_token: str) -> str:
    """The app's id, which app-level tokens carry: xapp-1-A0123456789-…"""
    parts = app_token.split("-")
    return parts[2] if len(parts) > 3 and parts[2].startswith("A") else ""


async def _app_of_bot(calls: Calls) -> str:
    me = await calls.call("auth.test")
    bot = (await calls.call("bots.info", bot=str(me.get("bot_id") or ""))).get("bot") or {}
    return str(bot.get("app_id") or "")


async def _given(slack: SlackConfig) -> str:
    return slack.bot_token.get_secret_value()


async def _installations(slack: SlackConfig, shelf: Shelf | None) -> list[Check]:
    from adapters.slack.installations import Installations

    where = f"people install it at {slack.public_url.strip().rstrip('/')}{INSTALL_PATH}"
    lines = [Check("Slack installing", True, where)]
    if shelf is None:
        return lines
    count, closed = await Installations(shelf, Seal(slack.token_key.get_secret_value())).count()
    if closed:
        fix = "Add the key they were sealed with to SLACK_TOKEN_KEY, behind the new one, or have them install it again."
        lines.append(Check("Slack installations", False, f"{closed} of {count} are sealed with another key", fix))
    else:
        lines.append(Check("Slack installations", True, f"installed in {count} workspace{'' if count == 1 else 's'}"))
    return lines


async def _token(calls: Calls, slack: SlackConfig) -> Sequence[Check]:
    try:
        answer = await calls.ask("auth.test")
    except (Gone, Refused):
        fix = "Install the app again and set SLACK_BOT_TOKEN to its Bot User OAuth Token."
        return [Check("Slack bot token", False, "Slack refuses it", fix)]
    except SurfaceError:
        fix = "Check the network, proxies and SLACK_API_URL, then try again."
        return [Check("Slack bot token", False, "Slack did not answer", fix)]
    lines = [Check("Slack bot token", True, f"{answer.get('user')} in {answer.get('team')}")]
    granted = {scope.strip() for scope in answer.headers.get("x-oauth-scopes", "").split(",") if scope.strip()}
    needed = scopes(slack.agent)
    lost = [scope for scope in needed if scope not in granted and scope not in SPARED]
    spared = [scope for scope in needed if scope not in granted and scope in SPARED]
    if lost:
        lost += spared
        fix = (
            f"Under OAuth & Permissions add the bot scopes {', '.join(lost)} (or paste the manifest that "
            "`parley manifest slack` prints), then install the app again."
        )
        lines.append(Check("Slack scopes", False, f"{len(lost)} missing: {', '.join(lost)}", fix))
    elif spared:
        found = f"all needed granted; without {', '.join(spared)} what is missed is read only where it was asked lately"
        lines.append(Check("Slack scopes", True, found))
    else:
        lines.append(Check("Slack scopes", True, f"all {len(needed)} granted"))
    return lines


async def _socket(web: Web, session: aiohttp.ClientSession, slack: SlackConfig) -> Check:
    token = slack.app_token.get_secret_value()
    client = web.client(session)
    try:
        await client.apps_connections_open(app_token=token)
    except SlackApiError as error:
        data = getattr(error.response, "data", None)
        word = data.get("error", "") if isinstance(data, dict) else ""
        fix = (
            "Under Basic Information make an App-Level Token with the scope connections:write and set SLACK_APP_TOKEN."
        )
        if word in ("not_allowed", "socket_mode_disabled", "connection_not_allowed"):
            fix = "Switch Socket Mode on in the app's settings."
        return Check("Slack app token", False, "Slack opens no connection with it", fix)
    except (aiohttp.ClientError, TimeoutError) as error:
        return Check("Slack app token", False, f"Slack did not answer ({type(error).__name__})", "Check the network.")
    socket = Socket(client, session, token, _nothing)
    is_open = await socket.open(_PATIENCE)
    await socket.close()
    if is_open:
        return Check("Slack connection", True, "Socket Mode connects and says hello")
    fix = "Let WebSocket connections to *.slack.com through, or set HTTPS_PROXY."
    return Check("Slack connection", False, socket.trouble, fix)


async def _nothing(_: object) -> None:
    """Leaves events unacknowledged, so that the running bot gets them."""
