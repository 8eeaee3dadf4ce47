from __future__ import annotations

import json
from typing import Any

import pytest

from bot.llm.models import Catalogue, guess_server
from bot.llm.request import build_body, list_unsent
from bot.ports import ChatMessage, CompletionRequest, Image, JsonSchema
from tests.bot.llm.conftest import ask
from tests.emulators import llm_rules

QWEN = "qwen/qwen3.8-27b"
FULL: dict[str, Any] = {
    "temperature": 0.5,
    "top_p": 0.9,
    "max_completion_tokens": 100,
    "stop": ("a", "b", "c", "d", "e"),
    "seed": 1,
    "reasoning_effort": "low",
    "service_tier": "flex",
    "user": "hash",
    "prefill": "Well",
}
MODELS = frozenset(entry["id"] for entry in llm_rules.model_list())


def body(request: CompletionRequest, server: str = "groq", refused: tuple[str, ...] = ()) -> dict[str, Any]:
    catalogue = Catalogue(server)
    raw = build_body(request, request.model, catalogue.facts(request.model), catalogue.rules, refused)
    value: dict[str, Any] = json.loads(raw)
    return value


@pytest.mark.parametrize("model", ["openai/gpt-oss-20b", "openai/gpt-oss-120b", QWEN])
@pytest.mark.parametrize("form", [None, True, JsonSchema("s", {"type": "object"}, strict=True)])
def test_a_request_with_every_setting_is_accepted_by_a_strict_server(model: str, form: Any) -> None:
    messages = (ChatMessage("system", "s"), ChatMessage("user", "q", (Image("image/png", b"x"),) * 5))
    request = CompletionRequest(model, messages, json=form, **FULL)
    assert llm_rules.check(body(request), MODELS) is None


def test_ollama_gets_its_own_name_for_the_token_limit_and_no_foreign_fields() -> None:
    sent = body(ask(**FULL), "ollama")
    assert sent["max_tokens"] == 100
    assert sent["stream_options"] == {"include_usage": True}
    assert not {"max_completion_tokens", "service_tier", "user", "include_reasoning", "reasoning_format"} & set(sent)


def test_what_a_server_is_not_sent_is_known() -> None:
    catalogue = Catalogue("llamacpp")
    request = ask(reasoning_effort="low", service_tier="flex", temperature=0.5, max_completion_tokens=100, stop=("x",))
    facts, rules = catalogue.facts(request.model), catalogue.rules
    assert list_unsent(request, facts, rules) == ("reasoning_effort", "service_tier")
    assert "max_completion_tokens" in list_unsent(request, facts, rules, {"max_tokens"})
    assert list_unsent(ask(), facts, rules) == ()


def test_openai_is_not_sent_a_tier_that_only_groq_has() -> None:
    assert "service_tier" not in body(ask(service_tier="on_demand"), "openai")
    assert body(ask(service_tier="flex"), "openai")["service_tier"] == "flex"


def test_each_model_is_told_in_its_own_way_where_thinking_goes() -> None:
    assert body(ask())["include_reasoning"] is False
    assert body(ask(show_reasoning=True))["include_reasoning"] is True
    assert body(ask(model=QWEN))["reasoning_format"] == "hidden"
    assert body(ask(model=QWEN, show_reasoning=True))["reasoning_format"] == "parsed"
    assert "include_reasoning" not in body(ask(model="acme/new"))


def test_an_effort_the_model_does_not_know_is_left_out_and_an_unknown_model_gets_it() -> None:
    assert "reasoning_effort" not in body(ask(reasoning_effort="none"))
    assert body(ask(model=QWEN, reasoning_effort="none"))["reasoning_effort"] == "none"
    assert body(ask(model="acme/new", reasoning_effort="none"))["reasoning_effort"] == "none"


def test_content_is_a_plain_string_unless_the_model_sees_the_images() -> None:
    messages = (ChatMessage("user", "look", (Image("image/png", b"1"),)),)
    assert body(CompletionRequest("openai/gpt-oss-20b", messages))["messages"] == [{"role": "user", "content": "look"}]
    parts = body(CompletionRequest(QWEN, messages))["messages"][0]["content"]
    assert [part["type"] for part in parts] == ["text", "image_url"]
    assert parts[1]["image_url"]["url"].startswith("data:image/png;base64,")


def test_only_the_newest_images_go_where_a_model_takes_few() -> None:
    image = Image("image/png", b"1")
    messages = (ChatMessage("user", "old", (image, image)), ChatMessage("user", "new", (image, image)))
    sent = body(CompletionRequest(QWEN, messages))["messages"]
    assert [sum(part["type"] == "image_url" for part in message["content"]) for message in sent] == [1, 2]


def test_json_is_asked_for_whole_and_named_in_the_prompt_once() -> None:
    sent = body(ask(json=True))
    assert sent["stream"] is False
    assert "JSON" in sent["messages"][0]["content"]
    named = body(ask("Give me json.", json=True))
    assert [message["role"] for message in named["messages"]] == ["user"]


def test_a_schema_the_model_cannot_take_is_put_into_words() -> None:
    sent = body(ask(model=QWEN, json=JsonSchema("s", {"title": "zebra"})))
    assert sent["response_format"] == {"type": "json_object"}
    assert "zebra" in sent["messages"][0]["content"]


def test_a_prefill_is_the_last_message_and_refused_fields_stay_away() -> None:
    sent = body(ask(prefill="Well", temperature=1.0, seed=1), refused=("seed",))
    assert sent["messages"][-1] == {"role": "assistant", "content": "Well"}
    assert "seed" not in sent
    assert sent["temperature"] == 1.0


def test_the_same_request_gives_the_same_bytes() -> None:
    catalogue = Catalogue("groq")
    facts = catalogue.facts("openai/gpt-oss-20b")
    bodies = {build_body(ask(**FULL), "openai/gpt-oss-20b", facts, catalogue.rules) for _ in range(3)}
    assert len(bodies) == 1


@pytest.mark.parametrize(
    ("kind", "url", "server"),
    [
        ("groq", "http://127.0.0.1:9/v1", "groq"),
        ("server", "https://api.openai.com/v1", "openai"),
        ("server", "https://openrouter.ai/api/v1", "openrouter"),
        ("local", "http://127.0.0.1:11434/v1", "ollama"),
        ("server", "https://models.example.com/v1", "openai_compatible"),
    ],
)
def test_the_kind_of_server_is_told_by_its_address(kind: str, url: str, server: str) -> None:
    assert guess_server(kind, url) == server
