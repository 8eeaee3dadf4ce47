"""A strict Slack on 127.0.0.1: Web API, Socket Mode, signed HTTP, the people in it and the record of what was done.

Start with ``Slack``; everything else here is what its methods take and return.
"""

from __future__ import annotations

from tests.emulators.slack.deliveries import Delivery
from tests.emulators.slack.emulator import Slack
from tests.emulators.slack.hands import Submission
from tests.emulators.slack.ledger import Call, Sin
from tests.emulators.slack.limits import BOT_EVENTS, BOT_SCOPES, Limits, Rates
from tests.emulators.slack.reading import flattened, rendered
from tests.emulators.slack.records import App, Channel, Message, Person, Sight, StoredFile, View, Workspace
from tests.emulators.slack.room import Impossible

__all__ = [
    "BOT_EVENTS",
    "BOT_SCOPES",
    "App",
    "Call",
    "Channel",
    "Delivery",
    "Impossible",
    "Limits",
    "Message",
    "Person",
    "Rates",
    "Sight",
    "Sin",
    "Slack",
    "StoredFile",
    "Submission",
    "View",
    "Workspace",
    "flattened",
    "rendered",
]
