"""The environment is read once; what is wrong in it is told all at once, plainly, and without secrets."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bot.config import GROQ_URL, Config, read_config
from bot.errors import ConfigurationError
from bot.llm.models import load_facts
from bot.variables import configuration_page, env_example, settings_documentation

ROOT = Path(__file__).resolve().parent.parent.parent

pytestmark = pytest.mark.usefixtures("empty_folder")


def wrong() -> dict[str, ConfigurationError]:
    """What ``read_config`` complains of, by variable."""
    with pytest.raises(ExceptionGroup) as caught:
        read_config()
    return {error.variable: error for error in caught.value.exceptions if isinstance(error, ConfigurationError)}


def test_an_empty_environment_gives_a_bot_for_this_machine() -> None:
    config = read_config()
    assert (config.host, config.port, config.command_name, config.bot_name) == ("127.0.0.1", 8765, "ai", "Parley")
    assert (config.llm_base_url, config.key, config.llm_model) == (GROQ_URL, "", "openai/gpt-oss-20b")
    assert config.database_url == "sqlite+aiosqlite:///data/parley.db"
    assert (config.allowed_channels, config.user_turns_per_minute) == ((), 0)


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "")
    monkeypatch.setenv("LLM_MODEL", "")
    assert (read_config().port, read_config().llm_model) == (8765, "openai/gpt-oss-20b")


def test_a_line_of_the_env_file_counts_where_the_environment_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("PORT=9001\nBOT_NAME='Ada'\nexport LOG_LEVEL=DEBUG\nUNKNOWN=1\n", encoding="utf-8")
    monkeypatch.setenv("BOT_NAME", "Grace")
    config = read_config()
    assert (config.port, config.bot_name, config.log_level) == (9001, "Grace", "debug")


def test_an_empty_variable_of_the_environment_still_wins_over_the_env_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("GROQ_API_KEY=gsk_from_file\n", encoding="utf-8")
    assert read_config().key == "gsk_from_file"
    monkeypatch.setenv("GROQ_API_KEY", "")
    assert read_config().key == ""


def test_every_wrong_variable_is_told_at_once_with_its_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "70000")
    monkeypatch.setenv("LOG_LEVEL", "loud")
    monkeypatch.setenv("SHUTDOWN_GRACE", "soon")
    monkeypatch.setenv("COMMAND_NAME", "Ask Me")
    told = wrong()
    assert set(told) == {"PORT", "LOG_LEVEL", "SHUTDOWN_GRACE", "COMMAND_NAME"}
    assert told["PORT"].user_text == "PORT: its value '70000' cannot be used. Set a whole number from 0 to 65535."
    assert told["LOG_LEVEL"].fix == "Set debug, info, warning or error."


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("GROQ_API_KEY", "gsk_secret with a blank"),
        ("LLM_API_KEY", "gsk_secretü"),
        ("DATABASE_URL", "mysql://person:gsk_secret@host/db"),
        ("LLM_BASE_URL", "https://person:gsk_secret@host/v1"),
        ("WEB_TOKEN", "gsk_secret"),
    ],
)
def test_a_wrong_secret_is_not_repeated(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)
    if variable.startswith("WEB_"):
        from bot.variables import wrong_adapter_variables

        (error,) = wrong_adapter_variables()
    else:
        error = wrong()[variable]
    assert error.variable == variable
    assert "gsk_secret" not in str(error)


def test_a_configuration_in_words_holds_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROQ_API_KEY", "gsk_secret")
    monkeypatch.setenv("DATABASE_URL", "postgresql://person:gsk_secret@host/db")
    assert "gsk_secret" not in repr(read_config())
    assert "gsk_secret" not in str(read_config())


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("sqlite:///chat.db", "sqlite+aiosqlite:///chat.db"),
        ("sqlite+aiosqlite:////srv/chat.db", "sqlite+aiosqlite:////srv/chat.db"),
        ("postgres://p:w@h/d", "postgresql+asyncpg://p:w@h/d"),
        ("postgresql://p:w@h/d", "postgresql+asyncpg://p:w@h/d"),
        ("postgresql+asyncpg://p:w@h/d", "postgresql+asyncpg://p:w@h/d"),
    ],
)
def test_a_database_url_gets_the_driver_that_is_used(monkeypatch: pytest.MonkeyPatch, given: str, used: str) -> None:
    monkeypatch.setenv("DATABASE_URL", given)
    assert read_config().database_url == used


@pytest.mark.parametrize("given", ["mysql://h/d", "postgresql+psycopg2://h/d", "chat.db", "sqlite://", "://"])
def test_another_database_is_refused(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("DATABASE_URL", given)
    assert "postgresql://" in wrong()["DATABASE_URL"].fix


def test_the_database_lies_in_the_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA_DIR", "/srv/parley")
    assert read_config().database_url == "sqlite+aiosqlite:////srv/parley/parley.db"


def test_a_data_folder_that_is_a_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("taken").write_text("", encoding="utf-8")
    monkeypatch.setenv("DATA_DIR", "taken")
    assert wrong()["DATA_DIR"].problem == "it is a file"


def test_a_key_for_the_server_comes_before_groqs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROQ_API_KEY", " gsk_one\n")
    assert read_config().key == "gsk_one"
    monkeypatch.setenv("LLM_API_KEY", "two")
    assert read_config().key == "two"


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED_CHANNELS", "C1, C2,,")
    monkeypatch.setenv("LLM_FALLBACK_MODELS", "a/b,c")
    assert read_config().allowed_channels == ("C1", "C2")
    assert read_config().llm_fallback_models == ("a/b", "c")


@pytest.mark.parametrize("given", ["localhost:11434", "ftp://host/v1", "http://", "http://[::1"])
def test_a_server_address_must_be_a_web_address(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("LLM_BASE_URL", given)
    assert wrong()["LLM_BASE_URL"].fix == f"Set an address such as {GROQ_URL}."


def test_a_server_address_may_end_with_a_slash_and_a_command_begin_with_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_BASE_URL", "http://127.0.0.1:11434/v1/")
    monkeypatch.setenv("COMMAND_NAME", "/ask")
    assert (read_config().llm_base_url, read_config().command_name) == ("http://127.0.0.1:11434/v1", "ask")


@pytest.mark.parametrize(
    ("content", "problem"),
    [(b"PORT=1\nthis is = 'open\n", "line 2 cannot be understood"), (b"BOT_NAME=\xff\xfe\n", "it is not UTF-8 text")],
)
def test_an_env_file_that_cannot_be_read_is_told_plainly(content: bytes, problem: str) -> None:
    Path(".env").write_bytes(content)
    assert wrong()[".env"].problem == problem


def test_an_env_file_that_is_a_folder_is_told_plainly() -> None:
    Path(".env").mkdir()
    assert wrong()[".env"].problem.startswith("it cannot be read")


def test_a_configuration_does_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Config().port = 1  # type: ignore[misc]  # that this is wrong is what is tested


def test_every_variable_says_what_it_means() -> None:
    variables = [variable for group in settings_documentation() for variable in group.variables]
    assert [variable.name for variable in variables if not variable.meaning or not variable.values] == []
    names = [variable.name for variable in variables]
    assert {"GROQ_API_KEY", "LLM_MODEL", "DATA_DIR", "WEB_TOKEN"} <= set(names)
    assert len(names) == len(set(names))


def test_the_documents_in_the_repository_are_current() -> None:
    assert (ROOT / ".env.example").read_text(encoding="utf-8") == env_example()
    assert (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8") == configuration_page()


def test_the_example_copied_as_it_is_changes_nothing() -> None:
    before = read_config()
    Path(".env").write_text(env_example(), encoding="utf-8")
    assert read_config() == before


def test_the_example_with_every_line_taken_in_can_be_used() -> None:
    lines = [re.sub(r"^#(?=[A-Z_]+=)", "", line) for line in env_example().splitlines()]
    Path(".env").write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert read_config().database_url.startswith("postgresql+asyncpg://")


def test_no_example_names_a_model_that_is_not_offered_any_more() -> None:
    facts = load_facts()
    given = [example for field in Config.model_fields.values() for example in field.examples or ()]
    named = {name for example in given for name in example.split(",") if name in {*facts.models, *facts.replacements}}
    assert named & facts.replacements.keys() == set()
    assert Config(_env_file=None).llm_model not in facts.replacements
    assert named
