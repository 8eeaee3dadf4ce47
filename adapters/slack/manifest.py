"""The Slack app's manifest: what to paste at api.slack.com/apps to make the app. Pure.

It lists exactly what ``listeners`` listens to and what ``calls`` are made; the doctor compares the scopes granted to
``SCOPES``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from adapters.slack.config import CoreConfig
from adapters.slack.forms import PROMPTS
from adapters.slack.views import ASK_SHORTCUT

SCOPES = (
    "app_mentions:read",
    "assistant:write",
    "channels:history",
    "channels:read",
    "chat:write",
    "commands",
    "files:read",
    "groups:history",
    "groups:read",
    "im:history",
    "im:read",
    "im:write",
    "mpim:history",
    "mpim:read",
    "users:read",
)
SPARED = frozenset({"channels:read", "groups:read", "mpim:read"})
"""Scopes without which only less of what was missed is read."""
EVENTS = (
    "app_home_opened",
    "app_mention",
    "app_uninstalled",
    "message.channels",
    "message.groups",
    "message.im",
    "message.mpim",
    "tokens_revoked",
)
AGENT_EVENTS = ("agent_session_stopped",)
PATH = "/slack/events"
INSTALL_PATH = "/slack/install"
REDIRECT_PATH = "/slack/oauth_redirect"
_EXAMPLE_URL = "https://parley.example.org"


def missing(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """What the manifest ``found`` lacks of ``wanted``, each as what to switch on or add where."""
    features, settings = found.get("features") or {}, found.get("settings") or {}
    lacks = []
    events = set((settings.get("event_subscriptions") or {}).get("bot_events") or ())
    if lost := [name for name in wanted["settings"]["event_subscriptions"]["bot_events"] if name not in events]:
        lacks.append(f"the bot events {', '.join(lost)} (Event Subscriptions)")
    for section, key in (("slash_commands", "command"), ("shortcuts", "callback_id")):
        there = {it.get(key) for it in features.get(section) or ()}
        place = "Slash Commands" if section == "slash_commands" else "Interactivity & Shortcuts"
        lacks += [f"{it[key]} ({place})" for it in wanted["features"][section] if it[key] not in there]
    if not (settings.get("interactivity") or {}).get("is_enabled"):
        lacks.append("interactivity (Interactivity & Shortcuts)")
    if wanted["settings"]["socket_mode_enabled"] and not settings.get("socket_mode_enabled"):
        lacks.append("Socket Mode (Socket Mode)")
    home = features.get("app_home") or {}
    if not home.get("messages_tab_enabled") or home.get("messages_tab_read_only_enabled"):
        lacks.append("messages to the app (App Home)")
    if not home.get("home_tab_enabled"):
        lacks.append("the home tab (App Home)")
    if "agent_view" in wanted["features"] and "agent_view" not in features:
        lacks.append("the agent view (Agents), or set SLACK_AGENT=false")
    return lacks


def scopes(agent: bool) -> list[str]:
    """The scopes of the bot token."""
    return [scope for scope in SCOPES if agent or scope != "assistant:write"]


def manifest(
    config: CoreConfig,
    mode: str = "socket",
    *,
    agent: bool = True,
    url: str = _EXAMPLE_URL,
    commands: Sequence[str] = (),
) -> dict[str, Any]:
    """The manifest as a JSON-able mapping. ``mode``: socket or http; ``url``: where the bot is reached over http;
    ``commands``: their names, for the hint beside the slash command."""
    is_http = mode == "http"
    address = url.rstrip("/") + PATH
    words = "|".join(commands) or "help|ask|model|set|settings"
    command: dict[str, Any] = {
        "command": f"/{config.command_name}",
        "description": f"Talk to {config.bot_name} and choose how it answers"[:2_000],
        "usage_hint": f"[{words}]"[:1_000],
        "should_escape": True,
    }
    features: dict[str, Any] = {
        "app_home": {"home_tab_enabled": True, "messages_tab_enabled": True, "messages_tab_read_only_enabled": False},
        "bot_user": {"display_name": config.bot_name, "always_online": True},
        "slash_commands": [command | ({"url": address} if is_http else {})],
        "shortcuts": [
            {
                "name": "Ask about this",
                "type": "message",
                "callback_id": ASK_SHORTCUT,
                "description": f"Ask {config.bot_name} about this message"[:150],
            }
        ],
    }
    if agent:
        features["agent_view"] = {
            "agent_description": "Answers questions in threads and direct messages with a language model.",
            "suggested_prompts": [{"title": title, "message": message} for title, message in PROMPTS],
        }
    events = [*EVENTS, *(AGENT_EVENTS if agent else ())]
    return {
        "_metadata": {"major_version": 1, "minor_version": 1},
        "display_information": {
            "name": config.bot_name[:35],
            "description": "An LLM teammate whose answers grow on the screen while the model writes.",
        },
        "features": features,
        "oauth_config": {
            **({"redirect_urls": [url.rstrip("/") + REDIRECT_PATH]} if url != _EXAMPLE_URL else {}),
            "scopes": {"bot": scopes(agent)},
        },
        "settings": {
            "event_subscriptions": {"bot_events": sorted(events)} | ({"request_url": address} if is_http else {}),
            "interactivity": {"is_enabled": True} | ({"request_url": address} if is_http else {}),
            "org_deploy_enabled": False,
            "socket_mode_enabled": not is_http,
            "token_rotation_enabled": False,
        },
    }
