"""How Discord refuses: an HTTP status, a code, a sentence, and for a bad form a tree that names the field."""

from __future__ import annotations

from typing import Any

MESSAGES: dict[int, tuple[int, str]] = {
    10003: (404, "Unknown Channel"),
    10004: (404, "Unknown Guild"),
    10007: (404, "Unknown Member"),
    10008: (404, "Unknown Message"),
    10011: (404, "Unknown Role"),
    10013: (404, "Unknown User"),
    10014: (400, "Unknown Emoji"),
    10015: (404, "Unknown Webhook"),
    10062: (404, "Unknown interaction"),
    10063: (404, "Unknown application command"),
    20016: (429, "This action cannot be performed due to slowmode rate limit."),
    20012: (403, "You are not authorized to perform this action on this application"),
    30034: (400, "Max number of daily application command creates has been reached (200)"),
    30046: (429, "Maximum number of edits to messages older than 1 hour reached. Try again later."),
    40005: (413, "Request entity too large"),
    40060: (400, "Interaction has already been acknowledged."),
    40094: (400, "This interaction has reached the maximum number of follow up messages"),
    50001: (403, "Missing Access"),
    50005: (403, "Cannot edit a message authored by another user"),
    50006: (400, "Cannot send an empty message"),
    50007: (403, "Cannot send messages to this user"),
    50008: (400, "Cannot send messages in a non-text channel"),
    50013: (403, "Missing Permissions"),
    50021: (403, "Cannot execute action on a system message"),
    50024: (400, "Cannot execute action on this channel type"),
    50027: (401, "Invalid Webhook Token"),
    50034: (400, "A message provided was too old to bulk delete"),
    50035: (400, "Invalid Form Body"),
    50083: (400, "Thread is archived"),
    50109: (400, "The request body contains invalid JSON."),
    160002: (400, "Cannot reply without permission to read message history"),
    160004: (400, "A thread has already been created for this message"),
    160005: (400, "Thread is locked"),
    160006: (400, "Maximum number of active threads reached"),
    200000: (400, "Message was blocked by automatic moderation"),
}


class Refused(Exception):
    """The answer ``{"message", "code"}`` with ``status``; ``more`` is added to the body."""

    def __init__(self, code: int, **more: Any) -> None:
        self.code = code
        self.status, message = MESSAGES[code]
        self.body: dict[str, Any] = {"message": message, "code": code, **more}
        super().__init__(message)


def bad_form(path: str, code: str, message: str) -> Refused:
    """50035 with an errors tree: ``path`` is dotted, ``embeds.0.title``; "" for the whole form."""
    tree: dict[str, Any] = {"_errors": [{"code": code, "message": message}]}
    for part in reversed(path.split(".") if path else []):
        tree = {part: tree}
    return Refused(50035, errors=tree)


def too_long(path: str, limit: int) -> Refused:
    return bad_form(path, "BASE_TYPE_MAX_LENGTH", f"Must be {limit} or fewer in length.")


def bad_length(path: str, least: int, most: int) -> Refused:
    return bad_form(path, "BASE_TYPE_BAD_LENGTH", f"Must be between {least} and {most} in length.")


def required(path: str) -> Refused:
    return bad_form(path, "BASE_TYPE_REQUIRED", "This field is required")


def not_a_choice(path: str, choices: str) -> Refused:
    return bad_form(path, "BASE_TYPE_CHOICES", f"Value must be one of {{{choices}}}.")
