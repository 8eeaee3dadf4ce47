"""The routes of messages: create, edit, get, list, delete, pins."""

from __future__ import annotations

from tests.emulators.discord.asking import Answer, Ask, route
from tests.emulators.discord.content import Content, read_content
from tests.emulators.discord.limits import Flag, Permission
from tests.emulators.discord.mentions import ORDINARY, note_ping_sins, read_allowed, settle_mentions
from tests.emulators.discord.messages import change, post, remove, seen, shown_to_app
from tests.emulators.discord.permissions import sends
from tests.emulators.discord.records import CATEGORY, FORUM, Attachment, Channel, Json, Message
from tests.emulators.discord.refusals import Refused, bad_form, bad_length
from tests.emulators.discord.snowflakes import made_at
from tests.emulators.discord.state import State
from tests.emulators.discord.threads import wake

_ON_CREATE = Flag.SUPPRESS_EMBEDS | Flag.SUPPRESS_NOTIFICATIONS | Flag.IS_VOICE_MESSAGE | Flag.IS_COMPONENTS_V2
_PLAIN = frozenset([0, 19, 20, 23])
_TWICE = 30.0


@route("create_message", "POST", "/channels/{channel}/messages", bucket="create")
def create_message(state: State, ask: Ask) -> Answer:
    channel = ask.channel()
    _check_place(state, ask, channel)
    known = _known(state, ask)
    if known is not None:
        if known.channel_id != channel.id:
            ask.sin("nonce_reused_elsewhere", known.channel_id)
        return shown_to_app(state, known)
    content = read_content(ask, ask.form, channel.id)
    check_content(ask, channel, content)
    message = Message(state.ids.new(), channel.id, state.bot, state.clock.unix(), content.text or "")
    fill(message, content, int(ask.form.get("flags") or 0) & _ON_CREATE)
    _refer(state, ask, channel, message)
    _note_twin(state, ask, channel, message)
    wake(state, channel)
    pings = post(state, channel, message, "create_message", read_allowed(ask.form.get("allowed_mentions"), ORDINARY))
    note_ping_sins(state, "create_message", ask.form, message, pings)
    if message.nonce and ask.form.get("enforce_nonce"):
        state.nonces[message.nonce] = (state.clock.now(), message)
    return shown_to_app(state, message)


def _check_place(state: State, ask: Ask, channel: Channel) -> None:
    if channel.kind in (FORUM, CATEGORY):
        raise Refused(50008)
    if channel.is_private:
        others = [state.users[user] for user in channel.recipients if user != state.bot.id]
        if any(user.blocks_bot for user in others):
            raise Refused(50007)
    ask.require(channel, sends(channel))
    if channel.locked and not ask.has(channel, Permission.MANAGE_THREADS):
        raise Refused(160005)
    last = channel.last_posts.get(state.bot.id)
    if channel.slowmode and last is not None and not ask.has(channel, Permission.BYPASS_SLOWMODE):
        wait = last + channel.slowmode - state.clock.now()
        if wait > 0:
            raise Refused(20016, retry_after=round(wait, 3))


def check_content(ask: Ask, channel: Channel, content: Content, *, prefix: str = "") -> None:
    """What is refused of a new message: nothing in it, missing rights for embeds and files, blocked words."""
    flags = content.flags or 0
    if content.bare:
        raise Refused(50006)
    if flags & ~int(_ON_CREATE | Flag.EPHEMERAL) or flags & Flag.EPHEMERAL:
        ask.sin("flags_not_settable", str(flags))
    if content.embeds:
        ask.require(channel, Permission.EMBED_LINKS)
    if content.files:
        ask.require(channel, Permission.ATTACH_FILES)
    if flags & Flag.IS_VOICE_MESSAGE and (content.text or len(content.files) != 1 or content.files[0].duration is None):
        raise bad_form(
            f"{prefix}flags", "VOICE_MESSAGE_INVALID", "Voice messages have one audio file and nothing else."
        )
    guild = ask.state.guild_of(channel)
    words = (content.text or "").lower()
    if guild is not None and any(word.lower() in words for word in guild.blocked_words):
        raise Refused(200000)


def fill(message: Message, content: Content, flags: int) -> None:
    """Give a new message its content."""
    message.embeds, message.components = content.embeds or [], content.components or []
    message.attachments, message.flags = content.files, flags


