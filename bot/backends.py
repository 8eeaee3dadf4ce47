"""Which model server answers: a configured one, else a local one found by itself, else the built-in guide.

The choice can be changed while running (somebody pastes a key into the page); running answers finish where they
began.
"""

from __future__ import annotations

import os
from collections.abc import Set
from pathlib import Path

from bot.config import GROQ_URL, Config, web_address, whole_key
from bot.errors import ConfigurationError, StoreError
from bot.llm import Guide, LlmConfig, Switchable, find_local, open_completions
from bot.ports import Backend, Completions

_ROOT = Path(__file__).resolve().parent.parent


async def choose(config: Config) -> Completions:
    """The backend that the configuration and this machine offer, in that order."""
    if config.key or config.llm_base_url != GROQ_URL:
        return _configured(config, config.llm_base_url, config.key, _kind(config, config.llm_base_url))
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


def _kind(config: Config, url: str) -> str:
    """A Groq key with another address means a gateway or a proxy in front of Groq."""
    has_groq_key = config.groq_api_key.get_secret_value() and not config.llm_api_key.get_secret_value()
    return "groq" if url == GROQ_URL or (url == config.llm_base_url and has_groq_key) else "server"


def _is_chosen(config: Config, url: str, listed: list[str]) -> bool:
    """Whether the configured model is meant for this server: it has the model, or somebody set it for no other one."""
    given = config.model_fields_set
    return config.llm_model in listed or (
        "llm_model" in given and ("llm_base_url" not in given or config.llm_base_url == url)
    )


class KeyRing:
    """Exchanges the backend for one with another key."""

    def __init__(self, config: Config, switch: Switchable, env_file: Path = Path(".env")) -> None:
        self._config = config
        self._switch = switch
        self._env_file = env_file

    async def use(self, key: str, url: str = "", remember: bool = False) -> Backend:
        """Ask the provider with the new key first. Raises ``CompletionFailed``: then nothing has changed.

        Without ``url`` the key is for the configured server; only with it the key may be empty.
        """
        key, url = _checked(key, url)
        url = url or self._config.llm_base_url
        kind = _kind(self._config, url)
        values = {"GROQ_API_KEY" if kind == "groq" else "LLM_API_KEY": key}
        if url != GROQ_URL:
            values["LLM_BASE_URL"] = url
        fresh = _configured(self._config, url, key, kind)
        try:
            listed = [profile.id for profile in await fresh.models()]
        except BaseException:
            await fresh.close()
            raise
        if listed and not _is_chosen(self._config, url, listed):
            await fresh.close()
            usual = Config.model_fields["llm_model"].default
            model = usual if usual in listed else listed[0]
            if kind == "server":
                values["LLM_MODEL"] = model
            fresh = _configured(self._config.model_copy(update={"llm_model": model}), url, key, kind)
        self._switch.use(fresh)
        if remember:
            self._remember(values, listed)
        return self._switch.backend()

    def _remember(self, values: dict[str, str], listed: list[str]) -> None:
        """Have the next start choose the same, as far as ``.env`` decides that."""
        superseded = {"LLM_API_KEY", "LLM_BASE_URL"} - values.keys()
        if not values.get("LLM_API_KEY", "-"):  # a server without a key would be sent the other one
            superseded.add("GROQ_API_KEY")
        self._write(values, superseded, listed)
        decided = [
            name
            for name in values.keys() | superseded
            if os.environ.get(name, values.get(name, "")) != values.get(name, "")
        ]
        if decided:
            names = " and ".join(sorted(decided))
            raise StoreError(
                "the environment decides",
                user_text=f"This works now, but at the next start {names} of the environment will count, not .env.",
            )

    def _write(self, values: dict[str, str], superseded: Set[str], listed: list[str]) -> None:
        """Put the values into ``.env``, readable by its owner only; other lines stay as they are.

        A model that was kept for a server that goes, and is not ``listed`` by the new one, goes with it.
        """
        try:
            lines = self._env_file.read_text(encoding="utf-8").splitlines() if self._env_file.exists() else []
            before = {name.strip(): value.strip() for name, _, value in (line.partition("=") for line in lines)}
            going = values.keys() | superseded
            if "LLM_BASE_URL" in before.keys() & superseded and before.get("LLM_MODEL") not in listed:
                going |= {"LLM_MODEL"}
            kept = [line for line in lines if line.split("=", 1)[0].strip() not in going]
            text = "\n".join([*kept, *(f"{name}={value}" for name, value in values.items())]) + "\n"
            beside = self._env_file.with_name(self._env_file.name + ".new")
            with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
                file.write(text)
            beside.replace(self._env_file)
        except OSError as error:
            raise StoreError(
                "key not written", user_text="The key works now, but I could not write it to .env."
            ) from error


def _checked(key: str, url: str) -> tuple[str, str]:
    """Both trimmed. Raises ``ConfigurationError`` for what can be neither."""
    variable = "LLM_BASE_URL"
    try:
        url = web_address(url) if url.strip() else ""
        variable = "LLM_API_KEY" if url and url != GROQ_URL else "GROQ_API_KEY"
        key = whole_key(key)
        if not key and (not url or url == GROQ_URL):
            raise ValueError("the key is empty|Paste the key alone.")
    except ValueError as error:
        problem, _, fix = str(error).partition("|")
        raise ConfigurationError(variable, problem, fix) from None
    return key, url
