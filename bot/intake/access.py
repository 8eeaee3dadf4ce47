"""Who may ask, and where. Lists come from the deployment's configuration; an empty list of channels means all."""

from __future__ import annotations

from dataclasses import dataclass

from bot.events import Address, Author, AuthorKind


@dataclass(frozen=True, slots=True)
class Access:
    """Entries are platform ids, bare (``U123``) or with their platform (``slack:U123``)."""

    allowed_channels: frozenset[str] = frozenset()
    blocked_users: frozenset[str] = frozenset()
    admins: frozenset[str] = frozenset()
    allowed_bots: frozenset[str] = frozenset()

    def is_blocked(self, address: Address, author: Author) -> bool:
        """Whether everything this person does meets silence."""
        return _listed(self.blocked_users, address.platform, author.id)

    def refusal(self, address: Address, direct: bool) -> str | None:
        """Why one may not ask here, as a sentence; ``None`` when one may."""
        if (
            self.allowed_channels
            and not direct
            and not _listed(self.allowed_channels, address.platform, address.channel)
        ):
            return "I am not switched on in this channel. Whoever runs this bot can add it to the allowed channels."
        return None

    def is_admin(self, address: Address, author: Author) -> bool:
        return author.admin or _listed(self.admins, address.platform, author.id)

    def lets_in(self, address: Address, author: Author) -> bool:
        """Whether this other bot's messages are treated like a person's."""
        return author.kind is AuthorKind.BOT and _listed(self.allowed_bots, address.platform, author.id)


def _listed(entries: frozenset[str], platform: str, id: str) -> bool:
    return id in entries or f"{platform}:{id}" in entries
