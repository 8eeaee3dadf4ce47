"""``Completions`` over HTTP: any server that speaks the OpenAI chat completions protocol.

The law of this file: what people have seen is never taken back. Attempts are repeated, changed or handed to another
model only before the first visible piece; after the first text a failure is ``Cut``. A stream is whole when the model
said why it finished or the closing mark came, and broken otherwise. Everything else is decided in pure modules: the
body (``request``), the meaning of bytes (``reader``) and of failures (``failures``), whether to try again
(``retries``) and whether there is room (``limits``).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from contextlib import aclosing
from dataclasses import replace

import httpx
import msgspec

from bot.errors import CompletionFailed, Cut
from bot.llm import failures
from bot.llm.config import LlmConfig
from bot.llm.durations import in_words
from bot.llm.exchange import Broken, Exchange, open_client, send
from bot.llm.failures import Asked
from bot.llm.limits import Limits, grow_answer, shrink_answer
from bot.llm.line import Line, TooLong
from bot.llm.models import Catalogue, ModelFacts, ServerRules, guess_server
from bot.llm.reader import AnswerReader, NotTheProtocol, ProviderSaid
from bot.llm.request import answer_budget, build_body, list_unsent
from bot.llm.retries import Remedy, Retries, Step, Verdict
from bot.llm.wire import Problem, decode_models, read_error_body
from bot.ports import Backend, CompletionRequest, LimitState, ModelProfile, Piece, Switched, Waiting
from bot.tasks import end_tasks

_SUCCESS = 2  # hundreds
_NO_LIST = (404, 405, 501)
_LAST_SECONDS = 3.0
_WORTH_SAYING = 1.0
_WAITED = Waiting(0.0, "")


class _Failed(Exception):
    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.error.kind)
        self.verdict = verdict


class ChatCompletions:
    """One model server. ``chance`` gives the jitter of retries, a random number in [0, 1)."""

    def __init__(self, config: LlmConfig, *, chance: Callable[[], float] = random.random) -> None:
        self._config = config
        self._chance = chance
        self._client = open_client(config)
        self._catalogue = Catalogue(config.server or guess_server(config.kind, config.base_url))
        self._limits = Limits()
        self._line = Line(self._limits, config.patience)
        self._refused: dict[str, set[str]] = {}
        self._listed: tuple[float, tuple[ModelProfile, ...]] | None = None
        self._tidying: dict[asyncio.Task[None], Exchange] = {}

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[Sequence[Piece], None]:
        """See ``Completions.stream``."""
        chain = tuple(
            dict.fromkeys((request.model or self._config.model, *(request.fallbacks or self._config.fallbacks)))
        )
        for place, model in enumerate(chain):
            others = place + 1 < len(chain)
            try:
                async with aclosing(self._with_model(request, model, others)) as batches:
                    async for batch in batches:
                        yield batch
                return
            except _Failed as failed:
                if not others or not failed.verdict.others_may:
                    raise failed.verdict.error from None
                yield [Switched(chain[place + 1], f"`{model}` {_clause(failed.verdict.error)}")]

    async def models(self) -> Sequence[ModelProfile]:
        """See ``Completions.models``."""
        if self._listed is not None and _now() - self._listed[0] < self._config.models_ttl:
            return self._listed[1]
        asked = self._asked(self._config.model)
        try:
            async with asyncio.timeout(min(10.0, self._config.headers_timeout)):
                response = await self._client.get("/models")
        except TimeoutError:
            raise failures.judge_silence(asked, timed_out=True).error from None
        except (httpx.HTTPError, OSError):
            raise failures.judge_silence(asked, timed_out=False).error from None
        if response.status_code in _NO_LIST:
            self._listed = (_now(), ())
            return ()
        if response.status_code // 100 != _SUCCESS:
            problem = read_error_body(response.content)
            raise failures.judge_status(response.status_code, response.headers, problem, asked).error
        try:
            profiles = self._catalogue.learn(decode_models(response.content))
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise failures.judge_gibberish(asked).error from None
        self._listed = (_now(), profiles)
        return profiles

    def profile(self, model: str) -> ModelProfile:
        """See ``Completions.profile``."""
        return self._catalogue.facts(model).profile

    def limits(self) -> Sequence[LimitState]:
        """See ``Completions.limits``."""
        return self._limits.states(_now())

    def backend(self) -> Backend:
        """See ``Completions.backend``."""
        return Backend(self._config.kind, self._name, self._config.base_url, self._config.model)

    async def close(self) -> None:
        """End what is still open; running streams break."""
        tidying = dict(self._tidying)
        await end_tasks(tidying)
        for exchange in tidying.values():  # a task that was cancelled before it began has closed nothing
            await exchange.close()
        await self._client.aclose()

    async def _with_model(
        self, request: CompletionRequest, model: str, others: bool
    ) -> AsyncGenerator[Sequence[Piece], None]:
        """All attempts with one model. Raises ``_Failed`` before the first text, ``Cut`` after."""
        retries = Retries(patience=self._config.patience, others=others, step=self._config.backoff)
        again, fresh, number = False, False, self._line.arrive()
        while True:
            tokens = request.prompt_tokens + (request.max_completion_tokens or 0)
            if again or not self._line.is_free(model, tokens):
                async with aclosing(self._wait_in_line(model, tokens, number)) as waits:
                    async for waiting in waits:
                        yield [waiting]
            self._limits.spend(model, tokens, _now())
            began = _now()
            unsent = list_unsent(request, *self._taken(model))
            reader = AnswerReader(show_reasoning=request.show_reasoning, prefill=request.prefill)
            try:
                exchange = await self._open(request, model, fresh)
                async with aclosing(self._read(exchange, reader, model, unsent)) as batches:
                    async for batch in batches:
                        yield batch
                return
            except _Failed as failed:
                verdict = self._sized(failed.verdict, request, model)
                if reader.text_seen:
                    raise Cut(verdict.error.kind, user_text=_cut_text(verdict.error)) from None
                decision = retries.after(verdict, _now() - began, self._chance())
                if decision.step is not Step.AGAIN:
                    raise _Failed(await self._explained(verdict, model, request)) from None
            request = self._changed(request, model, verdict)
            if verdict.remedy is Remedy.REST:
                self._limits.close(model, decision.seconds, _now())
            elif decision.seconds:
                async with aclosing(_pause(decision.seconds)) as waits:
                    async for waiting in waits:
                        yield [waiting]
            again, fresh = verdict.remedy is Remedy.REST, decision.fresh

    async def _wait_in_line(self, model: str, tokens: int, number: int) -> AsyncGenerator[Waiting, None]:
        try:
            waited = False
            async with aclosing(self._line.wait(model, tokens, number)) as waits:
                async for waiting in waits:
                    waited = True
                    yield waiting
            if waited:
                yield _WAITED
        except TooLong as wait:
            raise _Failed(failures.judge_line(wait.seconds, self._asked(model))) from None

    def _sized(self, verdict: Verdict, request: CompletionRequest, model: str) -> Verdict:
        """Keep what a refusal says of the minute; a smaller budget helps only where the question leaves room for it."""
        if verdict.remedy is not Remedy.SHRINK:
            return verdict
        self._limits.learn_minute(model, verdict.limit, _now())
        return verdict if self._room(verdict, request, model) else replace(verdict, remedy=Remedy.NOTHING)

    def _changed(self, request: CompletionRequest, model: str, verdict: Verdict) -> CompletionRequest:
        """What to ask next time: without what was refused, and with the room that the answer needs."""
        if verdict.remedy is Remedy.DROP:
            self._refused.setdefault(model, set()).add(verdict.field)
        if verdict.remedy is Remedy.SHRINK:
            return replace(request, max_completion_tokens=self._room(verdict, request, model))
        sent = answer_budget(request, self._catalogue.facts(model))
        if verdict.remedy is Remedy.MORE and request.may_grow and sent is not None:
            more = grow_answer(sent, request.prompt_tokens, self._limits.minute(model))
            return replace(request, max_completion_tokens=more)
        return request

    def _room(self, verdict: Verdict, request: CompletionRequest, model: str) -> int | None:
        """The budget for the answer that the refusal's own numbers leave."""
        sent = answer_budget(request, self._catalogue.facts(model))
        return shrink_answer(request.prompt_tokens if sent is None else verdict.wanted - sent, verdict.limit)

    async def _open(self, request: CompletionRequest, model: str, fresh: bool) -> Exchange:
        """Send the request; returns once a success status is there."""
        asked = self._asked(model)
        body = build_body(request, model, *self._taken(model))
        try:
            exchange = await send(self._client, self._config, body, fresh=fresh)
        except Broken as broken:
            raise _Failed(failures.judge_silence(asked, timed_out=broken.timed_out)) from None
        self._limits.learn(model, exchange.headers, _now())
        self._line.look_again(model)
        if exchange.status // 100 == _SUCCESS:
            return exchange
        try:
            problem = read_error_body(await exchange.body())
        except Broken:
            problem = Problem()
        finally:
            await exchange.close()
        raise _Failed(failures.judge_status(exchange.status, exchange.headers, problem, asked))

    async def _read(
        self, exchange: Exchange, reader: AnswerReader, model: str, unsent: tuple[str, ...]
    ) -> AsyncGenerator[Sequence[Piece], None]:
        """The answer of one successful exchange. Raises ``_Failed`` at whatever point it breaks."""
        asked = self._asked(model)
        lost: Verdict | None = None
        rest: list[Piece] = []
        begun = False
        try:
            data = await _beginning(exchange)
            begun = bool(data)
            if _is_whole(data):
                rest = reader.whole(data + await exchange.body())
            else:
                while data:
                    if pieces := reader.feed(data):
                        yield pieces
                    data = b"" if reader.done else await (_last(exchange) if reader.reason else exchange.read())
                rest = reader.end()
        except Broken as broken:
            rest = reader.end()
            lost = None if reader.reason else failures.judge_broken(asked, timed_out=broken.timed_out)
        except ProviderSaid as said:
            rest, lost = reader.salvage(), failures.judge_status(0, {}, said.problem, asked)
        except NotTheProtocol:
            rest, lost = reader.salvage(), failures.judge_gibberish(asked)
        finally:
            if reader.done and lost is None:
                self._leave(exchange)
            else:
                await exchange.close()
        lost = lost or _missing(reader, asked, something=begun)
        if lost is None:
            finished = reader.finished(model, exchange.headers.get("x-request-id", ""))
            yield [*rest, replace(finished, unsent=unsent)]
            return
        if rest:
            yield rest
        raise _Failed(lost)

    def _leave(self, exchange: Exchange) -> None:
        """Let the connection go back for reuse without keeping the answer waiting for it."""
        task = asyncio.get_running_loop().create_task(exchange.drain())
        self._tidying[task] = exchange
        task.add_done_callback(self._tidying.pop)

    async def _explained(self, verdict: Verdict, model: str, request: CompletionRequest) -> Verdict:
        """A missing model's sentence names the models there are: ask for the list when it was never read."""
        if verdict.error.kind != "model" or self._listed is not None:
            return verdict
        try:
            await self.models()
        except CompletionFailed:
            return verdict
        problem = Problem(code="model_not_found")
        return failures.judge_status(404, {}, problem, self._asked(model))

    def _taken(self, model: str) -> tuple[ModelFacts, ServerRules, Collection[str]]:
        """What is known of what the model and its server take, and the fields that were refused."""
        return self._catalogue.facts(model), self._catalogue.rules, self._refused.get(model, ())

    def _asked(self, model: str) -> Asked:
        return Asked(self._name, model, self._catalogue.replacement(model), self._catalogue.names())

    @property
    def _name(self) -> str:
        return self._config.name or self._catalogue.rules.name


