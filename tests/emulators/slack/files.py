"""``files.*`` and the bytes behind them: upload in three steps, download with the token in the header.

A download without a valid token is answered as Slack answers it: 200 with an HTML sign-in page.
"""

from __future__ import annotations

from aiohttp import web

from tests.emulators.slack.asking import Ask, Refused, method
from tests.emulators.slack.chat import own_message, thread_root
from tests.emulators.slack.messages import announce, put
from tests.emulators.slack.records import Json, StoredFile
from tests.emulators.slack.state import State

_SIGN_IN = (
    "<!DOCTYPE html><html><head><title>Sign in to Slack</title></head><body>Sign in to see this file.</body></html>"
)
_TYPES = {
    "md": "text/markdown",
    "txt": "text/plain",
    "json": "application/json",
    "png": "image/png",
    "pdf": "application/pdf",
}


def describe_file(state: State, file: StoredFile, *, whole: bool = False) -> Json:
    """The file object; in shared channels only its id and the advice to call ``files.info``, unless ``whole``."""
    if file.check_info and not whole:
        return {"id": file.id, "file_access": "check_file_info"}
    url = f"{state.base_url}/files-pri/{file.team}-{file.id}"
    kind = file.name.rsplit(".", 1)[-1].lower() if "." in file.name else "binary"
    answer: Json = {
        "id": file.id,
        "name": file.name,
        "title": file.name,
        "mimetype": file.mimetype,
        "filetype": kind,
        "user": file.user,
        "size": len(file.data),
        "mode": "hosted",
        "file_access": "visible",
        "url_private": f"{url}/{file.name}",
        "url_private_download": f"{url}/download/{file.name}",
        "channels": sorted(file.shared_in),
    }
    if file.mimetype.startswith("audio/"):
        answer["subtype"] = "slack_audio"
    return answer


def store_file(state: State, team: str, user: str, name: str, mimetype: str, data: bytes) -> StoredFile:
    file = StoredFile(state.new_id("F"), team, user, name, mimetype, data, len(data), uploaded=True)
    state.files[file.id] = file
    return file


@method("files.info", tier=4, scopes=("files:read",))
def files_info(state: State, ask: Ask) -> Json:
    file = state.files.get(ask.need("file", "file_not_found"))
    if file is None or not file.uploaded:
        raise Refused("file_not_found")
    return {"file": describe_file(state, file, whole=True)}


@method("files.getUploadURLExternal", tier=4, scopes=("files:write",))
def get_upload_url(state: State, ask: Ask) -> Json:
    name, length = ask.need("filename"), ask.number("length", 0)
    if length <= 0:
        raise Refused("invalid_arguments")
    mimetype = _TYPES.get(name.rsplit(".", 1)[-1].lower(), "application/octet-stream")
    file = StoredFile(state.new_id("F"), ask.workspace.id, ask.bot.id, name, mimetype, b"", length)
    state.files[file.id] = file
    return {"upload_url": f"{state.base_url}/upload/{file.id}", "file_id": file.id}


@method("files.completeUploadExternal", tier=4, scopes=("files:write",))
def complete_upload(state: State, ask: Ask) -> Json:
    listed = ask.structure("files")
    if not isinstance(listed, list) or not listed:
        raise Refused("invalid_arguments")
    files = [state.files.get(str(item.get("id"))) for item in listed]
    found = [file for file in files if file is not None and file.uploaded]
    if len(found) != len(files):
        raise Refused("file_not_found")
    if ask.text("channel_id"):
        channel = ask.writable("channel_id")
        root = thread_root(ask, channel) if ask.text("thread_ts") else ""
        message = own_message(ask, channel, root)
        message.subtype, message.text = "file_share", ask.text("initial_comment")
        for file in found:
            file.shared_in.add(channel.id)
        message.files = [describe_file(state, file) for file in found]
        put(state, channel, message, ask.method)
        announce(state, channel, message)
    return {"files": [describe_file(state, file) | {"channels": []} for file in found]}


async def take_upload(state: State, request: web.Request) -> web.Response:
    """The bytes of an upload, raw or as a multipart form; their number must be the one announced."""
    file = state.files.get(request.match_info["file"])
    if file is None or file.uploaded:
        return web.Response(status=404, text="no such upload")
    if request.content_type.startswith("multipart/"):
        form = await request.post()
        fields = [value for value in form.values() if isinstance(value, web.FileField)]
        data = b"".join(value.file.read() for value in fields)
    else:
        data = await request.read()
    if len(data) != file.length:
        return web.Response(status=400, text="length does not match")
    file.data, file.uploaded = data, True
    return web.Response(text=f"OK - {len(data)}")


def give_download(state: State, request: web.Request) -> web.StreamResponse:
    """The bytes of a file, if the token in the header may read files; else the sign-in page, with status 200."""
    if "token" in request.query:
        state.sin("token_in_query", "url_private", request.path)
    _, _, value = request.headers.get("Authorization", "").partition(" ")
    token = state.tokens.get(value)
    file = state.files.get(request.match_info["file"].rpartition("-")[2])
    allowed = token is not None and not token.refused and "files:read" in token.scopes
    if not allowed or file is None or not file.uploaded or token is None:
        return web.Response(text=_SIGN_IN, content_type="text/html")
    seen_by = {file.team} | {team for it in file.shared_in for team in state.teams_of(state.channels[it])}
    if token.team not in seen_by:
        return web.Response(text=_SIGN_IN, content_type="text/html")
    return web.Response(body=file.data, content_type=file.mimetype.split(";", maxsplit=1)[0])
