"""``conversations.*`` and ``reactions.*``: reading channels and threads, DMs, members, reactions."""

from __future__ import annotations

from tests.emulators.slack.asking import Ask, Refused, method
from tests.emulators.slack.messages import describe
from tests.emulators.slack.records import Channel, Json, Message
from tests.emulators.slack.state import State

_HISTORY = ("channels:history", "groups:history", "im:history", "mpim:history")
_READ = ("channels:read", "groups:read", "im:read", "mpim:read")


def _readable(ask: Ask) -> Channel:
    channel = ask.channel()
    ask.require(f"{channel.scope_prefix}:history")
    if ask.bot.id not in channel.members:
        raise Refused("not_in_channel")
    return channel


def _page(state: State, ask: Ask, found: list[Message], most: int) -> Json:
    """One page of ``found`` with its cursor; the throttled mode never gives more than 15."""
    limit = ask.number("limit", 100 if ask.method.endswith("history") else 1_000)
    if not 1 <= limit <= most:
        raise Refused("invalid_limit")
    if state.history_throttled:
        limit = min(limit, state.limits.history_throttle_messages)
    try:
        start = int(ask.text("cursor").removeprefix("at:") or 0)
    except ValueError:
        raise Refused("invalid_cursor") from None
    with_metadata = ask.flag("include_all_metadata")
    page = [describe(state, message, with_metadata=with_metadata) for message in found[start : start + limit]]
    more = start + limit < len(found)
    answer: Json = {"messages": page, "has_more": more}
    if more:
        answer["response_metadata"] = {"next_cursor": f"at:{start + limit}"}
    return answer


def _within(ask: Ask, messages: list[Message]) -> list[Message]:
    oldest, latest, inclusive = ask.text("oldest") or "0", ask.text("latest"), ask.flag("inclusive")

    def fits(ts: str) -> bool:
        at, low = float(ts), float(oldest)
        if at < low or (at == low and not inclusive):
            return False
        return not latest or at < float(latest) or (inclusive and at == float(latest))

    return [message for message in messages if fits(message.ts)]


@method("conversations.replies", tier=3, scopes=_HISTORY)
def replies(state: State, ask: Ask) -> Json:
    channel = _readable(ask)
    named = channel.messages.get(ask.need("ts", "thread_not_found"))
    if named is None or (named.deleted and named.is_root):
        raise Refused("thread_not_found")
    if not named.is_root:
        return _page(state, ask, [named], 1_000)
    thread = state.thread(channel, named.ts)
    return _page(state, ask, thread[:1] + _within(ask, thread[1:]), 1_000)


@method("conversations.history", tier=3, scopes=_HISTORY)
def history(state: State, ask: Ask) -> Json:
    channel = _readable(ask)
    roots = [message for message in channel.messages.values() if message.is_root and not message.deleted]
    return _page(state, ask, list(reversed(_within(ask, roots))), 999)


def describe_channel(state: State, channel: Channel, member: str) -> Json:
    answer: Json = {
        "id": channel.id,
        "name": channel.name,
        "is_channel": channel.kind == "public",
        "is_group": channel.kind == "private",
        "is_im": channel.kind == "im",
        "is_mpim": channel.kind == "mpim",
        "is_private": channel.kind != "public",
        "is_archived": channel.archived,
        "is_ext_shared": bool(channel.shared_with),
        "is_member": member in channel.members,
        "context_team_id": channel.team,
        "num_members": len(channel.members),
    }
    if channel.kind == "im":
        answer["user"] = next((user for user in channel.members if user != member), member)
    return answer


@method("conversations.info", tier=3, scopes=_READ)
def info(state: State, ask: Ask) -> Json:
    channel = ask.channel()
    ask.require(f"{channel.scope_prefix}:read")
    return {"channel": describe_channel(state, channel, ask.bot.id)}


