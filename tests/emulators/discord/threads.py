"""Threads: made from a message, without one, or as forum posts; members, archive and lock."""

from __future__ import annotations

from tests.emulators.discord.asking import Answer, Ask, route
from tests.emulators.discord.content import read_content
from tests.emulators.discord.describe import describe_channel, describe_thread_member
from tests.emulators.discord.limits import Flag, Permission
from tests.emulators.discord.mentions import ORDINARY, note_ping_sins, read_allowed
from tests.emulators.discord.messages import announce, post, put, seen, shown_to_app
from tests.emulators.discord.permissions import permissions
from tests.emulators.discord.records import (
    FORUM,
    NEWS,
    NEWS_THREAD,
    PRIVATE_THREAD,
    PUBLIC_THREAD,
    TEXT,
    Channel,
    Json,
    Message,
    User,
)
from tests.emulators.discord.refusals import Refused, not_a_choice
from tests.emulators.discord.state import State

_ARCHIVE_AFTER = (60, 1_440, 4_320, 10_080)


def active_threads(state: State, guild_id: str) -> list[Channel]:
    channels = state.guilds[guild_id].channels.values()
    return [it for it in channels if it.is_thread and not it.archived and not it.deleted]


def add_thread(state: State, parent: Channel, owner: User, name: str, *, kind: int, id: str = "") -> Channel:
    """A new thread under ``parent``; its owner and (if it may see it) nobody else is a member."""
    thread = Channel(id or state.ids.new(), kind, name, parent.guild_id, parent.id, owner_id=owner.id)
    thread.members = {owner.id}
    state.channels[thread.id] = state.guilds[parent.guild_id].channels[thread.id] = thread
    return thread


def announce_thread(state: State, thread: Channel, name: str = "THREAD_CREATE") -> None:
    data = describe_channel(state, thread)
    state.emit(name, data | {"newly_created": True} if name == "THREAD_CREATE" else data, thread)


def thread_on(state: State, parent: Channel, root: Message, owner: User, name: str) -> Channel:
    """A thread that hangs on ``root``: same id, a starter message without content, a mark on the root."""
    kind = NEWS_THREAD if parent.kind == NEWS else PUBLIC_THREAD
    thread = add_thread(state, parent, owner, name, kind=kind, id=root.id)
    root.thread, root.flags = thread, root.flags | Flag.HAS_THREAD
    announce_thread(state, thread)
    starter = Message(state.ids.new(), thread.id, root.author, state.clock.unix(), kind=21)
    starter.reference = {"type": 0, "channel_id": parent.id, "message_id": root.id, "guild_id": parent.guild_id}
    put(state, thread, starter, "thread", ORDINARY)
    announce(state, thread, starter)
    seen(state, root, "thread")
    announce(state, parent, root, "MESSAGE_UPDATE")
    return thread


def thread_alone(state: State, parent: Channel, owner: User, name: str, *, private: bool) -> Channel:
    """A thread without a message; a public one is announced in its parent."""
    thread = add_thread(state, parent, owner, name, kind=PRIVATE_THREAD if private else PUBLIC_THREAD)
    announce_thread(state, thread)
    if not private:
        notice = Message(state.ids.new(), parent.id, owner, state.clock.unix(), name, kind=18)
        notice.reference = {"channel_id": thread.id, "guild_id": parent.guild_id}
        post(state, parent, notice, "thread", ORDINARY)
    return thread


def wake(state: State, thread: Channel) -> None:
    """Writing in an archived thread takes it out of the archive."""
    if thread.archived:
        set_archived(state, thread, archived=False)


def set_archived(state: State, thread: Channel, *, archived: bool | None = None, locked: bool | None = None) -> None:
    if archived is not None:
        thread.archived, thread.archive_changed = archived, state.clock.unix()
    if locked is not None:
        thread.locked = locked
    announce_thread(state, thread, "THREAD_UPDATE")


def _check_thread(state: State, ask: Ask, parent: Channel) -> str:
    """What holds for every new thread; returns its name."""
    name = ask.name()
    after = ask.form.get("auto_archive_duration")
    if after is not None and after not in _ARCHIVE_AFTER:
        raise not_a_choice("auto_archive_duration", "60, 1440, 4320, 10080")
    guild = state.guilds[parent.guild_id]
    cap = state.limits.active_threads if guild.active_threads is None else guild.active_threads
    if len(active_threads(state, guild.id)) >= cap:
        raise Refused(160006)
    if any(word.lower() in name.lower() for word in guild.blocked_words):
        raise Refused(200000)
    return name


def _settle(ask: Ask, thread: Channel) -> Channel:
    thread.auto_archive = int(ask.form.get("auto_archive_duration") or 1_440)
    thread.slowmode = int(ask.form.get("rate_limit_per_user") or 0)
    return thread


@route("thread_from_message", "POST", "/channels/{channel}/messages/{message}/threads", bucket="thread")
def thread_from_message(state: State, ask: Ask) -> Answer:
    parent = ask.channel()
    if parent.kind not in (TEXT, NEWS):
        raise Refused(50024)
    root = ask.message(parent)
    ask.require(parent, Permission.CREATE_PUBLIC_THREADS)
    if root.thread is not None:
        raise Refused(160004)
    if root.kind not in (0, 19, 20, 23):
        raise Refused(50021)
    name = _check_thread(state, ask, parent)
    return describe_channel(state, _settle(ask, thread_on(state, parent, root, state.bot, name)))


