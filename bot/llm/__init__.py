"""The model's side: one provider client for every OpenAI-compatible server, a guide for when there is none.

The names below are the whole front; everything else in this package is its own business.
"""

from __future__ import annotations

from bot.llm.chat_completions import ChatCompletions
from bot.llm.config import GROQ_URL, LlmConfig
from bot.llm.guide import Guide
from bot.llm.local import find_local
from bot.llm.switch import Switchable

__all__ = ["GROQ_URL", "ChatCompletions", "Guide", "LlmConfig", "Switchable", "find_local", "open_completions"]


def open_completions(config: LlmConfig) -> ChatCompletions:
    """A client for the configured server. Nothing is sent yet; close it when done."""
    return ChatCompletions(config)
