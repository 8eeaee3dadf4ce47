"""Discord's JSON of everything the emulator keeps. ``readable`` decides what is blank without the content intent."""

from __future__ import annotations

from tests.emulators.discord.files import describe_file
from tests.emulators.discord.permissions import ALL, permissions
from tests.emulators.discord.records import DM, FORUM, Channel, Guild, Interaction, Json, Member, Message, Role, User
from tests.emulators.discord.snowflakes import made_at
from tests.emulators.discord.state import State


def describe_user(user: User) -> Json:
    answer: Json = {"id": user.id, "username": user.name, "global_name": None if user.bot else user.name.title()}
    answer |= {"discriminator": "0000" if user.bot else "0", "avatar": None, "public_flags": 0}
    return answer | {"bot": True} if user.bot else answer


def describe_member(member: Member, *, with_user: bool = True) -> Json:
    answer: Json = {"roles": list(member.roles), "joined_at": member.joined_at, "deaf": False, "mute": False}
    answer |= {"flags": 0, "nick": None, "avatar": None, "pending": False, "premium_since": None}
    answer["communication_disabled_until"] = None
    return answer | {"user": describe_user(member.user)} if with_user else answer


def describe_role(role: Role) -> Json:
    colors = {"primary_color": 0, "secondary_color": None, "tertiary_color": None}
    answer: Json = {"id": role.id, "name": role.name, "color": 0, "colors": colors, "hoist": False}
    answer |= {"position": role.position, "permissions": str(role.permissions), "managed": bool(role.bot_id)}
    answer |= {"mentionable": role.mentionable, "flags": 0, "icon": None, "unicode_emoji": None}
    return answer | {"tags": {"bot_id": role.bot_id}} if role.bot_id else answer


def describe_channel(state: State, channel: Channel) -> Json:
    last = next((it.id for it in reversed(channel.messages.values()) if not it.deleted), None)
    answer: Json = {"id": channel.id, "type": channel.kind, "last_message_id": last, "flags": 0}
    if channel.is_private:
        others = [state.users[user] for user in channel.recipients if user != state.bot.id]
        answer["recipients"] = [describe_user(user) for user in others]
        return answer if channel.kind == DM else answer | {"name": channel.name or None, "icon": None, "owner_id": "0"}
    answer |= {"guild_id": channel.guild_id, "name": channel.name, "rate_limit_per_user": channel.slowmode}
    if channel.is_thread:
        return answer | _thread_fields(state, channel)
    answer |= {"position": 0, "nsfw": False, "parent_id": channel.parent_id or None, "topic": channel.topic or None}
    answer["permission_overwrites"] = [
        {"id": target, "type": kind, "allow": str(allow), "deny": str(deny)}
        for target, (kind, allow, deny) in channel.overwrites.items()
    ]
    if channel.kind == FORUM:
        answer |= {"available_tags": [], "default_reaction_emoji": None, "default_sort_order": None}
        answer["default_forum_layout"] = 0
    return answer


def _thread_fields(state: State, thread: Channel) -> Json:
    count = sum(not message.deleted for message in thread.messages.values())
    metadata: Json = {
        "archived": thread.archived,
        "locked": thread.locked,
        "auto_archive_duration": thread.auto_archive,
    }
    metadata["archive_timestamp"] = state.iso(thread.archive_changed or made_at(thread.id))
    metadata["create_timestamp"] = state.iso(made_at(thread.id))
    if thread.kind == 12:
        metadata["invitable"] = True
    answer: Json = {"parent_id": thread.parent_id, "owner_id": thread.owner_id, "thread_metadata": metadata}
    answer |= {"message_count": count, "total_message_sent": count, "member_count": min(50, len(thread.members))}
    if state.bot.id in thread.members:
        answer["member"] = describe_thread_member(state, thread, state.bot.id)
    return answer


