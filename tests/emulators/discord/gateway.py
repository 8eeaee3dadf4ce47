"""The gateway: hello, identify, heartbeats, dispatches to the right shard, resume with replay, and ways to break.

Events go to the shard of their guild; what belongs to no guild goes to shard 0. A session that has lost its
connection keeps what it misses for a while. Closing with 1000 or 1001 ends it.
"""

from __future__ import annotations

import asyncio
import json
import random
import secrets
from collections.abc import Callable
from typing import Any, Literal

from aiohttp import WSMsgType, web

from tests.emulators.discord.describe import describe_guild, describe_member, describe_user
from tests.emulators.discord.guilds import gateway_url
from tests.emulators.discord.limits import KNOWN_INTENTS, Intent
from tests.emulators.discord.permissions import permissions
from tests.emulators.discord.records import Channel, Json
from tests.emulators.discord.sessions import COMPRESSIONS, Connection, Session
from tests.emulators.discord.state import State

_NEEDED: dict[str, tuple[Intent, Intent]] = {
    "MESSAGE_": (Intent.GUILD_MESSAGES, Intent.DIRECT_MESSAGES),
    "MESSAGE_REACTION_": (Intent.GUILD_MESSAGE_REACTIONS, Intent.DIRECT_MESSAGE_REACTIONS),
    "TYPING_START": (Intent.GUILD_MESSAGE_TYPING, Intent.DIRECT_MESSAGE_TYPING),
    "GUILD_MEMBER_": (Intent.GUILD_MEMBERS, Intent.GUILD_MEMBERS),
    "GUILD_": (Intent.GUILDS, Intent.GUILDS),
    "CHANNEL_": (Intent.GUILDS, Intent.GUILDS),
    "THREAD_": (Intent.GUILDS, Intent.GUILDS),
}


