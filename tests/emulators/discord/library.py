"""discord.py, imported without the warning that its voice half gives on Python 3.11 and 3.12 (``audioop``).

Tests turn warnings into errors; whatever of them uses discord.py takes it from here.
"""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", "'audioop' is deprecated", DeprecationWarning)
    import discord
    from discord import app_commands
    from discord.gateway import DiscordWebSocket
    from discord.http import Route

__all__ = ["DiscordWebSocket", "Route", "app_commands", "discord"]
