"""The front desk: every event comes in here.

``Bot.receive`` decides (attention, access, quota, lanes), makes the event durable and returns; the adapter may
acknowledge then. What commands ask of conversations (stop, retry, new, ask) is carried out here too.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import structlog

from bot.backends import KeyRing
from bot.commands.context import CommandContext
from bot.commands.form import apply_form, build_form
from bot.commands.handlers import run as run_command
from bot.commands.ledger import read_usage
from bot.commands.parse import Invocation, parse_line, parse_message
from bot.commands.registry import CommandHelp, command_helps
from bot.commands.suggest import suggest
from bot.errors import Gone, ParleyError, SettingRefused, StoreError, Superseded, SurfaceError
from bot.events import (
    Action,
    Address,
    Author,
    AuthorKind,
    CommandGiven,
    ControlPressed,
    Event,
    MessageDeleted,
    MessageEdited,
    MessageReceived,
    SettingsSubmitted,
)
from bot.halt import Reason
from bot.intake.access import Access
from bot.intake.asked import asker, event_key, turn_again, turn_of
from bot.intake.attention import EditVerdict, Sight, Verdict, judge, judge_edit
from bot.intake.lanes import Arrival, arrive
from bot.intake.quota import PairBreaker, Quota
from bot.lanes import Lanes
from bot.lease import Lease
from bot.observe.metrics import Metrics
from bot.observe.receipt import tell_receipt
from bot.once import Once
from bot.ports import (
    Accepted,
    Backend,
    Completions,
    Form,
    Level,
    NewTurn,
    Outcome,
    Platform,
    Shelf,
    SignalKind,
    Store,
    Suggestion,
    TurnState,
    TurnView,
)
from bot.preferences import Preferences
from bot.replica import Replica
from bot.replies import Notice, Receipt, Standing
from bot.turn import Turns
from bot.version import VERSION

log = structlog.get_logger("desk")

_ROOMS_REMEMBERED = 20_000
_ANSWERED = (TurnState.SHOWING, TurnState.SETTLED)
_ENDED_IN_WORDS = (Outcome.FAILED, Outcome.INTERRUPTED, Outcome.STOPPED)
_SHOWN_NOW = 5.0  # seconds
_IN_VAIN = (Outcome.FAILED, Outcome.INTERRUPTED)
_SETTLING = 2.5  # seconds from a reply's last write to its end in the store, at most: a sign may have to be cleared
_SETTLING_LOOK = 0.05
_IGNORED = Receipt(accepted=False)
_DUPLICATE = Receipt(accepted=False, duplicate=True)
_SIGNALS = {
    Reason.PERSON: SignalKind.STOP,
    Reason.NEWER: SignalKind.NEWER,
    Reason.EDITED: SignalKind.EDITED,
    Reason.DELETED: SignalKind.DELETED,
}


class Bot:
    """The conversation core, as adapters see it."""

    def __init__(
        self,
        *,
        store: Store,
        completions: Completions,
        turns: Turns,
        platforms: dict[str, Platform],
        preferences: Preferences,
        access: Access,
        quota: Quota,
        metrics: Metrics,
        shelves: Callable[[str], Shelf],
        keys: KeyRing,
        command_name: str,
        lease: Lease | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._keys = keys
        self._completions = completions
        self._turns = turns
        self._platforms = platforms
        self._preferences = preferences
        self._access = access
        self._quota = quota
        self._breaker = PairBreaker()
        self._metrics = metrics
        self._shelves = shelves
        self._wall = wall
        self._lanes = Lanes(store, turns, metrics, wall)
        self._replica = Replica(
            store=store,
            lanes=self._lanes,
            lease=lease or Lease(),
            platforms=platforms.keys(),
            forget=self._forget,
            wall=wall,
        )
        self._ours: OrderedDict[str, int] = OrderedDict()
        self._once = Once(store, wall)
        self._draining = False
        self._receiving = 0
        self._quiet = asyncio.Event()  # set whenever the last event under way is taken
        self._aside: set[asyncio.Task[None]] = set()
        self._turned: dict[str, TurnView] = {}  # versions chosen whose write is under way, by mark
        self.command_name = command_name
        self.lost: dict[str, ParleyError] = {}  # surfaces that ended for good, and why
        self.has_lost = asyncio.Event()

    # --- what adapters call

    def attach(self, platform: Platform) -> None:
        """Let the core show replies on this platform; before its first event."""
        self._platforms[platform.name] = platform

    def lose(self, platform: str, why: ParleyError) -> None:
        """This surface ended for good: nothing but a new start with other settings mends it."""
        self.lost[platform] = why
        self.has_lost.set()

    def shelf(self, platform: str) -> Shelf:
        """Durable rows of one adapter's own."""
        return self._shelves(platform)

    def commands(self) -> Sequence[CommandHelp]:
        return command_helps()

    def backend(self) -> Backend:
        """Which model server answers now."""
        return self._completions.backend()

    async def use_key(self, key: str, url: str = "", remember: bool = False) -> Backend:
        """Talk to a provider with this key from now on; ``remember`` writes it to ``.env``. Raises ``ParleyError``."""
        return await self._keys.use(key, url, remember)

    async def receive(self, event: Event) -> Receipt:
        """Take an event; durable when this returns. Raises ``StoreError``: then it was not taken, send it again."""
        if self._draining:
            raise StoreError("draining", user_text="I am restarting. Please try again in a moment.")
        self._receiving += 1
        try:
            return await self._take(event)
        finally:
            self._receiving -= 1
            if not self._receiving:
                self._quiet.set()

    async def _take(self, event: Event) -> Receipt:
        if not isinstance(event, MessageDeleted) and self._access.is_blocked(event.address, event.author):
            return _IGNORED
        match event:
            case MessageReceived():
                receipt = await self._message(event)
            case MessageEdited():
                receipt = await self._edited(event)
            case MessageDeleted():
                receipt = await self._deleted(event)
            case CommandGiven():
                receipt = await self._command(event)
            case ControlPressed():
                receipt = await self._control(event)
            case SettingsSubmitted():
                receipt = await self._submitted(event)
        self._metrics.received(type(event).__name__, receipt)
        return receipt

    async def form(self, address: Address, author: Author, direct: bool, level: Level | None = None) -> Form:
        """The settings form of one level (by default the one a command given here would set)."""
        return await build_form(self._context(address, author, direct), level)

    async def usage(self, address: Address, author: Author, direct: bool) -> Sequence[tuple[str, str]]:
        """(who, what they used) in words, for a page of the person's own."""
        return await read_usage(self._context(address, author, direct))

    async def lively(self, platform: str, since: float, limit: int) -> Sequence[Address]:
        """Conversations in which something was said since then (Unix seconds), the liveliest first."""
        return await self._store.lively(platform, since, limit)

    async def forget_workspace(self, platform: str, workspace: str) -> int:
        """The bot was removed there: end what is written, remove everything kept. Returns how many conversations."""
        self._lanes.halt_workspace(platform, workspace, Reason.DELETED)
        count = await self._store.forget_workspace(platform, workspace)
        self._forget()
        return count

    async def standing(self, mark: str) -> Standing | None:
        """Where a settled reply stands; ``None`` while it is being made, or another version of it shown.

        Raises ``Gone`` for one that nobody knows or that could not be shown.
        """
        view = await self._store.turn(mark)
        if view is None or (view.state is TurnState.SETTLED and view.outcome is Outcome.UNDELIVERABLE):
            raise Gone("no such reply is shown")
        if view.state is not TurnState.SETTLED or mark in self._turned:
            return None
        here = self._lanes.is_busy(view.conversation) is not None
        busy = here or (self._store.shared and await self._store.is_busy(view.conversation))
        is_shown = bool(view.text) or view.outcome is not Outcome.CANCELLED
        return Standing(view.parts, is_shown, not busy, self._turns.may_write)

    async def show_again(self, mark: str) -> None:
        """Something wrote over a settled reply: it is shown as it should read, but for notes of its moment."""
        view = await self._store.turn(mark)
        if view is None or self._draining or mark in self._turned:
            return
        if view.state is TurnState.SETTLED and (view.text or view.outcome in _ENDED_IN_WORDS):
            self._turned[mark] = view
            self._do_aside(self._show_now(view))

    def _forget(self) -> None:
        """What is remembered of the store's rows may be out of date."""
        self._preferences.forget()
        self._ours.clear()

    async def suggest(self, line: str, address: Address, author: Author, direct: bool) -> Sequence[Suggestion]:
        """Completions of a command line without the command's name."""
        return await suggest(line, self._context(address, author, direct))

    # --- messages

    async def _message(self, event: MessageReceived) -> Receipt:
        address, author, key = event.address, event.author, event_key(event.address, event.id)
        if self._once.knows(key):  # before anything is counted or told for a second time
            return _DUPLICATE
        # A message that opens its thread cannot find a conversation there; if it is a redelivery, accept knows it.
        opens = address.thread == event.id
        conversation = None if opens else await self._conversation(address)
        if event.mentions_bot or event.direct or conversation is not None:
            invocation = parse_message(event.text, event.mentions_bot or event.direct)
            if invocation is not None and author.kind is AuthorKind.PERSON:
                if event.late:  # nobody expects any more what it would change
                    return _IGNORED
                context = self._context(address, author, event.direct, event.id)
                return await self._invoke_once(invocation, context, key)
        if event.late and conversation is not None and await self._was_before(event):
            return _IGNORED
        preferences = await self._preferences.at(address, author, event.direct, opens=opens)
        let_in = self._access.lets_in(address, author)
        verdict = judge(
            Sight(
                author=author.kind,
                direct=event.direct,
                mentioned=event.mentions_bot,
                opens_with_other=event.opens_with_other_mention,
                takes_part=conversation is not None,
                trigger=preferences.settings.trigger,
                bot_let_in=let_in,
            )
        )
        if verdict is Verdict.ANSWER and not self._breaker.lets(address.key, let_in):
            verdict = Verdict.RECORD if conversation is not None else Verdict.IGNORE
        if verdict is Verdict.IGNORE:
            return _IGNORED
        if verdict is Verdict.RECORD:
            return await self._record(event)
        changes = self._preferences.changes
        receipt = await self._ask(event, key, conversation, preferences.settings.busy)
        if opens and receipt.accepted:
            self._preferences.opened(address, changes)
        return receipt

    async def _ask(self, event: MessageReceived, key: str, conversation: int | None, mode: str) -> Receipt:
        refusal = self._refuse(event)
        if refusal is not None:
            return refusal if await self._once.claim(key) else _DUPLICATE
        busy = conversation is not None and await self._is_busy(conversation, mode)
        arrival = arrive(busy=busy, mode=mode)
        if arrival is Arrival.DECLINE:
            await self._record(event)
            if not await self._once.claim(key):  # it may be the very question that is being answered
                self._quota.give_back(asker(event))
                return _DUPLICATE
            return Receipt(False, notice=Notice("I am still answering here. Please ask again when I am done."))
        receipt = await self._accept(turn_of(event), arrival)
        self._once.note(key)
        if receipt.duplicate:
            self._quota.give_back(asker(event))
        return receipt

    async def _was_before(self, event: MessageReceived) -> bool:
        """It was said before the bot was called there, and was none of its business when it was heard."""
        conversation = await self._store.conversation(event.address)
        return conversation is not None and event.sent_at < conversation.began

    async def _is_busy(self, conversation: int, mode: str) -> bool:
        here = self._lanes.is_busy(conversation)
        if here is not None:
            return here
        # Where questions wait anyhow it makes no difference, and costs nothing.
        return mode != "queue" and self._store.shared and await self._store.is_busy(conversation)

    async def _record(self, event: MessageReceived) -> Receipt:
        fresh = await self._store.record(event.address, event.author, event.id, event.text, event.files, event.sent_at)
        return Receipt(accepted=False, duplicate=not fresh)

    def _refuse(self, event: MessageReceived) -> Receipt | None:
        reason = self._access.refusal(event.address, event.direct)
        if reason is not None:
            return Receipt(False, notice=Notice(reason, error=True))
        wait = self._quota.take(self._wall(), asker(event))
        if wait:
            return Receipt(
                False, notice=Notice(f"That was a lot of questions. Please ask again in {wait:.0f} s.", True)
            )
        return None

    async def _accept(self, turn: NewTurn, arrival: Arrival = Arrival.WAIT) -> Receipt:
        accepted = await self._store.accept(turn, self._wall())
        if accepted is None:
            return _DUPLICATE
        self._taken(turn.address, accepted)
        if accepted.claim is None and arrival is Arrival.INTERRUPT:
            with contextlib.suppress(StoreError):  # it is accepted, and answered after what runs
                await self._halt(accepted.conversation, Reason.NEWER, before=accepted.seq)
        return Receipt(True)

    async def _halt(self, conversation: int, reason: Reason, reply: TurnView | None = None, before: int = 0) -> bool:
        """End what runs there, in whichever process; False when nothing does."""
        mark = "" if reply is None else reply.mark
        if self._lanes.halt(conversation, reason, mark, before) is not None:
            return True
        if not self._store.shared:
            return False
        place = 0 if reply is None else reply.seq
        return await self._store.ask_halt(conversation, _SIGNALS[reason], place, before)

    def _taken(self, address: Address, accepted: Accepted) -> None:
        self._remember(address.key, accepted.conversation)
        if accepted.claim is not None:
            self._lanes.start(accepted.claim)

    async def _conversation(self, address: Address) -> int | None:
        """The id of the conversation here, if we take part in it; found ones are remembered."""
        known = self._ours.get(address.key)
        if known is not None:
            return known
        conversation = await self._store.conversation(address)
        if conversation is None or not conversation.answers:
            return None
        self._remember(address.key, conversation.id)
        return conversation.id

    def _remember(self, key: str, conversation: int) -> None:
        self._ours[key] = conversation
        if len(self._ours) > _ROOMS_REMEMBERED:
            self._ours.popitem(last=False)

    # --- edits and deletions

    async def _edited(self, event: MessageEdited) -> Receipt:
        now = self._wall()

        def again(reply: TurnView) -> NewTurn | None:
            waiting = reply.state is TurnState.RECEIVED
            if judge_edit(known=True, newest=True, waiting=waiting) is not EditVerdict.ANSWER_AGAIN:
                return None
            key = f"{event_key(event.address, event.id)}:edit:{event.revision}"
            return turn_again(reply, key, event.author, now, edited=True)

        edited = await self._store.edit_message(event.address, event.id, event.text, again, now)
        if edited is None or edited.again is None or edited.reply is None:
            return _IGNORED
        self._turned.pop(edited.reply.mark, None)
        self._taken(edited.reply.address, edited.again)
        # What is being written now was asked with other words.
        with contextlib.suppress(StoreError):  # it is accepted, and answered after what runs
            await self._halt(edited.reply.conversation, Reason.EDITED, edited.reply, before=edited.again.seq)
        return Receipt(True)

    async def _deleted(self, event: MessageDeleted) -> Receipt:
        view = await self._store.delete_message(event.address, event.id)
        if view is None:
            return _IGNORED
        with contextlib.suppress(StoreError):  # whoever plays it sees so by itself
            await self._halt(view.conversation, Reason.DELETED, view)
        return Receipt(True)

    # --- controls

    async def _control(self, event: ControlPressed) -> Receipt:
        view = await self._store.turn(event.turn)
        if view is None:
            return Receipt(False, notice=Notice("I no longer know this answer.", error=True))
        match event.action:
            case Action.STOP:
                return Receipt(True, notice=await self._stop_turn(view))
            case Action.FEEDBACK:
                await self._store.feedback(view.mark, view.version, event.author.id, event.value == "up", self._wall())
                return Receipt(True, notice=Notice("Thanks, noted."))
            case Action.WHY:
                return Receipt(True, notice=tell_receipt(view))
            case Action.VERSION:
                return await self._choose_version(event, view)
            case Action.REGENERATE | Action.RETRY:
                return await self._press_again(event, view)

    async def _stop_turn(self, view: TurnView) -> Notice | None:
        if view.state in _ANSWERED:
            return Notice("That answer is finished already.")
        self._lanes.halt(view.conversation, Reason.PERSON, view.mark)
        await self._store.ask_stop(view.conversation, view.seq)
        self._lanes.halt(view.conversation, Reason.PERSON, view.mark)  # another run of this reply may have begun
        return None

    async def _choose_version(self, event: ControlPressed, view: TurnView) -> Receipt:
        if not self._may_change(event.address, event.author, view):
            return Receipt(False, notice=Notice("Only the person who asked can turn the versions.", error=True))
        view = await self._settling(view)
        if view.state not in _ANSWERED:
            return Receipt(False, notice=Notice("One moment, I am still writing here.", error=True))
        chosen = await self._store.choose_version(view.mark, int(event.value) if event.value.isdigit() else 0)
        if chosen is None:
            return Receipt(False, notice=Notice("There is no such version.", error=True))
        self._turn_to(chosen)
        return Receipt(True)

    def _turn_to(self, chosen: TurnView) -> None:
        is_turning = chosen.mark in self._turned
        self._turned[chosen.mark] = chosen
        if not is_turning:
            self._do_aside(self._show_chosen(chosen.mark))

    async def _show_chosen(self, mark: str) -> None:
        """Show the version chosen last, which may have changed while the write waited for its budget."""
        try:
            while (chosen := self._turned.get(mark)) is not None:
                with contextlib.suppress(Superseded):
                    await self._turns.show_version(chosen, functools.partial(self._is_chosen, chosen))
                    if self._is_chosen(chosen):
                        return
        finally:
            self._turned.pop(mark, None)

    async def _show_now(self, view: TurnView) -> None:
        """Show it at once or not at all: later, it may be made again by somebody else."""
        clock = asyncio.get_running_loop().time
        until = clock() + _SHOWN_NOW
        try:
            with contextlib.suppress(Superseded, SurfaceError):
                await self._turns.show_version(view, lambda: self._is_chosen(view) and clock() < until)
        finally:
            if self._is_chosen(view):
                del self._turned[view.mark]
        await self._show_chosen(view.mark)  # where a person chose one meanwhile

    def _is_chosen(self, view: TurnView) -> bool:
        return self._turned.get(view.mark) is view

    def _do_aside(self, work: Coroutine[Any, Any, None]) -> None:
        """Something that may wait for a write budget: the acknowledgement does not wait for it."""
        task = asyncio.create_task(work)
        self._aside.add(task)
        task.add_done_callback(self._done_aside)

    def _done_aside(self, task: asyncio.Task[None]) -> None:
        self._aside.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("something beside the turns broke", exc_info=task.exception())

    def _may_change(self, address: Address, author: Author, view: TurnView) -> bool:
        return author.id == view.author.id or self._access.is_admin(address, author)

    async def _press_again(self, event: ControlPressed, view: TurnView) -> Receipt:
        """The button stands there as soon as the last write is made, a moment before the store knows of the end."""
        if view.newest and view.state not in _ANSWERED and self._may_change(event.address, event.author, view):
            view = await self._settling(view)
            if view.text and view.state in _ANSWERED and view.outcome not in _IN_VAIN:
                return _DUPLICATE  # pressed twice, and made again since
        return await self._make_again(event.id, event.address, event.author, view)

    async def _settling(self, view: TurnView) -> TurnView:
        """The same reply, once it is settled; as it is when it is not soon."""
        clock = asyncio.get_running_loop().time
        until = clock() + _SETTLING
        while view.state not in _ANSWERED and clock() < until:
            await asyncio.sleep(_SETTLING_LOOK)
            view = await self._store.turn(view.mark) or view
        return view

    async def _make_again(self, event_id: str, address: Address, author: Author, view: TurnView) -> Receipt:
        if not self._may_change(address, author, view):
            return Receipt(False, notice=Notice("Only the person who asked can have it answered again.", error=True))
        if not view.newest:
            return Receipt(False, notice=Notice("Only the newest answer can be made again.", error=True))
        if view.state not in _ANSWERED:
            return Receipt(False, notice=Notice("I am still answering this.", error=True))
        self._turned.pop(view.mark, None)
        key = f"{address.platform}:{address.workspace}:{address.channel}:again:{event_id}"
        receipt = await self._accept(turn_again(view, key, view.author, self._wall()))
        self._turned.pop(view.mark, None)  # also what was chosen meanwhile
        return receipt

    # --- commands and forms

    def _context(self, address: Address, author: Author, direct: bool, event_id: str = "") -> CommandContext:
        return CommandContext(
            address=address,
            author=author,
            direct=direct,
            admin=self._access.is_admin(address, author),
            store=self._store,
            completions=self._completions,
            preferences=self._preferences,
            operations=self,
            command_name=self.command_name,
            now=self._wall(),
            event_id=event_id,
            version=VERSION,
        )

    async def _command(self, event: CommandGiven) -> Receipt:
        context = self._context(event.address, event.author, event.direct, event.id)
        return await self._invoke(parse_line(event.line), context)

    async def _invoke_once(self, invocation: Invocation, context: CommandContext, key: str) -> Receipt:
        """A command written as a message comes as often as the message does; here it is carried out once."""
        if not await self._once.claim(key):
            return _DUPLICATE
        try:
            return await self._invoke(invocation, context)
        except StoreError:  # not taken: it comes again
            await self._once.release(key)
            raise

    async def _invoke(self, invocation: Invocation, context: CommandContext) -> Receipt:
        try:
            outcome = await run_command(invocation, context)
        except StoreError:
            raise
        except ParleyError as error:
            return Receipt(False, notice=Notice(error.user_text, error=True))
        return Receipt(True, notice=outcome.notice, form=outcome.form)

    async def _submitted(self, event: SettingsSubmitted) -> Receipt:
        context = self._context(event.address, event.author, event.direct)
        try:
            errors = await apply_form(context, Level(event.level), dict(event.values))
        except SettingRefused as error:
            return Receipt(False, notice=Notice(error.user_text, error=True))
        if errors:
            return Receipt(False, field_errors=tuple(errors.items()))
        return Receipt(True, notice=Notice("Settings saved."))

    # --- operations that commands ask for (bot.commands.context.Operations)

    async def stop(self, address: Address, author: Author) -> bool:
        """Stop what runs in this conversation; False when nothing does. Anyone there may: a person's stop wins."""
        conversation = await self._conversation(address)
        claim = self._lanes.halt(conversation, Reason.PERSON) if conversation is not None else None
        if claim is None:
            return conversation is not None and await self._halt(conversation, Reason.PERSON)
        await self._store.ask_stop(claim.conversation, claim.target or claim.seq)
        return True

    async def retry(self, address: Address, author: Author, event_id: str) -> Notice | None:
        view = await self._store.newest_turn(address)
        if view is None:
            return Notice("There is nothing here to answer again.", error=True)
        if not self._lanes.is_busy(view.conversation):
            view = await self._settling(view)
        return (await self._make_again(event_id, address, author, view)).notice

    async def new(self, address: Address, author: Author) -> bool:
        return await self._store.clear(address)

    async def ask(self, question: MessageReceived) -> Receipt:
        return await self._accept(turn_of(question))

    def lanes(self) -> tuple[int, int]:
        """(answers being written now, conversations known)."""
        return len(self._lanes), len(self._ours)

    # --- start and end

    async def resume(self) -> int:
        """Take up what other processes left unsettled, now and from now on; returns how many lanes were started."""
        return await self._replica.enter()

    async def drain(self, grace: float) -> bool:
        """Take nothing more, wait ``grace`` seconds for running lanes, hand the rest to others or the next start."""
        self._draining = True
        self._replica.stop_taking()
        clock = asyncio.get_running_loop().time
        until = clock() + grace
        if self._receiving:  # what is being accepted now may still open a lane
            self._quiet.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(until):
                    await self._quiet.wait()
        ended = await self._lanes.finish(max(until - clock(), 0.0), self._aside)
        await self._replica.leave()
        return ended
