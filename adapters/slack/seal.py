"""Seals what must not be readable in the database, with the key of ``SLACK_TOKEN_KEY``.

With several keys the first one seals and every one opens, so that a key can be changed without losing anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.errors import ConfigurationError

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

MAKE_A_KEY = "python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'"


class Seal:
    """``keys``: Fernet keys separated by commas. Raises ``ConfigurationError`` when one is none."""

    def __init__(self, keys: str) -> None:
        from cryptography.fernet import MultiFernet  # loaded only by those who keep tokens

        self._each = [_key(key.strip()) for key in keys.split(",") if key.strip()]
        if not self._each:
            raise ConfigurationError(
                "SLACK_TOKEN_KEY",
                "it is not set, but SLACK_INSTALL=many needs it",
                f"Set what this prints: {MAKE_A_KEY}",
            )
        self._all = MultiFernet(self._each)

    def close(self, data: bytes) -> str:
        """``data``, sealed."""
        return self._all.encrypt(data).decode()

    def open(self, sealed: str, within: int | None = None) -> bytes | None:
        """What ``close`` was given, at most ``within`` seconds ago; ``None`` when no key opens it."""
        from cryptography.fernet import InvalidToken

        try:
            return self._all.decrypt(sealed.encode(), within)
        except (InvalidToken, UnicodeEncodeError):
            return None

    def is_newest(self, sealed: str) -> bool:
        """It was sealed with the first key."""
        from cryptography.fernet import InvalidToken

        try:
            self._each[0].decrypt(sealed.encode())
        except InvalidToken:
            return False
        return True


def _key(key: str) -> Fernet:
    from cryptography.fernet import Fernet

    try:
        return Fernet(key)
    except ValueError:
        raise ConfigurationError(
            "SLACK_TOKEN_KEY", "it is not a key that can be used", f"Set what this prints: {MAKE_A_KEY}"
        ) from None
