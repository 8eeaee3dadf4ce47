from __future__ import annotations

import json

import pytest

from bot.backends import documents
from bot.llm import Guide
from bot.llm.guide_answers import _QUESTIONS, answer, list_topics, shorten
from bot.llm.guide_index import GuideIndex, split_sections
from bot.ports import JsonSchema, TextDelta
from tests.bot.llm.conftest import ask
from tests.contracts.completions import collect, text_of

DOCUMENTS = {
    "README.md": "# Parley\nIntro to the product.\n\n## Slack\nPaste the manifest, then set `SLACK_BOT_TOKEN`.\n"
    "```\n# not a heading\n```\n\n## Retention\nMessages are kept for 90 days unless `RETENTION_DAYS` says so.\n",
    "commands.md": "# Commands\n\n## Changing the model\nUse `/ai model NAME` in a thread to change the model.\n\n"
    "## Stop sequences\nSet up to four with `/ai set stop`.\n",
}


async def said(question: str) -> str:
    return text_of(await collect(Guide(DOCUMENTS, pace=0), ask(question)))


@pytest.mark.parametrize("question", ["hello", "Hi there!", "Zofia: hey"])
async def test_it_greets_and_says_that_it_is_not_a_language_model(question: str) -> None:
    answer = await said(question)
    assert answer.startswith("Hello!")
    assert "not a language model" in answer


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("how long are messages kept?", "90 days"),
        ("How do I connect Slack?", "SLACK_BOT_TOKEN"),
        ("Ana: how can I change the model in a thread?", "/ai model NAME"),
        ("what are stop sequences", "/ai set stop"),
        ("how do I get an API key?", "console.groq.com/keys"),
        ("are you an AI?", "not a language model"),
        ("thanks!", "welcome"),
        ("help", "- How long are messages kept?"),
        ("what can you do?", "- How do I connect Slack?"),
    ],
)
async def test_questions_about_parley_are_answered_from_its_documentation(question: str, words: str) -> None:
    assert words in await said(question)


async def test_it_says_so_when_nothing_fits_and_lists_what_can_be_asked() -> None:
    answer = await said("Who won the chess championship in 1972?")
    assert "found nothing" in answer
    assert "- How do I connect Slack?" in answer


async def test_it_works_without_any_documentation() -> None:
    pieces = await collect(Guide({}, pace=0), ask("What is Slack?"))
    assert "not a language model" in text_of(pieces)


async def test_words_come_one_by_one_at_the_pace_asked_for() -> None:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    pieces = await collect(Guide(DOCUMENTS, pace=50, sleep=sleep), ask("how long are messages kept?"))
    assert set(pauses) == {0.02}
    assert len(pauses) == sum(isinstance(piece, TextDelta) for piece in pieces) > 10


async def test_json_answers_have_the_shape_that_was_asked_for() -> None:
    schema = {
        "type": "object",
        "properties": {
            "a": {"type": "string"},
            "n": {"type": "integer"},
            "kind": {"enum": ["x", "y"]},
            "l": {"type": "array"},
        },
        "required": ["a", "n", "kind", "l"],
    }
    value = json.loads(text_of(await collect(Guide(DOCUMENTS, pace=0), ask("hi", json=JsonSchema("s", schema)))))
    assert (value["n"], value["kind"], value["l"]) == (0, "x", [])


def test_a_hash_inside_a_fence_is_no_heading() -> None:
    assert [section.title for section in split_sections("README.md", DOCUMENTS["README.md"])] == [
        "Parley",
        "Slack",
        "Retention",
    ]


def test_a_shortened_section_never_leaves_a_fence_open() -> None:
    body = "intro\n\n```\n" + "\n\n".join(["line"] * 50) + "\n```\n\nend"
    short = shorten(body, 60)
    assert short.count("```") % 2 == 0
    assert short.endswith("…")


def test_the_index_is_deterministic() -> None:
    index = GuideIndex(DOCUMENTS)
    assert index.find("change the model") == index.find("change the model")


async def test_a_question_about_a_whole_document_is_answered_with_its_beginning_and_no_link_leads_nowhere() -> None:
    pages = {
        "slack.md": "# Slack\nAn app of [your own](app.md).\n\n## 1. Make the app\nPrint it.\n\n## 2. Start\nStart it."
    }
    answer = text_of(await collect(Guide({**DOCUMENTS, **pages}, pace=0), ask("How do I set up Slack?")))
    assert answer.startswith("**Slack**\n\nAn app of your own.\n\n**1. Make the app**\n\nPrint it.")


@pytest.mark.parametrize("question", _QUESTIONS)
def test_every_question_that_the_guide_proposes_is_one_that_it_answers(question: str) -> None:
    index = GuideIndex(documents())
    assert f"- {question}" in list_topics(index)
    assert "found nothing" not in answer(question, index)