class Closed(Exception):
    """The server ends a connection with ``code``."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


def needed_intent(name: str, *, in_guild: bool) -> Intent | None:
    """The intent an event needs: that of the longest prefix of its name."""
    prefixes = sorted((prefix for prefix in _NEEDED if name.startswith(prefix)), key=len)
    return _NEEDED[prefixes[-1]][0 if in_guild else 1] if prefixes else None


class Gateway:
    """``holding``: dispatches are kept back. ``twice``: names of events that are dispatched twice. ``trim``: what new
    sessions are left of an event's data. ``plain``: nothing is compressed, whatever is asked for. ``refuses``: the code
    with which whoever identifies or resumes is closed. ``busy``: how many of the next connections are refused.
    ``asked_for``: the compressions that were."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.sessions: dict[str, Session] = {}
        self.connections: list[Connection] = []
        self.twice: set[str] = set()
        self.asked_for: set[str] = set()
        self.holding = self.plain = False
        self.refuses = self.busy = 0
        self.trim: Callable[[str, Json], Json | None] | None = None
        self.identified = self.resumed = 0
        self._held: list[tuple[str, str, str, str]] = []
        self._identifies: dict[int, float] = {}
        self._changed = asyncio.Condition()

    # --- events ------------------------------------------------------------------------------------

    def emit(self, name: str, data: Json, channel: Channel | None = None, *, blank: Json | None = None) -> None:
        """Dispatch to whoever may hear it: bot in the guild, channel visible, intents asked for."""
        bot = self.state.bot.id
        guild = channel.guild_id if channel is not None else str(data.get("guild_id", ""))
        if name in ("GUILD_CREATE", "GUILD_DELETE", "GUILD_UPDATE"):
            guild = str(data["id"])
        if channel is not None and name != "INTERACTION_CREATE" and not permissions(self.state, channel, bot):
            return
        full = json.dumps(data)
        less = json.dumps(blank) if blank is not None else full
        for _ in range(2 if name in self.twice else 1):
            if self.holding:
                self._held.append((name, guild, full, less))
            else:
                self._dispatch(name, guild, full, less)

    def _dispatch(self, name: str, guild: str, full: str, blank: str) -> None:
        intent = needed_intent(name, in_guild=bool(guild))
        for session in self.sessions.values():
            shard = (int(guild) >> 22) % session.shards if guild else 0
            if session.shard == shard and not session.ended and session.hears(intent):
                reads = session.intents & Intent.MESSAGE_CONTENT
                session.dispatch(name, full if reads else blank)

    def release(self, order: Literal["same", "reversed", "shuffled"] = "same") -> None:
        """Dispatch what was held, in this order."""
        held, self._held, self.holding = self._held, [], False
        if order == "reversed":
            held.reverse()
        elif order == "shuffled":
            random.Random(0).shuffle(held)
        for name, guild, full, blank in held:
            self._dispatch(name, guild, full, blank)

    # --- one connection ----------------------------------------------------------------------------

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer ``/gw``: one connection for its whole life."""
        if self.busy > 0:
            self.busy -= 1
            return web.Response(status=503, text="upstream connect error")
        socket = web.WebSocketResponse(autoping=True, max_msg_size=4_096 * 4)
        await socket.prepare(request)
        compress = request.query.get("compress", "")
        self.asked_for.add(compress)
        compression = compress if compress in COMPRESSIONS and not self.plain else ""
        connection = Connection(socket, request, compression, last_beat=asyncio.get_running_loop().time())
        writer = asyncio.create_task(connection.write())
        await self._note(connection, joined=True)
        try:
            if request.query.get("v") not in ("9", "10"):
                raise Closed(4012, "Invalid API version.")
            if compress not in ("", *COMPRESSIONS) or request.query.get("encoding", "json") != "json":
                raise Closed(4002, "Error while decoding payload.")
            interval = int(self.state.limits.heartbeat_interval * 1_000)
            connection.send(json.dumps({"op": 10, "s": None, "t": None, "d": {"heartbeat_interval": interval}}))
            await self._listen(connection)
        except Closed as reason:
            connection.waiting.put_nowait(None)
            await writer
            await socket.close(code=reason.code, message=reason.reason.encode())
        finally:
            writer.cancel()
            self._lost(connection)
            await self._note(connection, joined=False)
        return socket

    async def _note(self, connection: Connection, *, joined: bool) -> None:
        async with self._changed:
            if joined:
                self.connections.append(connection)
            else:
                self.connections.remove(connection)
            self._changed.notify_all()

    def _lost(self, connection: Connection) -> None:
        session = connection.session
        if session is None or session.connection is not connection:
            return
        session.connection, session.lost_at = None, self.state.clock.now()
        if connection.socket.close_code in (1000, 1001):
            session.ended = True

    async def _listen(self, connection: Connection) -> None:
        loop, patience = asyncio.get_running_loop(), self._patience()
        while not connection.socket.closed:
            left = connection.last_beat + patience - loop.time()
            try:
                frame = await connection.socket.receive(timeout=max(0.001, left))
            except TimeoutError:
                if connection.mood == "fine":
                    self.state.sin("heartbeat_missed", "gateway")
                    raise Closed(4009, "Session timed out.") from None
                connection.last_beat = loop.time()
                continue
            if frame.type is WSMsgType.TEXT:
                await self._take(connection, frame.data)
            elif frame.type is WSMsgType.BINARY:
                raise Closed(4002, "Error while decoding payload.")

    def _patience(self) -> float:
        """Seconds without a heartbeat after which a connection is taken for dead."""
        interval = self.state.limits.heartbeat_interval
        return interval + max(interval / 2, 1.0)

    async def _take(self, connection: Connection, text: str) -> None:
        try:
            frame = json.loads(text)
            op, data = frame["op"], frame.get("d")
        except (ValueError, KeyError, TypeError):
            raise Closed(4002, "Error while decoding payload.") from None
        self._count(connection, op)
        if connection.mood != "fine":
            return
        if op == 1:
            connection.last_beat = asyncio.get_running_loop().time()
            connection.send('{"op":11,"s":null,"t":null,"d":null}')
        elif op in (2, 6) and self.refuses:
            raise Closed(self.refuses, "Refused.")
        elif op == 2:
            await self._identify(connection, data or {})
        elif op == 6:
            await self._resume(connection, data or {})
        elif connection.session is None:
            raise Closed(4003, "Not authenticated.")
        elif op == 8:
            self._members(connection.session, data or {})
        elif op not in (3, 4, 31):
            raise Closed(4001, "Unknown opcode.")

    def _count(self, connection: Connection, op: int) -> None:
        limits, now = self.state.limits, self.state.clock.now()
        shard = connection.session.shard if connection.session else -1
        self.state.ledger.frames.append((shard, op, now))
        connection.sends = [at for at in connection.sends if now - at < limits.gateway_window] + [now]
        if len(connection.sends) > limits.gateway_sends:
            self.state.sin("gateway_flooded", "gateway", str(shard))
            raise Closed(4008, "You are being rate limited.")

    # --- sessions ----------------------------------------------------------------------------------

    async def _identify(self, connection: Connection, data: Json) -> None:
        if connection.session is not None:
            raise Closed(4005, "Already authenticated.")
        if data.get("token") != self.state.app.token:
            self.state.sin("identified_with_bad_token", "gateway")
            raise Closed(4004, "Authentication failed.")
        shard, shards = self._shard(data.get("shard"))
        self._check_intents(data.get("intents"))
        if self._too_soon(shard):
            self.state.sin("identified_too_soon", "gateway", str(shard))
            connection.send('{"op":9,"s":null,"t":null,"d":false}')
            return
        self.identified += 1
        for old in [it for it in self.sessions.values() if (it.shard, it.shards) == (shard, shards)]:
            del self.sessions[old.id]
        session = Session(
            secrets.token_hex(16), shard, shards, int(data["intents"]), connection=connection, trim=self.trim
        )
        connection.session = self.sessions[session.id] = session
        self._welcome(session)

    def _shard(self, given: Any) -> tuple[int, int]:
        guilds = [guild for guild in self.state.guilds.values() if self.state.bot.id in guild.members]
        if given is None:
            given = [0, 1]
        shard, shards = given
        if not 0 <= shard < shards:
            raise Closed(4010, "Invalid shard.")
        if sum((int(guild.id) >> 22) % shards == shard for guild in guilds) > self.state.limits.guilds_per_shard:
            raise Closed(4011, "Sharding required.")
        return shard, shards

    def _check_intents(self, intents: Any) -> None:
        if not isinstance(intents, int) or intents & ~KNOWN_INTENTS:
            raise Closed(4013, "Invalid intent(s).")
        app = self.state.app
        refused = 0 if app.message_content else int(Intent.MESSAGE_CONTENT)
        refused |= 0 if app.guild_members else int(Intent.GUILD_MEMBERS)
        refused |= 0 if app.presences else int(Intent.GUILD_PRESENCES)
        if intents & refused:
            raise Closed(4014, "Disallowed intent(s).")

    def _too_soon(self, shard: int) -> bool:
        bucket, now = shard % self.state.limits.max_concurrency, self.state.clock.now()
        last = self._identifies.get(bucket)
        self._identifies[bucket] = now
        return last is not None and now - last < self.state.limits.identify_interval

    def _welcome(self, session: Session) -> None:
        bot = self.state.bot
        guilds = [
            guild
            for guild in self.state.guilds.values()
            if bot.id in guild.members and (int(guild.id) >> 22) % session.shards == session.shard
        ]
        app = self.state.app
        ready: Json = {"v": 10, "user": describe_user(bot) | {"verified": True, "mfa_enabled": True, "flags": 0}}
        ready |= {"guilds": [{"id": guild.id, "unavailable": True} for guild in guilds], "session_id": session.id}
        ready |= {"resume_gateway_url": gateway_url(self.state), "shard": [session.shard, session.shards]}
        ready |= {"application": {"id": app.id, "flags": (1 << 18) * app.message_content}, "private_channels": []}
        session.dispatch("READY", json.dumps(ready | {"session_type": "normal", "relationships": [], "_trace": []}))
        if session.hears(Intent.GUILDS):
            for guild in guilds:
                session.dispatch("GUILD_CREATE", json.dumps(describe_guild(self.state, guild)))

    async def _resume(self, connection: Connection, data: Json) -> None:
        if data.get("token") != self.state.app.token:
            raise Closed(4004, "Authentication failed.")
        session = self.sessions.get(str(data.get("session_id")))
        gone = session is None or session.ended
        if session is not None and session.connection is None and session.lost_at:
            gone = gone or self.state.clock.now() - session.lost_at > self.state.limits.session_memory
        if session is None or gone:
            connection.send('{"op":9,"s":null,"t":null,"d":false}')
            return
        sequence = data.get("seq") or 0
        if sequence > session.sequence:
            raise Closed(4007, "Invalid seq.")
        if session.connection is not None:
            session.connection.cut()
        self.resumed += 1
        session.connection, connection.session = connection, session
        for number, frame in session.frames:
            if number > sequence:
                connection.send(frame)
        session.dispatch("RESUMED", '{"_trace":[]}')

    def _members(self, session: Session, data: Json) -> None:
        guild = self.state.guilds.get(str(data.get("guild_id")))
        if guild is None:
            return
        wanted = data.get("user_ids")
        asked = {str(it) for it in (wanted if isinstance(wanted, list) else [wanted])} if wanted else None
        members = [member for user, member in guild.members.items() if asked is None or user in asked]
        chunk: Json = {"guild_id": guild.id, "members": [describe_member(member) for member in members]}
        chunk |= {"chunk_index": 0, "chunk_count": 1, "not_found": [], "nonce": data.get("nonce")}
        session.dispatch("GUILD_MEMBERS_CHUNK", json.dumps(chunk))

    # --- breaking things ---------------------------------------------------------------------------

    async def connected(self, count: int = 1) -> None:
        """Wait until ``count`` connections have identified or resumed."""
        async with asyncio.timeout(60.0):
            while sum(it.connection is not None for it in self.sessions.values()) < count:
                await asyncio.sleep(0.002)

    async def disconnected(self) -> None:
        """Wait until no connection is open."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self.connections)

    def tell(self, op: int, data: object = None) -> None:
        """A control frame to every connection."""
        for connection in self.connections:
            connection.send(json.dumps({"op": op, "s": None, "t": None, "d": data}))

    def drop(self) -> int:
        """Cut the TCP connection under every WebSocket; returns how many."""
        dropped = list(self.connections)
        for connection in dropped:
            connection.cut()
        return len(dropped)

    def silence(self) -> None:
        """Make the present connections zombies: open, but nothing comes any more, not even heartbeat answers."""
        for connection in self.connections:
            connection.mood = "silent"

    def forget_sessions(self) -> None:
        """No session can be resumed any more."""
        for session in self.sessions.values():
            session.ended = True

    def lose(self, shard: int) -> None:
        """Cut this shard's connections; its session cannot be resumed any more."""
        for session in self.sessions.values():
            if session.shard == shard:
                session.ended = True
                if session.connection is not None:
                    session.connection.cut()

    async def close_all(self, code: int) -> None:
        for connection in list(self.connections):
            await connection.socket.close(code=code)

    async def close(self) -> None:
        await self.close_all(1001)
