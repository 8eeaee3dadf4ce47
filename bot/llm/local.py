"""Looks for a model server on this machine, so that a newcomer who has one needs no configuration.

All doors are tried at once and within a fraction of a second. What answers must list at least one chat model in
the protocol's own shape; any other web server that happens to sit on one of the ports is left alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import httpx
import msgspec

from bot.llm.models import Catalogue, guess_server, load_facts
from bot.llm.wire import ListedModel
from bot.ports import Backend

PORTS = (11434, 1234, 8080)
"""Ollama, LM Studio, llama.cpp: their own defaults, in the order of preference."""

_BODY_LIMIT = 1 << 20
_OK = 200


class _Entry(ListedModel):
    object: str = ""


class _Listing(msgspec.Struct):
    data: list[_Entry] | None
    object: str = ""


async def find_local(ports: Sequence[int] = PORTS, *, seconds: float = 0.3) -> Backend | None:
    """The first local server with a chat model, or ``None``; ``seconds`` for everything together. Never raises."""
    async with httpx.AsyncClient(trust_env=False, verify=False) as client:  # noqa: S501 - plain HTTP to this machine only
        tasks = [asyncio.create_task(_probe(client, port)) for port in ports]
        try:
            await asyncio.wait(tasks, timeout=seconds)
            found = [task.result() for task in tasks if task.done()]
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    return next((backend for backend in found if backend is not None), None)


async def _probe(client: httpx.AsyncClient, port: int) -> Backend | None:
    url = f"http://127.0.0.1:{port}/v1"
    try:
        async with client.stream("GET", f"{url}/models") as response:
            kind = response.headers.get("content-type", "").partition(";")[0].strip()
            if response.status_code != _OK or kind != "application/json":
                return None
            body = b""
            async for part in response.aiter_bytes():
                body += part
                if len(body) > _BODY_LIMIT:
                    return None
        listing = msgspec.json.decode(body, type=_Listing)
    except (httpx.HTTPError, OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    entries = listing.data or []
    if listing.object != "list" or any(entry.object != "model" for entry in entries):
        return None
    server = guess_server("local", url)
    models = Catalogue(server).learn(entries)
    name = load_facts().servers[server].name
    return Backend("local", name, url, models[0].id) if models else None
