"""Discord: the adapter that speaks to it; discord.py keeps the gateway, the rest are plain calls of the REST API.

``run`` → ``gateway`` | ``listeners`` | ``interactions`` | ``surface`` | ``source`` → ``places`` | ``asking`` |
``inbound`` | ``commands`` | ``forms`` → ``directory`` | ``controls`` → ``calls`` | ``dialect`` | ``config``.
"""
