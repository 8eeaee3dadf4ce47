"""What may be told of other libraries' log records and of exceptions without telling what they are about.

A record's text is shown only when the source code proves that it is a constant: the logging call at the record's own
file and line has that very text as a literal first argument. A text put together beforehand (an f-string, ``%``,
``format``) is never shown, and arguments never are.
"""

from __future__ import annotations

import ast
import logging
import traceback
from functools import lru_cache
from pathlib import Path

_METHODS = frozenset({"debug", "info", "warning", "warn", "error", "exception", "critical", "fatal", "log"})
_DEEPEST_TRACE = 12
_LONGEST_CHAIN = 5


def fixed_template(record: logging.LogRecord) -> str | None:
    """The record's text without its arguments, if its source proves it constant; else ``None``."""
    if not isinstance(record.msg, str):
        return None
    for first, last, text in _literals(record.pathname):
        if first <= record.lineno <= last and text == record.msg:
            return text
    return None


def places(error: BaseException) -> tuple[list[str], list[str]]:
    """(class names of the error and its causes, innermost places in the code as ``file:line function``)."""
    kinds: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(kinds) < _LONGEST_CHAIN:
        kinds.append(f"{type(cause).__module__}.{type(cause).__qualname__}".removeprefix("builtins."))
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    frames = [
        (Path(frame.f_code.co_filename), line, frame.f_code.co_name)
        for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    return kinds, [f"{path.parent.name}/{path.name}:{line} {name}" for path, line, name in frames[-_DEEPEST_TRACE:]]


@lru_cache(maxsize=256)
def _literals(path: str) -> tuple[tuple[int, int, str], ...]:
    """(first line, last line, text) of every logging call in a file whose text is a literal."""
    try:
        tree = ast.parse(Path(path).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return ()
    return tuple(
        (call.lineno, call.end_lineno or call.lineno, argument.value)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in _METHODS
        for argument in call.args[: 2 if call.func.attr == "log" else 1]
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    )