@method("users.conversations", tier=3, scopes=_READ)
def of_user(state: State, ask: Ask) -> Json:
    """The bot's own channels; every kind that is asked for needs its own scope."""
    kinds = {"public_channel": "public", "private_channel": "private", "im": "im", "mpim": "mpim"}
    asked = [kind.strip() for kind in (ask.text("types") or "public_channel").split(",")]
    if not set(asked) <= set(kinds):
        raise Refused("invalid_types")
    for kind in asked:
        ask.require({"public_channel": "channels:read", "private_channel": "groups:read"}.get(kind, f"{kind}:read"))
    wanted = {kinds[kind] for kind in asked}
    found = [
        describe_channel(state, channel, ask.bot.id)
        for channel in state.channels.values()
        if ask.bot.id in channel.members
        and channel.kind in wanted
        and ask.workspace.id in state.teams_of(channel)
        and not (channel.archived and ask.flag("exclude_archived"))
    ]
    limit = ask.number("limit", 100)
    if not 1 <= limit <= 999:
        raise Refused("invalid_limit")
    try:
        start = int(ask.text("cursor").removeprefix("at:") or 0)
    except ValueError:
        raise Refused("invalid_cursor") from None
    more = start + limit < len(found)
    cursor = f"at:{start + limit}" if more else ""
    return {"channels": found[start : start + limit], "response_metadata": {"next_cursor": cursor}}


@method("conversations.members", tier=4, scopes=_READ)
def members(state: State, ask: Ask) -> Json:
    channel = ask.channel()
    ask.require(f"{channel.scope_prefix}:read")
    return {"members": sorted(channel.members), "response_metadata": {"next_cursor": ""}}


@method("conversations.open", tier=3, scopes=("im:write", "mpim:write"))
def open_dm(state: State, ask: Ask) -> Json:
    users = [user for user in ask.text("users").split(",") if user]
    if not users:
        raise Refused("users_list_not_supplied")
    if any(state.person(user) is None for user in users):
        raise Refused("user_not_found")
    channel = dm_of(state, ask.workspace.id, {*users, ask.bot.id})
    shown = describe_channel(state, channel, ask.bot.id) if ask.flag("return_im") else {"id": channel.id}
    return {"channel": shown}


def dm_of(state: State, team: str, people: set[str]) -> Channel:
    """The DM of exactly these people, opened if there is none."""
    kind = "im" if len(people) <= 2 else "mpim"
    for channel in state.channels.values():
        if channel.kind == kind and channel.team == team and channel.members == people:
            return channel
    channel = Channel(state.new_id("D" if kind == "im" else "G"), "", kind, team, set(people))
    state.channels[channel.id] = channel
    return channel


@method("conversations.join", tier=3, scopes=("channels:join",))
def join(state: State, ask: Ask) -> Json:
    channel = ask.channel()
    if channel.kind != "public":
        raise Refused("method_not_supported_for_channel_type")
    if channel.archived:
        raise Refused("is_archived")
    channel.members.add(ask.bot.id)
    return {"channel": describe_channel(state, channel, ask.bot.id)}


@method("reactions.add", tier=3, scopes=("reactions:write",))
def add_reaction(state: State, ask: Ask) -> Json:
    channel, message, name = _reacted(ask)
    users = message.reactions.setdefault(name, [])
    if ask.bot.id in users:
        raise Refused("already_reacted")
    users.append(ask.bot.id)
    announce_reaction(state, channel, message, "reaction_added", name, ask.bot.id)
    return {}


@method("reactions.remove", tier=2, scopes=("reactions:write",))
def remove_reaction(state: State, ask: Ask) -> Json:
    channel, message, name = _reacted(ask)
    users = message.reactions.get(name, [])
    if ask.bot.id not in users:
        raise Refused("no_reaction")
    users.remove(ask.bot.id)
    announce_reaction(state, channel, message, "reaction_removed", name, ask.bot.id)
    return {}


def _reacted(ask: Ask) -> tuple[Channel, Message, str]:
    name = ask.need("name", "invalid_name").strip(":")
    channel = ask.channel()
    message = channel.messages.get(ask.need("timestamp", "no_item_specified"))
    if message is None or message.deleted:
        raise Refused("message_not_found")
    if channel.archived:
        raise Refused("is_archived")
    return channel, message, name


def announce_reaction(state: State, channel: Channel, message: Message, kind: str, name: str, user: str) -> None:
    event: Json = {"type": kind, "user": user, "reaction": name, "item_user": message.user}
    event["item"] = {"type": "message", "channel": channel.id, "ts": message.ts}
    event["event_ts"] = state.clock.stamp()
    for team in state.teams_of(channel):
        state.emit(team, event, channel)
