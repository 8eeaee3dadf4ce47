"""Configuration, the doctor's lines, health, and what an import costs."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.discord import run
from adapters.discord.config import check_together, read_config
from adapters.discord.gateway import Gateway
from adapters.discord.inbound import Me
from bot.commands.registry import command_helps
from bot.errors import ConfigurationError
from bot.ports import Check
from bot.wiring import House
from tests.adapters.discord.conversing import PATIENCE, Talk, process
from tests.adapters.discord.test_surface import Core
from tests.emulators.discord import Discord, Permission


@pytest.mark.parametrize(
    ("variable", "value", "fix"),
    [
        ("DISCORD_TOKEN", "Bot abc", "Paste it alone"),
        ("DISCORD_REPLIES", "dm", "thread or reply"),
        ("DISCORD_API_URL", "discord.com", "Leave it out"),
        ("DISCORD_GATEWAY_URL", "https://gateway.discord.gg", "Leave it out"),
        ("DISCORD_SHARD_IDS", "one", "numbers separated by commas"),
        ("DISCORD_SHARD_COUNT", "many", "whole number"),
        ("DISCORD_TIMEOUT", "0", "number of seconds"),
    ],
)
def test_a_wrong_variable_is_named_with_its_fix(
    variable: str, value: str, fix: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError) as wrong:
        read_config()
    assert wrong.value.variable == variable
    assert fix in wrong.value.fix


@pytest.mark.parametrize(("ids", "count"), [("0", ""), ("0,4", "4")])
def test_shards_that_do_not_fit_together_are_refused(
    ids: str, count: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DISCORD_SHARD_IDS", ids)
    monkeypatch.setenv("DISCORD_SHARD_COUNT", count)
    with pytest.raises(ConfigurationError):
        check_together(read_config())


def test_discord_is_not_imported_before_it_is_opened() -> None:
    code = "import sys, adapters.discord.run; print('discord' in sys.modules)"
    told = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False"


def test_importing_the_library_warns_of_nothing() -> None:
    code = "import adapters.discord.gateway"
    told = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert (told.returncode, told.stderr) == (0, "")


async def test_the_doctor_finds_nothing_wrong_in_a_good_deployment(talk: Talk) -> None:
    async with talk.bot() as opened:
        await talk.until(lambda: talk.discord.state.commands.get(""))
        lines = await run.check(opened.config, command_helps())
    assert [line.name for line in lines if not line.ok] == []
    assert any("discord.com/oauth2/authorize?client_id=" in line.found for line in lines)
    assert any(line.found == "/ai is registered" for line in lines)
    assert len(talk.discord.calls_of("guild_channels")) == 1


async def test_what_was_removed_at_discord_is_told_and_comes_back_with_the_next_start(talk: Talk) -> None:
    async def told(opened: House) -> Check:
        lines = {line.name: line for line in await run.check(opened.config, command_helps())}
        return lines["Discord commands"]

    registry = talk.discord.state.commands
    async with talk.bot() as opened:
        await talk.until(lambda: len(registry.get("", {})) == 2)
        assert (await told(opened)).ok
        about = next(it for it in registry[""].values() if it["name"] == "Ask about this")
        del registry[""][about["id"]]
        assert "others than" in (await told(opened)).found
        registry[""].clear()
        assert (await told(opened)).fix.startswith("Start Parley")
    async with talk.bot() as opened:
        await talk.until(lambda: len(registry[""]) == 2)
        assert (await told(opened)).ok


@pytest.mark.parametrize("status", [404, 405])
async def test_commands_are_registered_also_where_they_cannot_be_asked_for(talk: Talk, status: int) -> None:
    talk.discord.fault("list_commands", status=status)
    async with talk.bot():
        await talk.until(lambda: len(talk.discord.state.commands.get("", {})) == 2)


async def test_the_doctor_names_the_channels_in_which_a_permission_is_denied(talk: Talk) -> None:
    rules = talk.discord.add_channel("rules")
    talk.discord.deny(rules, Permission.SEND_MESSAGES)
    talk.discord.deny(talk.discord.general, Permission.CREATE_PUBLIC_THREADS, Permission.SEND_MESSAGES_IN_THREADS)
    lines = await run.check(Core(), ())
    found = next(line for line in lines if line.name == "Discord server acme")
    assert found.ok
    assert "#general without Create Public Threads, Send Messages in Threads" in found.found
    assert "#rules without Send Messages" in found.found


async def test_the_doctor_says_the_fix_for_whatever_is_wrong(discord: Discord, monkeypatch: pytest.MonkeyPatch) -> None:
    discord.app.message_content = False
    for role in discord.home.roles.values():
        role.permissions &= ~int(Permission.CREATE_PUBLIC_THREADS)
    lines = {line.name: line for line in await run.check(Core(), ())}
    assert "Message Content Intent" in lines["Discord intents"].fix
    assert "Create Public Threads" in lines["Discord server acme"].fix
    monkeypatch.setenv("DISCORD_TOKEN", "wrong")
    assert "Reset Token" in (await run.check(Core(), ()))[0].fix


async def test_health_tells_of_a_lost_connection_and_of_a_good_one(talk: Talk) -> None:
    async with talk.bot() as opened:
        adapter = opened.adapters[0]
        assert adapter.healthy() == ""
        talk.discord.gateway.forget_sessions()
        talk.discord.drop()
        await talk.until(lambda: adapter.healthy() != "")
        talk.discord.advance(6)
        await talk.until(lambda: adapter.healthy() == "")
    assert adapter.healthy() != ""


async def test_a_silent_connection_counts_as_deaf(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    async with talk.bot() as opened:
        monkeypatch.setattr("adapters.discord.gateway._SILENCE", -1.0)
        assert "nothing heard from Discord" in opened.adapters[0].healthy()


async def test_several_shards_are_served_by_one_process(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISCORD_SHARD_COUNT", "2")
    monkeypatch.setattr("adapters.discord.gateway._IDENTIFY_EVERY", 0.0)
    monkeypatch.setattr(talk.discord.state, "limits", _concurrent(talk.discord))
    async with talk.bot():
        await talk.discord.connected(2)
        await talk.answered(await talk.asks("hello"), talk.llm.default.text)


async def test_a_process_serves_the_shards_that_are_its_own_and_direct_messages_are_the_first_ones(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = int(talk.discord.home.id) >> 22 & 1
    guilds = iter(talk.discord.add_guild(f"guild {number}") for number in range(64))
    other = next(guild for guild in guilds if int(guild.id) >> 22 & 1 != home)
    lobby = talk.discord.add_channel("lobby", guild=other)
    monkeypatch.setenv("DISCORD_SHARD_COUNT", "2")
    for shard, mine, theirs in ((home, talk.discord.general, lobby), (1 - home, lobby, talk.discord.general)):
        monkeypatch.setenv("DISCORD_SHARD_IDS", str(shard))
        talk.folder = talk.folder.with_name(f"data{shard}")
        asked = len(talk.llm.seen)
        async with talk.bot():
            foreign = await talk.asks("not here", channel=theirs)
            await talk.answered(await talk.asks("here", channel=mine), talk.llm.default.text)
            room = talk.discord.dm("grace")
            replies = len(talk.replies(room))
            await talk.discord.says("grace", room, "anyone?")
            if shard == 0:
                await talk.answered(room, talk.llm.default.text, replies + 1)
            await talk.answered(await talk.asks("and again", channel=mine), talk.llm.default.text)
            assert talk.replies(foreign) == []
            assert len(talk.llm.seen) - asked == (3 if shard == 0 else 2)


def _concurrent(discord: Discord) -> object:
    return replace(discord.state.limits, max_concurrency=2)


async def test_a_token_taken_back_while_it_runs_is_told_and_not_looped_on(talk: Talk) -> None:
    async with talk.bot() as opened:
        talk.discord.app.token = "a-new-one"
        await talk.asks("hello")
        await talk.until(lambda: opened.adapters[0].healthy() == "Discord refuses the token")
        await talk.settled()
        assert len([call for call in talk.discord.calls if call.status == 401]) == 1


async def test_asked_to_end_while_discord_hangs_at_the_start_it_ends_and_does_not_wait_for_it(talk: Talk) -> None:
    hanging = talk.discord.fault("me", hang="before", n=10)
    starting = await process(talk)
    try:
        await talk.until(lambda: hanging.hits)
        starting.send_signal(signal.SIGTERM)
        output, _ = await asyncio.wait_for(starting.communicate(), PATIENCE)
    finally:
        if starting.returncode is None:
            starting.kill()
            await starting.wait()
    assert starting.returncode == 0
    assert b"does not answer" not in output
    assert b"ready" not in output
    assert b"Traceback" not in output


def test_a_gateway_that_was_not_started_is_not_healthy(discord: Discord) -> None:
    assert Gateway(read_config(), lambda *_: None, lambda _: None).healthy() == "not started"


async def test_a_connection_left_before_its_session_began_leaves_no_heartbeats_behind(discord: Discord) -> None:
    gateway = Gateway(read_config(), lambda *_: None, lambda _: None)
    await gateway.before_identify(0)  # whoever connects now has to wait for five seconds behind Discord's hello
    gateway.start(Me("1", "1"), 1)
    while not _heartbeats():
        await asyncio.sleep(0.01)
    await gateway.close()
    assert _heartbeats() == []


async def test_processes_that_start_together_do_not_stand_in_each_others_way_for_ever(
    discord: Discord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.discord.gateway._IDENTIFY_EVERY", 0.52)
    monkeypatch.setattr("adapters.discord.gateway._SPREAD", 0.5)
    discord.state.limits = replace(discord.state.limits, identify_interval=0.5)
    config = read_config().model_copy(update={"shard_count": 3})
    gateways = [
        Gateway(config.model_copy(update={"shard_ids": (shard,)}), lambda *_: None, lambda _: None)
        for shard in range(3)
    ]
    try:
        for gateway, pause in zip(gateways, (0.1, 0.2, 0.0), strict=True):
            gateway.start(Me(discord.bot.id, discord.app.id), 3)
            await asyncio.sleep(pause)  # less than may lie between two that Discord grants
        await discord.connected(3)
    finally:
        for gateway in gateways:
            await gateway.close()


def _heartbeats() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("keep-alive")]