def _known(state: State, ask: Ask) -> Message | None:
    """The earlier message of the same nonce, while Discord remembers it."""
    nonce = ask.form.get("nonce")
    if nonce is not None and len(str(nonce)) > 25:
        raise bad_length("nonce", 0, 25)
    if nonce is None or not ask.form.get("enforce_nonce"):
        ask.sin("post_without_nonce")
        return None
    at, message = state.nonces.get(str(nonce), (float("-inf"), None))
    return message if state.clock.now() - at <= state.limits.nonce_memory else None


def _refer(state: State, ask: Ask, channel: Channel, message: Message) -> None:
    """Make the message a reply, if it refers to another."""
    message.nonce = str(ask.form.get("nonce") or "")
    reference = ask.form.get("message_reference")
    if reference is None:
        return
    if not ask.has(channel, Permission.READ_MESSAGE_HISTORY):
        raise Refused(160002)
    target = channel.messages.get(str(reference.get("message_id")))
    if target is None or target.deleted:
        if reference.get("fail_if_not_exists", True):
            raise bad_form("message_reference", "REPLIES_UNKNOWN_MESSAGE", "Unknown message")
        return
    if target.kind not in _PLAIN:
        raise bad_form("message_reference", "REPLIES_CANNOT_REPLY_TO_SYSTEM_MESSAGE", "Cannot reply to this")
    message.kind = 19
    message.reference = {"type": 0, "channel_id": channel.id, "message_id": target.id}
    if channel.guild_id:
        message.reference["guild_id"] = channel.guild_id


def _note_twin(state: State, ask: Ask, channel: Channel, message: Message) -> None:
    """The same words again within half a minute, with nobody else's in between, are a double post."""
    for other in reversed(channel.messages.values()):
        if other.author is not state.bot or state.clock.unix() - other.at > _TWICE:
            return
        same = other.content == message.content != "" and other.reference == message.reference
        if same and not other.deleted:
            ask.sin("double_post", f"{channel.id} {other.id}")
            return


def _own(state: State, ask: Ask, channel: Channel) -> Message:
    message = ask.message(channel)
    if message.author is not state.bot:
        raise Refused(50005)
    if message.kind not in _PLAIN:
        raise Refused(50021)
    return message


@route("edit_message", "PATCH", "/channels/{channel}/messages/{message}", bucket="edit")
def edit_message(state: State, ask: Ask) -> Answer:
    channel = ask.channel()
    message = _own(state, ask, channel)
    if channel.archived:
        raise Refused(50083)
    apply_edit(state, ask, channel, message, ask.form, "edit_message")
    return shown_to_app(state, message)


def apply_edit(state: State, ask: Ask, channel: Channel, message: Message, form: Json, how: str) -> None:
    """Change what the form gives. Raises ``Refused`` before changing anything."""
    was_v2 = message.is_v2
    content = read_content(ask, form, channel.id, was_v2=was_v2)
    _check_edit(ask, message, content, form)
    text = message.content if content.text is None else content.text
    embeds = message.embeds if content.embeds is None else content.embeds
    components = message.components if content.components is None else content.components
    files = [*_kept(message, content), *content.files]
    v2 = was_v2 or bool((content.flags or 0) & Flag.IS_COMPONENTS_V2)
    if v2 and (text or embeds):
        raise bad_form("flags", "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2", "Empty the old content first.")
    if not (text or embeds or components or files):
        raise Refused(50006)
    shown = form.get("allowed_mentions"), content.text, content.components
    message.content, message.embeds, message.components, message.attachments = text, embeds, components, files
    for file in content.files:
        state.files[file.id] = file
    message.flags = _edited_flags(state, message, content, how)
    if any(part is not None for part in shown):
        pings = settle_mentions(state, channel, message, read_allowed(form.get("allowed_mentions"), ORDINARY))
        note_ping_sins(state, how, form, message, pings)
    if content.text is not None or content.embeds is not None or content.components is not None:
        message.edited_at = state.clock.unix()
    change(state, channel, message, how)


def _check_edit(ask: Ask, message: Message, content: Content, form: Json) -> None:
    if message.flags & Flag.IS_VOICE_MESSAGE:
        raise Refused(50021)
    known = {file.id for file in message.attachments}
    if content.kept is not None and not set(content.kept) <= known:
        raise bad_form("attachments", "ATTACHMENT_NOT_FOUND", "Attachment data was not found")
    if message.content and form.get("content") == message.content and set(form) <= {"content", "allowed_mentions"}:
        ask.sin("edit_changes_nothing", message.id)


