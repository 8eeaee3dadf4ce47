"""Log lines that can be shown to anybody: no message text, no names, no secrets, at no level.

Three gates hold that, because discipline alone does not:

- of our own lines, the event is a constant (a test reads every call) and only the keys in ``WORDS`` may carry words;
  other values pass when they are numbers, else they are replaced by ``(hidden)``;
- of exceptions, the classes and the places in the code are logged, never their messages: those quote what failed;
- of other libraries' records, debug output included, only what ``bot.observe.foreign`` proves harmless is logged.

Lines go to stderr, as JSON or for reading on a console, and carry the turn and a hash of its conversation.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import sys
from collections.abc import Iterator
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from bot.observe.foreign import fixed_template, places
from bot.ports import Claim

HIDDEN = "(hidden)"
WORDS = frozenset(
    {
        "adapter", "at", "conversation", "dispatch", "event", "exception", "kind", "level", "logger", "method", "mode",
        "model", "outcome", "phase", "platform", "result", "signal", "state", "surface", "surfaces", "table",
        "timestamp", "trace", "turn", "variable", "version", "way", "why",
    }
)  # fmt: skip
"""Keys whose values may be words. Put into them only what our own code or the platforms' protocols define."""

_LONGEST_WORD = 200


def start_logging(
    level: str = "info", form: Literal["auto", "console", "json"] = "auto", stream: TextIO | None = None
) -> None:
    """Send every line of this process, our own and other libraries', through the gates to ``stream`` (stderr)."""
    out = stream if stream is not None else sys.stderr
    console = form == "console" or (form == "auto" and out.isatty())
    render: Processor = (
        structlog.dev.ConsoleRenderer(colors=out.isatty()) if console else structlog.processors.JSONRenderer()
    )
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            name_logger,
            strip_exception,
            hide_words,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *names: _Printer(out, names[0] if names else ""),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers[:] = [ForeignRecords()]
    root.setLevel(number if number <= logging.DEBUG else max(number, logging.WARNING))  # libraries chat at info
    for name in list(logging.root.manager.loggerDict):  # libraries that brought handlers of their own lose them
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
    logging.captureWarnings(True)


@contextlib.contextmanager
def turn_logged(claim: Claim) -> Iterator[None]:
    """Every line inside carries the turn's mark and the conversation's hash."""
    with structlog.contextvars.bound_contextvars(turn=claim.mark, conversation=conversation_hash(claim.address.key)):
        yield


def conversation_hash(key: str) -> str:
    """Tells conversations apart in logs without naming workspace, channel or thread."""
    return hashlib.sha256(key.encode()).hexdigest()[:12]


def name_logger(logger: WrappedLogger, _: str, line: EventDict) -> EventDict:
    """Which part of the bot says it."""
    line.setdefault("logger", getattr(logger, "name", ""))
    return line


def strip_exception(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    """Classes and places of an exception in place of its text."""
    info = line.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    elif isinstance(info, BaseException):
        info = (type(info), info, info.__traceback__)
    if isinstance(info, tuple) and info[1] is not None:
        line["exception"], line["trace"] = places(info[1])
    line.pop("stack_info", None)
    return line


def hide_words(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    """Let numbers pass, words only under the keys in ``WORDS``."""
    return {key: _harmless(key, value) for key, value in line.items()}


def _harmless(key: str, value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if key not in WORDS:
        return HIDDEN
    if isinstance(value, str):
        return value[:_LONGEST_WORD]
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        return [item[:_LONGEST_WORD] for item in value]
    return HIDDEN


class ForeignRecords(logging.Handler):
    """Other libraries' records, reduced: logger, level, place in their code, and their text where it is a constant."""

    def emit(self, record: logging.LogRecord) -> None:
        level = max(logging.DEBUG, min(record.levelno, logging.CRITICAL) // 10 * 10)  # libraries have levels between
        with contextlib.suppress(Exception):  # a log line that cannot be written must not break what logged it
            structlog.get_logger("foreign").log(level, fixed_template(record) or HIDDEN, **self._facts(record))

    @staticmethod
    def _facts(record: logging.LogRecord) -> dict[str, Any]:
        facts: dict[str, Any] = {"logger": record.name.partition("[")[0], "at": f"{record.module}:{record.lineno}"}
        if record.exc_info and record.exc_info[1] is not None:
            facts["exc_info"] = record.exc_info
        return facts


class _Printer:
    """Writes lines. A closed or full stderr must not break a turn, so a failed write is let go."""

    def __init__(self, stream: TextIO, name: str) -> None:
        self._stream = stream
        self.name = name

    def msg(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text + "\n")
            self._stream.flush()

    log = debug = info = warn = warning = error = critical = exception = fatal = failure = msg
