"""What people press and type outside of messages: commands, completion, buttons, menus, forms.

Every interaction gets its one response within three seconds: the outcome when it is there by then, else a sign that
it was taken, and the outcome behind it. Who pressed sees it; nobody else does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Protocol

import structlog

from adapters.discord.answers import CHOICES, DEFER, MODAL, THINKING, UPDATE, Answers, shown
from adapters.discord.asking import Asking
from adapters.discord.commands import ASK_ABOUT, Command, choices_of, line_of, typed_line
from adapters.discord.controls import EPHEMERAL, OPEN_SETTINGS, Component, pressed
from adapters.discord.directory import Memory
from adapters.discord.forms import (
    ASK_FORM,
    LEVEL_MENU,
    PAGE_MENU,
    QUESTION,
    SETTINGS_FORM,
    errors_text,
    menu,
    page_modal,
    question_modal,
    values_in,
)
from adapters.discord.inbound import Press, press_in
from bot.errors import ParleyError
from bot.events import Address, Author, CommandGiven, ControlPressed, Event, SettingsSubmitted
from bot.ports import Form, Level, Suggestion
from bot.replies import Notice, Receipt

log = structlog.get_logger("discord")

COMMAND, COMPONENT, COMPLETION, FORM = 2, 3, 4, 5
_PROMPT = 1.5  # seconds after which an interaction is acknowledged although its outcome is still to come
_LATEST = 2.4  # seconds for what can only be the first response itself

Outcome = tuple[Notice | None, Sequence[Component]]


class PressCore(Protocol):
    async def receive(self, event: Event) -> Receipt: ...
    async def form(self, address: Address, author: Author, direct: bool, level: Level | None = None) -> Form: ...
    async def suggest(self, line: str, address: Address, author: Author, direct: bool) -> Sequence[Suggestion]: ...
    def commands(self) -> Sequence[Command]: ...


class Interactions:
    """Takes the interactions of one bot."""

    def __init__(self, core: PressCore, answers: Answers, asking: Asking, is_paused: Callable[[], bool]) -> None:
        self._core, self._answers, self._asking, self._is_paused = core, answers, asking, is_paused
        self._seen: Memory[bool] = Memory(5_000)
        self._running: set[asyncio.Task[Any]] = set()

    def take(self, data: Mapping[str, Any]) -> None:
        """One interaction; never waits."""
        if self._is_paused() or str(data["id"]) in self._seen or int(data["type"]) == 1:
            return
        self._seen.put(str(data["id"]), True)
        self._behind(self._one(press_in(data)))

    async def close(self) -> None:
        """What was begun is finished within a moment."""
        running = list(self._running)
        if running:
            _, late = await asyncio.wait(running, timeout=2)
            for task in late:
                task.cancel()

    async def _one(self, press: Press) -> None:
        if press.kind == COMMAND:
            await self._command(press)
        elif press.kind == COMPLETION:
            await self._complete(press)
        elif press.kind == COMPONENT:
            await self._component(press)
        elif press.kind == FORM:
            await self._submitted(press)

    # --- commands

    async def _command(self, press: Press) -> None:
        if press.data.get("name") == ASK_ABOUT and int(press.data.get("type") or 1) == 3:
            await self._open_question(press)
            return
        line = line_of(press.data, self._core.commands())
        if line.startswith("ask ") and line[4:].strip():
            await self._asking.ask(press, line[4:].strip())
            return
        await self._answer(press, self._carried_out(press, line), THINKING)

    async def _carried_out(self, press: Press, line: str) -> Outcome:
        receipt = await self._received(CommandGiven(press.id, press.address, press.author, line, press.direct))
        if not receipt.form:
            return receipt.notice or Notice("Done."), ()
        notice = receipt.notice or Notice("The settings here:")
        try:
            form = await self._core.form(press.address, press.author, press.direct)
        except ParleyError as error:
            return Notice(f"{notice.text}\n\n{error.user_text}"), ()
        return notice, menu(form)

    async def _complete(self, press: Press) -> None:
        line, head = typed_line(press.data, self._core.commands())
        found: Sequence[Suggestion] = ()
        try:
            async with asyncio.timeout(_LATEST):
                found = await self._core.suggest(line, press.address, press.author, press.direct)
        except (TimeoutError, ParleyError):
            found = ()
        choices = choices_of([(it.line, it.label, it.hint) for it in found], head)
        await self._answers.first(press, CHOICES, {"choices": choices})

    async def _open_question(self, press: Press) -> None:
        messages = (press.data.get("resolved") or {}).get("messages") or {}
        message = messages.get(str(press.data.get("target_id"))) or {}
        if not message:
            await self._answers.tell(press, Notice("I cannot see that message.", error=True))
            return
        self._asking.cite(press, message)
        await self._answers.first(press, MODAL, question_modal(press.address.channel, str(message["id"])))

    # --- buttons and menus

    async def _component(self, press: Press) -> None:
        custom_id = str(press.data.get("custom_id") or "")
        button = pressed(custom_id)
        if button is not None:
            action, mark, value = button
            event = ControlPressed(press.id, press.address, press.author, action, mark, value)
            await self._answer(press, self._pressed(event), DEFER)
        elif custom_id == OPEN_SETTINGS:
            await self._answer(press, self._menu(press, None), THINKING)
        elif custom_id == LEVEL_MENU:
            await self._choose_level(press)
        elif custom_id.startswith(f"{PAGE_MENU}:"):
            await self._open_page(press, custom_id.rpartition(":")[2])
        else:
            await self._answers.first(press, DEFER)

    async def _pressed(self, event: ControlPressed) -> Outcome:
        return (await self._received(event)).notice, ()

    async def _menu(self, press: Press, level: Level | None) -> Outcome:
        try:
            form = await self._core.form(press.address, press.author, press.direct, level)
        except ParleyError as error:
            return Notice(error.user_text, error=True), ()
        return Notice("What would you like to change?"), menu(form)

    async def _choose_level(self, press: Press) -> None:
        notice, rows = await self._menu(press, _level(_chosen(press)))
        text = str(press.message.get("content") or "") or (notice.text if notice else "…")
        if notice is not None and notice.error:
            text = notice.text
        await self._answers.first(press, UPDATE, shown(text, rows))

    async def _open_page(self, press: Press, level: str) -> None:
        """A form can only be the first response, so it has to be ready in time."""
        page = _chosen(press)
        try:
            async with asyncio.timeout(_LATEST):
                form = await self._core.form(press.address, press.author, press.direct, _level(level))
        except TimeoutError:
            await self._answers.tell(press, Notice("That took too long. Please try again.", error=True))
            return
        except ParleyError as error:
            await self._answers.tell(press, Notice(error.user_text, error=True))
            return
        modal = page_modal(form, int(page) if page.isdigit() else 0)
        if not modal["components"]:
            await self._answers.tell(press, Notice("Nothing can be changed here.", error=True))
            return
        await self._answers.first(press, MODAL, modal)

    # --- forms

    async def _submitted(self, press: Press) -> None:
        custom_id = str(press.data.get("custom_id") or "")
        values = values_in(press.data)
        if custom_id.startswith(f"{ASK_FORM}:"):
            question = dict(values).get(QUESTION, "").strip()
            await self._asking.ask_about(press, custom_id.rpartition(":")[2], question)
        elif custom_id.startswith(f"{SETTINGS_FORM}:"):
            level = custom_id.rpartition(":")[2]
            event = SettingsSubmitted(press.id, press.address, press.author, level, values, press.direct)
            await self._answer(press, self._saved(event), THINKING)
        else:
            await self._answers.first(press, DEFER if press.message else THINKING)

    async def _saved(self, event: SettingsSubmitted) -> Outcome:
        receipt = await self._received(event)
        if receipt.field_errors:
            return Notice(errors_text(receipt.field_errors), error=True), ()
        return receipt.notice or Notice("Settings saved."), ()

    # --- inside

    async def _received(self, event: Event) -> Receipt:
        """The core's receipt; what could not be taken is told, because Discord does not send it again."""
        try:
            return await self._core.receive(event)
        except ParleyError as error:
            return Receipt(False, notice=Notice(error.user_text, error=True))

    async def _answer(self, press: Press, work: Coroutine[Any, Any, Outcome], sign: int) -> None:
        """Tell the outcome, first showing ``sign`` when it takes longer."""
        task = self._behind(work)
        done, _ = await asyncio.wait({task}, timeout=_PROMPT)
        if not done:
            await self._answers.first(press, sign, {"flags": EPHEMERAL} if sign == THINKING else None)
        try:
            notice, rows = await task
        except Exception:  # ``_behind`` logs it; the person must not be left waiting
            notice, rows = Notice(ParleyError.default_text, error=True), ()
        if done and notice is None:
            await self._answers.first(press, DEFER)
        elif done and notice is not None:
            await self._answers.tell(press, notice, rows)
        elif sign == THINKING:
            await self._answers.tell_late(press, notice or Notice("Done."), rows)
        elif notice is not None:
            await self._answers.tell_more(press, notice)

    def _behind(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work, name="discord-interaction")
        self._running.add(task)
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (broken := task.exception()) is not None:
            log.error("an interaction broke", kind=type(broken).__name__)


def _chosen(press: Press) -> str:
    return str(next(iter(press.data.get("values") or ()), ""))


def _level(word: str) -> Level | None:
    return Level(word) if word in set(Level) else None
