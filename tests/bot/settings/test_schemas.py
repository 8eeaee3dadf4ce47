from __future__ import annotations

import json

import pytest

from bot.errors import SettingRefused
from bot.ports import JsonSchema
from bot.settings.json_answers import problem_with
from bot.settings.schemas import check_name, is_strict, read_schema

SCHEMA = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}
EXACT = {**SCHEMA, "additionalProperties": False}


@pytest.mark.parametrize("text", [json.dumps(SCHEMA), f"```json\n{json.dumps(SCHEMA)}\n```", f"`{json.dumps(SCHEMA)}`"])
def test_a_schema_is_read_with_or_without_a_fence(text: str) -> None:
    assert read_schema(text) == SCHEMA


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not valid JSON"),
        ("[]", "JSON object"),
        ('{"type": "array"}', "JSON object"),
        ('{"type": "object", "properties": 5}', "at `properties`"),
        ('{"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1/x"}}}', "parts of itself"),
        ('{"type": "object", "title": "' + "x" * 20_000 + '"}', "too long"),
        ('{"type": "object", "a": ' + "[" * 9_000 + "]" * 9_000 + "}", "nested"),
    ],
)
def test_a_schema_that_cannot_work_is_refused_with_the_reason(text: str, words: str) -> None:
    with pytest.raises(SettingRefused) as refused:
        read_schema(text)
    assert words in refused.value.user_text


@pytest.mark.parametrize("name", ["", "a b", "off", "JSON_object", "x" * 65, "späß", "a.b"])
def test_a_name_that_means_something_else_or_is_malformed_is_refused(name: str) -> None:
    with pytest.raises(SettingRefused):
        check_name(name)


def test_a_schema_is_strict_when_every_object_is_closed_and_complete() -> None:
    assert is_strict(EXACT)
    assert not is_strict(SCHEMA)
    assert not is_strict({**EXACT, "required": []})
    assert is_strict({**EXACT, "properties": {"title": {"anyOf": [EXACT, {"type": "null"}]}}})
    assert not is_strict({**EXACT, "properties": {"title": {"anyOf": [SCHEMA, {"type": "null"}]}}})


def test_an_answer_that_is_what_was_asked_has_no_problem() -> None:
    wanted = JsonSchema("ticket", SCHEMA)
    assert problem_with('{"title": "x"}', wanted) == ()
    assert problem_with('```json\n{"title": "x"}\n```', wanted) == ()
    assert problem_with("{}", True) == ()


def test_what_is_wrong_with_an_answer_is_told_plainly() -> None:
    wanted = JsonSchema("ticket", SCHEMA)
    assert problem_with("Sure! Here it is.", True) == ("This answer is not valid JSON.",)
    assert problem_with("[1]", True) == ("This answer is JSON, but not an object.",)
    assert problem_with("{}", wanted) == ("This answer does not match the schema `ticket`.",)
    assert problem_with('{"title": 5}', wanted) == ("This answer does not match the schema `ticket` (at `title`).",)
