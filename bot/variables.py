"""The environment variables as data: what documents and what explains them, for the core and for every adapter.

A settings class (pydantic-settings) names its variables by ``env_prefix`` + field. Classes are found in
``bot.config`` and in each ``adapters/NAME/config.py``, so a new adapter is documented and checked without a change
here. ``.env.example`` and the configuration page are rendered from this, and only from this.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from dotenv.parser import parse_stream
from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from bot.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Variable:
    """One environment variable. ``default`` and ``example`` are written as in ``.env``; "" when there is none."""

    name: str
    meaning: str
    values: str
    default: str
    example: str
    secret: bool


@dataclass(frozen=True, slots=True)
class Group:
    """The variables of one settings class; ``meaning`` is the first sentence of its docstring."""

    title: str
    meaning: str
    variables: tuple[Variable, ...]


def adapter_classes() -> Iterator[tuple[str, type[BaseSettings]]]:
    """(adapter, settings class) for each class that a module ``adapters/NAME/config.py`` defines."""
    package = importlib.import_module("adapters")
    for folder in pkgutil.iter_modules(package.__path__):
        if not folder.ispkg or not any((Path(root) / folder.name / "config.py").is_file() for root in package.__path__):
            continue
        module = importlib.import_module(f"adapters.{folder.name}.config")
        for found in vars(module).values():
            if isinstance(found, type) and issubclass(found, BaseSettings) and found.__module__ == module.__name__:
                yield folder.name, found


def settings_documentation() -> Sequence[Group]:
    """Every variable there is, the core's first, then each adapter's."""
    config = importlib.import_module("bot.config").Config
    core = Group("Parley", "What every deployment may set.", _variables(config))
    return [core, *(Group(name.capitalize(), _first_line(cls), _variables(cls)) for name, cls in adapter_classes())]


def variable_name(settings: type[BaseSettings], field: str) -> str:
    """The environment variable that fills ``field``."""
    alias = settings.model_fields[field].validation_alias
    return alias.upper() if isinstance(alias, str) else f"{settings.model_config.get('env_prefix', '')}{field}".upper()


def explain(error: ValidationError, settings: type[BaseSettings]) -> list[ConfigurationError]:
    """One plain error for each wrong variable, without the value where it may be a secret.

    A validator says both halves itself by raising ``ValueError("problem|fix")``.
    """
    found: dict[str, ConfigurationError] = {}
    for wrong in error.errors(include_url=False):
        field = str(wrong["loc"][0]) if wrong["loc"] else ""
        if field not in settings.model_fields:
            found.setdefault(
                field, ConfigurationError("environment", "its variables do not fit together", wrong["msg"])
            )
            continue
        info = settings.model_fields[field]
        name = variable_name(settings, field)
        if wrong["type"] == "missing":
            problem, fix = "it is not set", ""
        elif wrong["type"] == "value_error":
            problem, _, fix = str(wrong["ctx"]["error"]).partition("|")
        else:
            shown = "" if _is_secret(info) else f" {str(wrong['input'])[:60]!r}"
            problem, fix = f"its value{shown} cannot be used", ""
        found.setdefault(field, ConfigurationError(name, problem, fix or f"Set {_values(info)}."))
    return list(found.values())


def wrong_adapter_variables() -> list[ConfigurationError]:
    """What is wrong in the adapters' own variables, all at once; nothing while ``.env`` cannot be read, for that is
    told already and reading it again only makes the library complain beside us."""
    if problem_in_env_file(Path(".env")) is not None:
        return []
    wrong: list[ConfigurationError] = []
    for _, settings in adapter_classes():
        try:
            settings()
        except ValidationError as error:
            wrong += explain(error, settings)
    return wrong


def problem_in_env_file(path: Path) -> ConfigurationError | None:
    """Why ``.env`` cannot be read, or its first line that says nothing; ``None`` when it is well or not there."""
    if not path.exists():
        return None
    try:
        with path.open(encoding="utf-8") as lines:
            broken = next((line for line in parse_stream(lines) if line.error), None)
    except UnicodeDecodeError:
        return ConfigurationError(str(path), "it is not UTF-8 text", "Save it as UTF-8.")
    except OSError as error:
        return ConfigurationError(str(path), f"it cannot be read ({error.strerror})", "Make it a file you may read.")
    if broken is None:
        return None
    return ConfigurationError(str(path), f"line {broken.original.line} cannot be understood", "Write NAME=value on it.")


def env_example() -> str:
    """The text of ``.env.example``: copying it as it is changes nothing."""
    lines = [
        "# Copy this file to .env and take the # from the lines you want to set.",
        "# The real environment wins over .env. Written by `make docs` from the settings classes.",
    ]
    for group in settings_documentation():
        lines += ["", f"# --- {group.title}: {group.meaning}"]
        for variable in group.variables:
            lines += ["", f"# {variable.meaning} ({variable.values})"]
            lines.append(f"#{variable.name}={_quoted(variable.default or variable.example)}")
    return "\n".join(lines) + "\n"


def configuration_page() -> str:
    """The Markdown text of the configuration page."""
    lines = [
        "# Configuration",
        "",
        "Parley reads these environment variables once, at its start, and a file `.env` in its working directory. The",
        "real environment wins over `.env`. Every wrong value is named, with what to do, and the process exits with 2;",
        "`parley doctor` checks that the values also work. This page is written by `make docs`.",
    ]
    for group in settings_documentation():
        lines += ["", f"## {group.title}", "", group.meaning, "", "| variable | meaning | values | default |"]
        lines.append("|---|---|---|---|")
        for variable in group.variables:
            default = f"`{variable.default}`" if variable.default else "none"
            example = f" Example: `{variable.example}`" if variable.example else ""
            meaning = variable.meaning.replace("|", "\\|")
            lines.append(f"| `{variable.name}` | {meaning}{example} | {variable.values} | {default} |")
    return "\n".join(lines) + "\n"


def _variables(settings: type[BaseSettings]) -> tuple[Variable, ...]:
    return tuple(
        Variable(
            name=variable_name(settings, field),
            meaning=" ".join((info.description or "").split()),
            values=_values(info),
            default=_written(info.default),
            example=_written((info.examples or [""])[0]),
            secret=_is_secret(info),
        )
        for field, info in settings.model_fields.items()
    )


def _values(info: FieldInfo) -> str:
    """What may be set, as the end of "Set …": a number from 1 to 600."""
    kind = _kind(info)
    if get_origin(kind) is Literal:
        *most, last = (str(word) for word in get_args(kind))
        return f"{', '.join(most)} or {last}" if most else last
    if kind is bool:
        return "true or false"
    if kind in (int, float):
        limits = {key: getattr(limit, key) for limit in info.metadata for key in ("ge", "le") if hasattr(limit, key)}
        word = "a whole number" if kind is int else "a number"
        low = f" from {limits['ge']}" if "ge" in limits else ""
        return f"{word}{low}" + (f" to {limits['le']}" if "le" in limits else "")
    if get_origin(kind) is tuple:
        return "a list separated by commas"
    if _is_secret(info):
        return "a secret text"
    if kind is Path:
        return "a path"
    lengths = [limit.max_length for limit in info.metadata if hasattr(limit, "max_length")]
    return f"a text of 1 to {lengths[0]} characters" if lengths else "a text"


def _kind(info: FieldInfo) -> Any:
    """The annotation without ``None``."""
    rest = [part for part in get_args(info.annotation) if part is not type(None)]
    return rest[0] if type(None) in get_args(info.annotation) and len(rest) == 1 else info.annotation


def _is_secret(info: FieldInfo) -> bool:
    return _kind(info) is SecretStr or info.repr is False


def _written(value: Any) -> str:
    if value is None or isinstance(value, SecretStr):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return ",".join(str(item) for item in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _quoted(value: str) -> str:
    return f'"{value}"' if " " in value or "#" in value else value


def _first_line(settings: type[BaseSettings]) -> str:
    return (settings.__doc__ or "").strip().partition("\n")[0]
