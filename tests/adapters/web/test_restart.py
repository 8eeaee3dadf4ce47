"""What people wrote survives the process, and what the bot was not told it is told after the restart."""

from __future__ import annotations

import asyncio
import copy
from pathlib import Path

from adapters.web.config import WebConfig
from adapters.web.run import WebAdapter
from bot.errors import StoreFull
from bot.events import Address, Author, MessageDeleted, MessageReceived
from bot.replies import Reply, Write
from tests.adapters.web.fakes import FakeCore
from tests.adapters.web.running import PATIENCE, CoreSettings, running


async def test_everything_is_there_again_after_a_restart(core: FakeCore, tmp_path: Path) -> None:
    async with running(core, tmp_path) as web:
        ann = await web.person("Ann")
        channel = await web.call("POST", "/api/channels", {"name": "Build Room"})
        root = await web.says(ann, "@Parley hi", channel=channel["id"], client_id="c-1")
        await web.surface().show("Hello", final=True, notes=("note",))
        await web.call("PATCH", f"/api/messages/{root['id']}", {"person": ann, "text": "@Parley hi there"})
        before = await web.read(f"channel={channel['id']}&thread={root['id']}")
    async with running(core, tmp_path) as web:
        assert await web.read(f"channel={channel['id']}&thread={root['id']}") == before
        assert (await web.says(ann, "@Parley hi", channel=channel["id"], client_id="c-1"))["id"] == root["id"]
        hello = await web.call("GET", "/api/hello")
        assert [one["name"] for one in hello["channels"]] == ["general", "random", "build-room"]
        assert [one["name"] for one in hello["people"]] == ["Ann"]
        newer = await web.says(ann, "newer")
        assert newer["id"] > before[-1]["id"]


async def test_a_message_the_bot_never_heard_of_is_told_after_the_crash(core: FakeCore, tmp_path: Path) -> None:
    async with running(core, tmp_path) as web:
        ann = await web.person("Ann")
        reached = asyncio.Event()

        async def die(event: object) -> None:
            reached.set()
            await asyncio.Event().wait()

        core.receive = die  # type: ignore[method-assign, assignment]  # the process dies while the bot is being told
        sending = asyncio.create_task(web.says(ann, "@Parley are you there?"))
        await asyncio.wait_for(reached.wait(), PATIENCE)
        after = FakeCore(rows=copy.deepcopy(core.rows))
        sending.cancel()
        await asyncio.wait([sending])
    async with running(after, tmp_path):
        await asyncio.wait_for(after.told.wait(), PATIENCE)
        (event,) = after.events
        assert isinstance(event, MessageReceived)
        assert event.text == "are you there?"
    again = FakeCore(rows=after.rows)
    async with running(again, tmp_path) as web:
        await web.adapter.workspace.deliveries.redeliver()
        assert again.events == []


async def test_a_deletion_the_bot_never_heard_of_is_told_after_the_restart_and_leaves_no_trace(
    core: FakeCore, tmp_path: Path
) -> None:
    async with running(core, tmp_path) as web:
        ann = await web.person("Ann")
        message = await web.says(ann, "@Parley secret")
        core.trouble = StoreFull("disk")
        await web.call("DELETE", f"/api/messages/{message['id']}", {"person": ann})
        assert "secret" not in str(core.rows.rows)
    after = FakeCore(rows=core.rows)
    async with running(after, tmp_path) as web:
        await asyncio.wait_for(after.told.wait(), PATIENCE)
        (event,) = after.events
        assert isinstance(event, MessageDeleted)
        assert event.id == message["id"]
        assert await web.read("channel=general") == []
    assert ("message", message["id"]) not in core.rows.rows


async def test_a_surface_waits_until_the_room_is_loaded(core: FakeCore, tmp_path: Path) -> None:
    adapter = WebAdapter(core, CoreSettings(tmp_path), WebConfig(_env_file=None))
    address = Address("web", "local", "general")
    surface = adapter.platform.surface(Reply(address, "m", "1", Author("p1", "Ann")))
    write = Write(0, "Hello", True)
    showing = asyncio.create_task(surface.show(write, surface.ways(write)[0]))
    await asyncio.sleep(0)
    assert not showing.done()
    assert adapter.healthy() == "not started"
    await adapter.start()
    assert adapter.workspace.room.find(await showing) is not None
    assert adapter.healthy() == ""
    await adapter.close()
