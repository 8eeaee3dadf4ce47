"""The Discord emulator's REST API with the real discord.py on it: what it lets through, what it refuses and notes."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
import pytest

from tests.emulators.discord import Discord, Flag, Limits, Permission, Rates
from tests.emulators.discord.library import discord as library
from tests.emulators.discord.listener import Listener, listening

NOBODY = library.AllowedMentions.none()


@pytest.fixture
async def discord() -> AsyncIterator[Discord]:
    async with Discord() as server:
        yield server


@pytest.fixture
async def client(discord: Discord) -> AsyncIterator[Listener]:
    async with listening(discord) as listener:
        yield listener


async def refused(calling: Awaitable[Any]) -> tuple[int, int]:
    with pytest.raises(library.HTTPException) as caught:
        await calling
    return caught.value.status, caught.value.code


async def raw(discord: Discord, method: str, path: str, **body: Any) -> tuple[int, dict[str, Any], dict[str, str]]:
    """A request without any library's help."""
    headers = {"Authorization": f"Bot {discord.token}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.request(method, discord.api_url + path, json=body or None) as answer,
    ):
        text = await answer.text()
        parsed = await answer.json() if answer.content_type == "application/json" else {"text": text}
        return answer.status, parsed, dict(answer.headers)


@contextmanager
def sins(discord: Discord, *expected: str) -> Iterator[None]:
    before = len(discord.sins)
    yield
    assert discord.sin_names[before:] == list(expected)


async def test_a_reply_is_shown_edited_and_its_history_kept(discord: Discord, client: Listener) -> None:
    said = await discord.says("ada", "general", "question")
    await discord.until(lambda: client.of("message"))
    sent = await client.of("message")[0].reply("Hel", mention_author=False, suppress_embeds=True)
    await sent.edit(content="Hello **world**", suppress=True)
    [message] = discord.replies("general")
    assert discord.rendered(message) == "↩ ada\nHello **world**"
    assert [sight.content for sight in discord.edit_history(message)] == ["Hel", "Hello **world**"]
    times = [sight.at for sight in discord.edit_history(message)]
    assert times == sorted(set(times))
    assert discord.pinged(message) == []
    assert message.reference is not None
    assert message.reference["message_id"] == said.id
    assert discord.sins == []


async def test_answers_are_plain_json_with_rate_limit_headers(discord: Discord) -> None:
    status, body, headers = await raw(discord, "GET", "/users/@me")
    assert (status, body["username"], headers["Content-Type"]) == (200, "parley", "application/json")
    assert {"X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset-After", "Via"} <= set(headers)


@pytest.mark.parametrize(("length", "answer"), [(2_000, None), (2_001, (400, 50035))])
async def test_two_thousand_code_points_fit(
    discord: Discord, client: Listener, length: int, answer: tuple[int, int] | None
) -> None:
    sending = client.place(discord.general.id).send("  " + "😀" * length + "\n")
    if answer is None:
        await sending
        assert discord.sins == []
    else:
        assert await refused(sending) == answer
        assert discord.sin_names == ["invalid_form"]


async def test_an_error_tree_names_the_field(discord: Discord) -> None:
    _, body, _ = await raw(discord, "POST", f"/channels/{discord.general.id}/messages", content="x" * 2_001)
    assert body["errors"]["content"]["_errors"][0]["code"] == "BASE_TYPE_MAX_LENGTH"


