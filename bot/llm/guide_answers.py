"""What the guide says: a greeting, what it is, how to get a real model, or what the documentation says. Pure.

It never pretends. Every answer that could be mistaken for a language model's says whose words it is made of.
"""

from __future__ import annotations

import re

from bot.llm.guide_index import GuideIndex, Match, Section

_LONGEST = 1_400
_ENOUGH = 0.34
_QUESTIONS = (
    "What do people do with it?",
    "How do I choose a model?",
    "Which settings and levels are there?",
    "How do I get JSON answers?",
    "How do I stop an answer?",
    "What happens when you crash?",
    "How long are messages kept?",
    "How do I connect Slack?",
    "How do I connect Discord?",
    "How do I run it for real?",
)
_LAST_QUESTION = "How do I get a key for a language model?"
_RELATIVE_LINK = re.compile(r"\[([^\]]+)\]\((?!https?:|mailto:)[^)]*\)")
_NUMBER = re.compile(r"^\d+\. ")
_SPEAKER = re.compile(r"^[^\s:][^:\n]{0,40}:\s+")

_GREETING = re.compile(
    r"^\W*(hi|hey|hello|hiya|howdy|good (morning|afternoon|evening)|greetings)\b[\w\s,!.?]{0,24}$", re.I
)
_THANKS = re.compile(r"^\W*(thanks?|thank you|thx|cheers|great|perfect|nice)\b[\w\s,!.]{0,24}$", re.I)
_SELF = re.compile(
    r"\b(who|what) are you\b|\bare you (an? )?(ai|llm|real|human|bot|language model|chatgpt|gpt)\b|\bwhat is this\b",
    re.I,
)
_TOPICS = re.compile(r"^\W*(help|topics|what can (you|i) (do|ask)( here)?|what do you know)\W*$", re.I)
_KEY = re.compile(
    r"\b(api[ -]?key|groq key|key|token for groq|"
    r"(real|language|another|connect\w*( to)?) (a |an )?(model|llm)s?|ollama)\b",
    re.I,
)

WHAT_I_AM = (
    "I am Parley's **built-in guide**, not a language model: no model is connected yet. "
    "I answer questions about Parley from its own documentation, word for word, and I make nothing up."
)

HOW_TO_CONNECT = (
    "To connect a language model, do one of these:\n\n"
    "1. **Groq** (fast, has a free plan): create a key at <https://console.groq.com/keys> and set "
    "`GROQ_API_KEY=gsk_…` in the file `.env`, then start Parley again. In the web page you can also paste the key "
    "where it says which model answers.\n"
    "2. **A model on this machine**: start [Ollama](https://ollama.com), LM Studio or llama.cpp's server, then start "
    "Parley again. It finds them by itself.\n"
    "3. **Any other OpenAI-compatible server**: set `LLM_BASE_URL`, `LLM_API_KEY` and `LLM_MODEL`.\n\n"
    "Everything else (threads, commands, settings, streaming) works the same with me, so you can try it right now."
)


def answer(question: str, index: GuideIndex) -> str:
    """The guide's answer to what a person wrote, as Markdown."""
    question = _SPEAKER.sub("", question.strip())
    if not question:
        return f"{WHAT_I_AM}\n\n{list_topics(index)}"
    if _GREETING.match(question):
        return f"Hello! {WHAT_I_AM}\n\n{list_topics(index)}"
    if _THANKS.match(question):
        return "You are welcome. Ask me anything else about Parley."
    if _SELF.search(question):
        return f"{WHAT_I_AM}\n\n{HOW_TO_CONNECT}"
    if _TOPICS.match(question):
        return f"{WHAT_I_AM}\n\n{list_topics(index)}"
    if about := index.document_of(question):
        return _opening(about)
    matches = index.find(question)
    if _KEY.search(question) and not (matches and _names_it(matches[0], question)):
        return HOW_TO_CONNECT
    if not matches or matches[0].cover < _ENOUGH:
        return (
            "I found nothing about that in Parley's documentation, and I am not a language model that could "
            f"answer anyway. {list_topics(index)}"
        )
    return _from_documentation(matches)


def list_topics(index: GuideIndex) -> str:
    """Some questions that the documentation answers."""
    known = [question for question in _QUESTIONS if any(match.cover >= _ENOUGH for match in index.find(question))]
    return "You can ask me, for instance:\n\n" + "\n".join(f"- {question}" for question in (*known, _LAST_QUESTION))


def _names_it(match: Match, question: str) -> bool:
    words = set(question.lower().split())
    return match.cover >= 0.99 and any(word in words for word in match.section.title.lower().split())


def _opening(sections: list[Section]) -> str:
    """The beginning of a whole document."""
    text = "\n\n".join(f"**{section.title}**\n\n{section.body}" for section in sections)
    return _quote(sections[0].document, text)


def _quote(document: str, text: str) -> str:
    words = _RELATIVE_LINK.sub(r"\1", shorten(text))
    return f"{words}\n\n*From `{document}`; I am the built-in guide, not a language model.*"


def _from_documentation(matches: list[Match]) -> str:
    best = matches[0].section
    text = _quote(best.document, f"**{_NUMBER.sub('', best.title)}**\n\n{best.body}")
    others = [
        _NUMBER.sub("", match.section.title)
        for match in matches[1:]
        if match.score > matches[0].score * 0.5 and match.section.title != best.title
    ]
    return f"{text}\n\nSee also: {', '.join(dict.fromkeys(others))}." if others else text


def shorten(body: str, limit: int = _LONGEST) -> str:
    """Whole paragraphs up to ``limit`` characters; a fence is never left open."""
    if len(body) <= limit:
        return body
    kept: list[str] = []
    size = 0
    for paragraph in _paragraphs(body):
        if kept and size + len(paragraph) > limit:
            break
        kept.append(paragraph)
        size += len(paragraph) + 2
    text = "\n\n".join(kept)
    return text if len(text) >= len(body) else f"{text}\n\n…"


def _paragraphs(body: str) -> list[str]:
    """Paragraphs, with the blank lines inside a fence kept inside."""
    paragraphs: list[str] = []
    for block in body.split("\n\n"):
        if paragraphs and paragraphs[-1].count("```") % 2:
            paragraphs[-1] += "\n\n" + block
        else:
            paragraphs.append(block)
    return paragraphs
