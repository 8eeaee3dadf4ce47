"""Named JSON schemas for structured answers, kept as the setting ``schema.NAME`` of a workspace.

A schema is taken when it is JSON, describes an object at its root, is valid (Draft 2020-12) and refers to nothing
outside itself: providers fetch nothing, and neither do we. ``is_strict`` says whether a provider can enforce it
exactly: then every object names all its properties as required and allows no others.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from bot.errors import SettingRefused
from bot.ports import JsonSchema

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_RESERVED = frozenset({"off", "on", "text", "json", "json_object", "object", "reset", "remove", "list"})
_LARGEST = 20_000
_FENCE = re.compile(r"^```\w*\s*(.*?)\s*```$", re.DOTALL)


def check_name(name: str) -> str:
    """``name`` if a schema may be called so. Raises ``SettingRefused``."""
    if not _NAME.fullmatch(name):
        raise _refuse("A schema's name has letters, digits, `-` and `_`, at most 64 of them.")
    if name.lower() in _RESERVED:
        raise _refuse("That word has a meaning already. Please choose another name for the schema.")
    return name


def read_schema(text: str) -> dict[str, Any]:
    """The schema typed as JSON, with or without a code fence. Raises ``SettingRefused``."""
    # jsonschema takes a tenth of a second to load, and most runs never need it.
    from jsonschema import Draft202012Validator  # see above
    from jsonschema.exceptions import SchemaError  # see above

    bare = text.strip()
    fenced = _FENCE.match(bare)
    bare = fenced[1] if fenced else bare.strip("`")
    if len(bare) > _LARGEST:
        raise _refuse(f"That schema is too long. At most {_LARGEST:,} characters fit.")
    try:
        schema = json.loads(bare)
        if not isinstance(schema, dict) or schema.get("type") != "object":
            raise _refuse('A schema is a JSON object whose `"type"` is `"object"`.')
        if any(not ref.startswith("#") for ref in _references(schema)):
            raise _refuse("A schema may only refer to parts of itself (`#/…`).")
        Draft202012Validator.check_schema(schema)
    except json.JSONDecodeError as error:
        raise _refuse(f"That is not valid JSON (line {error.lineno}, column {error.colno}).") from None
    except SchemaError as error:
        where = "/".join(str(step) for step in error.absolute_path)
        raise _refuse(f"That is not a valid JSON schema{f' (at `{where}`)' if where else ''}.") from None
    except RecursionError:
        raise _refuse("That schema is nested too deeply.") from None
    return schema


def name_schema(name: str, schema: Mapping[str, Any]) -> JsonSchema:
    """The schema as it is asked of the model."""
    return JsonSchema(name, schema, strict=is_strict(schema))


def is_strict(schema: Any) -> bool:
    """Whether every object in ``schema`` requires all its properties and allows no others."""
    if isinstance(schema, list):
        return all(is_strict(item) for item in schema)
    if not isinstance(schema, Mapping):
        return True
    if schema.get("type") == "object" or "properties" in schema:
        names = set(schema.get("properties", {}))
        if schema.get("additionalProperties") is not False or names != set(schema.get("required", ())):
            return False
    return all(is_strict(value) for value in schema.values())


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for name, value in node.items():
            if name in {"$ref", "$dynamicRef"} and isinstance(value, str):
                yield value
            yield from _references(value)
    elif isinstance(node, list):
        for item in node:
            yield from _references(item)


def _refuse(sentence: str) -> SettingRefused:
    return SettingRefused("schema refused", user_text=sentence)