async def test_what_cannot_be_sent_is_refused_with_its_code(discord: Discord, client: Listener) -> None:
    discord.buckets.on = False
    place = client.place(discord.general.id)
    assert await refused(place.send(" ")) == (400, 50006)
    assert await refused(client.place("42").send("x")) == (404, 10003)
    assert await refused(place.fetch_message(42)) == (404, 10008)
    assert await refused(client.place(discord.questions.id).send("x")) == (400, 50008)
    discord.grace.blocks_bot = True
    assert await refused(client.place(discord.dm("grace").id).send("x")) == (403, 50007)
    others = await discord.says("ada", "general", "hers")
    assert await refused(place.get_partial_message(int(others.id)).edit(content="mine")) == (403, 50005)
    discord.home.blocked_words.add("rude")
    assert await refused(place.send("how RUDE")) == (400, 200000)
    big = library.File(io.BytesIO(b"x" * (10 * 2**20 + 1)), "big.bin")
    assert await refused(place.send(file=big)) == (413, 40005)
    outside = discord.add_channel("outside", guild=discord.add_guild("other", with_bot=False))
    assert await refused(client.place(outside.id).send("x")) == (403, 50001)
    discord.deny(discord.general, Permission.READ_MESSAGE_HISTORY)
    assert await refused(place.get_partial_message(int(others.id)).reply("x")) == (400, 160002)
    assert [message async for message in place.history()] == []
    discord.deny(discord.general, Permission.SEND_MESSAGES)
    assert await refused(place.send("x")) == (403, 50013)


async def test_a_reply_to_a_deleted_message_needs_leave_to_stand_alone(discord: Discord, client: Listener) -> None:
    said = await discord.says("ada", "general", "gone")
    await discord.deletes("ada", said)
    place = client.place(discord.general.id)
    strict = library.MessageReference(message_id=int(said.id), channel_id=int(discord.general.id))
    assert await refused(place.send("x", reference=strict)) == (400, 50035)
    lenient = library.MessageReference(
        message_id=int(said.id), channel_id=int(discord.general.id), fail_if_not_exists=False
    )
    assert (await place.send("x", reference=lenient)).reference is None


async def test_slow_mode_holds_the_bot_back(discord: Discord) -> None:
    discord.slow_mode(discord.general, 10)
    path = f"/channels/{discord.general.id}/messages"
    assert (await raw(discord, "POST", path, content="one"))[0] == 200
    status, body, _ = await raw(discord, "POST", path, content="two")
    assert (status, body["code"]) == (429, 20016)
    assert 0 < body["retry_after"] <= 10


async def test_the_same_nonce_makes_no_second_message(discord: Discord, client: Listener) -> None:
    place = client.place(discord.general.id)
    with sins(discord):
        first = await place.send("one", nonce="turn-1-part-0")
        again = await place.send("one", nonce="turn-1-part-0")
    assert first.id == again.id
    assert len(discord.replies("general")) == 1
    discord.advance(301)
    assert (await place.send("one", nonce="turn-1-part-0")).id != first.id


async def test_a_lost_answer_after_carrying_out_is_healed_by_the_nonce(discord: Discord, client: Listener) -> None:
    place = client.place(discord.general.id)
    discord.fault("create_message", reset="after")
    with pytest.raises(aiohttp.ClientError):
        await place.send("one", nonce="n")
    await place.send("one", nonce="n")
    assert [call.outcome for call in discord.calls_of("create_message")] == ["reset", "ok"]
    assert len(discord.replies("general")) == 1


async def test_posting_without_a_nonce_or_twice_is_a_sin(discord: Discord) -> None:
    path = f"/channels/{discord.general.id}/messages"
    with sins(discord, "post_without_nonce", "post_without_nonce", "double_post"):
        for _ in range(2):
            await raw(discord, "POST", path, content="again", allowed_mentions={"parse": []})


async def test_six_messages_in_five_seconds_are_too_many(discord: Discord) -> None:
    path = f"/channels/{discord.general.id}/messages"
    answers = [await raw(discord, "POST", path, content=str(number)) for number in range(6)]
    assert [status for status, _, _ in answers] == [200] * 5 + [429]
    _, body, headers = answers[5]
    assert body["global"] is False
    assert 0 < body["retry_after"] <= 5
    assert (headers["X-RateLimit-Scope"], headers["X-RateLimit-Remaining"]) == ("user", "0")
    assert "Via" in headers
    discord.advance(5)
    assert (await raw(discord, "POST", path, content="later"))[0] == 200
    other = discord.add_channel("other")
    assert (await raw(discord, "POST", f"/channels/{other.id}/messages", content="x"))[0] == 200


