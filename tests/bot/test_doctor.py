"""The doctor names what is wrong and the exact fix, and shows no secret."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from bot import doctor
from bot.config import Config, read_config
from bot.errors import ConfigurationError, StoreFull
from bot.ports import Check
from bot.storage import open_store
from tests.emulators.llm import LlmEmulator

KEY = "gsk_test"

pytestmark = pytest.mark.usefixtures("empty_folder")


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    return monkeypatch


def configured(environment: pytest.MonkeyPatch, server: LlmEmulator, **variables: str) -> Config:
    for name, value in {"LLM_BASE_URL": server.url, "LLM_API_KEY": KEY, **variables}.items():
        environment.setenv(name, value)
    return read_config()


async def test_a_good_provider_is_proved_by_a_tiny_answer(environment: pytest.MonkeyPatch) -> None:
    async with LlmEmulator(key=KEY) as server:
        listed, answered = await doctor.provider(configured(environment, server))
    assert listed.ok
    assert answered.ok
    assert "openai/gpt-oss-20b answers: first text after" in answered.found
    assert len(server.seen) == 1


async def test_a_refused_key_names_its_variable_and_is_not_shown(environment: pytest.MonkeyPatch) -> None:
    async with LlmEmulator(key="gsk_other") as server:
        (line,) = await doctor.provider(configured(environment, server))
    assert (line.ok, line.fix) == (False, "Set LLM_API_KEY to a valid key.")
    assert KEY not in doctor.told([line], colours=False)


async def test_a_model_that_is_not_listed_and_does_not_answer_names_some_that_are(
    environment: pytest.MonkeyPatch,
) -> None:
    async with LlmEmulator(key=KEY) as server:
        _, line = await doctor.provider(configured(environment, server, LLM_MODEL="no/such-model"))
    assert not line.ok
    assert line.found == "no/such-model is not listed, and does not answer"
    assert line.fix.startswith("Set LLM_MODEL to one of: ")


async def test_each_model_is_asked_by_itself_the_fallbacks_too(environment: pytest.MonkeyPatch) -> None:
    async with LlmEmulator(key=KEY) as server:
        _, first, good, bad = await doctor.provider(
            configured(
                environment,
                server,
                LLM_MODEL="no/such-model",
                LLM_FALLBACK_MODELS="openai/gpt-oss-120b,no/such-either,no/such-model",
            )
        )
    assert (first.name, first.ok) == ("model", False)
    assert (good.name, good.ok) == ("fallback model", True)
    assert "openai/gpt-oss-120b answers: first text after" in good.found
    assert (bad.ok, bad.found) == (False, "no/such-either is not listed, and does not answer")
    assert bad.fix.startswith("Set LLM_FALLBACK_MODELS to one of: ")


async def test_a_model_that_answers_is_good_whatever_the_list_says(environment: pytest.MonkeyPatch) -> None:
    async with LlmEmulator(key=KEY) as server:
        _, line = await doctor.provider(
            configured(environment, server, LLM_MODEL="meta-llama/llama-prompt-guard-2-86m")
        )
    assert line.ok
    assert line.found.endswith("(it is not listed)")


async def test_a_server_that_is_not_there_is_told_in_a_sentence(environment: pytest.MonkeyPatch) -> None:
    async with LlmEmulator(key=KEY) as server:
        config = configured(environment, server)
    (line,) = await doctor.provider(config)
    assert not line.ok
    assert "LLM_BASE_URL" in line.fix


async def test_a_good_database_is_written_and_read() -> None:
    (line,) = await doctor.database(read_config())
    assert line.ok
    assert line.found.startswith("sqlite, tables up to date, written and read in ")


async def test_beside_the_running_bot_its_database_is_left_alone_and_everything_else_is_looked_at(
    environment: pytest.MonkeyPatch,
) -> None:
    environment.setenv("SLACK_BOT_TOKEN", "xoxb-1-x")
    environment.setenv("SLACK_APP_TOKEN", "xapp-1-x")
    environment.setenv("SLACK_API_URL", "http://127.0.0.1:9/api/")
    config = read_config()
    config.data_dir.mkdir()
    store, _ = await open_store(config.database_url, config.data_dir)
    try:
        lines = await doctor.examine(config)
    finally:
        await store.close()
    (database,) = [line for line in lines if line.name == "database"]
    assert database.ok
    assert "another process has" in database.found
    assert not [line for line in lines if "DATABASE_URL" in line.found]
    assert [line.name for line in lines if not line.ok and line.name.startswith("Slack")]


async def test_little_room_on_the_disk_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_ROOM_NEEDED", 2**70)
    (line,) = await doctor.disk_space(read_config())
    assert (line.ok, "DATA_DIR" in line.fix) == (False, True)


async def test_an_adapters_wrong_variable_is_told(environment: pytest.MonkeyPatch) -> None:
    config = read_config()
    environment.setenv("WEB_BEHAVE", "irc")
    (line,) = await doctor.configuration(config)
    assert line.found == "WEB_BEHAVE: its value 'irc' cannot be used"
    assert line.fix == "Set web, slack or discord."


async def test_one_broken_check_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    async def stars(_: Config) -> Sequence[Check]:
        raise RuntimeError("gsk_secret in a message")

    async def wrong(_: Config) -> Sequence[Check]:
        raise ConfigurationError("PORT", "it is taken", "Choose another.")

    async def full(_: Config) -> Sequence[Check]:
        raise StoreFull("raw detail")

    async def well(_: Config) -> Sequence[Check]:
        return [Check("moon", True, "round")]

    monkeypatch.setattr(doctor, "CHECKS", [stars, wrong, full, well])
    lines = await doctor.examine(read_config())
    assert [(line.ok, line.name) for line in lines] == [
        (False, "stars"),
        (False, "wrong"),
        (False, "full"),
        (True, "moon"),
    ]
    report = doctor.told(lines, colours=False)
    assert "gsk_secret" not in report
    assert "raw detail" not in report
    assert "BAD wrong: PORT: it is taken\n    fix: Choose another." in report
    assert report.endswith("3 to fix.")


async def test_a_check_without_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    async def endless(_: Config) -> Sequence[Check]:
        await asyncio.Event().wait()
        return ()

    monkeypatch.setattr(doctor, "_PATIENCE", 0.01)
    monkeypatch.setattr(doctor, "CHECKS", [endless])
    (line,) = await doctor.examine(read_config())
    assert (line.ok, line.name) == (False, "endless")


def test_a_report_without_red_lines_says_so_and_colours_only_on_a_terminal() -> None:
    lines = [Check("disk space", True, "80 GiB free")]
    assert doctor.told(lines, colours=False) == "ok  disk space: 80 GiB free\nEverything is well."
    assert "\x1b[32m" in doctor.told(lines, colours=True)


def test_the_working_folder_of_these_tests_is_a_new_one() -> None:
    assert list(Path().iterdir()) == []