def describe_thread_member(state: State, thread: Channel, user_id: str) -> Json:
    joined = state.iso(made_at(thread.id))
    return {"id": thread.id, "user_id": user_id, "join_timestamp": joined, "flags": 0}


def describe_guild(state: State, guild: Guild) -> Json:
    """The guild as GUILD_CREATE carries it: of the members only the bot."""
    channels = [it for it in guild.channels.values() if not it.deleted]
    bot = state.bot.id
    answer = describe_guild_briefly(guild)
    answer |= {"joined_at": guild.members[bot].joined_at, "large": False, "unavailable": False}
    answer |= {"member_count": len(guild.members), "members": [describe_member(guild.members[bot])]}
    answer["channels"] = [describe_channel(state, it) for it in channels if not it.is_thread]
    threads = [it for it in channels if it.is_thread and not it.archived and permissions(state, it, bot)]
    answer["threads"] = [describe_channel(state, thread) for thread in threads]
    answer |= {"voice_states": [], "presences": [], "stage_instances": [], "guild_scheduled_events": []}
    return answer | {"soundboard_sounds": []}


def describe_guild_briefly(guild: Guild) -> Json:
    answer: Json = {"id": guild.id, "name": guild.name, "owner_id": guild.owner_id, "icon": None, "splash": None}
    answer |= {"discovery_splash": None, "description": None, "banner": None, "vanity_url_code": None, "region": ""}
    answer |= {"afk_channel_id": None, "afk_timeout": 300, "verification_level": 0, "nsfw_level": 0, "mfa_level": 0}
    answer |= {"default_message_notifications": 0, "explicit_content_filter": 0, "application_id": None}
    answer |= {"system_channel_id": None, "system_channel_flags": 0, "rules_channel_id": None}
    answer |= {"public_updates_channel_id": None, "premium_tier": 0, "premium_subscription_count": 0, "stickers": []}
    answer |= {"preferred_locale": guild.locale, "features": [], "incidents_data": None, "max_members": 500_000}
    answer["emojis"] = [_emoji(guild, number) for number in range(guild.emojis)]
    return answer | {"roles": [describe_role(role) for role in guild.roles.values()]}


def _emoji(guild: Guild, number: int) -> Json:
    answer: Json = {"id": str(int(guild.id) + number + 1), "name": f"emoji_{number}", "roles": [], "animated": False}
    return answer | {"require_colons": True, "managed": False, "available": True}


def readable(state: State, message: Message) -> bool:
    """The app may read this message without MESSAGE_CONTENT: its own, in its DMs, or one that names it."""
    channel = state.channels[message.channel_id]
    own_dm = channel.kind == DM and state.bot.id in channel.recipients
    return message.author is state.bot or own_dm or message.bot_named


def describe_message(
    state: State, message: Message, *, intent: bool, for_gateway: bool = False, nested: bool = False
) -> Json:
    """The message as REST answers (or the gateway) carry it; ``intent``: MESSAGE_CONTENT is granted."""
    channel = state.channels[message.channel_id]
    shown = intent or readable(state, message)
    guild = state.guild_of(channel)
    answer: Json = {"id": message.id, "channel_id": message.channel_id, "type": message.kind, "tts": False}
    answer |= {"author": describe_user(message.author), "timestamp": state.iso(message.at), "flags": message.flags}
    answer["edited_timestamp"] = state.iso(message.edited_at) if message.edited_at else None
    answer |= {"pinned": message.pinned, "mention_everyone": message.mention_everyone}
    answer |= {"mention_roles": list(message.mention_roles), "mentions": _mentions(state, message, guild, for_gateway)}
    answer["content"] = message.content if shown else ""
    answer["embeds"] = [*message.embeds, *(_preview(url) for url in message.previews)] if shown else []
    answer["attachments"] = [describe_file(state, file) for file in message.attachments] if shown else []
    answer["components"] = message.components if shown else []
    if for_gateway and guild is not None:
        answer["guild_id"] = guild.id
        if message.author.id in guild.members and not message.webhook_id:
            answer["member"] = describe_member(guild.members[message.author.id], with_user=False)
    if for_gateway:
        answer["channel_type"] = channel.kind
    return answer | _optional(state, message, intent=intent, shown=shown, for_gateway=for_gateway, nested=nested)


