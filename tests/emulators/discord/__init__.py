"""A strict Discord on 127.0.0.1: REST v10, gateway, interactions, the people in it and the record of what was done.

Start with ``Discord``; everything else here is what its methods take and return.
"""

from __future__ import annotations

from tests.emulators.discord.emulator import Discord
from tests.emulators.discord.ledger import Call
from tests.emulators.discord.limits import Flag, Intent, Limits, Permission, Rates
from tests.emulators.discord.records import (
    App,
    Attachment,
    Channel,
    Guild,
    Interaction,
    Message,
    Modal,
    Ping,
    Preview,
    Role,
    Sight,
    User,
)
from tests.emulators.discord.room import Impossible
from tests.emulators.slack.ledger import Sin

__all__ = [
    "App",
    "Attachment",
    "Call",
    "Channel",
    "Discord",
    "Flag",
    "Guild",
    "Impossible",
    "Intent",
    "Interaction",
    "Limits",
    "Message",
    "Modal",
    "Permission",
    "Ping",
    "Preview",
    "Rates",
    "Role",
    "Sight",
    "Sin",
    "User",
]