async def test_edits_have_a_bucket_of_their_own_and_old_messages_a_smaller_one(discord: Discord) -> None:
    path = f"/channels/{discord.general.id}/messages"
    _, sent, _ = await raw(discord, "POST", path, content="x")
    edit = f"{path}/{sent['id']}"
    statuses = [(await raw(discord, "PATCH", edit, content=str(number)))[0] for number in range(6)]
    assert statuses == [200] * 5 + [429]
    discord.advance(3_601)
    answers = [await raw(discord, "PATCH", edit, content=f"old {number}") for number in range(4)]
    assert [status for status, _, _ in answers] == [200] * 3 + [429]
    assert answers[3][1]["code"] == 30046
    assert "X-RateLimit-Remaining" not in answers[3][2]


async def test_discord_py_waits_out_a_full_bucket(client: Listener, discord: Discord) -> None:
    discord.buckets.rates = Rates(create=(2, 0.1))
    place = client.place(discord.general.id)
    await asyncio.gather(*(place.send(str(number)) for number in range(5)))
    assert len(discord.replies("general")) == 5
    assert discord.sins == []


async def test_fifty_requests_a_second_are_the_global_limit(discord: Discord) -> None:
    discord.buckets.rates = Rates(other=(1_000, 1.0), everything=(50, 60.0))
    answers = [await raw(discord, "GET", "/users/@me") for _ in range(51)]
    status, body, headers = answers[-1]
    assert (status, body["global"], headers["X-RateLimit-Global"]) == (429, True, "true")
    assert headers["X-RateLimit-Scope"] == "global"


async def test_renaming_is_allowed_twice_in_ten_minutes(discord: Discord, client: Listener) -> None:
    thread = await client.place(discord.general.id).send("root")
    made = await thread.create_thread(name="one")
    for name in ("two", "three"):
        await raw(discord, "PATCH", f"/channels/{made.id}", name=name)
    status, body, _ = await raw(discord, "PATCH", f"/channels/{made.id}", name="four")
    assert status == 429
    assert 500 < body["retry_after"] <= 600
    assert (await raw(discord, "PATCH", f"/channels/{made.id}", archived=True))[0] == 200


async def test_rate_limits_can_be_switched_off() -> None:
    async with Discord(rate_limits=False) as discord, listening(discord) as client:
        place = client.place(discord.general.id)
        await asyncio.gather(*(place.send(str(number)) for number in range(60)))
        assert len(discord.replies("general")) == 60


async def test_calling_on_while_limited_is_a_sin(discord: Discord) -> None:
    discord.fault("typing", status=429, retry_after=30)
    path = f"/channels/{discord.general.id}/typing"
    assert (await raw(discord, "POST", path))[0] == 429
    discord.advance(1)
    await raw(discord, "POST", path)
    assert discord.sin_names == ["called_while_limited"]


async def test_a_429_of_cloudflare_raises_at_once(discord: Discord, client: Listener) -> None:
    discord.fault("create_message", status=429, scope="cloudflare")
    assert (await refused(client.place(discord.general.id).send("x")))[0] == 429


async def test_too_many_invalid_requests_ban_the_address() -> None:
    async with Discord(limits=Limits(invalid_requests=3)) as discord:
        headers = {"Authorization": "Bot wrong"}
        async with aiohttp.ClientSession(headers=headers) as session:
            statuses = []
            for _ in range(4):
                async with session.get(f"{discord.api_url}/users/@me") as answer:
                    statuses.append((answer.status, "Via" in answer.headers))
        assert statuses == [(401, True)] * 3 + [(429, False)]
        assert discord.sin_names == ["went_on_after_401"] * 2 + ["banned_by_cloudflare"]


