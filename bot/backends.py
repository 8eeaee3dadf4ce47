"""Which model server answers: a configured one, else a local one found by itself, else the built-in guide.

The choice can be changed while running (somebody pastes a key into the page); running answers finish where they
began.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from bot.config import GROQ_URL, Config
from bot.errors import ConfigurationError, StoreError
from bot.llm import Guide, LlmConfig, Switchable, find_local, open_completions
from bot.ports import Backend, Completions

_ROOT = Path(__file__).resolve().parent.parent


async def choose(config: Config) -> Completions:
    """The backend that the configuration and this machine offer, in that order."""
    if config.key or config.llm_base_url != GROQ_URL:
        # A Groq key with another address means a gateway or a proxy in front of Groq.
        groq = config.llm_base_url == GROQ_URL or bool(
            config.groq_api_key.get_secret_value() and not config.llm_api_key.get_secret_value()
        )
        return _configured(config, config.llm_base_url, config.key, "groq" if groq else "server")
    local = await find_local()
    if local is not None:
        return open_completions(
            LlmConfig(kind="local", base_url=local.url, api_key="", model=local.model, name=local.name)
        )
    return Guide(documents())


def documents() -> dict[str, str]:
    """The project's own documentation, by file name: what the guide answers from."""
    pages = [_ROOT / "README.md", *sorted((_ROOT / "docs").glob("*.md"))]
    return {page.name: page.read_text(encoding="utf-8") for page in pages if page.is_file()}


def _configured(config: Config, url: str, key: str, kind: str) -> Completions:
    return open_completions(
        LlmConfig(
            kind=kind,
            base_url=url,
            api_key=key,
            model=config.llm_model,
            fallbacks=config.llm_fallback_models,
            transport=config.llm_transport,
            stall_timeout=config.llm_timeout,
            headers_timeout=config.llm_timeout,
        )
    )


def _is_chosen(config: Config, listed: list[str]) -> bool:
    """Whether the configured model was meant for this server: somebody set it, or the server has it."""
    return "llm_model" in config.model_fields_set or config.llm_model in listed


class KeyRing:
    """Exchanges the backend for one with another key."""

    def __init__(self, config: Config, switch: Switchable, env_file: Path = Path(".env")) -> None:
        self._config = config
        self._switch = switch
        self._env_file = env_file

    async def use(self, key: str, url: str = "", remember: bool = False) -> Backend:
        """Ask the provider with the new key first. Raises ``CompletionFailed``: then nothing has changed."""
        key, url = key.strip(), url.strip().rstrip("/") or GROQ_URL
        if not key or re.search(r"\s", key):
            raise ConfigurationError("GROQ_API_KEY", "the key is empty or has blanks in it", "Paste the key alone.")
        values = {"GROQ_API_KEY": key} if url == GROQ_URL else {"LLM_API_KEY": key, "LLM_BASE_URL": url}
        fresh = _configured(self._config, url, key, "groq" if url == GROQ_URL else "server")
        try:
            listed = [profile.id for profile in await fresh.models()]
        except BaseException:
            await fresh.close()
            raise
        if url != GROQ_URL and listed and not _is_chosen(self._config, listed):
            await fresh.close()
            values["LLM_MODEL"] = listed[0]
            fresh = _configured(self._config.model_copy(update={"llm_model": listed[0]}), url, key, "server")
        self._switch.use(fresh)
        if remember:
            self._write(values)
        return self._switch.backend()

    def _write(self, values: dict[str, str]) -> None:
        """Put the values into ``.env``, readable by its owner only; other lines stay as they are."""
        try:
            lines = self._env_file.read_text(encoding="utf-8").splitlines() if self._env_file.exists() else []
            kept = [line for line in lines if line.split("=", 1)[0].strip() not in values]
            text = "\n".join([*kept, *(f"{name}={value}" for name, value in values.items())]) + "\n"
            beside = self._env_file.with_name(self._env_file.name + ".new")
            with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
                file.write(text)
            beside.replace(self._env_file)
        except OSError as error:
            raise StoreError(
                "key not written", user_text="The key works now, but I could not write it to .env."
            ) from error