async def _pause(seconds: float) -> AsyncGenerator[Waiting, None]:
    """Let ``seconds`` go by; people hear of a pause that they would notice."""
    if seconds >= _WORTH_SAYING:
        yield Waiting(seconds, f"trying again in about {in_words(seconds)}")
    await asyncio.sleep(seconds)
    if seconds >= _WORTH_SAYING:
        yield _WAITED


async def _beginning(exchange: Exchange) -> bytes:
    """The first reads of a body, up to one that is more than blanks (some servers send those to keep one waiting)."""
    begun = b""
    while not begun.strip() and (data := await exchange.read()):
        begun = data
    return begun


async def _last(exchange: Exchange) -> bytes:
    """What may follow when the model has said that it is done; nobody waits long for a mark that does not come."""
    try:
        async with asyncio.timeout(_LAST_SECONDS):
            return await exchange.read()
    except TimeoutError:
        return b""


def _is_whole(begun: bytes) -> bool:
    """Whether a whole answer comes, not events: the body tells, for headers are wrong too often.

    Raises ``NotTheProtocol`` for a web page.
    """
    first = begun.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if first == b"<":
        raise NotTheProtocol("a web page")
    return first in (b"{", b"[")


def _missing(reader: AnswerReader, asked: Asked, *, something: bool) -> Verdict | None:
    """Why what was read to its end is not an answer; ``None`` when it is one. ``something``: there was a body."""
    if reader.complaint is not None:
        return failures.judge_status(0, {}, reader.complaint, asked)
    if something and not reader.done and not reader.events_seen:
        return failures.judge_gibberish(asked)
    if not reader.done and not reader.reason:
        return failures.judge_broken(asked, timed_out=False)
    if not reader.text_seen:
        thought = reader.reasoning_seen or bool(reader.usage and reader.usage.reasoning_tokens)
        return failures.judge_empty(reader.reason, thought=thought)
    return None


def _clause(error: CompletionFailed) -> str:
    """Why another model answers, as the end of a sentence."""
    return {
        "rate_limit": "has used up its limit",
        "capacity": "is over capacity",
        "model": "is not available",
        "too_large": "does not take a question this large",
        "context": "has too small a window",
        "key": "may not be used with this key",
    }.get(error.kind, "did not answer")


def _cut_text(error: CompletionFailed) -> str:
    if error.kind == "unreachable":
        return ""
    return "The model provider stopped in the middle of the answer."


def _now() -> float:
    return asyncio.get_running_loop().time()
