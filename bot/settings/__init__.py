"""Settings changed in chat: the keys there are, the levels they are set at, and what counts where.

Pure: rows come in, values with their origin go out; the store and the clock stay outside.
"""

from bot.settings.catalogue import KEYS, Key, find_key
from bot.settings.change import Change, check_change, list_misfits, read_change
from bot.settings.resolve import Chosen, Effective, resolve, scopes
from bot.settings.view import TurnSettings, view_turn

__all__ = [
    "KEYS",
    "Change",
    "Chosen",
    "Effective",
    "Key",
    "TurnSettings",
    "check_change",
    "find_key",
    "list_misfits",
    "read_change",
    "resolve",
    "scopes",
    "view_turn",
]
