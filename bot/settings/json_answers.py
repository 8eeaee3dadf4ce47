"""Whether an answer is the JSON that was asked for; what is wrong is told beside the answer, never hidden in it."""

from __future__ import annotations

import json
import re
from typing import Any

from bot.ports import JsonSchema

_FENCE = re.compile(r"^\s*```\w*\n(.*?)\n?```\s*$", re.DOTALL)


def problem_with(answer: str, wanted: bool | JsonSchema) -> tuple[str, ...]:
    """Plain sentences on how ``answer`` misses ``wanted`` (``True``: any JSON object); empty when it does not."""
    fenced = _FENCE.match(answer)
    try:
        value = json.loads(fenced[1] if fenced else answer)
    except (ValueError, RecursionError):
        return ("This answer is not valid JSON.",)
    if not isinstance(value, dict):
        return ("This answer is JSON, but not an object.",)
    return _mismatch(value, wanted) if isinstance(wanted, JsonSchema) else ()


def _mismatch(value: dict[str, Any], wanted: JsonSchema) -> tuple[str, ...]:
    # jsonschema takes a tenth of a second to load, and most runs never need it.
    from jsonschema import Draft202012Validator  # see above
    from jsonschema.exceptions import best_match  # see above

    error = best_match(Draft202012Validator(wanted.schema).iter_errors(value))
    if error is None:
        return ()
    where = "/".join(str(step) for step in error.absolute_path)
    return (f"This answer does not match the schema `{wanted.name}`{f' (at `{where}`)' if where else ''}.",)
