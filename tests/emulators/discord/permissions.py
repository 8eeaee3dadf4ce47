"""Who may do what where: Discord's algorithm over roles and overwrites. Pure."""

from __future__ import annotations

from tests.emulators.discord.limits import ORDINARY, Permission
from tests.emulators.discord.records import PRIVATE_THREAD, Channel, Guild
from tests.emulators.discord.state import State

ALL = (1 << 53) - 1
_IN_DM = int(ORDINARY) | Permission.PIN_MESSAGES


def guild_permissions(guild: Guild, user_id: str) -> int:
    """The bits a member has in the guild as a whole; 0 for others."""
    member = guild.members.get(user_id)
    if member is None:
        return 0
    if guild.owner_id == user_id:
        return ALL
    bits = guild.everyone.permissions
    for role in member.roles:
        if role in guild.roles:
            bits |= guild.roles[role].permissions
    return ALL if bits & Permission.ADMINISTRATOR else bits


def permissions(state: State, channel: Channel, user_id: str) -> int:
    """The bits ``user_id`` has in ``channel``; 0 when they cannot see it at all."""
    if channel.is_private:
        return _IN_DM if user_id in channel.recipients else 0
    guild = state.guild_of(channel)
    if guild is None:
        return 0
    bits = guild_permissions(guild, user_id)
    if bits != ALL and bits:
        bits = _overwritten(state.parent_of(channel), guild, user_id, bits)
    if not bits & Permission.VIEW_CHANNEL:
        return 0
    if channel.kind == PRIVATE_THREAD and user_id not in channel.members and not bits & Permission.MANAGE_THREADS:
        return 0
    return bits


def _overwritten(place: Channel, guild: Guild, user_id: str, bits: int) -> int:
    _, allow, deny = place.overwrites.get(guild.id, (0, 0, 0))
    bits = bits & ~deny | allow
    roles = [place.overwrites[role] for role in guild.members[user_id].roles if role in place.overwrites]
    for _, _, denied in roles:
        bits &= ~denied
    for _, allowed, _ in roles:
        bits |= allowed
    _, allow, deny = place.overwrites.get(user_id, (1, 0, 0))
    return bits & ~deny | allow


def may(state: State, channel: Channel, user_id: str, *needed: Permission) -> bool:
    bits = permissions(state, channel, user_id)
    return all(bits & need for need in needed)


def sends(channel: Channel) -> Permission:
    """The permission to write here: in threads it is another one than in channels."""
    return Permission.SEND_MESSAGES_IN_THREADS if channel.is_thread else Permission.SEND_MESSAGES
