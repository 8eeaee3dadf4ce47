"""The settings form and the App Home: opened in time, filled from the core, sent back to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from adapters.slack.calls import Calls
from adapters.slack.directory import Directory
from adapters.slack.inbound import PLATFORM, Me, person
from adapters.slack.views import (
    Place,
    View,
    ask_view,
    errors_in,
    form_view,
    home_view,
    loading_view,
    read_place,
    told_view,
    values_in,
)
from bot.errors import ParleyError
from bot.events import Address, Author, Event, SettingsSubmitted
from bot.ports import Form, Level
from bot.replies import Receipt

PROMPTS = (
    ("Summarise a text", "Summarise the text I paste next in five bullet points."),
    ("Explain an error", "Explain the error message I paste next, and how to fix it."),
    ("Draft a message", "Help me to write a short, friendly message. Ask me what it is about."),
    ("What can you do?", "What can you help me with here, and which commands do you know?"),
)


class FormCore(Protocol):
    """What forms ask of the core."""

    async def receive(self, event: Event) -> Receipt: ...
    async def form(self, address: Address, author: Author, direct: bool, level: Level | None = None) -> Form: ...
    async def usage(self, address: Address, author: Author, direct: bool) -> Sequence[tuple[str, str]]: ...


class Forms:
    """Views of one workspace. Failures to show a view are dropped: the person sees that nothing opened."""

    def __init__(
        self, core: FormCore, calls: Calls, directory: Directory, me: Callable[[], Me], *, command: str, name: str
    ) -> None:
        self._core, self._calls, self._directory, self._me = core, calls, directory, me
        self._command, self._name = command, name

    def read(self, text: str) -> tuple[Place, str]:
        """(place, level) of a button's value or of a view."""
        return read_place(text)

    async def open(self, trigger: str, place: Place, author: Author) -> None:
        """The settings form of ``place``; first a view that says so, for the trigger soon works no more."""
        try:
            answer = await self._calls.call("views.open", trigger_id=trigger, view=loading_view())
        except ParleyError:
            return
        view_id = str((answer.get("view") or {}).get("id") or "")
        await self._show(view_id, await self._form(place, author, None))

    async def change_level(self, view: Mapping[str, Any], author: Author, level: str) -> None:
        """The form of another level, in the same view."""
        place, _ = read_place(str(view.get("private_metadata") or ""))
        await self._show(str(view.get("id")), await self._form(place, author, level))

    async def open_question(self, trigger: str, place: Place) -> None:
        await self._calls.spend("views.open", trigger_id=trigger, view=ask_view(place))

    async def submit(self, view: Mapping[str, Any], author: Author, event_id: str) -> dict[str, Any]:
        """What to acknowledge a sent form with: nothing, errors by field, or a view that says why not."""
        place, level = read_place(str(view.get("private_metadata") or ""))
        event = SettingsSubmitted(
            event_id, place.address(PLATFORM, self._me().team), author, level, values_in(view), place.direct
        )
        try:
            receipt = await self._core.receive(event)
        except ParleyError as error:
            return {"response_action": "update", "view": told_view("Settings", error.user_text)}
        if receipt.field_errors:
            return {"response_action": "errors", "errors": errors_in(view, receipt.field_errors)}
        if receipt.notice is not None and receipt.notice.error:
            return {"response_action": "update", "view": told_view("Settings", receipt.notice.text)}
        return {"response_action": "clear"}

    async def show_home(self, user: str, channel: str) -> None:
        """Publish the App Home of one person."""
        author = person(user, await self._directory.profiles({user}))
        place = Place(channel, "", direct=True)
        address = place.address(PLATFORM, self._me().team)
        try:
            form = await self._core.form(address, author, True)
            usage = await self._core.usage(address, author, True)
        except ParleyError as error:
            view: View = {"type": "home", "blocks": told_view("Settings", error.user_text)["blocks"]}
        else:
            view = home_view(form, usage, place, self._command, self._name)
        await self._calls.spend("views.publish", user_id=user, view=view)

    async def suggest_prompts(self, channel: str) -> None:
        """What to begin with, in the app's Messages tab."""
        prompts = [{"title": title, "message": message} for title, message in PROMPTS]
        await self._calls.spend("assistant.threads.setSuggestedPrompts", channel_id=channel, prompts=prompts)

    async def _form(self, place: Place, author: Author, level: str | None) -> View:
        try:
            chosen = Level(level) if level else None
            form = await self._core.form(place.address(PLATFORM, self._me().team), author, place.direct, chosen)
        except ParleyError as error:
            return told_view("Settings", error.user_text)
        except ValueError:
            return told_view("Settings", "There is no such level of settings.")
        return form_view(form, place)

    async def _show(self, view_id: str, view: View) -> None:
        await self._calls.spend("views.update", view_id=view_id, view=view)