def _kept(message: Message, content: Content) -> list[Attachment]:
    if content.kept is None:
        return message.attachments
    return [file for file in message.attachments if file.id in content.kept]


def _edited_flags(state: State, message: Message, content: Content, how: str) -> int:
    """On an edit only SUPPRESS_EMBEDS (both ways) and IS_COMPONENTS_V2 (set only) can change; loading ends."""
    flags = message.flags & ~int(Flag.LOADING)
    if content.flags is None:
        return flags
    if flags & Flag.SUPPRESS_EMBEDS and not content.flags & Flag.SUPPRESS_EMBEDS:
        state.sin("previews_unsuppressed", how, message.id)
    flags = flags & ~int(Flag.SUPPRESS_EMBEDS) | content.flags & Flag.SUPPRESS_EMBEDS
    return flags | content.flags & Flag.IS_COMPONENTS_V2


@route("get_message", "GET", "/channels/{channel}/messages/{message}")
def get_message(state: State, ask: Ask) -> Answer:
    channel = ask.channel()
    ask.require(channel, Permission.READ_MESSAGE_HISTORY)
    return shown_to_app(state, ask.message(channel))


@route("list_messages", "GET", "/channels/{channel}/messages")
def list_messages(state: State, ask: Ask) -> Answer:
    """Newest first; without READ_MESSAGE_HISTORY there are none."""
    channel = ask.channel()
    limit = ask.number("limit", 50, 1, 100)
    if not ask.has(channel, Permission.READ_MESSAGE_HISTORY):
        return []
    there = [message for message in channel.messages.values() if not message.deleted]
    if "around" in ask.query:
        middle = int(ask.query["around"])
        older = [it for it in there if int(it.id) <= middle][-(limit // 2 + 1) :]
        there = older + [it for it in there if int(it.id) > middle][: limit - len(older)]
    elif "after" in ask.query:
        there = [it for it in there if int(it.id) > int(ask.query["after"])][:limit]
    elif "before" in ask.query:
        there = [it for it in there if int(it.id) < int(ask.query["before"])]
    return [shown_to_app(state, message) for message in reversed(there[-limit:])]


@route("delete_message", "DELETE", "/channels/{channel}/messages/{message}", bucket="delete")
def delete_message(state: State, ask: Ask) -> Answer:
    channel = ask.channel()
    message = ask.message(channel)
    if message.author is not state.bot:
        ask.require(channel, Permission.MANAGE_MESSAGES)
    remove(state, channel, message, "delete_message")
    return None


@route("bulk_delete", "POST", "/channels/{channel}/messages/bulk-delete", bucket="delete")
def bulk_delete(state: State, ask: Ask) -> Answer:
    channel = ask.channel()
    ask.require(channel, Permission.MANAGE_MESSAGES)
    ids = [str(it) for it in ask.form.get("messages") or ()]
    if not 2 <= len(ids) <= 100:
        raise bad_length("messages", 2, 100)
    if any(state.clock.unix() - made_at(it) > 14 * 86_400 for it in ids):
        raise Refused(50034)
    for message in [channel.messages[it] for it in ids if it in channel.messages]:
        remove(state, channel, message, "bulk_delete", quietly=True)
    data: Json = {"ids": ids, "channel_id": channel.id}
    state.emit("MESSAGE_DELETE_BULK", data | ({"guild_id": channel.guild_id} if channel.guild_id else {}), channel)
    return None


def set_pinned(state: State, channel: Channel, message: Message, pinned: bool) -> None:
    """Pin or unpin: a MESSAGE_UPDATE that is no edit."""
    message.pinned = pinned
    seen(state, message, "pin")
    data: Json = {"channel_id": channel.id, "last_pin_timestamp": state.iso(state.clock.unix())}
    state.emit("CHANNEL_PINS_UPDATE", data | ({"guild_id": channel.guild_id} if channel.guild_id else {}), channel)
    change(state, channel, message, "pin")


@route("pin", "PUT", "/channels/{channel}/messages/pins/{message}")
def pin(state: State, ask: Ask) -> Answer:
    channel = ask.channel()
    ask.require(channel, Permission.PIN_MESSAGES)
    set_pinned(state, channel, ask.message(channel), True)
    return None


@route("unpin", "DELETE", "/channels/{channel}/messages/pins/{message}")
def unpin(state: State, ask: Ask) -> Answer:
    channel = ask.channel()
    ask.require(channel, Permission.PIN_MESSAGES)
    set_pinned(state, channel, ask.message(channel), False)
    return None
