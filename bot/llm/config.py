"""How to reach a model server: one frozen value, given by whoever composes the program."""

from __future__ import annotations

from dataclasses import dataclass

GROQ_URL = "https://api.groq.com/openai/v1"


@dataclass(frozen=True, slots=True)
class LlmConfig:
    """One server. ``kind``: groq, server or local. ``server``: its key in ``models.json``, "" to tell by address.

    ``transport``: ``aiohttp`` (httpx carried by aiohttp, a third of the CPU per token) or ``httpx``. ``fallbacks``
    are tried where a request names none. Seconds: ``connect_timeout``, ``headers_timeout`` (until the response
    begins; a slow prompt counts here), ``stall_timeout`` (between two reads), ``patience`` (longest wait for a rate
    limit or a pause the server asked for), ``models_ttl`` (how long the model list is believed).
    """

    base_url: str = GROQ_URL
    api_key: str = ""
    kind: str = "groq"
    model: str = "openai/gpt-oss-20b"
    fallbacks: tuple[str, ...] = ()
    name: str = ""
    server: str = ""
    transport: str = "aiohttp"
    connect_timeout: float = 5.0
    headers_timeout: float = 90.0
    stall_timeout: float = 45.0
    patience: float = 30.0
    backoff: float = 0.5
    models_ttl: float = 300.0
    connections: int = 1_000
