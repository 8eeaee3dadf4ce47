"""Slack: the adapter that speaks to it, with slack-bolt receiving and slack-sdk calling.

``run`` → ``listeners`` | ``surface`` | ``source`` → ``inbound`` | ``stream`` | ``controls`` | ``views`` → ``calls`` |
``dialect`` | ``config``.
"""
