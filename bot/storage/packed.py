"""Column types: a frozen value as one JSON text, and words as people typed them.

Both take whatever text a platform delivers: what no database can hold (NUL, half of a surrogate pair) is
taken out on the way in, so that a strange character never costs somebody an answer.
"""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Dialect, Text
from sqlalchemy.types import TypeDecorator


def storable(text: str) -> str:
    """``text`` without NUL characters and with lone surrogates as ``?``."""
    if text.isascii():
        return text.replace("\x00", "") if "\x00" in text else text
    return text.replace("\x00", "").encode("utf-8", "replace").decode()


def _storable_all(value: Any) -> Any:
    match value:
        case str():
            return storable(value)
        case list() | tuple():
            return [_storable_all(item) for item in value]
        case dict():
            return {storable(str(key)): _storable_all(item) for key, item in value.items()}
        case _:
            return value


class Words(TypeDecorator[str]):
    """Text written by people or models."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else storable(value)


class Packed(TypeDecorator[Any]):
    """A JSON-able value of type ``shape`` (a frozen dataclass, a tuple, a dict) as JSON text."""

    impl = Text
    cache_ok = True

    def __init__(self, shape: Any) -> None:
        super().__init__()
        self.shape = shape
        self._decoder = msgspec.json.Decoder(shape)

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        if value is None:
            return None
        try:
            return msgspec.json.encode(value).decode()
        except UnicodeEncodeError:
            return msgspec.json.encode(_storable_all(msgspec.to_builtins(value))).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else self._decoder.decode(value)
