"""The Discord emulator's gateway with the real discord.py on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.emulators.discord import App, Discord, Limits, Permission
from tests.emulators.discord.library import discord as library
from tests.emulators.discord.listener import Listener, listening, pointed_at

BLIND = library.Intents(guilds=True, guild_messages=True, dm_messages=True)


class Sharded(library.AutoShardedClient):
    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """The emulator lets two shards start at once."""


@pytest.fixture
async def discord() -> AsyncIterator[Discord]:
    async with Discord() as server:
        yield server


async def test_a_mention_is_heard_with_author_content_and_mentions(discord: Discord) -> None:
    async with listening(discord) as client:
        said = await discord.says("ada", "general", f"<@{discord.bot.id}> hello <@{discord.grace.id}>")
        await discord.until(lambda: client.of("message"))
        [heard] = client.of("message")
        assert (str(heard.id), heard.author.name, heard.content) == (said.id, "ada", said.content)
        assert {user.name for user in heard.mentions} == {"parley", "grace"}
        assert heard.channel.name == "general"
        assert client.user in heard.mentions


async def test_without_the_intent_only_what_names_the_bot_can_be_read(discord: Discord) -> None:
    discord.app.message_content = False
    async with listening(discord, intents=BLIND) as client:
        answer = await client.place(discord.general.id).send("I am here")
        mine = discord.replies(discord.general)[0]
        await discord.says("ada", "general", "to nobody", files=[discord.file("a.txt", b"x")])
        await discord.says("ada", "general", f"<@{discord.bot.id}> to you")
        await discord.says("ada", "general", "with ping", reply_to=mine)
        await discord.says("ada", "general", "without ping", reply_to=mine, ping=False)
        await discord.says("ada", discord.dm("ada"), "in private")
        await discord.until(lambda: len(client.of("message")) == 6)
        words = [message.content for message in client.of("message") if message.id != answer.id]
        assert words == ["", f"<@{discord.bot.id}> to you", "with ping", "", "in private"]
        assert client.of("message")[1].attachments == []
        channel = client.get_channel(int(discord.general.id))
        assert isinstance(channel, library.TextChannel)
        history = [message.content async for message in channel.history(oldest_first=True)]
        assert history == ["I am here", "", f"<@{discord.bot.id}> to you", "with ping", ""]


async def test_an_intent_that_is_not_switched_on_is_refused() -> None:
    async with Discord(app=App(message_content=False)) as discord, pointed_at(discord), Listener() as client:
        with pytest.raises(library.PrivilegedIntentsRequired):
            await client.start(discord.token)


async def test_a_bad_token_is_refused(discord: Discord) -> None:
    async with pointed_at(discord), Listener() as client:
        with pytest.raises(library.LoginFailure):
            await client.start("not-the-token")


async def test_a_dropped_connection_is_resumed_and_what_was_missed_is_replayed(discord: Discord) -> None:
    async with listening(discord) as client:
        assert discord.drop() == 1
        await discord.disconnected()
        await discord.says("ada", "general", "missed?")
        await discord.until(lambda: client.of("message"))
        assert client.of("message")[0].content == "missed?"
        assert (discord.gateway.identified, discord.gateway.resumed) == (1, 1)


async def test_asked_to_reconnect_it_resumes(discord: Discord) -> None:
    async with listening(discord) as client:
        discord.ask_reconnect()
        await discord.until(lambda: client.of("resumed"))
        assert discord.gateway.resumed == 1


async def test_after_a_lost_session_what_came_between_is_lost(discord: Discord) -> None:
    async with listening(discord) as client:
        discord.invalidate(resumable=False)
        await discord.disconnected()
        await discord.says("ada", "general", "lost")
        discord.advance(5.0)
        await discord.until(lambda: len(client.of("ready")) == 2)
        await discord.says("ada", "general", "heard")
        await discord.until(lambda: client.of("message"))
        assert [message.content for message in client.of("message")] == ["heard"]
        assert discord.gateway.identified == 2


async def test_identifying_twice_within_five_seconds_is_a_sin(discord: Discord) -> None:
    async with listening(discord):
        pass
    async with pointed_at(discord), Listener() as client:
        running = asyncio.create_task(client.start(discord.token))
        await discord.until(lambda: "identified_too_soon" in discord.sin_names)
        await client.close()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_zombie_connection_delivers_nothing_until_it_is_replaced() -> None:
    async with (
        Discord(limits=Limits(heartbeat_interval=0.1)) as discord,
        listening(discord, heartbeat_timeout=0.6) as client,
    ):
        discord.silence()
        await discord.says("ada", "general", "into the void")
        assert client.of("message") == []
        await discord.until(lambda: client.of("message"))
        assert discord.gateway.resumed


async def test_a_client_that_does_not_beat_is_closed() -> None:
    async with Discord(limits=Limits(heartbeat_interval=0.05)) as discord, pointed_at(discord), Listener() as client:
        await client.login(discord.token)
        socket = await client.http.ws_connect(f"{discord.gateway_url}?v=10&encoding=json")
        assert (await socket.receive_json())["op"] == 10
        frame = await socket.receive()
        assert (frame.type, frame.data) == (aiohttp.WSMsgType.CLOSE, 4009)
        assert discord.sin_names == ["heartbeat_missed"]


async def test_too_many_frames_close_the_connection(discord: Discord) -> None:
    async with pointed_at(discord), Listener() as client:
        await client.login(discord.token)
        socket = await client.http.ws_connect(f"{discord.gateway_url}?v=10&encoding=json")
        await socket.receive_json()
        for _ in range(121):
            await socket.send_str('{"op":1,"d":null}')
        codes = [frame.data async for frame in _frames(socket) if frame.type == 8]
        assert codes == [4008]
        assert discord.sin_names == ["gateway_flooded"]


async def _frames(socket: aiohttp.ClientWebSocketResponse) -> AsyncIterator[aiohttp.WSMessage]:
    while True:
        frame = await socket.receive()
        yield frame
        if frame.type == 8:
            return


async def test_events_can_come_twice_and_in_another_order(discord: Discord) -> None:
    async with listening(discord) as client:
        discord.duplicate("MESSAGE_CREATE")
        discord.hold()
        await discord.says("ada", "general", "one")
        await discord.says("ada", "general", "two")
        discord.release("reversed")
        await discord.until(lambda: len(client.of("message")) == 4)
        assert [message.content for message in client.of("message")] == ["two", "two", "one", "one"]


async def test_guilds_are_spread_over_shards_and_dms_come_on_shard_zero() -> None:
    limits = Limits(max_concurrency=2, guilds_per_shard=3)
    async with Discord(limits=limits) as discord, pointed_at(discord):
        discord.add_guilds(3)
        async with Sharded(intents=BLIND, guild_ready_timeout=0.05) as client:
            heard: list[tuple[int, str]] = []

            @client.event
            async def on_message(message: library.Message) -> None:
                heard.append((message.guild.shard_id if message.guild else 0, message.content))

            running = asyncio.create_task(client.start(discord.token))
            await discord.connected(2)
            await discord.until(client.is_ready)
            assert client.shard_count == 2
            assert len(client.guilds) == 4
            assert [session.shard for session in discord.gateway.sessions.values()] == [0, 1]
            await discord.says("ada", discord.dm("ada"), "hello")
            await discord.until(lambda: heard == [(0, "hello")])
            await client.close()
            await asyncio.gather(running, return_exceptions=True)


async def test_too_many_guilds_for_one_shard_are_refused() -> None:
    async with Discord(limits=Limits(guilds_per_shard=2)) as discord, pointed_at(discord), Listener() as client:
        discord.add_guilds(3)
        with pytest.raises(library.ConnectionClosed) as caught:
            await client.start(discord.token)
        assert caught.value.code == 4011


async def test_two_thousand_five_hundred_guilds_become_ready() -> None:
    async with Discord() as discord:
        discord.add_guilds(2_499)
        async with listening(discord) as client:
            assert len(client.guilds) == 2_500


async def test_a_channel_the_bot_may_not_see_is_silent(discord: Discord) -> None:
    secret = discord.add_channel("secret")
    async with listening(discord) as client:
        discord.deny(secret, Permission.VIEW_CHANNEL)
        await discord.says("ada", secret, "hush")
        await discord.says("ada", "general", "hello")
        await discord.until(lambda: client.of("message"))
        assert [message.content for message in client.of("message")] == ["hello"]
        assert len(client.of("guild_channel_delete")) == 1


async def test_edits_pins_previews_and_deletions_are_told_apart_by_their_edit_time(discord: Discord) -> None:
    async with listening(discord) as client:
        said = await discord.says("ada", "general", "see https://example.invalid")
        await discord.resolves(said, "https://example.invalid")
        await discord.pins(said)
        await discord.edits("ada", said, "see nothing")
        await discord.deletes("ada", said)
        await discord.until(lambda: client.of("raw_message_delete"))
        edits = [payload.message for payload in client.of("raw_message_edit")]
        assert [edit.edited_at is None for edit in edits] == [True, True, False]
        assert [len(edit.embeds) for edit in edits] == [1, 1, 1]
        assert edits[1].pinned
        assert discord.rendered(said) == ""


async def test_threads_forum_posts_and_their_ends_are_heard(discord: Discord) -> None:
    async with listening(discord) as client:
        root = await discord.says("ada", "general", "root")
        thread = await discord.opens_thread("ada", root, "talk")
        await discord.says("grace", thread, "in it")
        posted = await discord.forum_post("grace", "questions", "How?", "Like so?")
        discord.archive(thread)
        discord.delete_channel(posted)
        await discord.until(lambda: client.of("raw_thread_delete"))
        assert thread.id == root.id
        assert [it.name for it in client.of("thread_create")] == ["talk", "How?"]
        words = [(message.type.value, message.content) for message in client.of("message")]
        assert words == [(0, "root"), (21, ""), (0, "in it"), (0, "Like so?")]
        first = client.of("message")[-1]
        assert str(first.id) == str(first.channel.id) == posted.id
        assert client.of("raw_thread_update")[0].data["thread_metadata"]["archived"]
