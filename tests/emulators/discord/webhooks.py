"""After the initial response: the original message and follow-ups, for the quarter of an hour a token lives.

The app's own webhook needs no bot token and does not count to the global limit.
"""

from __future__ import annotations

from tests.emulators.discord.asking import Answer, Ask, route
from tests.emulators.discord.interactions import OPEN_MODAL, send
from tests.emulators.discord.messages import remove, shown_to_app
from tests.emulators.discord.posting import apply_edit
from tests.emulators.discord.records import Interaction, Message
from tests.emulators.discord.refusals import Refused
from tests.emulators.discord.state import State

_HOOK = "/webhooks/{webhook}/{token}"
_MAJOR = ("webhook", "token")


def _interaction(state: State, ask: Ask) -> Interaction:
    interaction = state.tokens.get(ask.path["token"])
    if ask.path["webhook"] != state.app.id or interaction is None:
        raise Refused(10015)
    if state.clock.now() - interaction.at > state.limits.interaction_token:
        ask.sin("expired_token", interaction.id)
        raise Refused(50027)
    if not interaction.response:
        raise Refused(10015)
    return interaction


def _message(state: State, ask: Ask) -> tuple[Interaction, Message]:
    interaction = _interaction(state, ask)
    name = ask.path["message"]
    mine = [interaction.original, *interaction.followups]
    found = interaction.original if name == "@original" else next((it for it in mine if it and it.id == name), None)
    if found is None or found.deleted or (name == "@original" and interaction.response == OPEN_MODAL):
        raise Refused(10008)
    return interaction, found


def _name(ask: Ask, verb: str) -> str:
    return f"{verb}_{'original' if ask.path['message'] == '@original' else 'followup'}"


@route("get_original", "GET", _HOOK + "/messages/{message}", bucket="webhook", major=_MAJOR, open=True)
def get_original(state: State, ask: Ask) -> Answer:
    return shown_to_app(state, _message(state, ask)[1])


@route("edit_original", "PATCH", _HOOK + "/messages/{message}", bucket="webhook", major=_MAJOR, open=True)
def edit_original(state: State, ask: Ask) -> Answer:
    interaction, message = _message(state, ask)
    channel = state.channels[message.channel_id]
    if channel.archived:
        raise Refused(50083)
    apply_edit(state, ask, channel, message, ask.form, _name(ask, "edit"))
    if message is interaction.original:
        interaction.thinking_unanswered = False
    return shown_to_app(state, message)


@route("delete_original", "DELETE", _HOOK + "/messages/{message}", bucket="webhook", major=_MAJOR, open=True)
def delete_original(state: State, ask: Ask) -> Answer:
    interaction, message = _message(state, ask)
    if message is interaction.original:
        interaction.thinking_unanswered = False
    remove(state, state.channels[message.channel_id], message, _name(ask, "delete"))
    return None


@route("followup", "POST", _HOOK, bucket="webhook", major=_MAJOR, open=True)
def follow_up(state: State, ask: Ask) -> Answer:
    """A further message; the first one after a thinking defer takes the placeholder's place, which is deprecated."""
    interaction = _interaction(state, ask)
    if interaction.thinking_unanswered and interaction.original is not None:
        ask.sin("followup_for_defer", interaction.id)
        original = interaction.original
        apply_edit(state, ask, state.channels[original.channel_id], original, ask.form, "followup")
        interaction.thinking_unanswered = False
        return shown_to_app(state, original)
    if interaction.user_installed_only and interaction.followups_used >= state.limits.user_install_followups:
        raise Refused(40094)
    message = send(state, ask, interaction, ask.form, "followup")
    interaction.followups.append(message)
    interaction.followups_used += 1
    return shown_to_app(state, message)
