"""The routes of channels: get, change, delete, typing, reactions, and the DM with a user."""

from __future__ import annotations

from tests.emulators.discord.asking import Answer, Ask, route
from tests.emulators.discord.describe import describe_channel, describe_member, describe_user
from tests.emulators.discord.limits import Permission
from tests.emulators.discord.permissions import sends
from tests.emulators.discord.records import Channel, Json, Message, User
from tests.emulators.discord.refusals import Refused, not_a_choice
from tests.emulators.discord.state import State
from tests.emulators.discord.threads import set_archived


@route("get_channel", "GET", "/channels/{channel}")
def get_channel(state: State, ask: Ask) -> Answer:
    return describe_channel(state, ask.channel())


@route("edit_channel", "PATCH", "/channels/{channel}")
def edit_channel(state: State, ask: Ask) -> Answer:
    """Renaming has its own, much smaller allowance, which the door keeps."""
    channel = ask.channel()
    if channel.is_private:
        raise Refused(50024)
    if channel.is_thread:
        _edit_thread(state, ask, channel)
    else:
        ask.require(channel, Permission.MANAGE_CHANNELS)
        channel.name = ask.name() if "name" in ask.form else channel.name
        channel.topic = str(ask.form.get("topic") or channel.topic)
        channel.slowmode = int(ask.form.get("rate_limit_per_user", channel.slowmode))
        state.emit("CHANNEL_UPDATE", describe_channel(state, channel), channel)
    return describe_channel(state, channel)


def _edit_thread(state: State, ask: Ask, thread: Channel) -> None:
    form = ask.form
    manages = ask.has(thread, Permission.MANAGE_THREADS)
    opens = form.get("archived") is False
    if thread.archived and not opens:
        raise Refused(50083)
    if thread.locked and not manages:
        raise Refused(160005)
    if "locked" in form and not manages:
        raise Refused(50013)
    if set(form) != {"archived"} or not opens:
        own = thread.owner_id == state.bot.id
        if not (own or manages):
            raise Refused(50013)
    name = ask.name() if "name" in form else thread.name
    after = form.get("auto_archive_duration", thread.auto_archive)
    if after not in (60, 1_440, 4_320, 10_080):
        raise not_a_choice("auto_archive_duration", "60, 1440, 4320, 10080")
    thread.name, thread.auto_archive = name, after
    thread.slowmode = int(form.get("rate_limit_per_user", thread.slowmode))
    set_archived(state, thread, archived=form.get("archived"), locked=form.get("locked"))


@route("delete_channel", "DELETE", "/channels/{channel}")
def delete_channel(state: State, ask: Ask) -> Answer:
    channel = ask.channel()
    ask.require(channel, Permission.MANAGE_THREADS if channel.is_thread else Permission.MANAGE_CHANNELS)
    described = describe_channel(state, channel)
    drop_channel(state, channel)
    return described


def drop_channel(state: State, channel: Channel) -> None:
    """Delete a channel with its threads, or a thread alone."""
    described = describe_channel(state, channel)
    if channel.is_thread:
        brief: Json = {key: described[key] for key in ("id", "guild_id", "parent_id", "type")}
        state.emit("THREAD_DELETE", brief, channel)
    else:
        state.emit("CHANNEL_DELETE", described, channel)
        for other in [it for it in state.channels.values() if it.parent_id == channel.id]:
            other.deleted = True
    channel.deleted = True


@route("typing", "POST", "/channels/{channel}/typing", bucket="typing")
def start_typing(state: State, ask: Ask) -> Answer:
    channel = ask.channel()
    ask.require(channel, sends(channel))
    if channel.archived:
        raise Refused(50083)
    now = state.clock.now()
    end = now + state.limits.typing
    if channel.typing and channel.typing[-1][1] >= now:
        channel.typing[-1][1] = end
    else:
        channel.typing.append([now, end])
    emit_typing(state, channel, state.bot)
    return None


def emit_typing(state: State, channel: Channel, user: User) -> None:
    data: Json = {"channel_id": channel.id, "user_id": user.id, "timestamp": int(state.clock.unix())}
    guild = state.guild_of(channel)
    if guild is not None:
        data |= {"guild_id": guild.id, "member": describe_member(guild.members[user.id])}
    state.emit("TYPING_START", data, channel)


def emit_reaction(state: State, channel: Channel, message: Message, user: User, emoji: str, *, added: bool) -> None:
    data: Json = {"user_id": user.id, "channel_id": channel.id, "message_id": message.id, "burst": False, "type": 0}
    data |= {"emoji": {"id": None, "name": emoji}, "message_author_id": message.author.id}
    guild = state.guild_of(channel)
    if guild is not None:
        data["guild_id"] = guild.id
        if added and user.id in guild.members:
            data["member"] = describe_member(guild.members[user.id])
    state.emit("MESSAGE_REACTION_ADD" if added else "MESSAGE_REACTION_REMOVE", data, channel)


_REACTION = "/channels/{channel}/messages/{message}/reactions/{emoji}"


@route("react", "PUT", _REACTION + "/@me", bucket="reaction")
def react(state: State, ask: Ask) -> Answer:
    channel = ask.channel()
    message = ask.message(channel)
    if channel.archived:
        raise Refused(50083)
    users = message.reactions.setdefault(ask.path["emoji"], [])
    needed = [Permission.READ_MESSAGE_HISTORY] + ([] if users else [Permission.ADD_REACTIONS])
    ask.require(channel, *needed)
    if state.bot.id not in users:
        users.append(state.bot.id)
        emit_reaction(state, channel, message, state.bot, ask.path["emoji"], added=True)
    return None


@route("unreact", "DELETE", _REACTION + "/{user}", bucket="reaction")
def unreact(state: State, ask: Ask) -> Answer:
    channel = ask.channel()
    message = ask.message(channel)
    if channel.archived:
        raise Refused(50083)
    user = state.bot.id if ask.path["user"] == "@me" else ask.path["user"]
    if user != state.bot.id:
        ask.require(channel, Permission.MANAGE_MESSAGES)
    users = message.reactions.get(ask.path["emoji"], [])
    if user not in users:
        raise Refused(10014)
    users.remove(user)
    emit_reaction(state, channel, message, state.users[user], ask.path["emoji"], added=False)
    return None


@route("list_reactions", "GET", _REACTION)
def list_reactions(state: State, ask: Ask) -> Answer:
    users = ask.message(ask.channel()).reactions.get(ask.path["emoji"], [])
    return [describe_user(state.users[user]) for user in users]


@route("open_dm", "POST", "/users/@me/channels", major=())
def open_dm(state: State, ask: Ask) -> Answer:
    user = state.users.get(str(ask.form.get("recipient_id")))
    if user is None or user is state.bot:
        raise Refused(10013)
    return describe_channel(state, state.dm(user))
