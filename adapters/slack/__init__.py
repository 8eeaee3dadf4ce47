"""Slack: the adapter that speaks to it, with slack-bolt receiving and slack-sdk calling.

``run`` → ``adapter`` → ``team`` → ``listeners`` | ``surface`` | ``source`` → ``inbound`` | ``stream`` | ``controls`` |
``views`` → ``calls`` | ``dialect`` | ``config``. By which token it speaks where: ``access``, or for those who installed
the app themselves ``many`` → ``install`` | ``rotation`` → ``installations`` | ``states`` → ``seal``.
"""
