"""What the page sends, as typed JSON bodies: read with a size limit, refused when they are anything else."""

from __future__ import annotations

import json
import re
from typing import TypeVar

import msgspec
from starlette.requests import Request

from adapters.web.refusals import NOT_UNDERSTOOD, Refusal
from bot.events import Action

_LONGEST_BODY = 1_000_000  # bytes of JSON
_HALF = re.compile(rb"\\u[dD][89a-fA-F]")
_Shape = TypeVar("_Shape")


class NamedBody(msgspec.Struct):
    name: str


class PostBody(msgspec.Struct):
    person: str
    channel: str
    text: str
    thread: str | None = None
    files: list[str] = []
    client_id: str = ""


class EditBody(msgspec.Struct):
    person: str
    text: str


class DeleteBody(msgspec.Struct):
    person: str


class PressBody(msgspec.Struct):
    person: str
    message: str
    action: Action
    value: str | int | None = None


class LineBody(msgspec.Struct):
    person: str
    channel: str
    line: str
    thread: str | None = None


class SubmitBody(msgspec.Struct):
    person: str
    channel: str
    level: str
    values: dict[str, str]
    thread: str | None = None


class KeyBody(msgspec.Struct):
    key: str
    url: str | None = ""
    remember: bool = False


class BehaveBody(msgspec.Struct):
    behave: str


async def read_body(request: Request, shape: type[_Shape]) -> _Shape:
    """The JSON body as ``shape``. Raises ``Refusal``."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refusal(415, "The workspace takes JSON: Content-Type: application/json.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LONGEST_BODY:
            raise Refusal(413, "This is more than the workspace takes at once.")
    try:
        return msgspec.json.decode(_whole_characters(body), type=shape)
    except (ValueError, RecursionError):
        raise Refusal(400, NOT_UNDERSTOOD) from None


def _whole_characters(body: bytearray) -> bytes | bytearray:
    """The same JSON with a question mark for every half of a surrogate pair: a script that cuts a text in two may
    leave one, browsers send it as an escape, and it can be stored nowhere."""
    if _HALF.search(body) is None:
        return body
    return json.dumps(json.loads(body), ensure_ascii=False).encode("utf-8", "replace")
