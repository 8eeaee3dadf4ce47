"""Slack's limits as data: sizes, lifetimes and rates, each of which a test may change with ``dataclasses.replace``.

Where Slack documents a range ("20+ per minute") the emulator grants exactly what is guaranteed. Two of them are
documented nowhere and are measured values: the lifetime of a native stream and its size.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in characters unless the name says bytes; lifetimes in seconds; counts otherwise."""

    post_text: int = 40_000
    update_text_bytes: int = 4_000
    markdown: int = 12_000
    blocks_total: int = 13_200
    blocks_in_message: int = 50
    blocks_in_view: int = 100
    attachments: int = 100
    stream_bytes: int = 10_600
    stream_lifetime: float = 300.0
    task_field: int = 256
    status_lifetime: float = 120.0
    session_lifetime: float = 3_600.0
    trigger_lifetime: float = 3.0
    response_url_uses: int = 5
    response_url_lifetime: float = 1_800.0
    ack_timeout: float = 3.0
    connections: int = 10
    signature_age: float = 300.0
    token_lifetime: float = 43_200.0
    history_throttle_messages: int = 15


@dataclass(frozen=True, slots=True)
class Rates:
    """Calls allowed in any 60 s, per method and workspace; ``of`` names the methods that differ from their tier."""

    tier_1: int = 1
    tier_2: int = 20
    tier_3: int = 50
    tier_4: int = 100
    special: int = 600
    post_per_workspace: int = 300
    post_per_channel: float = 1.0
    post_burst: int = 5
    of: dict[str, int] = field(default_factory=dict)

    def per_minute(self, method: str, tier: int) -> int:
        """How often ``method`` of ``tier`` (0: special) may be called in any 60 s."""
        tiers = {1: self.tier_1, 2: self.tier_2, 3: self.tier_3, 4: self.tier_4}
        return self.of.get(method, tiers.get(tier, self.special))


BOT_SCOPES: frozenset[str] = frozenset(
    [
        "app_mentions:read",
        "assistant:write",
        "channels:history",
        "channels:join",
        "channels:read",
        "chat:write",
        "commands",
        "files:read",
        "files:write",
        "groups:history",
        "groups:read",
        "im:history",
        "im:read",
        "im:write",
        "mpim:history",
        "mpim:read",
        "reactions:read",
        "reactions:write",
        "team:read",
        "users:read",
    ]
)

BOT_EVENTS: frozenset[str] = frozenset(
    [
        "agent_session_stopped",
        "agent_session_title_changed",
        "app_context_changed",
        "app_home_opened",
        "app_mention",
        "app_uninstalled",
        "member_joined_channel",
        "message.channels",
        "message.groups",
        "message.im",
        "message.mpim",
        "reaction_added",
        "reaction_removed",
        "tokens_revoked",
    ]
)

RETRY_DELAYS: tuple[float, ...] = (0.0, 60.0, 300.0)
