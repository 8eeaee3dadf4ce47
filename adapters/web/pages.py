"""Serves the page and its static files from the ``page`` folder: known file types only, always revalidated."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

FOLDER = Path(__file__).parent / "page"
# Named here because the system's own table of types differs from machine to machine.
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
}


class PageFiles(StaticFiles):
    """The folder's files under /static/, and its index."""

    def __init__(self, folder: Path = FOLDER) -> None:
        super().__init__(directory=folder, check_dir=False)

    async def index(self, request: Request) -> Response:
        if "token" in request.query_params:
            return RedirectResponse("/", 303)
        return await self.get_response("index.html", request.scope)

    async def static(self, request: Request) -> Response:
        path = PurePosixPath(request.path_params["path"])
        if path.suffix not in _TYPES or any(part.startswith(".") for part in path.parts):
            raise HTTPException(404)
        return await self.get_response(str(path), request.scope)

    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        if response.status_code != 304:
            response.headers["Content-Type"] = _TYPES[Path(full_path).suffix]
        response.headers["Cache-Control"] = "no-cache"
        return response