@pytest.mark.parametrize("status", [500, 502, 504])
async def test_server_errors_are_retried_by_the_library(
    discord: Discord, client: Listener, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rest = asyncio.sleep

    async def nap(_seconds: float) -> None:
        await rest(0)

    discord.fault("create_message", status=status)
    monkeypatch.setattr("discord.http.asyncio.sleep", nap)
    await client.place(discord.general.id).send("x")
    monkeypatch.undo()
    assert [call.status for call in discord.calls_of("create_message")] == [status, 200]


async def test_a_call_can_hang_or_be_cut_before_it_is_carried_out(discord: Discord, client: Listener) -> None:
    place = client.place(discord.general.id)
    discord.fault("create_message", reset="before")
    with pytest.raises(aiohttp.ClientError):
        await place.send("cut")
    discord.fault("create_message", hang="after")
    hanging = asyncio.create_task(place.send("carried out"))
    await discord.until(lambda: discord.replies("general"))
    assert not hanging.done()
    hanging.cancel()
    assert [message.content for message in discord.replies("general")] == ["carried out"]


async def test_a_route_can_be_slow(discord: Discord, client: Listener) -> None:
    discord.latency(0.05, "typing")
    await client.place(discord.general.id).typing()
    [call] = discord.calls_of("typing")
    assert call.ended - call.at >= 0.045


async def test_everyone_roles_and_people_are_pinged_only_where_let_through(discord: Discord, client: Listener) -> None:
    discord.allow(discord.general, Permission.MENTION_EVERYONE)
    role = discord.add_role("team", discord.grace)
    text = f"@everyone <@&{role.id}> <@{discord.ada.id}> `<@{discord.grace.id}>`"
    place = client.place(discord.general.id)
    with sins(discord):
        await place.send(text)
    assert discord.pings == []
    with sins(discord, "pings_everyone", "pings_role", "pings_user"):
        await place.send(text + "!", allowed_mentions=library.AllowedMentions.all())
    assert {(discord.state.users[ping.user].name, ping.why) for ping in discord.pings} == {
        ("ada", "user"),
        ("grace", "role"),
    }
    with sins(discord):
        await place.send(
            f"<@{discord.ada.id}>",
            allowed_mentions=library.AllowedMentions(
                everyone=False, roles=False, users=[library.Object(int(discord.ada.id))]
            ),
        )


async def test_an_edit_without_allowed_mentions_lets_everything_through(discord: Discord, client: Listener) -> None:
    discord.allow(discord.general, Permission.MENTION_EVERYONE)
    sent = await client.place(discord.general.id).send("x")
    path = f"/channels/{discord.general.id}/messages/{sent.id}"
    with sins(discord, "mentions_not_restricted", "pings_everyone"):
        await raw(discord, "PATCH", path, content="@everyone")
    assert discord.pings == []


async def test_a_reply_pings_only_when_told_to_and_silently_when_silent(discord: Discord, client: Listener) -> None:
    said = await discord.says("ada", "general", "q")
    target = client.place(discord.general.id).get_partial_message(int(said.id))
    await target.reply("a", mention_author=False)
    assert discord.pings == []
    await target.reply("b", mention_author=True, silent=True)
    [ping] = discord.pings
    assert (ping.user, ping.why, ping.silent, ping.by_app) == (discord.ada.id, "reply", True, True)


async def test_link_previews_come_up_unless_suppressed_and_edits_can_bring_them_back(
    discord: Discord, client: Listener
) -> None:
    place = client.place(discord.general.id)
    await place.send("see <https://example.invalid/a> and `https://example.invalid/b`")
    sent = await place.send("see https://example.invalid/c", suppress_embeds=True)
    assert discord.previews == []
    await place.get_partial_message(sent.id).edit(content="see https://example.invalid/d")
    assert discord.previews == []
    with sins(discord, "previews_unsuppressed"):
        await sent.edit(content="see https://example.invalid/e")
    assert [preview.url for preview in discord.previews] == ["https://example.invalid/e"]
    assert discord.rendered(discord.replies("general")[-1]).endswith("[preview https://example.invalid/e]")


async def test_two_edits_of_a_message_in_flight_are_a_sin(discord: Discord) -> None:
    path = f"/channels/{discord.general.id}/messages"
    _, sent, _ = await raw(discord, "POST", path, content="x", nonce="1", enforce_nonce=True, allowed_mentions={})
    discord.latency(0.05, "edit_message")
    edit = f"{path}/{sent['id']}"
    with sins(discord, "edits_in_flight"):
        await asyncio.gather(
            raw(discord, "PATCH", edit, content="y", allowed_mentions={}),
            raw(discord, "PATCH", edit, content="z", allowed_mentions={}),
        )


async def test_looping_on_a_refusal_is_a_sin(discord: Discord, client: Listener) -> None:
    discord.deny(discord.general, Permission.SEND_MESSAGES)
    with sins(discord, "loops_on_403"):
        for _ in range(3):
            assert await refused(client.place(discord.general.id).send("x")) == (403, 50013)


async def test_typing_lasts_ten_seconds_or_until_the_message(discord: Discord, client: Listener) -> None:
    place = client.place(discord.general.id)
    await place.typing()
    assert discord.is_typing("general")
    await place.send("x")
    assert not discord.is_typing("general")
    await place.typing()
    discord.advance(11)
    assert not discord.is_typing("general")
    assert len(discord.typing("general")) == 2


async def test_files_have_signed_addresses_that_expire(discord: Discord, client: Listener) -> None:
    await discord.says("ada", "general", "look", files=[discord.file("notes.txt", b"words")])
    await discord.until(lambda: client.of("message"))
    [attachment] = client.of("message")[0].attachments
    assert (await attachment.read(), attachment.content_type) == (b"words", "text/plain; charset=utf-8")
    async with aiohttp.ClientSession() as session:
        async with session.get(attachment.url.split("?")[0]) as answer:
            assert answer.status == 404
        discord.advance(86_401)
        async with session.get(attachment.url) as answer:
            assert answer.status == 404
    assert discord.sin_names == ["expired_url"]


async def test_the_bot_sends_files_and_keeps_or_drops_them_on_edit(discord: Discord, client: Listener) -> None:
    place = client.place(discord.general.id)
    sent = await place.send("long", file=library.File(io.BytesIO(b"# all"), "answer.md", description="the answer"))
    [message] = discord.replies("general")
    assert [(file.name, file.data, file.description) for file in message.attachments] == [
        ("answer.md", b"# all", "the answer")
    ]
    await sent.edit(content="still", attachments=sent.attachments, suppress=True)
    assert len(message.attachments) == 1
    await sent.edit(attachments=[], suppress=True)
    assert message.attachments == []


async def test_components_v2_take_no_content_and_never_go_back(discord: Discord, client: Listener) -> None:
    place = client.place(discord.general.id)
    view = library.ui.LayoutView()
    view.add_item(library.ui.TextDisplay("shown"))
    sent = await place.send(view=view)
    assert discord.rendered(discord.replies("general")[0]) == "shown"
    assert await refused(sent.edit(content="plain")) == (400, 50035)
    path = f"/channels/{discord.general.id}/messages"
    text = [{"type": 10, "content": "x" * 4_001}]
    assert (await raw(discord, "POST", path, flags=int(Flag.IS_COMPONENTS_V2), components=text))[1]["code"] == 50035
    row = [{"type": 1, "components": [{"type": 2, "style": 1, "label": "x"}]}]
    assert (await raw(discord, "POST", path, content="x", components=row))[1]["code"] == 50035


@pytest.mark.parametrize(
    "embed",
    [
        {"title": "x" * 257},
        {"description": "x" * 4_097},
        {"fields": [{"name": "n", "value": "x" * 1_025}]},
        {"description": "x" * 4_000, "footer": {"text": "x" * 2_001}},
    ],
)
async def test_embeds_that_are_too_long_are_refused(discord: Discord, embed: dict[str, Any]) -> None:
    path = f"/channels/{discord.general.id}/messages"
    assert (await raw(discord, "POST", path, embeds=[embed]))[1]["code"] == 50035


async def test_a_thread_hangs_on_its_message_and_only_one(discord: Discord, client: Listener) -> None:
    said = await discord.says("ada", "general", "root")
    root = client.place(discord.general.id).get_partial_message(int(said.id))
    thread = await root.create_thread(name="talk")
    assert str(thread.id) == said.id
    with sins(discord):
        assert await refused(root.create_thread(name="again")) == (400, 160004)
    inside = await thread.send("x")
    assert await refused(inside.create_thread(name="deeper")) == (400, 50024)
    assert [channel.name for channel in discord.threads("general")] == ["talk"]
    discord.home.active_threads = 1
    other = await discord.says("ada", "general", "other")
    assert await refused(
        client.place(discord.general.id).get_partial_message(int(other.id)).create_thread(name="full")
    ) == (400, 160006)
    starter = await anext(thread.history(oldest_first=True))
    assert (starter.type, starter.content) == (library.MessageType.thread_starter_message, "")


async def test_in_an_archived_thread_edits_fail_and_a_new_message_wakes_it(discord: Discord, client: Listener) -> None:
    thread = await discord.opens_thread("ada", "general", "talk")
    place = client.place(thread.id)
    sent = await place.send("x")
    discord.archive(thread)
    assert await refused(sent.edit(content="y", suppress=True)) == (400, 50083)
    await place.send("z")
    assert not thread.archived
    discord.lock(thread)
    assert await refused(place.send("no")) == (400, 160005)


async def test_a_private_thread_is_hidden_from_a_bot_that_is_not_in_it(discord: Discord, client: Listener) -> None:
    thread = await discord.opens_thread("ada", "general", "secret", private=True)
    await discord.says("ada", thread, "psst")
    assert await refused(client.place(thread.id).send("x")) == (403, 50001)
    assert client.of("message") == []


async def test_the_bot_posts_in_forums_and_without_a_root(discord: Discord, client: Listener) -> None:
    await discord.until(lambda: client.get_channel(int(discord.questions.id)))
    forum, text = (client.get_channel(int(it.id)) for it in (discord.questions, discord.general))
    assert isinstance(forum, library.ForumChannel)
    assert isinstance(text, library.TextChannel)
    posted = await forum.create_thread(name="Answer", content="words")
    assert posted.message.id == posted.thread.id
    private = await text.create_thread(name="aside")
    assert private.type is library.ChannelType.private_thread


async def test_history_can_be_read_from_a_point(discord: Discord, client: Listener) -> None:
    said = [await discord.says("ada", "general", str(number)) for number in range(5)]
    channel = client.place(discord.general.id)
    point = library.Object(int(said[2].id))
    assert [it.content async for it in channel.history(after=point)] == ["3", "4"]
    assert [it.content async for it in channel.history(before=point)] == ["1", "0"]
    assert [it.content async for it in channel.history(around=point, limit=3)] == ["3", "2", "1"]


async def test_deleting_reacting_and_leaving_are_carried_out(discord: Discord, client: Listener) -> None:
    said = await discord.says("ada", "general", "x")
    place = client.place(discord.general.id)
    target = place.get_partial_message(int(said.id))
    await target.add_reaction("👀")
    assert said.reactions == {"👀": [discord.bot.id]}
    await target.remove_reaction("👀", library.Object(int(discord.bot.id)))
    assert await refused(target.delete()) == (403, 50013)
    sent = await place.send("mine")
    await sent.delete()
    assert discord.replies("general") == []
    assert await refused(sent.edit(content="gone")) == (404, 10008)
    await client.guilds[0].leave()
    assert await refused(place.send("x")) == (403, 50001)


async def test_a_hundred_replies_at_once_are_shown_whole() -> None:
    async with Discord(rate_limits=False) as discord, listening(discord) as client:

        async def reply(number: int) -> None:
            sent = await client.place(discord.general.id).send(f"{number}:", suppress_embeds=True)
            part = client.place(discord.general.id).get_partial_message(sent.id)
            for step in range(3):
                await part.edit(content=f"{number}: {'word ' * step}end")

        await asyncio.gather(*(reply(number) for number in range(100)))
        assert sorted(message.content for message in discord.replies("general")) == sorted(
            f"{number}: word word end" for number in range(100)
        )
        assert discord.sins == []


async def test_no_token_is_kept_in_the_record(discord: Discord, client: Listener) -> None:
    await client.place(discord.general.id).send("x")
    assert discord.token not in repr(discord.calls)
