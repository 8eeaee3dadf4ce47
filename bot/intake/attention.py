"""Is this message for us? One table for every platform; it reads no text and knows no platform.

The rows, first match wins:

====================================================  ==========================================================
the message is ...                                    then
====================================================  ==========================================================
our own                                               ignored
another bot's, and that bot is not let in             ignored
in a place whose trigger mode is ``off``              recorded where we take part, else ignored
in a direct conversation                              answered
one that names us                                     answered
one that opens with somebody else's name              recorded where we take part, else ignored
in a place whose trigger mode is ``always``           answered
in a thread we take part in, mode ``follow``          answered
in a thread we take part in, mode ``mention``         recorded
anything else                                         ignored
====================================================  ==========================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bot.events import AuthorKind


class Verdict(StrEnum):
    IGNORE = "ignore"
    RECORD = "record"
    ANSWER = "answer"


@dataclass(frozen=True, slots=True)
class Sight:
    """What attention looks at. ``takes_part``: the store knows the thread as a conversation of ours."""

    author: AuthorKind
    direct: bool
    mentioned: bool
    opens_with_other: bool
    takes_part: bool
    trigger: str = "follow"
    bot_let_in: bool = False


def judge(sight: Sight) -> Verdict:
    """The verdict on one new message."""
    overheard = Verdict.RECORD if sight.takes_part else Verdict.IGNORE
    if sight.author is AuthorKind.SELF:
        return Verdict.IGNORE
    if sight.author is AuthorKind.BOT and not sight.bot_let_in:
        return Verdict.IGNORE
    if sight.trigger == "off":
        return overheard
    if sight.direct or sight.mentioned:
        return Verdict.ANSWER
    if sight.opens_with_other:
        return overheard
    if sight.trigger == "always":
        return Verdict.ANSWER
    if sight.takes_part and sight.trigger == "follow":
        return Verdict.ANSWER
    return overheard


class EditVerdict(StrEnum):
    IGNORE = "ignore"
    CORRECT = "correct"
    ANSWER_AGAIN = "answer again"


def judge_edit(*, known: bool, newest: bool, waiting: bool) -> EditVerdict:
    """What an edit of a question asks for, once history has been corrected.

    ``known``: the words of a message we hold really changed. ``newest``: no later question exists.
    ``waiting``: its turn has not begun, so it will read the new words anyway.
    """
    if not known:
        return EditVerdict.IGNORE
    return EditVerdict.ANSWER_AGAIN if newest and not waiting else EditVerdict.CORRECT