@route("create_thread", "POST", "/channels/{channel}/threads", bucket="thread")
def create_thread(state: State, ask: Ask) -> Answer:
    parent = ask.channel()
    if parent.kind == FORUM:
        return _create_post(state, ask, parent)
    if parent.kind not in (TEXT, NEWS):
        raise Refused(50024)
    kind = ask.form.get("type", PRIVATE_THREAD)
    if kind not in (NEWS_THREAD, PUBLIC_THREAD, PRIVATE_THREAD):
        raise not_a_choice("type", "10, 11, 12")
    private = kind == PRIVATE_THREAD
    ask.require(parent, Permission.CREATE_PRIVATE_THREADS if private else Permission.CREATE_PUBLIC_THREADS)
    name = _check_thread(state, ask, parent)
    return describe_channel(state, _settle(ask, thread_alone(state, parent, state.bot, name, private=private)))


def _create_post(state: State, ask: Ask, forum: Channel) -> Json:
    """A forum post: the thread and its first message share an id."""
    ask.require(forum, Permission.SEND_MESSAGES)
    name = _check_thread(state, ask, forum)
    form = ask.form.get("message") or {}
    content = read_content(ask, form, forum.id, prefix="message.")
    if content.bare:
        raise Refused(50006)
    thread = _settle(ask, add_thread(state, forum, state.bot, name, kind=PUBLIC_THREAD))
    announce_thread(state, thread)
    message = Message(thread.id, thread.id, state.bot, state.clock.unix(), content.text or "")
    message.embeds, message.components = content.embeds or [], content.components or []
    message.attachments, message.flags = content.files, content.flags or 0
    pings = post(state, thread, message, "create_thread", read_allowed(form.get("allowed_mentions"), ORDINARY))
    note_ping_sins(state, "create_thread", form, message, pings)
    return describe_channel(state, thread) | {"message": shown_to_app(state, message)}


def _thread(ask: Ask) -> Channel:
    thread = ask.channel()
    if not thread.is_thread:
        raise Refused(50024)
    return thread


@route("join_thread", "PUT", "/channels/{channel}/thread-members/{user}")
def join_thread(state: State, ask: Ask) -> Answer:
    thread = _thread(ask)
    user = state.bot.id if ask.path["user"] == "@me" else ask.path["user"]
    if thread.archived:
        raise Refused(50083)
    if user not in state.users:
        raise Refused(10013)
    thread.members.add(user)
    members = [describe_thread_member(state, thread, user)]
    data: Json = {"id": thread.id, "guild_id": thread.guild_id, "member_count": len(thread.members)}
    state.emit("THREAD_MEMBERS_UPDATE", data | {"added_members": members, "removed_member_ids": []}, thread)
    return None


@route("leave_thread", "DELETE", "/channels/{channel}/thread-members/{user}")
def leave_thread(state: State, ask: Ask) -> Answer:
    thread = _thread(ask)
    user = state.bot.id if ask.path["user"] == "@me" else ask.path["user"]
    if user != state.bot.id:
        ask.require(thread, Permission.MANAGE_THREADS)
    thread.members.discard(user)
    data: Json = {"id": thread.id, "guild_id": thread.guild_id, "member_count": len(thread.members)}
    state.emit("THREAD_MEMBERS_UPDATE", data | {"added_members": [], "removed_member_ids": [user]}, thread)
    return None


@route("get_thread_member", "GET", "/channels/{channel}/thread-members/{user}")
def get_thread_member(state: State, ask: Ask) -> Answer:
    thread = _thread(ask)
    user = state.bot.id if ask.path["user"] == "@me" else ask.path["user"]
    if user not in thread.members:
        raise Refused(10007)
    return describe_thread_member(state, thread, user)


@route("list_thread_members", "GET", "/channels/{channel}/thread-members")
def list_thread_members(state: State, ask: Ask) -> Answer:
    thread = _thread(ask)
    return [describe_thread_member(state, thread, user) for user in sorted(thread.members)]


def _listed(state: State, threads: list[Channel], *, has_more: bool | None = None) -> Json:
    bot = state.bot.id
    seen_by_bot = [thread for thread in threads if permissions(state, thread, bot)]
    answer: Json = {"threads": [describe_channel(state, thread) for thread in seen_by_bot]}
    answer["members"] = [describe_thread_member(state, it, bot) for it in seen_by_bot if bot in it.members]
    return answer if has_more is None else answer | {"has_more": has_more}


@route("archived_threads", "GET", "/channels/{channel}/threads/archived/{kind}")
def archived_threads(state: State, ask: Ask) -> Answer:
    parent = ask.channel()
    ask.require(parent, Permission.READ_MESSAGE_HISTORY)
    private = ask.path["kind"] == "private"
    if private:
        ask.require(parent, Permission.MANAGE_THREADS)
    limit = ask.number("limit", 50, 1, 100)
    found = [
        it
        for it in state.guilds[parent.guild_id].channels.values()
        if it.parent_id == parent.id and it.archived and not it.deleted and (it.kind == PRIVATE_THREAD) == private
    ]
    found.sort(key=lambda it: it.archive_changed, reverse=True)
    return _listed(state, found[:limit], has_more=len(found) > limit)


@route("active_threads", "GET", "/guilds/{guild}/threads/active", major=("guild",))
def list_active_threads(state: State, ask: Ask) -> Answer:
    return _listed(state, active_threads(state, ask.guild().id))
