"""The web workspace: a small chat platform and the adapter that speaks to it, in one process.

``room`` keeps people, channels and messages as a platform's servers would; the rest has the shape of every adapter:
``run`` → ``inbound`` | ``surface`` → ``dialect`` | ``config``.
"""
