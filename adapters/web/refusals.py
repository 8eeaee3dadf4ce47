"""How the workspace says no over HTTP: a status and one plain sentence."""

from __future__ import annotations


class Refusal(Exception):
    """The request is refused with ``status``; ``sentence`` is for people."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.sentence = status, sentence


class Unauthorised(Refusal):
    def __init__(self) -> None:
        super().__init__(401, "Open the workspace with its token first.")


NOT_UNDERSTOOD = "The workspace does not understand this request."
NO_PERSON = "The workspace does not know this person. Reload the page."
NO_CHANNEL = "There is no such channel."
NO_MESSAGE = "This message is no longer there."
NO_FILE = "This file is no longer there."
RESTARTING = "The workspace is restarting. Please try again in a moment."
