"""``views.*``: modals behind a trigger that lives 3 s and works once, and the Home of one person."""

from __future__ import annotations

from typing import Any

from tests.emulators.slack.asking import Ask, Refused, method
from tests.emulators.slack.blocks import view_problems
from tests.emulators.slack.records import Json, Trigger, View
from tests.emulators.slack.state import State

_STACK = 3


def describe_view(state: State, view: View) -> Json:
    defaults: Json = {"private_metadata": "", "callback_id": "", "external_id": "", "state": {"values": {}}}
    return {
        **defaults,
        **view.body,
        "id": view.id,
        "team_id": view.team,
        "hash": view.hash,
        "root_view_id": view.root,
        "previous_view_id": view.previous or None,
        "app_id": state.app.id,
        "bot_id": (bot.bot_id if (bot := state.bot(view.team)) else ""),
    }


def check_view(state: State, body: Any, kind: str) -> Json:
    """The view, checked, with ids for its blocks. Raises ``Refused``."""
    found = view_problems(body, most=state.limits.blocks_in_view)
    if not found and body["type"] != kind:
        found = [f"must be {kind} [json-pointer:/view/type]"]
    if found:
        raise Refused("invalid_arguments", response_metadata={"messages": [f"[ERROR] {problem}" for problem in found]})
    blocks = [block | {"block_id": block.get("block_id") or state.new_id("b")} for block in body["blocks"]]
    return dict(body) | {"blocks": blocks}


def use_trigger(ask: Ask) -> Trigger:
    """Spend the trigger: ``trigger_expired`` after 3 s, ``trigger_exchanged`` the second time."""
    state = ask.state
    trigger = state.triggers.get(ask.need("trigger_id", "invalid_trigger_id"))
    if trigger is None or trigger.team != ask.workspace.id:
        raise Refused("invalid_trigger_id")
    if trigger.used:
        raise Refused("trigger_exchanged")
    if state.clock.now() - trigger.at > state.limits.trigger_lifetime:
        raise Refused("trigger_expired")
    trigger.used = True
    return trigger


def stack_of(state: State, root: str) -> list[View]:
    return [view for view in state.views.values() if view.root == root and view.open]


def add_view(state: State, team: str, user: str, body: Json, under: View | None = None) -> View:
    """Show a checked modal, on top of ``under`` if given."""
    view_id = state.new_id("V")
    root, previous = (under.root, under.id) if under else (view_id, "")
    view = View(view_id, team, user, "modal", body, state.new_id("h"), root, previous)
    state.views[view.id] = view
    return view


def change_view(state: State, view: View, body: Json) -> None:
    view.body, view.hash = body, state.new_id("h")


def _check_external_id(state: State, ask: Ask, body: Json, itself: View | None = None) -> None:
    wanted = body.get("external_id")
    for view in state.views.values():
        if wanted and view.open and view is not itself and view.body.get("external_id") == wanted:
            raise Refused("duplicate_external_id")


@method("views.open", tier=4)
def open_view(state: State, ask: Ask) -> Json:
    body = check_view(state, ask.structure("view"), "modal")
    _check_external_id(state, ask, body)
    trigger = use_trigger(ask)
    return {"view": describe_view(state, add_view(state, trigger.team, trigger.user, body))}


@method("views.push", tier=4)
def push_view(state: State, ask: Ask) -> Json:
    body = check_view(state, ask.structure("view"), "modal")
    _check_external_id(state, ask, body)
    trigger = use_trigger(ask)
    under = state.views.get(trigger.view)
    if under is None or not under.open:
        raise Refused("view_not_found")
    if len(stack_of(state, under.root)) >= _STACK:
        raise Refused("push_limit_reached")
    return {"view": describe_view(state, add_view(state, trigger.team, trigger.user, body, under))}


@method("views.update", tier=4)
def update_view(state: State, ask: Ask) -> Json:
    view = state.views.get(ask.text("view_id"))
    external = ask.text("external_id")
    if view is None and external:
        view = next((it for it in state.views.values() if it.body.get("external_id") == external), None)
    if view is None or not view.open or view.team != ask.workspace.id:
        raise Refused("not_found")
    body = check_view(state, ask.structure("view"), view.kind)
    _check_external_id(state, ask, body, view)
    if ask.text("hash") and ask.text("hash") != view.hash:
        raise Refused("hash_conflict")
    change_view(state, view, body)
    return {"view": describe_view(state, view)}


@method("views.publish", tier=4)
def publish_view(state: State, ask: Ask) -> Json:
    user = ask.need("user_id")
    if user not in ask.workspace.people:
        raise Refused("user_not_found")
    body = check_view(state, ask.structure("view"), "home")
    home = state.homes.get((ask.workspace.id, user))
    if home is None:
        view_id = state.new_id("V")
        home = View(view_id, ask.workspace.id, user, "home", body, state.new_id("h"), view_id)
        state.homes[ask.workspace.id, user] = state.views[view_id] = home
    else:
        if ask.text("hash") and ask.text("hash") != home.hash:
            raise Refused("hash_conflict")
        change_view(state, home, body)
    return {"view": describe_view(state, home)}
