"""Commands given in chat: one registry, one grammar, the same on every surface.

``parse`` reads a line, ``handlers.run`` carries it out, ``suggest`` completes it, ``form`` offers the same settings
as a form. Nothing here knows a platform.
"""
