"""The seams: what the core asks of platforms, of the model and of the store, and the values that cross.

Protocols live here, with their caller. Every implementation passes the suite of the same name in
``tests/contracts``; the fakes do too.
"""

from bot.ports.completions import (
    Backend,
    ChatMessage,
    CompletionRequest,
    Completions,
    Finished,
    Image,
    JsonSchema,
    LimitState,
    ModelProfile,
    Piece,
    ReasoningDelta,
    Switched,
    TextDelta,
    Usage,
    Waiting,
)
from bot.ports.fence import Fence, check_fence, current_fence, fenced
from bot.ports.platforms import Adapter, Check, EarlierMessage, Platform, Shelf, Source, Surface
from bot.ports.settings import Form, FormField, Level, Scope, SettingRow, Suggestion
from bot.ports.sharing import Need, Running, Signal, SignalKind, Slice
from bot.ports.store import Spent, Store
from bot.ports.turns import (
    Accepted,
    AnswerRecord,
    Claim,
    Conversation,
    Edited,
    NewTurn,
    Outcome,
    StoredMessage,
    TurnKind,
    TurnState,
    TurnView,
)

__all__ = [
    "Accepted",
    "Adapter",
    "AnswerRecord",
    "Backend",
    "ChatMessage",
    "Check",
    "Claim",
    "CompletionRequest",
    "Completions",
    "Conversation",
    "EarlierMessage",
    "Edited",
    "Fence",
    "Finished",
    "Form",
    "FormField",
    "Image",
    "JsonSchema",
    "Level",
    "LimitState",
    "ModelProfile",
    "Need",
    "NewTurn",
    "Outcome",
    "Piece",
    "Platform",
    "ReasoningDelta",
    "Running",
    "Scope",
    "SettingRow",
    "Shelf",
    "Signal",
    "SignalKind",
    "Slice",
    "Source",
    "Spent",
    "Store",
    "StoredMessage",
    "Suggestion",
    "Surface",
    "Switched",
    "TextDelta",
    "TurnKind",
    "TurnState",
    "TurnView",
    "Usage",
    "Waiting",
    "check_fence",
    "current_fence",
    "fenced",
]