def _optional(state: State, message: Message, *, intent: bool, shown: bool, for_gateway: bool, nested: bool) -> Json:
    answer: Json = {}
    if message.nonce:
        answer["nonce"] = message.nonce
    if message.webhook_id:
        answer |= {"webhook_id": message.webhook_id, "application_id": message.webhook_id}
    if message.reactions:
        answer["reactions"] = [_reaction(state, emoji, users) for emoji, users in message.reactions.items() if users]
    if message.snapshots:
        answer["message_snapshots"] = [{"message": snapshot if shown else {}} for snapshot in message.snapshots]
    if message.reference is not None:
        answer["message_reference"] = dict(message.reference)
        if message.kind in (19, 21) and not nested:
            answer["referenced_message"] = _referenced(state, message, intent=intent)
    if message.thread is not None and not message.thread.deleted and not nested:
        answer["thread"] = describe_channel(state, message.thread)
    if message.interaction is not None:
        answer |= _interaction(message.interaction)
    return answer


def _referenced(state: State, message: Message, *, intent: bool) -> Json | None:
    reference = message.reference or {}
    channel = state.channels.get(str(reference.get("channel_id")))
    target = channel.messages.get(str(reference.get("message_id"))) if channel else None
    if target is None or target.deleted:
        return None
    return describe_message(state, target, intent=intent, nested=True)


def _interaction(interaction: Interaction) -> Json:
    user = describe_user(interaction.user)
    metadata: Json = {"id": interaction.id, "type": interaction.kind, "user": user}
    metadata["authorizing_integration_owners"] = dict(interaction.owners)
    answer: Json = {"interaction_metadata": metadata}
    if interaction.kind == 2:
        answer["interaction"] = {"id": interaction.id, "type": 2, "name": interaction.name, "user": user}
    return answer


def _mentions(state: State, message: Message, guild: Guild | None, for_gateway: bool) -> list[Json]:
    found = []
    for user in message.mentions:
        item = describe_user(state.users[user])
        if for_gateway and guild is not None and user in guild.members:
            item["member"] = describe_member(guild.members[user], with_user=False)
        found.append(item)
    return found


def _reaction(state: State, emoji: str, users: list[str]) -> Json:
    answer: Json = {"emoji": {"id": None, "name": emoji}, "count": len(users), "me": state.bot.id in users}
    return answer | {"me_burst": False, "burst_colors": [], "count_details": {"burst": 0, "normal": len(users)}}


def _preview(url: str) -> Json:
    return {"type": "link", "url": url, "title": "A page", "description": "What the page says"}


def describe_application(state: State) -> Json:
    app = state.app
    flags = (1 << 18) * app.message_content | (1 << 14) * app.guild_members | (1 << 12) * app.presences
    answer: Json = {"id": app.id, "name": app.name, "icon": None, "description": "", "summary": "", "flags": flags}
    answer |= {"bot_public": app.public, "bot_require_code_grant": False, "verify_key": "0" * 64, "hook": True}
    owner = next(user for user in state.users.values() if not user.bot)
    answer |= {"owner": describe_user(owner), "team": None, "bot": describe_user(state.bot)}
    kinds: Json = {"0": {}, "1": {}} if app.user_install else {"0": {}}
    answer |= {"integration_types_config": kinds, "approximate_guild_count": len(state.guilds)}
    return answer | {"interactions_endpoint_url": None, "redirect_uris": [], "tags": []}


def app_permissions(state: State, channel: Channel, user_id: str) -> str:
    """The bits of somebody in a channel as interactions carry them."""
    return str(permissions(state, channel, user_id) & ALL)
