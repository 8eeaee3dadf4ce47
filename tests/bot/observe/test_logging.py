"""Nothing that people wrote, no name and no secret is in a log line, whoever logs it and at whatever level."""

from __future__ import annotations

import ast
import asyncio
import io
import json
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeGuard

import pytest
import structlog

import bot
from bot.events import Address, Author
from bot.observe.logging import HIDDEN, WORDS, conversation_hash, start_logging, turn_logged
from bot.ports import Claim, TurnKind

SECRETS = ("xoxb-1234-secret", "gsk_topsecret", "our merger is on Friday", "Alice Liddell")
METHODS = {"debug", "info", "warning", "error", "exception", "critical"}

LIBRARIES = ("discord", "slack_bolt", "slack_sdk")

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """Everything is logged, as JSON; the call gives what was logged so far."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    loggers = [logging.getLogger(name) for name in LIBRARIES]
    levels = [logger.level for logger in loggers]
    for logger in loggers:  # an adapter that was open before has made some of them silent
        logger.setLevel(logging.NOTSET)
    stream = io.StringIO()
    start_logging("debug", "json", stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    structlog.reset_defaults()
    logging.captureWarnings(False)
    root.handlers[:] = before
    root.setLevel(level)
    for logger, former in zip(loggers, levels, strict=True):
        logger.setLevel(former)


def assert_nothing_leaked(logged: list[dict[str, Any]]) -> None:
    text = json.dumps(logged, ensure_ascii=False)
    assert logged
    assert [secret for secret in SECRETS if secret in text] == []


def test_a_constant_text_of_a_library_is_logged_without_its_arguments(lines: Lines) -> None:
    logging.getLogger("slack_sdk.web").debug("Sending a request to %s with %s", SECRETS[0], SECRETS[2])
    (line,) = lines()
    assert line["event"] == "Sending a request to %s with %s"
    assert line["logger"] == "slack_sdk.web"
    assert line["level"] == "debug"
    assert_nothing_leaked(lines())


@pytest.mark.parametrize("secret", SECRETS)
def test_a_text_put_together_by_a_library_is_hidden(lines: Lines, secret: str) -> None:
    log = logging.getLogger("discord.gateway")
    log.debug(f"For shard 0: {secret}")  # noqa: G004 - this is what libraries do
    log.info("token " + secret)  # noqa: G003 - as above
    log.warning("{} joined".format(secret), extra={"secret": secret})  # noqa: G001, UP032 - as above
    log.error(secret)
    log.log(5 + logging.DEBUG, secret)
    assert [line["event"] for line in lines()] == [HIDDEN] * 5
    assert_nothing_leaked(lines())


def test_a_text_that_merely_stands_somewhere_in_the_source_is_hidden(lines: Lines) -> None:
    written = "hello"
    logging.getLogger("slack_bolt").info(written)
    assert lines()[0]["event"] == HIDDEN


def test_an_exception_is_told_by_class_and_place_but_not_by_its_words(lines: Lines) -> None:
    try:
        try:
            raise KeyError(SECRETS[2])
        except KeyError as error:
            raise ValueError(SECRETS[0]) from error
    except ValueError:
        structlog.get_logger("desk").exception("turn broke")
        logging.getLogger("aiohttp.server").exception("Error handling request from %s", SECRETS[3])
    ours, theirs = lines()
    assert ours["exception"] == theirs["exception"] == ["ValueError", "KeyError"]
    assert ours["trace"][-1].startswith("observe/test_logging.py:")
    assert_nothing_leaked(lines())


def test_a_task_that_nobody_waited_for_is_logged_without_its_words(lines: Lines) -> None:
    loop = asyncio.new_event_loop()
    try:
        loop.call_exception_handler({"message": SECRETS[2], "exception": RuntimeError(SECRETS[0])})
    finally:
        loop.close()
    assert lines()[-1]["exception"] == ["RuntimeError"]
    assert_nothing_leaked(lines())


def test_words_pass_only_under_the_keys_meant_for_them(lines: Lines) -> None:
    structlog.get_logger("desk").info(
        "turn settled", outcome="answered", attempts=2, whole=True, text=SECRETS[2], author={"name": SECRETS[3]}
    )
    (line,) = lines()
    assert (line["outcome"], line["attempts"], line["whole"]) == ("answered", 2, True)
    assert line["text"] == line["author"] == HIDDEN
    assert line["logger"] == "desk"


async def test_every_line_of_a_turn_carries_its_mark_and_its_conversations_hash(lines: Lines) -> None:
    address = Address("slack", "T1", "C1", "17.4")
    claim = Claim(1, 2, 3, 1, TurnKind.ANSWER, address, Author("U1", "Alice Liddell"), False, "17.4", "m-3", 1, 0.0)
    with turn_logged(claim):
        structlog.get_logger("turn").info("asked")
        await asyncio.create_task(_library_call())
    structlog.get_logger("turn").info("outside")
    inside, library, outside = lines()[-3:]
    assert inside["turn"] == library["turn"] == "m-3"
    assert inside["conversation"] == library["conversation"] == conversation_hash(address.key)
    assert "C1" not in json.dumps([inside, library])
    assert "turn" not in outside


async def _library_call() -> None:
    logging.getLogger("httpx").info("HTTP Request: %s", SECRETS[1])


def test_a_library_that_set_up_its_own_printing_is_taken_in(lines: Lines, capsys: pytest.CaptureFixture[str]) -> None:
    library = logging.getLogger("uvicorn.error")
    library.addHandler(logging.StreamHandler())
    library.propagate = False
    stream = io.StringIO()
    start_logging("debug", "json", stream)
    library.info("Started server process [%d]", 7)
    assert json.loads(stream.getvalue())["event"] == "Started server process [%d]"
    assert capsys.readouterr().err == ""


def test_lines_below_the_level_are_not_written() -> None:
    stream = io.StringIO()
    start_logging("warning", "json", stream)
    structlog.get_logger("desk").info("small")
    logging.getLogger("httpx").info("small")
    structlog.get_logger("desk").warning("large")
    structlog.reset_defaults()
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["large"]


def test_the_console_form_is_for_reading() -> None:
    stream = io.StringIO()
    start_logging("info", "console", stream)
    structlog.get_logger("desk").info("turn settled", outcome="answered")
    structlog.reset_defaults()
    assert "turn settled" in stream.getvalue()
    assert "outcome=answered" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


def test_a_closed_stderr_breaks_nothing() -> None:
    stream = io.StringIO()
    start_logging("info", "json", stream)
    stream.close()
    structlog.get_logger("desk").info("ready")
    logging.getLogger("httpx").info("ready")
    structlog.reset_defaults()


def test_every_own_log_line_has_a_constant_event() -> None:
    broken = [place for place, call in _log_calls() if not (call.args and isinstance(call.args[0], ast.Constant))]
    assert broken == []


def test_no_own_log_line_gives_a_reason_that_is_hidden_from_who_reads_it() -> None:
    told = re.compile(r"str\(.*|.*\.(__name__|value|mode|trouble)\b.*")
    hidden = [
        f"{place} {keyword.arg}"
        for place, call in _log_calls()
        for keyword in call.keywords
        if told.fullmatch(ast.unparse(keyword.value)) and keyword.arg not in WORDS
    ]
    assert hidden == []


def _log_calls() -> Iterator[tuple[str, ast.Call]]:
    root = Path(bot.__path__[0]).parent
    for path in (path for folder in ("bot", "adapters") for path in (root / folder).rglob("*.py")):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if _logs(call):
                yield f"{path.relative_to(root)}:{call.lineno}", call


def _logs(node: ast.AST) -> TypeGuard[ast.Call]:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or node.func.attr not in METHODS:
        return False
    return isinstance(node.func.value, ast.Name) and node.func.value.id.lower() in {"log", "_log", "logger", "_logger"}
