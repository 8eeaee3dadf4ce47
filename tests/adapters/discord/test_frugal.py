"""A server that says and offers less than Discord does, as other servers of its protocol and proxies do: what is left
out is made up for, and what cannot be done without is named."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.discord.calls import Calls
from bot.errors import ConfigurationError
from tests.adapters.discord.conversing import Talk, asked
from tests.adapters.discord.test_interactions import registered, told
from tests.emulators.discord.records import Json
from tests.emulators.llm import Script

FOREVER = 100_000
_WELCOME = ("session_id", "user")


def few_fields(name: str, data: Json) -> Json:
    """Only what no client could do without."""
    if name == "READY":
        return {key: data[key] for key in _WELCOME} | {"user": {"id": data["user"]["id"]}}
    if name == "GUILD_CREATE":
        return {"id": data["id"], "name": data["name"]}
    kept = ["id", "type", "channel_id", "guild_id"]
    if name == "MESSAGE_CREATE":
        kept += ["content", "timestamp", "message_reference"]
        author = {key: data["author"][key] for key in ("id", "username")}
        return {**{key: data[key] for key in kept if key in data}, "author": author}
    if name == "INTERACTION_CREATE":
        kept += ["application_id", "token", "data", "message"]
        user = {"user": {"id": (data.get("member") or data)["user"]["id"], "username": "ada"}}
        return {key: data[key] for key in kept if key in data} | ({"member": user} if "guild_id" in data else user)
    return data


async def test_events_of_few_fields_are_enough_to_be_answered(talk: Talk) -> None:
    talk.discord.gateway.trim = few_fields
    async with talk.bot():
        root = await talk.asks("hello")
        answer = await talk.answered(root, talk.llm.default.text)
        assert root.thread is not None
        await talk.discord.says("ada", root.thread, "and now?")
        await talk.answered(root, talk.llm.default.text, 2)
        assert asked(talk.llm)[-1][1].endswith("and now?")
        await talk.discord.presses("ada", answer, "Why?")
        await registered(talk)
        await talk.discord.command("ada", talk.discord.general, "ai status")
        assert len(told(talk)) == 2
        room = talk.discord.dm("grace")
        await talk.discord.says("grace", room, "hello there")
        await talk.answered(room, talk.llm.default.text)


async def test_rights_that_are_listed_carelessly_keep_nobody_from_being_answered_as_usual(talk: Talk) -> None:
    def careless(name: str, data: Json) -> Json:
        if name == "GUILD_CREATE":  # from the time before threads
            return data | {"roles": [role | {"permissions": "66321463"} for role in data["roles"]]}
        return data | {"app_permissions": "442368"} if name == "INTERACTION_CREATE" else data

    talk.discord.gateway.trim = careless
    async with talk.bot():
        root = await talk.asks("hello")
        await talk.answered(root, talk.llm.default.text)
        assert root.thread is not None
        await registered(talk)
        used = await talk.discord.command("ada", talk.discord.general, "ai ask", {"text": "and now?"})
        question = used.original
        assert question is not None
        await talk.answered(question, talk.llm.default.text)


async def test_a_welcome_the_library_cannot_read_is_one_all_the_same(talk: Talk) -> None:
    def garbled(name: str, data: Json) -> Json:
        return data | {"guilds": [{"no": "id"}]} if name == "READY" else data

    talk.discord.gateway.trim = garbled
    async with talk.bot():
        await talk.answered(await talk.asks("hello"), talk.llm.default.text)


async def test_a_message_without_its_mentions_and_without_what_it_replies_to_is_understood(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISCORD_REPLIES", "reply")
    talk.discord.gateway.trim = few_fields
    general = talk.discord.general
    async with talk.bot():
        await talk.asks("one")
        first = await talk.answered(general, talk.llm.default.text)
        await talk.discord.says("ada", general, "nothing for the bot")
        await talk.discord.says("ada", general, "two", reply_to=first)
        await talk.answered(general, talk.llm.default.text, 2)
        assert [role for role, _ in asked(talk.llm)] == ["user", "assistant", "user"]


async def test_a_connection_that_is_not_compressed_is_heard(talk: Talk) -> None:
    talk.discord.gateway.plain = True
    async with talk.bot():
        await talk.answered(await talk.asks("hello"), talk.llm.default.text)


async def test_a_welcome_without_an_address_to_resume_at_resumes_where_it_came_from(talk: Talk) -> None:
    talk.discord.gateway.trim = lambda name, data: few_fields(name, data) if name == "READY" else data
    async with talk.bot():
        talk.discord.drop()
        root = await talk.asks("did you hear that?")
        await talk.answered(root, talk.llm.default.text)
        assert talk.discord.gateway.resumed == 1


async def test_a_resume_that_says_nothing_is_one(talk: Talk) -> None:
    talk.discord.gateway.trim = lambda name, data: None if name == "RESUMED" else data
    async with talk.bot():
        talk.discord.ask_reconnect()
        await talk.until(lambda: talk.discord.gateway.resumed)
        await talk.answered(await talk.asks("still there?"), talk.llm.default.text)
        assert talk.discord.gateway.identified == 1


@pytest.mark.parametrize(
    "routes",
    [
        ("my_application", "gateway_bot"),
        ("sync_commands", "list_commands"),
        ("typing",),
        ("list_messages", "get_message"),
        ("get_channel",),
    ],
    ids=lambda routes: routes[0],
)
async def test_a_route_that_is_missing_does_not_keep_it_from_answering(talk: Talk, routes: tuple[str, ...]) -> None:
    for route in routes:
        talk.discord.fault(route, FOREVER, status=404)
    async with talk.bot():
        root = await talk.asks("hello")
        await talk.answered(root, talk.llm.default.text)
        room = talk.discord.dm("ada")
        await talk.discord.says("ada", room, "hello there")
        await talk.answered(room, talk.llm.default.text)
        thread = await talk.discord.opens_thread("ada", talk.discord.general, "a thread of its own")
        await talk.discord.says("ada", thread, talk.named("any idea?"))
        await talk.answered(thread, talk.llm.default.text)


async def test_without_the_headers_of_rate_limits_nothing_is_refused(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(talk.discord._api, "_headers", lambda *_: {})
    text = "".join(f"Sentence number {number}, calmly. " for number in range(200))
    talk.llm.default = Script(text=text, rate=400)
    async with talk.bot():
        root = await talk.asks("tell me a lot")
        await talk.until(lambda: " ".join(talk.texts(root)) == text.strip(), 30)
        await talk.settled()
        assert [call for call in talk.discord.calls if call.status == 429] == []


@pytest.mark.parametrize("address", ["{url}", "{url}/", "{url}/api", "{url}/api/", "{url}/api/v10/"])
async def test_the_version_of_the_api_may_be_left_out_of_its_address(
    talk: Talk, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("DISCORD_API_URL", address.format(url=talk.discord.url))
    async with talk.bot():
        await talk.answered(await talk.asks("hello"), talk.llm.default.text)


async def test_an_address_without_a_discord_is_named(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISCORD_API_URL", f"{talk.discord.url}/somewhere")
    with pytest.raises(ConfigurationError) as wrong:
        async with talk.bot():
            raise AssertionError("it lives")
    assert wrong.value.variable == "DISCORD_API_URL"


async def test_the_gateway_is_where_discord_says_unless_it_is_set(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISCORD_GATEWAY_URL")
    async with talk.bot():
        await talk.answered(await talk.asks("hello"), talk.llm.default.text)


async def test_ask_works_where_the_answer_to_a_press_does_not_bring_the_message(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Calls.call

    async def without_message(self: Calls, method: str, path: str, *rest: Any, **more: Any) -> Any:
        found = await whole(self, method, path, *rest, **more)
        return None if path.endswith("/callback") else found

    monkeypatch.setattr(Calls, "call", without_message)
    async with talk.bot():
        await registered(talk)
        used = await talk.discord.command("ada", talk.discord.general, "ai ask", {"text": "What is a monad?"})
        assert used.original is not None
        await talk.answered(used.original, talk.llm.default.text)
