"""Who people are and where files lie: what events leave out, asked for once and remembered.

An event never waits long for a name: whoever is not known in time is called by their id until the answer is there.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

from adapters.slack.calls import Calls
from adapters.slack.inbound import Profile
from bot.errors import ParleyError
from bot.tasks import end_tasks

_KNOWN = 10_000
_FRESH = 3_600.0  # seconds a profile counts
_REFUSED = 60.0  # seconds before a profile that was refused is asked for again
_PATIENCE = 0.7  # seconds an event waits for names


class Directory:
    """Profiles by user id, bounded. ``team`` is the bot's own."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._known: OrderedDict[str, tuple[Profile, float]] = OrderedDict()
        self._refused: OrderedDict[str, float] = OrderedDict()
        self._asked: dict[str, asyncio.Task[None]] = {}

    async def profiles(self, users: Iterable[str]) -> Mapping[str, Profile]:
        """Those of ``users`` who are known within a moment."""
        wanted = [user for user in users if user[:1] in ("U", "W")]
        missing = [self._ask(user) for user in wanted if not self._is_fresh(user)]
        if missing:
            await asyncio.wait(missing, timeout=_PATIENCE)
        return {user: self._known[user][0] for user in wanted if user in self._known}

    def team(self, user: str) -> str:
        """The workspace of somebody who is known, else ""."""
        return self._known[user][0].team if user in self._known else ""

    async def close(self) -> None:
        await end_tasks(self._asked.values())

    def _is_fresh(self, user: str) -> bool:
        until = self._known[user][1] if user in self._known else 0.0
        return max(until, self._refused.get(user, 0.0)) > time.monotonic()

    def _ask(self, user: str) -> asyncio.Task[None]:
        task = self._asked.get(user)
        if task is None:
            task = self._asked[user] = asyncio.create_task(self._fetch(user), name="slack-profile")
            task.add_done_callback(lambda _: self._asked.pop(user, None))
        return task

    async def _fetch(self, user: str) -> None:
        try:
            answer = await self._calls.call("users.info", user=user)
        except ParleyError:
            self._refused[user] = time.monotonic() + _REFUSED
            if len(self._refused) > _KNOWN:
                self._refused.popitem(last=False)
            return
        self._known[user] = profile_in(answer.get("user") or {}, self._calls.team), time.monotonic() + _FRESH
        self._known.move_to_end(user)
        if len(self._known) > _KNOWN:
            self._known.popitem(last=False)


def profile_in(user: Mapping[str, Any], own_team: str) -> Profile:
    """A profile as ``users.info`` tells it. Guests and people of other organisations are external.

    ``own_team``: the workspace, or the organisation, in which the app is installed.
    """
    words = user.get("profile") or {}
    team = str(user.get("team_id") or "")
    guest = bool(user.get("is_restricted") or user.get("is_ultra_restricted"))
    homes = {team, str(user.get("enterprise_id") or (user.get("enterprise_user") or {}).get("enterprise_id") or "")}
    foreign = bool(user.get("is_stranger")) or (team.startswith("T") and own_team not in homes)
    return Profile(
        name=str(
            words.get("display_name") or words.get("real_name") or user.get("real_name") or user.get("name") or ""
        ),
        admin=bool(user.get("is_admin") or user.get("is_owner")) and not foreign,
        external=guest or foreign,
        team=team,
    )
