"""The workspace's HTTP interface: reads requests, calls ``workspace``, writes JSON. No decisions.

Every failure is answered with ``{"error": "a plain sentence"}``.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from typing import Any
from urllib.parse import quote

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from adapters.web.bodies import (
    BehaveBody,
    DeleteBody,
    EditBody,
    KeyBody,
    LineBody,
    NamedBody,
    PostBody,
    PressBody,
    SubmitBody,
    read_body,
)
from adapters.web.dialect import BEHAVIOURS
from adapters.web.entries import DIRECT, Message, shown_channel, shown_person
from adapters.web.files import IMAGES
from adapters.web.inbound import is_direct
from adapters.web.refusals import NO_CHANNEL, NO_FILE, NO_MESSAGE, RESTARTING, Refusal
from adapters.web.room import BOT_ID
from adapters.web.workspace import Workspace
from bot.errors import ParleyError, StoreError
from bot.ports import Form
from bot.replies import Notice

log = structlog.get_logger("web")

_LONGEST_PAGE = 200
_Answer = dict[str, Any] | Response


class Api:
    """The endpoints. ``is_open`` says whether the room was loaded; until then every answer is "in a moment"."""

    def __init__(self, workspace: Workspace, command: str, version: str, is_open: Callable[[], bool]) -> None:
        self._workspace, self._room = workspace, workspace.room
        self._command, self._version, self._is_open = command, version, is_open

    def routes(self) -> Sequence[Route]:
        """Every route under /api/."""
        table: list[tuple[str, str, Callable[[Request], Awaitable[_Answer]]]] = [
            ("GET", "/api/hello", self._hello),
            ("POST", "/api/people", self._add_person),
            ("POST", "/api/channels", self._add_channel),
            ("GET", "/api/messages", self._messages),
            ("POST", "/api/messages", self._post),
            ("GET", "/api/messages/{id}", self._message),
            ("PATCH", "/api/messages/{id}", self._edit),
            ("DELETE", "/api/messages/{id}", self._delete),
            ("POST", "/api/controls", self._press),
            ("POST", "/api/commands", self._give),
            ("POST", "/api/complete", self._complete),
            ("GET", "/api/form", self._form),
            ("POST", "/api/form", self._submit),
            ("POST", "/api/files", self._upload),
            ("GET", "/api/files/{id}", self._download),
            ("POST", "/api/key", self._use_key),
            ("POST", "/api/behave", self._behave),
        ]
        return [Route(path, self._answering(endpoint), methods=[method]) for method, path, endpoint in table]

    def _answering(self, endpoint: Callable[[Request], Awaitable[_Answer]]) -> Callable[[Request], Awaitable[Response]]:
        @functools.wraps(endpoint)
        async def answer(request: Request) -> Response:
            try:
                if not self._is_open():
                    raise Refusal(503, RESTARTING)
                answered = await endpoint(request)
            except ClientDisconnect:
                return Response(status_code=400)
            except Exception as error:  # the page shows what it is told, and is never told how something broke
                status, sentence = _refused(error, request.scope["path"])
                return JSONResponse({"error": sentence}, status)
            if isinstance(answered, Response):
                return answered
            return JSONResponse(answered, headers={"Cache-Control": "no-store"})

        return answer

    # --- what is there

    async def _hello(self, request: Request) -> _Answer:
        workspace, room = self._workspace, self._room
        if not room.people and not workspace.paused:
            await workspace.join("You")
        channels = [shown_channel(channel) for channel in room.channels.values()]
        direct = room.channel(DIRECT + request.query_params.get("person", ""))
        return {
            "bot": {"id": BOT_ID, "name": room.bot_name},
            "command": self._command,
            "people": [shown_person(person) for person in room.people.values()],
            "channels": channels + ([shown_channel(direct)] if direct else []),
            "backend": asdict(workspace.core.backend()),
            "behave": workspace.behaviour.name,
            "limits": {"file_bytes": workspace.uploads.limit, "text_chars": workspace.behaviour.text_chars},
            "commands": [
                {"name": one.name, "usage": one.usage, "summary": one.summary} for one in workspace.core.commands()
            ],
            "version": self._version,
        }

    async def _messages(self, request: Request) -> _Answer:
        query = request.query_params
        channel, thread = query.get("channel", ""), query.get("thread", "")
        found = self._room.channel(channel)
        if found is None or (found.person and found.person != query.get("person", found.person)):
            raise Refusal(404, NO_CHANNEL)
        root = self._room.find(thread) if thread else None
        if thread and (root is None or root.channel != channel or root.thread):
            raise Refusal(404, NO_MESSAGE)
        limit = query.get("limit", "50")
        count = min(max(int(limit), 1), _LONGEST_PAGE) if limit.isascii() and limit.isdigit() else 50
        messages, more = self._room.page(channel, thread, query.get("before", ""), count)
        return {"messages": [self._room.show(message) for message in messages], "more": more}

    async def _message(self, request: Request) -> _Answer:
        message = self._room.find(request.path_params["id"])
        if message is None or not _may_see(message, request.query_params.get("person", "")):
            raise Refusal(404, NO_MESSAGE)
        return {"message": self._room.show(message)}

    # --- what people do

    async def _add_person(self, request: Request) -> _Answer:
        return shown_person(await self._workspace.join((await read_body(request, NamedBody)).name))

    async def _add_channel(self, request: Request) -> _Answer:
        return shown_channel(await self._workspace.open_channel((await read_body(request, NamedBody)).name))

    async def _post(self, request: Request) -> _Answer:
        body = await read_body(request, PostBody)
        person = self._workspace.person(body.person)
        message = await self._workspace.post(
            person,
            body.channel,
            thread=body.thread or "",
            text=body.text,
            files=body.files,
            client_id=body.client_id[:100],
        )
        return {"message": self._room.show(message)}

    async def _edit(self, request: Request) -> _Answer:
        body = await read_body(request, EditBody)
        person = self._workspace.person(body.person)
        message = await self._workspace.edit(person, request.path_params["id"], body.text)
        return {"message": self._room.show(message)}

    async def _delete(self, request: Request) -> _Answer:
        person = self._workspace.person((await read_body(request, DeleteBody)).person)
        await self._workspace.delete(person, request.path_params["id"])
        return {}

    async def _press(self, request: Request) -> _Answer:
        body = await read_body(request, PressBody)
        person = self._workspace.person(body.person)
        value = "" if body.value is None else str(body.value)
        receipt = await self._workspace.press(person, body.message, body.action, value)
        return {"notice": _shown_notice(receipt.notice)}

    async def _give(self, request: Request) -> _Answer:
        body = await read_body(request, LineBody)
        person = self._workspace.person(body.person)
        receipt = await self._workspace.command(person, body.channel, body.thread or "", body.line)
        return {"notice": _shown_notice(receipt.notice), "form": receipt.form}

    async def _complete(self, request: Request) -> _Answer:
        body = await read_body(request, LineBody)
        person = self._workspace.person(body.person)
        found = await self._workspace.complete(person, body.channel, body.thread or "", body.line)
        return {"suggestions": [asdict(suggestion) for suggestion in found]}

    async def _form(self, request: Request) -> _Answer:
        query = request.query_params
        person = self._workspace.person(query.get("person", ""))
        place = query.get("channel", ""), query.get("thread", "")
        return _shown_form(await self._workspace.form(person, *place, query.get("level", "")))

    async def _submit(self, request: Request) -> _Answer:
        body = await read_body(request, SubmitBody)
        person = self._workspace.person(body.person)
        receipt = await self._workspace.submit(person, body.channel, body.thread or "", body.level, body.values)
        return {"notice": _shown_notice(receipt.notice), "field_errors": dict(receipt.field_errors)}

    async def _upload(self, request: Request) -> _Answer:
        person = self._workspace.person(request.query_params.get("person", ""))
        if self._workspace.paused:
            raise Refusal(503, RESTARTING)
        kept = await self._workspace.uploads.receive(
            request.headers.get("content-type", ""), request.stream(), person.id
        )
        return {"id": kept.id, "name": kept.name, "media_type": kept.media_type, "size": kept.size}

    async def _download(self, request: Request) -> _Answer:
        kept = self._workspace.uploads.find(request.path_params["id"])
        if kept is None or not self._workspace.uploads.path(kept).is_file():
            raise Refusal(404, NO_FILE)
        return FileResponse(
            self._workspace.uploads.path(kept),
            media_type=kept.media_type if kept.media_type in IMAGES else "application/octet-stream",
            headers={
                "Content-Disposition": f"attachment; filename*=utf-8''{quote(kept.name, safe='')}",
                "Cache-Control": "private, max-age=3600",
            },
        )

    async def _use_key(self, request: Request) -> _Answer:
        body = await read_body(request, KeyBody)
        backend = asdict(await self._workspace.core.use_key(body.key, body.url or "", body.remember))
        self._room.announce("backend", backend)
        return {"backend": backend}

    async def _behave(self, request: Request) -> _Answer:
        name = (await read_body(request, BehaveBody)).behave
        if name not in BEHAVIOURS:
            raise Refusal(400, "The workspace can behave like web, slack or discord.")
        self._workspace.behaviour = BEHAVIOURS[name]
        self._room.announce("behave", name)
        return {"behave": name}


def _refused(error: Exception, path: str) -> tuple[int, str]:
    """The status and the sentence that answer a failure."""
    match error:
        case Refusal(status=status, sentence=sentence):
            return status, sentence
        case StoreError():
            return 503, error.user_text
        case ParleyError():
            return 400, error.user_text
    log.error("request broke", method=path.split("/")[2], kind=type(error).__name__, exc_info=error)
    return 500, ParleyError.default_text


def _may_see(message: Message, person: str) -> bool:
    return not person or not is_direct(message.channel) or message.channel == DIRECT + person


def _shown_notice(notice: Notice | None) -> dict[str, Any] | None:
    return None if notice is None else {"text": notice.text, "error": notice.error}


def _shown_form(form: Form) -> dict[str, Any]:
    return {
        "level": form.level.value,
        "levels": [level.value for level in form.levels],
        "fields": [asdict(field) for field in form.fields],
    }
