"""The Web API of the Slack emulator, spoken to by the real ``slack_sdk``: what it keeps, and what it refuses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from tests.emulators.slack import BOT_SCOPES, Impossible, Limits, Message, Slack

QUIET: dict[str, Any] = {"unfurl_links": False, "unfurl_media": False}


@pytest.fixture
async def slack() -> AsyncIterator[Slack]:
    async with Slack(rate_limits=False) as server:
        yield server


@pytest.fixture
def client(slack: Slack) -> AsyncWebClient:
    return AsyncWebClient(token=slack.bot_token, base_url=slack.api_url)


async def refused(calling: Any) -> str:
    with pytest.raises(SlackApiError) as caught:
        await calling
    return str(caught.value.response["error"])


async def posted(slack: Slack, client: AsyncWebClient, text: str = "hello", **more: Any) -> Message:
    answer = await client.chat_postMessage(channel=slack.general.id, text=text, **QUIET, **more)
    return slack.general.messages[answer["ts"]]


def section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


async def test_auth_test_tells_who_the_bot_is_and_its_scopes(slack: Slack, client: AsyncWebClient) -> None:
    answer = await client.auth_test()
    assert (answer["user_id"], answer["team_id"]) == (slack.bot.id, slack.home.id)
    assert set(answer.headers["x-oauth-scopes"].split(",")) == BOT_SCOPES


async def test_tokens_are_checked(slack: Slack) -> None:
    bare = AsyncWebClient(base_url=slack.api_url)
    assert await refused(bare.auth_test()) == "not_authed"
    assert await refused(bare.auth_test(token="xoxb-nobody")) == "invalid_auth"
    assert await refused(bare.chat_postMessage(channel="C1", text="x", token=slack.app_token)) == (
        "not_allowed_token_type"
    )
    assert await refused(bare.apps_connections_open(app_token=slack.bot_token)) == "not_allowed_token_type"
    slack.revoke(slack.home)
    assert await refused(bare.auth_test(token=slack.bot_token)) == "token_revoked"


async def test_a_token_in_the_query_is_a_sin(slack: Slack) -> None:
    async with aiohttp.ClientSession() as session, session.get(f"{slack.api_url}auth.test?token={slack.bot_token}"):
        assert slack.sin_names == ["token_in_query"]


async def test_a_missing_scope_is_named() -> None:
    async with Slack(scopes=frozenset(["users:read"])) as slack:
        client = AsyncWebClient(token=slack.bot_token, base_url=slack.api_url)
        with pytest.raises(SlackApiError) as caught:
            await client.chat_postMessage(channel=slack.general.id, text="x")
        response = caught.value.response
        assert (response["error"], response["needed"]) == ("missing_scope", "chat:write")
        assert response["provided"] == "users:read"


async def test_unknown_methods_are_refused(client: AsyncWebClient) -> None:
    assert await refused(client.api_call("chat.shout")) == "unknown_method"


@pytest.mark.parametrize("form", ["json", "data", "params"])
async def test_arguments_travel_as_json_form_or_query(slack: Slack, client: AsyncWebClient, form: str) -> None:
    given = {"channel": slack.general.id, "text": "hello", "blocks": '[{"type": "divider"}]', "unfurl_links": "false"}
    answer = await client.api_call("chat.postMessage", **{form: given})  # type: ignore[arg-type]  # one form at a time
    assert answer["message"]["blocks"][0]["type"] == "divider"


async def test_places_that_are_closed_are_refused(slack: Slack, client: AsyncWebClient) -> None:
    outside = slack.add_channel("outside", slack.ada, with_bot=False)
    secret = slack.add_channel("secret", slack.ada, kind="private", with_bot=False)
    old = slack.add_channel("old", slack.ada)
    old.archived = True
    answers = [await refused(client.chat_postMessage(channel=it.id, text="x")) for it in (outside, secret, old)]
    assert answers == ["not_in_channel", "channel_not_found", "is_archived"]
    await client.conversations_join(channel=outside.id)
    assert (await client.chat_postMessage(channel=outside.id, text="x", **QUIET))["ok"]


async def test_a_reply_needs_a_thread_that_is_still_there(slack: Slack, client: AsyncWebClient) -> None:
    root = await slack.says(slack.ada, slack.general, "question")
    await slack.deletes(slack.ada, root)
    post = client.chat_postMessage(channel=slack.general.id, text="x", thread_ts=root.ts)
    assert await refused(post) == "thread_not_found"


async def test_sizes_are_limited(slack: Slack, client: AsyncWebClient) -> None:
    place = slack.general.id
    message = await posted(slack, client)
    assert await refused(client.chat_update(channel=place, ts=message.ts, text="é" * 2_001)) == "msg_too_long"
    assert await refused(client.chat_postMessage(channel=place, markdown_text="x" * 12_001)) == "msg_too_long"
    both = client.chat_postMessage(channel=place, markdown_text="x", text="y")
    assert await refused(both) == "markdown_text_conflict"
    big = [section("x" * 2_900) for _ in range(5)]
    assert await refused(client.chat_postMessage(channel=place, text="x", blocks=big)) == "msg_blocks_too_long"
    assert await refused(client.api_call("chat.postMessage", json={"channel": place})) == "no_text"
    long = await posted(slack, client, "x" * 40_001)
    assert len(long.text) == 40_000
    assert "text_truncated" in slack.sin_names


BUTTON = {"type": "button", "action_id": "a", "text": {"type": "plain_text", "text": "x"}}
CELL = {"type": "raw_text", "text": "x"}
BAD_BLOCKS: dict[str, list[dict[str, Any]]] = {
    "51 blocks": [{"type": "divider"}] * 51,
    "long section": [section("x" * 3_001)],
    "empty text": [section("")],
    "unknown type": [{"type": "marquee"}],
    "input in a message": [{"type": "input", "label": {}, "element": {}}],
    "long header": [{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}],
    "11 context elements": [{"type": "context", "elements": [{"type": "mrkdwn", "text": "x"}] * 11}],
    "26 buttons": [{"type": "actions", "elements": [BUTTON | {"action_id": str(n)} for n in range(26)]}],
    "same action twice": [{"type": "actions", "elements": [BUTTON, BUTTON]}],
    "long button": [{"type": "actions", "elements": [BUTTON | {"text": {"type": "plain_text", "text": "x" * 76}}]}],
    "two tables": [{"type": "table", "rows": [[CELL]]}] * 2,
    "101 rows": [{"type": "table", "rows": [[CELL]] * 101}],
    "21 cells": [{"type": "table", "rows": [[CELL] * 21]}],
    "empty cell": [{"type": "table", "rows": [[CELL | {"text": ""}]]}],
    "huge table": [{"type": "table", "rows": [[CELL | {"text": "x" * 10_001}]]}],
    "button in context_actions": [{"type": "context_actions", "elements": [BUTTON]}],
}


@pytest.mark.parametrize("name", BAD_BLOCKS)
async def test_bad_blocks_are_refused(slack: Slack, client: AsyncWebClient, name: str) -> None:
    blocks = BAD_BLOCKS[name]
    assert await refused(client.chat_postMessage(channel=slack.general.id, text="x", blocks=blocks)) == "invalid_blocks"
    assert await refused(client.blocks_validate(blocks=blocks)) == "invalid_blocks"


async def test_markdown_blocks_count_together(slack: Slack, client: AsyncWebClient) -> None:
    blocks = [{"type": "markdown", "text": "x" * 6_001}] * 2
    assert await refused(client.chat_postMessage(channel=slack.general.id, text="x", blocks=blocks)) == "msg_too_long"


async def test_an_edit_with_text_alone_takes_the_blocks_away(slack: Slack, client: AsyncWebClient) -> None:
    message = await posted(slack, client, blocks=[section("drawn")])
    assert slack.rendered(message) == "drawn"
    mark = {"event_type": "a", "event_payload": {}}
    given = {"channel": slack.general.id, "ts": message.ts, "metadata": mark}
    await client.api_call("chat.update", json=given)
    assert slack.rendered(message) == "drawn"
    await client.chat_update(channel=slack.general.id, ts=message.ts, text="plain")
    assert (slack.rendered(message), message.metadata) == ("plain", mark)
    sights = slack.edit_history(message)
    assert [sight.text for sight in sights] == ["drawn", "drawn", "plain"]
    assert all(one.at < other.at for one, other in pairwise(sights))


async def test_only_own_messages_can_be_changed(slack: Slack, client: AsyncWebClient) -> None:
    theirs = await slack.says(slack.ada, slack.general, "mine")
    place = slack.general.id
    assert await refused(client.chat_update(channel=place, ts=theirs.ts, text="x")) == "cant_update_message"
    assert await refused(client.chat_delete(channel=place, ts=theirs.ts)) == "cant_delete_message"
    assert await refused(client.chat_update(channel=place, ts="1.000001", text="x")) == "message_not_found"
    mine = await posted(slack, client)
    await client.chat_delete(channel=place, ts=mine.ts)
    assert mine not in slack.messages("general")


async def test_ephemerals_go_to_members_only_and_cannot_be_edited(slack: Slack, client: AsyncWebClient) -> None:
    stranger = slack.add_person("stranger")
    place = slack.general.id
    outside = client.chat_postEphemeral(channel=place, user=stranger.id, text="x")
    assert await refused(outside) == "user_not_in_channel"
    answer = await client.chat_postEphemeral(channel=place, user=slack.ada.id, text="psst")
    assert [slack.rendered(message) for message in slack.ephemerals(slack.ada)] == ["psst"]
    assert slack.ephemerals(slack.grace) == []
    edit = client.chat_update(channel=place, ts=answer["message_ts"], text="x")
    assert await refused(edit) == "message_not_found"


async def test_metadata_comes_back_only_when_asked_for(slack: Slack, client: AsyncWebClient) -> None:
    mark: dict[str, Any] = {"event_type": "reply", "event_payload": {"mark": "m1"}}
    root = await slack.says(slack.ada, slack.general, "question")
    await posted(slack, client, thread_ts=root.ts, metadata=mark)
    plain = await client.conversations_replies(channel=slack.general.id, ts=root.ts)
    whole = await client.conversations_replies(channel=slack.general.id, ts=root.ts, include_all_metadata=True)
    assert plain["messages"][0]["ts"] == root.ts
    assert "metadata" not in plain["messages"][1]
    assert whole["messages"][1]["metadata"] == mark
    await posted(slack, client, thread_ts=root.ts, metadata=mark)
    assert slack.sin_names == ["posted_twice"]


async def test_history_is_paged_newest_first_without_replies(slack: Slack, client: AsyncWebClient) -> None:
    roots = [await slack.says(slack.ada, slack.general, str(number)) for number in range(5)]
    await slack.says(slack.ada, slack.general, "reply", roots[0].ts)
    first = await client.conversations_history(channel=slack.general.id, limit=3)
    rest = await client.conversations_history(
        channel=slack.general.id, limit=3, cursor=first["response_metadata"]["next_cursor"]
    )
    assert [it["text"] for it in [*first["messages"], *rest["messages"]]] == ["4", "3", "2", "1", "0"]


async def test_throttled_history_gives_fifteen_messages_a_minute(slack: Slack, client: AsyncWebClient) -> None:
    slack.throttle_history()
    for number in range(20):
        await slack.says(slack.ada, slack.general, str(number))
    first = await client.conversations_history(channel=slack.general.id, limit=200)
    assert len(first["messages"]) == 15
    assert await refused(client.conversations_history(channel=slack.general.id)) == "ratelimited"
    slack.advance(61)
    assert (await client.conversations_history(channel=slack.general.id))["ok"]


async def test_files_go_up_in_three_steps_and_come_down_with_the_token_only(slack: Slack) -> None:
    client = AsyncWebClient(token=slack.bot_token, base_url=slack.api_url)
    answer = await client.files_upload_v2(
        channel=slack.general.id, filename="a.md", content="# hi", initial_comment="look"
    )
    shared = slack.messages("general")[-1]
    assert slack.rendered(shared) == "look\n[file a.md]"
    url = answer["files"][0]["url_private_download"]
    async with aiohttp.ClientSession() as session:
        async with session.get(url) as signed_out:
            assert (signed_out.status, signed_out.content_type) == (200, "text/html")
        async with session.get(url, headers={"Authorization": f"Bearer {slack.bot_token}"}) as signed_in:
            assert await signed_in.read() == b"# hi"


async def test_people_bots_and_the_workspace_can_be_looked_up(slack: Slack, client: AsyncWebClient) -> None:
    other = slack.add_workspace("other", installed=False)
    guest = slack.add_person("gus", guest=True)
    robot = slack.add_person("robot", bot=True)
    ext = slack.add_person("eve", workspace=other)
    assert await refused(client.users_info(user=ext.id)) == "user_not_found"
    slack.add_channel("joint", slack.ada, ext, shared_with=(other,))
    assert (await client.users_info(user=ext.id))["user"]["is_stranger"]
    assert (await client.users_info(user=guest.id))["user"]["is_restricted"]
    assert (await client.bots_info(bot=robot.bot_id))["bot"]["user_id"] == robot.id
    assert (await client.team_info())["team"]["name"] == "acme"
    assert {it["name"] for it in (await client.users_list())["members"]} >= {"ada", "grace", "parley", "gus"}


@pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning")  # slack_sdk's use of aiohttp
async def test_installing_with_rotation_gives_tokens_that_age(slack: Slack) -> None:
    slack.app.rotation = True
    other = slack.add_workspace("other", installed=False)
    client = AsyncWebClient(base_url=slack.api_url)
    keys = {"client_id": slack.app.client_id, "client_secret": slack.app.client_secret}
    code = slack.oauth_code(other.id, slack.ada)
    assert await refused(client.oauth_v2_access(**keys | {"client_secret": "no"}, code=code)) == "bad_client_secret"
    granted = await client.oauth_v2_access(**keys, code=code)
    assert await refused(client.oauth_v2_access(**keys, code=code)) == "code_already_used"
    assert (await client.auth_test(token=granted["access_token"]))["team_id"] == other.id
    slack.advance(granted["expires_in"] + 1)
    assert await refused(client.auth_test(token=granted["access_token"])) == "token_expired"
    refresh = {"grant_type": "refresh_token", "refresh_token": granted["refresh_token"]}
    fresh = await client.oauth_v2_access(**keys, **refresh)
    assert (await client.auth_test(token=fresh["access_token"]))["ok"]
    assert await refused(client.oauth_v2_access(**keys, **refresh)) == "invalid_refresh_token"


async def test_after_uninstalling_the_token_is_dead_and_two_events_say_so(slack: Slack, client: AsyncWebClient) -> None:
    await client.apps_uninstall(client_id=slack.app.client_id, client_secret=slack.app.client_secret)
    assert await refused(client.auth_test()) == "account_inactive"
    assert [it.event["type"] for it in slack.deliveries.all] == ["tokens_revoked", "app_uninstalled"]


async def test_impolite_posts_are_noted_as_sins(slack: Slack, client: AsyncWebClient) -> None:
    place = slack.general.id
    root = await slack.says(slack.ada, slack.general, "question")
    reply = await posted(slack, client, thread_ts=root.ts)
    assert slack.sins == []
    await client.chat_postMessage(channel=place, text="x")
    await posted(slack, client, "hey <!channel>")
    await posted(slack, client, "x", thread_ts=reply.ts)
    await posted(slack, client, "x", thread_ts=root.ts, reply_broadcast=True)
    with pytest.warns(UserWarning, match="text"):
        await client.chat_postMessage(channel=place, blocks=[section("x")], **QUIET)
    assert slack.sin_names == [
        "unfurl_not_off",
        "pings_everyone",
        "thread_ts_of_a_reply",
        "reply_broadcast",
        "blocks_without_text",
    ]


async def test_people_cannot_do_the_impossible(slack: Slack) -> None:
    stranger = slack.add_person("stranger")
    with pytest.raises(Impossible, match="not in general"):
        await slack.says(stranger, slack.general, "let me in")
    gus = slack.add_person("gus", guest=True)
    with pytest.raises(Impossible, match="guests"):
        await slack.says(gus, slack.dm(gus), "hello")


async def test_limits_can_be_changed() -> None:
    async with Slack(limits=Limits(markdown=5)) as slack:
        client = AsyncWebClient(token=slack.bot_token, base_url=slack.api_url)
        assert (
            await refused(client.chat_postMessage(channel=slack.general.id, markdown_text="123456")) == "msg_too_long"
        )


async def test_blocks_must_be_valid_json_and_metadata_well_formed(slack: Slack, client: AsyncWebClient) -> None:
    given = {"channel": slack.general.id, "text": "x"}
    broken = client.api_call("chat.postMessage", data=given | {"blocks": "[{"})
    assert await refused(broken) == "invalid_blocks_format"
    odd = client.api_call("chat.postMessage", json=given | {"metadata": {"event_type": "a"}})
    assert await refused(odd) == "invalid_metadata_format"


async def test_dms_are_opened_once_and_links_point_into_threads(slack: Slack, client: AsyncWebClient) -> None:
    opened = await client.conversations_open(users=[slack.ada.id])
    assert (await client.conversations_open(users=[slack.ada.id]))["channel"]["id"] == opened["channel"]["id"]
    assert slack.dm(slack.ada).id == opened["channel"]["id"]
    root = await slack.says(slack.ada, slack.general, "question")
    reply = await posted(slack, client, thread_ts=root.ts)
    link = (await client.chat_getPermalink(channel=slack.general.id, message_ts=reply.ts))["permalink"]
    assert link.endswith(f"/p{reply.ts.replace('.', '')}?thread_ts={root.ts}&cid={slack.general.id}")


async def test_a_deleted_root_with_replies_leaves_a_tombstone(slack: Slack, client: AsyncWebClient) -> None:
    root = await slack.says(slack.ada, slack.general, "question")
    await posted(slack, client, thread_ts=root.ts)
    await slack.deletes(slack.ada, root)
    thread = slack.thread(slack.general, root.ts)
    assert [slack.rendered(message) for message in thread] == ["This message was deleted.", "hello"]
    found = (await client.conversations_replies(channel=slack.general.id, ts=root.ts))["messages"]
    assert found[0]["subtype"] == "tombstone"


async def test_reactions_are_given_once_and_taken_back(slack: Slack, client: AsyncWebClient) -> None:
    said = await slack.says(slack.ada, slack.general, "nice")
    place = {"channel": slack.general.id, "timestamp": said.ts, "name": "eyes"}
    await client.reactions_add(**place)
    assert await refused(client.reactions_add(**place)) == "already_reacted"
    assert said.reactions == {"eyes": [slack.bot.id]}
    await client.reactions_remove(**place)
    assert await refused(client.reactions_remove(**place)) == "no_reaction"
