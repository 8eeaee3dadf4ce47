"""The version, in one place: the package, ``parley version`` and the web workspace read it here."""

VERSION = "0.1.0"
