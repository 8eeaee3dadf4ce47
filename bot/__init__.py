"""Parley's conversation core. Adapters use the names of ``bot.events``, ``replies``, ``ports`` and ``errors``.

The running core itself is handed to an adapter when it is opened (``bot.desk.Bot``); nothing else is theirs.
"""
