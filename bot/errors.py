"""The error tree. Each border has one translator into it; people only ever see ``user_text``.

ParleyError
├── ConfigurationError      a variable is wrong: names it and the fix (exit 2)
│   └── InUse               another process holds the database's file
├── SettingRefused          a value given in chat does not fit
├── CompletionFailed        the provider did not answer; ``safe`` to ask again? ``retry_after``?
│   ├── KeyRefused          401, 403: the key or its permissions
│   ├── ModelGone           404, decommissioned: names the models there are
│   ├── RateLimited         429: which limit, when it resets
│   ├── TooLarge            413: one request over the per-minute limit, or a body too large
│   ├── ContextTooLong      the prompt does not fit the model's window
│   ├── OverCapacity        498, 503, 500, 502: the provider's trouble
│   ├── Unreachable         refused, reset or silent before any text
│   ├── Cut                 the stream broke after text had come
│   ├── RequestRefused      400, 422: the provider does not accept this request
│   └── BadAnswer           not the protocol: HTML, malformed chunks, an empty answer
├── SurfaceError            a write did not reach the platform
│   ├── SlowDown            429: this bucket must rest ``retry_after`` seconds
│   ├── Unsent              may work when repeated (5xx, reset, time-out)
│   └── Gone                will never work (deleted channel, missing access)
├── StoreError              the database could not keep it
│   ├── StoreFull, StoreReadOnly, StoreBusy
│   ├── StoreDamaged        its content is not what was written: only a backup helps
│   └── Superseded          another process owns this conversation now
"""

from __future__ import annotations


class ParleyError(Exception):
    """Base of all. ``user_text`` is one or two plain sentences, free of secrets, ids and raw provider errors;
    ``operator_text`` is what whoever runs the bot reads instead."""

    default_text = "Something went wrong on my side. Please try again."

    def __init__(self, detail: str = "", *, user_text: str = "") -> None:
        super().__init__(detail or user_text or self.default_text)
        self.user_text = user_text or self.default_text

    @property
    def operator_text(self) -> str:
        return self.user_text


class ConfigurationError(ParleyError):
    """``variable`` is wrong; ``problem`` says how and ``fix`` what to do. The process exits with 2."""

    def __init__(self, variable: str, problem: str, fix: str) -> None:
        text = f"{variable}: {problem}. {fix}"
        super().__init__(text, user_text=text)
        self.variable, self.problem, self.fix = variable, problem, fix


class InUse(ConfigurationError):
    """The database's file belongs to another process, most likely to a bot that runs."""


class SettingRefused(ParleyError):
    """A setting's value does not fit; ``user_text`` says what would."""


class CompletionFailed(ParleyError):
    """The provider did not give an answer.

    ``safe``: asking again may work. ``retry_after``: seconds, where the provider said so. ``kind``: a short
    stable word for metrics and logs (never text from the provider).
    """

    kind = "failed"
    safe = False
    default_text = "The model did not answer. Please try again."

    def __init__(self, detail: str = "", *, user_text: str = "", retry_after: float | None = None) -> None:
        super().__init__(detail, user_text=user_text)
        self.retry_after = retry_after


class KeyRefused(CompletionFailed):
    kind = "key"
    default_text = "The model provider refused the API key. Whoever runs this bot needs to check it."


class ModelGone(CompletionFailed):
    kind = "model"
    default_text = "That model is not available. Choose another with the model command."


class RateLimited(CompletionFailed):
    kind = "rate_limit"
    safe = True
    default_text = "The model provider's rate limit is used up. Please try again in a moment."


class TooLarge(CompletionFailed):
    kind = "too_large"
    default_text = "This question with its history is larger than the provider accepts in one request."


class ContextTooLong(CompletionFailed):
    kind = "context"
    default_text = "This conversation no longer fits the model's window. Start a new one, or choose another model."


class OverCapacity(CompletionFailed):
    kind = "capacity"
    safe = True
    default_text = "The model provider has trouble right now. Please try again in a moment."


class Unreachable(CompletionFailed):
    kind = "unreachable"
    safe = True
    default_text = "I could not reach the model provider. Please try again in a moment."


class Cut(CompletionFailed):
    kind = "cut"
    default_text = "The connection to the model broke before the answer was complete."


class RequestRefused(CompletionFailed):
    kind = "refused"
    default_text = "The model provider did not accept this request with the present settings."


class BadAnswer(CompletionFailed):
    kind = "bad_answer"
    safe = True
    default_text = "The model provider sent something that is not an answer. Please try again."


class SurfaceError(ParleyError):
    """A write did not reach the platform."""


class SlowDown(SurfaceError):
    """The platform asks to rest: the bucket ``key`` for ``retry_after`` seconds."""

    def __init__(self, key: str, retry_after: float) -> None:
        super().__init__(f"{key} rests {retry_after:.1f} s")
        self.key, self.retry_after = key, retry_after


class Unsent(SurfaceError):
    """The write may not have arrived; sending the same write again is right."""


class Gone(SurfaceError):
    """The place is gone or closed to us; sending again cannot help."""


class StoreError(ParleyError):
    default_text = "I could not save this, so I have not answered. Please try again in a moment."


class StoreFull(StoreError):
    default_text = (
        "The disk is full, so I could not save this and have not answered. Whoever runs this bot needs to make room."
    )


class StoreReadOnly(StoreError):
    default_text = (
        "The database is read-only, so I could not save this and have not answered. "
        "Whoever runs this bot needs to look."
    )


class StoreDamaged(StoreError):
    """``problem`` and ``fix`` make the ``operator_text``."""

    default_text = (
        "My database is damaged, so I cannot save or answer anything. "
        "Trying again does not help: whoever runs this bot needs to restore a backup."
    )
    problem = "The database is damaged"
    fix = 'Stop the bot and restore the last backup: see "A damaged database" in docs/operating.md.'

    @property
    def operator_text(self) -> str:
        return f"{self.problem}. {self.fix}"


class StoreBusy(StoreError):
    """The database did not answer in time."""


class Superseded(StoreError):
    """Another process owns this conversation now: this one must not write any more."""
