from __future__ import annotations

import json

from bot.llm.models import Catalogue, load_facts
from bot.llm.wire import decode_models
from bot.ports import ModelProfile
from tests.emulators.llm_rules import model_list


def learn(catalogue: Catalogue, data: list[dict[str, object]]) -> tuple[ModelProfile, ...]:
    return catalogue.learn(decode_models(json.dumps({"object": "list", "data": data}).encode()))


def test_only_models_one_can_talk_to_are_listed() -> None:
    names = [profile.id for profile in learn(Catalogue("groq"), model_list())]
    assert names == ["openai/gpt-oss-20b", "openai/gpt-oss-120b", "qwen/qwen3.8-27b", "acme/unknown-7b"]


def test_the_live_list_corrects_the_file_and_prices_stay() -> None:
    catalogue = Catalogue("groq")
    learn(catalogue, [{"id": "openai/gpt-oss-20b", "context_window": 999, "max_completion_tokens": 99}])
    profile = catalogue.facts("openai/gpt-oss-20b").profile
    assert (profile.context_window, profile.max_completion, profile.price_out) == (999, 99, 0.3)


def test_an_unknown_model_is_let_through_with_careful_defaults() -> None:
    profile = Catalogue("groq").facts("acme/new").profile
    assert not profile.known
    assert profile.context_window == 8_192


def test_other_servers_lists_are_read_in_their_own_words() -> None:
    catalogue = Catalogue("openrouter")
    architecture = {"input_modalities": ["text", "image"], "output_modalities": ["text"]}
    listed: list[dict[str, object]] = [
        {
            "id": "a/b",
            "context_length": 50_000,
            "architecture": architecture,
            "top_provider": {"max_completion_tokens": 7},
        },
        {"id": "c", "max_model_len": 4_000},
        {"id": "d", "meta": {"n_ctx_train": 2_048}},
        {"id": "nomic-embed-text"},
    ]
    profiles = {profile.id: profile for profile in learn(catalogue, listed)}
    assert set(profiles) == {"a/b", "c", "d"}
    assert (profiles["a/b"].context_window, profiles["a/b"].max_completion, profiles["a/b"].vision) == (50_000, 7, True)
    assert profiles["c"].context_window == 4_000
    assert profiles["d"].context_window == 2_048


def test_a_retired_model_has_a_replacement_and_a_lost_prefix_is_found() -> None:
    catalogue = Catalogue("groq")
    assert catalogue.replacement("llama-3.3-70b-versatile") == "openai/gpt-oss-120b"
    assert catalogue.replacement("gpt-oss-120b") == "openai/gpt-oss-120b"
    assert catalogue.replacement("nothing-like-it") == ""


def test_every_replacement_is_a_model_the_file_knows() -> None:
    facts = load_facts()
    assert set(facts.replacements.values()) <= set(facts.models)


def test_each_server_has_its_own_service_tiers_and_most_have_none() -> None:
    tiers = {
        server: Catalogue(server).facts("acme/unknown-7b").profile.service_tiers for server in load_facts().servers
    }
    assert {server for server, offered in tiers.items() if "flex" in offered} == {"groq", "openai"}
    assert tiers["ollama"] == ()
    assert Catalogue("groq").facts("openai/gpt-oss-20b").profile.service_tiers == tiers["groq"]
