"""Discord's payloads as facts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from adapters.discord.inbound import (
    Around,
    Me,
    Spot,
    edited_fact,
    id_at,
    message_fact,
    press_in,
    seconds,
    title_of,
)
from bot.events import Address, AuthorKind, MessageReceived

ME = Me("99", "98", "Parley")
CHANNEL = Spot("10", "1", 0, "general")
THREAD = Spot("50", "1", 11, "a thread", "10")
POST = Spot("60", "1", 11, "a post", "20", 15)
ROOM = Spot("70", "", 1)


class Names:
    def role(self, guild: str, role: str) -> str:
        return {"5": "crew"}.get(role, "")

    def channel(self, channel: str) -> str:
        return {"10": "general"}.get(channel, "")

    def my_role(self, guild: str) -> str:
        return "9"

    def is_admin(self, guild: str, user: str, roles: Sequence[str]) -> bool:
        return "7" in roles


def said(text: str = "hello", **more: Any) -> dict[str, Any]:
    author = {"id": "2", "username": "ada", "global_name": "Ada"}
    base = {"id": "1574196765928718336", "channel_id": "10", "type": 0, "author": author, "content": text}
    return base | {"mentions": [], "mention_roles": [], "attachments": []} | more


def fact(data: dict[str, Any], spot: Spot = CHANNEL, root: str = "") -> MessageReceived:
    found = message_fact(data, Around(ME, Names(), spot, root))
    assert found is not None
    return found


def mentions(*ids: str) -> list[dict[str, Any]]:
    names = {"99": "parley", "3": "grace"}
    return [{"id": id, "username": names[id], "global_name": names[id].title()} for id in ids]


@pytest.mark.parametrize(
    ("spot", "root", "address"),
    [
        (CHANNEL, "", Address("discord", "1", "10", "1574196765928718336")),
        (CHANNEL, "44", Address("discord", "1", "10", "44")),
        (THREAD, "", Address("discord", "1", "10", "50")),
        (POST, "", Address("discord", "1", "20", "60")),
        (ROOM, "", Address("discord", "@me", "70", "")),
    ],
)
def test_where_a_conversation_lives(spot: Spot, root: str, address: Address) -> None:
    found = fact(said(), spot, root)
    assert found.address == address
    assert found.direct == (spot is ROOM)
    assert found.in_thread == (spot in (THREAD, POST) or bool(root))


def test_being_named_is_a_mention_a_role_or_a_reply_and_never_everyone() -> None:
    assert fact(said("<@99> hi", mentions=mentions("99"))).mentions_bot
    assert fact(said("<@&9> hi", mention_roles=["9"])).mentions_bot
    cited = {"id": "8", "author": {"id": "99"}, "content": "x"}
    assert fact(said(type=19, message_reference={"message_id": "8"}, referenced_message=cited)).mentions_bot
    assert not fact(said("@everyone hi", mention_everyone=True)).mentions_bot
    assert not fact(said("<@&5> hi", mention_roles=["5"])).mentions_bot


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("<@99>, what is up?", "what is up?"),
        ("hey <@!99> you", "hey you"),
        ("<@&9> are you there", "are you there"),
        ("<@99> ask <@3> in <#10> or <@&5>", "ask @Grace in #general or @crew"),
        ("<@99> <:blob:123> <a:wave:4> </ai ask:77>", ":blob: :wave: /ai ask"),
        ("<@99> at <t:0:R>", "at 1970-01-01 00:00 UTC"),
        ("<@99> `<@12>` a<b>c", "`<@12>` a<b>c"),
    ],
)
def test_the_text_is_what_the_person_meant(raw: str, text: str) -> None:
    assert fact(said(raw, mentions=mentions("99", "3"))).text == text


def test_who_opens_with_another_name() -> None:
    assert fact(said("<@3> look", mentions=mentions("3"))).opens_with_other_mention
    assert fact(said("<@&5> look")).opens_with_other_mention
    assert fact(said("@here look")).opens_with_other_mention
    assert not fact(said("<@99> ask <@3>", mentions=mentions("99", "3"))).opens_with_other_mention
    assert not fact(said("<@&9> look")).opens_with_other_mention


@pytest.mark.parametrize(
    "data",
    [
        said(type=7),
        said(type=6),
        said(type=18),
        said(type=21),
        said(author={"id": "99", "bot": True}),
        said(author={"id": "98"}, webhook_id="98"),
        said(""),
    ],
)
def test_what_nobody_said_is_nothing(data: dict[str, Any]) -> None:
    assert message_fact(data, Around(ME, Names(), CHANNEL)) is None


def test_other_bots_and_webhooks_are_bots_and_admins_are_known_by_their_roles() -> None:
    assert fact(said(author={"id": "5", "username": "b", "bot": True})).author.kind is AuthorKind.BOT
    assert fact(said(webhook_id="123")).author.kind is AuthorKind.BOT
    author = fact(said(member={"nick": "Countess", "roles": ["7"]})).author
    assert (author.name, author.admin, author.kind) == ("Countess", True, AuthorKind.PERSON)


def test_a_forwarded_message_is_cited_with_its_files() -> None:
    snapshot = {"content": "Old words.", "attachments": [{"id": "3", "filename": "a.txt", "size": 3}]}
    data = said("", message_reference={"type": 1, "message_id": "8"}, message_snapshots=[{"message": snapshot}])
    found = fact(data, ROOM)
    assert found.text == "Forwarded:\n> Old words."
    assert [(file.id, file.name) for file in found.files] == [("10/1574196765928718336/3", "a.txt")]


def test_polls_and_stickers_are_words() -> None:
    poll = {"question": {"text": "Tea?"}, "answers": [{"poll_media": {"text": "yes"}}, {"poll_media": {"text": "no"}}]}
    found = fact(said("", poll=poll, sticker_items=[{"name": "wave"}]), ROOM)
    assert found.text == "[sticker: wave]\n\nPoll: Tea?\n- yes\n- no"


def test_only_changed_words_are_an_edit() -> None:
    around = Around(ME, Names(), CHANNEL)
    assert edited_fact(said(edited_timestamp=None, embeds=[{}]), around) is None
    assert edited_fact({"id": "1", "channel_id": "10", "edited_timestamp": "t"}, around) is None
    changed = edited_fact(said("other", edited_timestamp="2026-01-01T00:00:00+00:00"), around)
    assert changed is not None
    assert (changed.text, changed.revision) == ("other", "2026-01-01T00:00:00+00:00")


def test_ids_and_times_go_both_ways() -> None:
    assert seconds(id_at(1_790_000_000.25)) == 1_790_000_000.25
    assert seconds("nonsense") == 0.0


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("What is a monad?", "What is a monad?"),
        ("\n\n> **Why** is `x` so?\nmore", "Why is x so?"),
        ("word " * 40, ("word " * 19).strip() + "…"),
        ("x" * 200, "x" * 99 + "…"),
        ("```py\nprint(1)\n```\nwhy does this fail?", "why does this fail?"),
        ("```py\nprint(1)\n```", "print(1)"),
        ("~~~\nx", "x"),
        ("is foo_bar _really_ __bad__?", "is foo_bar really bad?"),
        ("what does `_private_` do in __init__.py?", "what does _private_ do in init.py?"),
        ("***", "Parley"),
        ("", "Parley"),
    ],
)
def test_a_thread_is_named_by_its_question(text: str, title: str) -> None:
    assert title_of(text, "Parley") == title
    assert 0 < len(title_of(text, "Parley")) <= 100


def test_an_interaction_says_where_and_who() -> None:
    member = {"user": {"id": "2", "username": "ada", "global_name": "Ada"}, "permissions": str(1 << 5), "roles": []}
    data: dict[str, Any] = {"id": "1", "token": "t", "type": 2, "guild_id": "1", "channel_id": "50", "member": member}
    data |= {"channel": {"id": "50", "type": 11, "parent_id": "10"}, "authorizing_integration_owners": {"0": "1"}}
    press = press_in(data)
    assert press.address == Address("discord", "1", "10", "50")
    assert (press.author.admin, press.direct, press.is_guest) == (True, False, False)
    foreign = press_in(data | {"authorizing_integration_owners": {"1": "2"}})
    assert foreign.is_guest
    room: dict[str, Any] = {
        "id": "1",
        "token": "t",
        "type": 2,
        "channel_id": "70",
        "user": member["user"],
        "context": 1,
    }
    assert press_in(room | {"authorizing_integration_owners": {"0": "0"}}).direct
    group = press_in(room | {"context": 2, "authorizing_integration_owners": {"1": "2"}})
    assert (group.direct, group.is_guest) == (False, True)
