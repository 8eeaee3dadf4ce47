"""The way from Slack to the processes: a balancer that gives each event to one of those that live, at random.

Over signed HTTP to one of the processes that listen, or over one of the Socket Mode connections.
"""

from __future__ import annotations

import random

from tests.chaos.fleet import Fleet
from tests.emulators.slack import Delivery, Slack
from tests.emulators.slack.deliveries import Carried


class Roads:
    """Give it to the emulator as its carrier."""

    def __init__(self, slack: Slack, fleet: Fleet, rng: random.Random) -> None:
        self._slack, self._fleet, self._rng = slack, fleet, rng
        self._http = slack.use_http("http://127.0.0.1:9/slack/events")

    async def carry(self, delivery: Delivery, number: int, reason: str) -> Carried:
        doors = [seat.url for seat in self._fleet.reachable()]
        sockets = len({id(connection) for connection in self._slack.sockets.connections})
        choice = self._rng.randrange(len(doors) + sockets) if doors or sockets else 0
        if choice < len(doors):
            self._http.url = f"{doors[choice]}/slack/events"
            return await self._http.carry(delivery, number, reason)
        if sockets:
            return await self._slack.sockets.carry(delivery, number, reason)
        return Carried("connection_failed")
