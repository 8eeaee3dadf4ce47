"""What Slack tells, passed to the core: one listener for each kind of payload, registered on a Bolt app.

``register`` is told how to find the listeners of the workspace that a payload comes from.

A listener returns, and so acknowledges, only after the core has made the event durable; when it could not, the event
is not acknowledged and Slack sends it again. Commands, buttons and forms are not sent again by Slack: there the
person is told. Nothing else holds up an acknowledgement: notices go out behind it.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import structlog
from slack_bolt.async_app import AsyncApp
from slack_bolt.context.ack.async_ack import AsyncAck
from slack_bolt.context.async_context import AsyncBoltContext

from adapters.slack.asking import Asking
from adapters.slack.calls import Calls
from adapters.slack.controls import OPEN_SETTINGS, notice_content, pressed, settings_button
from adapters.slack.directory import Directory
from adapters.slack.forms import Forms
from adapters.slack.inbound import (
    PLATFORM,
    Me,
    is_own,
    message_fact,
    people_in,
    person,
    plain,
    stop_told,
    stop_wished,
)
from adapters.slack.stream import Streams
from adapters.slack.views import ASK_FORM, ASK_SHORTCUT, LEVEL, SETTINGS_FORM, Place
from bot.errors import ParleyError
from bot.events import Address, Author, CommandGiven, ControlPressed, Event, MessageReceived
from bot.ports import Form, Level, Shelf, fenced
from bot.replies import Notice, Receipt, Reply, Standing

log = structlog.get_logger("slack")

Body = Mapping[str, Any]
_ANY = re.compile(".*")
_PROMPT = 2.0  # seconds after which a command or a press is acknowledged although its outcome is still to come


class Core(Protocol):
    """The front door of the conversation core, as far as this adapter uses it."""

    async def receive(self, event: Event) -> Receipt: ...
    async def form(self, address: Address, author: Author, direct: bool, level: Level | None = None) -> Form: ...
    async def usage(self, address: Address, author: Author, direct: bool) -> Sequence[tuple[str, str]]: ...
    async def forget_workspace(self, platform: str, workspace: str) -> int: ...
    async def lively(self, platform: str, since: float, limit: int) -> Sequence[Address]: ...
    async def standing(self, mark: str) -> Standing | None: ...
    async def show_again(self, mark: str) -> None: ...
    def shelf(self, platform: str) -> Shelf: ...


Find = Callable[[AsyncBoltContext], "Listeners"]
Respond = Callable[[str, Body], Awaitable[None]]
"""Answers an interaction at its ``response_url``; best effort."""


def register(app: AsyncApp, find: Find) -> None:
    """Listen to everything the manifest subscribes to; the last of each kind catches whatever else comes."""

    def event(do: Callable[[Listeners, Body], Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        async def listener(body: Body, context: AsyncBoltContext) -> None:
            await do(find(context), body)

        return listener

    def asked(do: Callable[[Listeners, Body, AsyncAck], Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        async def listener(body: Body, context: AsyncBoltContext, ack: AsyncAck) -> None:
            await do(find(context), body, ack)

        return listener

    app.event("message")(event(Listeners.message))
    app.event("app_mention")(event(Listeners.message))
    app.event("agent_session_stopped")(event(Listeners.session_stopped))
    app.event("app_home_opened")(event(Listeners.home_opened))
    app.event("app_uninstalled")(event(Listeners.uninstalled))
    app.event("tokens_revoked")(event(Listeners.uninstalled))
    app.event(_ANY)(event(Listeners.overheard))
    app.command(_ANY)(asked(Listeners.command))
    app.shortcut(ASK_SHORTCUT)(asked(Listeners.shortcut))
    app.view(SETTINGS_FORM)(asked(Listeners.settings_sent))
    app.view(ASK_FORM)(asked(Listeners.question_sent))
    app.action(LEVEL)(asked(Listeners.level_chosen))
    app.action(_ANY)(asked(Listeners.action))
    for catch_all in (app.shortcut, app.view, app.view_closed, app.options):
        catch_all(_ANY)(asked(Listeners.ignored))


class Listeners:
    """The listeners of one workspace."""

    def __init__(
        self,
        core: Core,
        *,
        me: Callable[[], Me],
        calls: Calls,
        directory: Directory,
        streams: Streams,
        forms: Forms,
        asking: Asking,
        respond: Respond,
        removed: Callable[[Body], Awaitable[None]],
    ) -> None:
        self._core, self._me, self._calls, self._directory = core, me, calls, directory
        self._streams, self._forms, self._asking, self._respond = streams, forms, asking, respond
        self._removed = removed
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}
        self._later: set[asyncio.Task[Any]] = set()

    async def close(self) -> None:
        """Wait a moment for what still has to be said, then leave it."""
        later = list(self._later)
        if later:
            _, late = await asyncio.wait(later, timeout=2)
            for task in late:
                task.cancel()

    # --- events

    async def message(self, body: Body) -> None:
        await self.heard(body["event"])

    async def heard(self, event: Body, late: bool = False) -> None:
        """``late``: it was not told, but read."""
        me = self._me()
        if is_own(event, me):
            return
        said = event.get("message") or event.get("previous_message") or event
        thread = str(said.get("thread_ts") or said.get("ts") or "")
        async with self._in_order(f"{event.get('channel')}:{thread}"):
            people = await self._directory.profiles(people_in(event))
            fact = message_fact(event, me, people)
            if fact is None:
                return
            if isinstance(fact, MessageReceived):
                fact = replace(fact, late=late)
                if not late:
                    self._streams.resumed(fact.address.channel, fact.address.thread)
            receipt = await self._core.receive(fact)
        if isinstance(fact, MessageReceived):
            self._behind(self._tell_after_message(fact, receipt))

    async def session_stopped(self, body: Body) -> None:
        event, me = body["event"], self._me()
        channel, thread = str(event.get("channel") or ""), str(event.get("thread_ts") or "")
        self._streams.stopped(channel, thread, [str(ts) for ts in event.get("streaming_message_ts") or ()])
        people = await self._directory.profiles({str(event.get("user") or "")})
        await self._core.receive(stop_wished(event, me, people, str(body.get("event_id") or event.get("event_ts"))))

    def stopped(self, reply: Reply) -> None:
        """Slack let the answer not go on, because a person stopped it."""
        with fenced(None):  # what the core begins on it is no part of this reply
            self._behind(self._received(stop_told(reply)))

    async def home_opened(self, body: Body) -> None:
        event = body["event"]
        user, channel = str(event.get("user") or ""), str(event.get("channel") or "")
        if event.get("tab") == "home":
            self._behind(self._forms.show_home(user, channel))
        elif event.get("tab") == "messages":
            self._behind(self._forms.suggest_prompts(channel))

    async def uninstalled(self, body: Body) -> None:
        await self._removed(body)

    async def overheard(self, body: Body) -> None:
        """Subscribed to, and of no use now: acknowledged, so that Slack does not send it again."""

    # --- commands, buttons, forms

    async def command(self, body: Body, ack: AsyncAck) -> None:
        author = await self._author(str(body.get("user_id") or ""))
        channel = str(body.get("channel_id") or "")
        place = Place(channel, "", direct=channel.startswith("D"))
        line = plain(str(body.get("text") or ""), await self._directory.profiles(people_in(body)))
        event = CommandGiven(str(body.get("trigger_id")), self._address(place), author, line, place.direct)
        if line.split(None, 1)[:1] == ["ask"] and len(line.split(None, 1)) == 2:
            work = self._asking.ask(place, author, line.split(None, 1)[1], event.id)
        else:
            work = self._received(event)
        receipt = await self._prompt(work, body)
        if receipt is None:
            await ack()
            return
        if receipt.form:
            self._behind(self._forms.open(str(body.get("trigger_id")), place, author))
        await ack(**_said(receipt.notice))

    async def action(self, body: Body, ack: AsyncAck) -> None:
        await ack()
        author = await self._author(str(body["user"]["id"]))
        for action in body.get("actions") or ():
            if action.get("action_id") == OPEN_SETTINGS:
                place, _ = self._forms.read(str(action.get("value") or ""))
                self._behind(self._forms.open(str(body.get("trigger_id")), place, author))
                continue
            event = self._control(body, action, author)
            if event is not None:
                self._streams.resumed(event.address.channel, event.address.thread)
                receipt = await self._prompt(self._received(event), body)
                if receipt is not None and receipt.notice is not None:
                    self._behind(self._answer(body, receipt.notice))

    def _control(self, body: Body, action: Mapping[str, Any], author: Author) -> ControlPressed | None:
        found = pressed(action)
        if found is None:
            return None
        kind, mark, value = found
        message, container = body.get("message") or {}, body.get("container") or {}
        channel = str((body.get("channel") or {}).get("id") or container.get("channel_id") or "")
        thread = str(message.get("thread_ts") or container.get("thread_ts") or "")
        press = f"{action.get('action_ts')}:{author.id}"
        return ControlPressed(press, Address(PLATFORM, self._me().team, channel, thread), author, kind, mark, value)

    async def level_chosen(self, body: Body, ack: AsyncAck) -> None:
        await ack()
        chosen = str((body["actions"][0].get("selected_option") or {}).get("value") or "")
        author = await self._author(str(body["user"]["id"]))
        self._behind(self._forms.change_level(body["view"], author, chosen))

    async def settings_sent(self, body: Body, ack: AsyncAck) -> None:
        author = await self._author(str(body["user"]["id"]))
        await ack(**await self._forms.submit(body["view"], author, str(body.get("trigger_id"))))

    async def shortcut(self, body: Body, ack: AsyncAck) -> None:
        await ack()
        message, channel = body.get("message") or {}, str((body.get("channel") or {}).get("id") or "")
        ts = str(message.get("ts") or body.get("message_ts") or "")
        place = Place(channel, str(message.get("thread_ts") or ts), channel.startswith("D"), ts)
        self._behind(self._forms.open_question(str(body.get("trigger_id")), place))

    async def question_sent(self, body: Body, ack: AsyncAck) -> None:
        author = await self._author(str(body["user"]["id"]))
        await ack(**await self._asking.submit(body["view"], author, str(body.get("trigger_id"))))

    async def ignored(self, body: Body, ack: AsyncAck) -> None:
        await ack()

    # --- inside

    async def _author(self, user: str) -> Author:
        return person(user, await self._directory.profiles({user}))

    def _address(self, place: Place) -> Address:
        return place.address(PLATFORM, self._me().team)

    async def _received(self, event: Event) -> Receipt:
        """The core's receipt; what could not be taken is told, because Slack does not send it again."""
        try:
            return await self._core.receive(event)
        except ParleyError as error:
            return Receipt(False, notice=Notice(error.user_text, error=True))

    async def _prompt(self, work: Coroutine[Any, Any, Receipt], body: Body) -> Receipt | None:
        """The receipt, or ``None`` when it takes longer: then it is told when it is there."""
        task = self._behind(work)
        done, _ = await asyncio.wait({task}, timeout=_PROMPT)
        if done:
            receipt: Receipt = task.result()
            return receipt

        async def tell_late() -> None:
            receipt = await task
            if receipt.notice is not None:
                await self._answer(body, receipt.notice)

        self._behind(tell_late())
        return None

    async def _answer(self, body: Body, notice: Notice) -> None:
        """Tell the person who pressed or typed something, and nobody else."""
        thread = (body.get("message") or {}).get("thread_ts") or (body.get("container") or {}).get("thread_ts")
        answer = {"response_type": "ephemeral", "replace_original": False} | notice_content(notice)
        await self._respond(str(body.get("response_url") or ""), answer | ({"thread_ts": thread} if thread else {}))

    async def _tell_after_message(self, fact: MessageReceived, receipt: Receipt) -> None:
        if receipt.notice is None and not receipt.form:
            return
        notice = receipt.notice or Notice("The settings of this conversation:")
        shown = notice_content(notice)
        if receipt.form:
            place = Place(fact.address.channel, fact.address.thread, fact.direct)
            shown["blocks"] = [*shown["blocks"], settings_button(place.write())]
        await self._calls.spend(
            "chat.postEphemeral",
            channel=fact.address.channel,
            user=fact.author.id,
            thread_ts=fact.address.thread if fact.in_thread else None,
            **shown,
        )

    def _behind(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work, name="slack-behind")
        self._later.add(task)
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._later.discard(task)
        if not task.cancelled() and (broken := task.exception()) is not None:
            log.error("work behind an acknowledgement broke", kind=type(broken).__name__)

    @contextlib.asynccontextmanager
    async def _in_order(self, key: str) -> AsyncIterator[None]:
        """The messages of one thread reach the core in the order in which they came."""
        lock, users = self._locks.get(key, (asyncio.Lock(), 0))
        self._locks[key] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            lock, users = self._locks[key]
            if users == 1:
                del self._locks[key]
            else:
                self._locks[key] = (lock, users - 1)


def _said(notice: Notice | None) -> dict[str, Any]:
    return {"response_type": "ephemeral", **notice_content(notice)} if notice is not None else {}
