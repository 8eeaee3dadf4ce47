"""Which of the three answers, and how a pasted key takes over."""

from __future__ import annotations

import functools
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot import backends
from bot.backends import KeyRing, choose
from bot.config import GROQ_URL, Config
from bot.errors import ConfigurationError, KeyRefused, StoreError
from bot.llm import Guide, Switchable, find_local
from bot.ports import Backend
from tests.bot.llm.conftest import ask
from tests.contracts.completions import collect, text_of
from tests.emulators.llm import LlmEmulator

pytestmark = pytest.mark.usefixtures("empty_folder")


@pytest.fixture
async def server() -> AsyncIterator[LlmEmulator]:
    async with LlmEmulator(key="gsk_good") as running:
        yield running


def config(**values: Any) -> Config:
    return Config(_env_file=None, **values)


async def chosen(**values: Any) -> Backend:
    completions = await choose(config(**values))
    await completions.close()
    return completions.backend()


@pytest.fixture
def ports(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Where a server on this machine is looked for; nothing of this machine's own is met."""
    found = [1]  # where nobody listens
    monkeypatch.setattr(backends, "find_local", functools.partial(find_local, found, seconds=30.0))
    return found


async def test_without_anything_the_guide_answers(ports: list[int]) -> None:
    assert await chosen() == Backend("guide", "the built-in guide", "", "guide")


async def test_a_server_on_this_machine_answers_where_no_key_is_set(ports: list[int]) -> None:
    async with LlmEmulator(key="") as local:
        ports.append(local.port)
        local.models = [entry for entry in local.models if "gpt-oss-20b" in entry["id"]]
        # What such servers use as their path, which the emulator answers under as well.
        backend = await chosen()
    assert (backend.kind, backend.model) == ("local", "openai/gpt-oss-20b")
    assert backend.url == f"http://127.0.0.1:{local.port}/v1"


@pytest.mark.parametrize(
    ("values", "kind", "url"),
    [
        ({"groq_api_key": "gsk_good"}, "groq", GROQ_URL),
        ({"groq_api_key": "gsk_good", "llm_base_url": "http://127.0.0.1:1/openai/v1"}, "groq", "http://127.0.0.1:1/openai/v1"),
        ({"llm_api_key": "k", "llm_base_url": "http://127.0.0.1:1/v1"}, "server", "http://127.0.0.1:1/v1"),
        ({"llm_base_url": "http://127.0.0.1:1/v1"}, "server", "http://127.0.0.1:1/v1"),
    ],
)  # fmt: skip
async def test_what_is_configured_answers_and_nothing_is_searched_for(
    ports: list[int], values: dict[str, Any], kind: str, url: str
) -> None:
    async with LlmEmulator(key="") as local:
        ports.append(local.port)
        backend = await chosen(**values, llm_model="acme/own")
    assert (backend.kind, backend.url, backend.model) == (kind, url, "acme/own")
    assert local.connections == 0


@pytest.fixture
async def switch() -> AsyncIterator[Switchable]:
    it = Switchable(Guide({}, pace=0))
    yield it
    await it.close()


async def test_a_pasted_key_answers_from_then_on_and_is_kept_nowhere(server: LlmEmulator, switch: Switchable) -> None:
    backend = await KeyRing(config(), switch).use(" gsk_good\n", server.url + "/")
    assert backend == switch.backend()
    assert (backend.kind, backend.url) == ("server", server.url)
    assert text_of(await collect(switch, ask())) == server.default.text
    assert not Path(".env").exists()


async def test_a_server_without_the_usual_model_answers_with_its_first_one(
    server: LlmEmulator, switch: Switchable
) -> None:
    server.models = [entry for entry in server.models if entry["id"] != "openai/gpt-oss-20b"]
    backend = await KeyRing(config(), switch).use("gsk_good", server.url, remember=True)
    assert backend.model == "openai/gpt-oss-120b"
    assert "LLM_MODEL=openai/gpt-oss-120b\n" in Path(".env").read_text()
    chosen = await KeyRing(config(llm_model="acme/hidden"), switch).use("gsk_good", server.url)
    assert chosen.model == "acme/hidden"


async def test_a_refused_key_changes_nothing(server: LlmEmulator, switch: Switchable) -> None:
    with pytest.raises(KeyRefused):
        await KeyRing(config(), switch).use("gsk_bad", server.url, remember=True)
    assert switch.backend().kind == "guide"
    assert not Path(".env").exists()


@pytest.mark.parametrize(
    ("key", "url", "told"),
    [
        ("", "", "GROQ_API_KEY: the key is empty. Paste the key alone."),
        ("  ", GROQ_URL, "GROQ_API_KEY: the key is empty. Paste the key alone."),
        ("two words", "", "GROQ_API_KEY: it has characters in it that no key has."),
        ("\u201cgsk_good\u201d", "", "GROQ_API_KEY: it has characters in it that no key has."),
        ("gsk_g\u00f6\u00f6d", "http://127.0.0.1:1/v1", "LLM_API_KEY: it has characters in it that no key has."),
        ("gsk_good", "http://[::bad/v1", "LLM_BASE_URL: it is not a web address."),
        ("gsk_good", "ftp://127.0.0.1/v1", "LLM_BASE_URL: it is not a web address."),
    ],
)
async def test_what_is_no_key_or_no_address_is_not_even_tried(
    key: str, url: str, told: str, server: LlmEmulator, switch: Switchable
) -> None:
    with pytest.raises(ConfigurationError) as error:
        await KeyRing(config(llm_base_url=server.url), switch).use(key, url)
    assert error.value.user_text.startswith(told)
    assert server.connections == 0


async def test_without_an_address_a_key_is_for_the_configured_server(server: LlmEmulator, switch: Switchable) -> None:
    backend = await KeyRing(config(llm_base_url=server.url), switch).use("gsk_good", remember=True)
    assert (backend.kind, backend.url) == ("server", server.url)
    assert Path(".env").read_text() == f"LLM_API_KEY=gsk_good\nLLM_BASE_URL={server.url}\n"


async def test_a_gateway_in_front_of_groq_stays_one_with_another_key(server: LlmEmulator, switch: Switchable) -> None:
    before = config(llm_base_url=server.url, groq_api_key="gsk_old")
    backend = await KeyRing(before, switch).use("gsk_good", remember=True)
    assert (backend.kind, backend.url) == ("groq", server.url)
    assert Path(".env").read_text() == f"GROQ_API_KEY=gsk_good\nLLM_BASE_URL={server.url}\n"


async def test_a_server_that_needs_no_key_is_taken_without_one_and_is_not_sent_the_other(switch: Switchable) -> None:
    Path(".env").write_text("GROQ_API_KEY=gsk_mine\nPORT=9000\n")
    async with LlmEmulator(key="") as local:
        backend = await KeyRing(config(groq_api_key="gsk_mine"), switch).use("", local.url, remember=True)
        assert (backend.kind, backend.url) == ("server", local.url)
        assert Path(".env").read_text() == f"PORT=9000\nLLM_API_KEY=\nLLM_BASE_URL={local.url}\n"
        assert text_of(await collect(switch, ask())) == local.default.text


async def test_a_remembered_groq_key_takes_the_place_of_the_server_remembered_before(
    server: LlmEmulator, switch: Switchable, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with LlmEmulator(key="k") as other:
        (some,) = [entry for entry in other.models if entry["id"] == "openai/gpt-oss-20b"]
        other.models = [some | {"id": "acme/own"}]
        await KeyRing(config(), switch).use("k", other.url, remember=True)
        assert "LLM_MODEL=acme/own\n" in Path(".env").read_text()
        monkeypatch.setattr(backends, "GROQ_URL", server.url)
        restarted = config(llm_api_key="k", llm_base_url=other.url, llm_model="acme/own")
        backend = await KeyRing(restarted, switch).use("gsk_good", server.url, remember=True)
    assert (backend.kind, backend.model) == ("groq", "openai/gpt-oss-20b")
    assert Path(".env").read_text() == "GROQ_API_KEY=gsk_good\n"


async def test_what_the_environment_says_wins_at_the_next_start_and_that_is_told(
    server: LlmEmulator, switch: Switchable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLM_BASE_URL", "http://127.0.0.1:1/v1")
    with pytest.raises(StoreError) as told:
        await KeyRing(config(), switch).use("gsk_good", server.url, remember=True)
    assert told.value.user_text == (
        "This works now, but at the next start LLM_BASE_URL of the environment will count, not .env."
    )
    assert switch.backend().url == server.url


async def test_a_key_to_be_remembered_is_written_for_its_owner_alone_and_other_lines_stay(
    server: LlmEmulator, switch: Switchable
) -> None:
    Path(".env").write_text("# mine\nPORT=9000\nLLM_API_KEY=old\n")
    await KeyRing(config(), switch).use("gsk_good", server.url, remember=True)
    assert Path(".env").read_text() == f"# mine\nPORT=9000\nLLM_API_KEY=gsk_good\nLLM_BASE_URL={server.url}\n"
    assert stat.S_IMODE(Path(".env").stat().st_mode) == 0o600


async def test_a_key_that_cannot_be_written_works_all_the_same_and_says_so(
    server: LlmEmulator, switch: Switchable
) -> None:
    with pytest.raises(StoreError) as told:
        await KeyRing(config(), switch, Path("missing/.env")).use("gsk_good", server.url, remember=True)
    assert "works now" in told.value.user_text
    assert switch.backend().kind == "server"
