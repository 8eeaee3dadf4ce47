"""The initial response to an interaction: one, within three seconds, of a type that fits."""

from __future__ import annotations

from tests.emulators.discord.asking import Answer, Ask, route
from tests.emulators.discord.commands import check_autocomplete
from tests.emulators.discord.components import check_modal
from tests.emulators.discord.content import read_content
from tests.emulators.discord.limits import Flag, Permission
from tests.emulators.discord.mentions import ONLY_USERS, note_ping_sins, read_allowed
from tests.emulators.discord.messages import post, shown_to_app
from tests.emulators.discord.permissions import permissions, sends
from tests.emulators.discord.posting import apply_edit, fill
from tests.emulators.discord.records import AUTOCOMPLETE, COMMAND, COMPONENT, Interaction, Json, Message, Modal
from tests.emulators.discord.records import MODAL as SUBMIT
from tests.emulators.discord.refusals import Refused, bad_form, not_a_choice
from tests.emulators.discord.state import State

MESSAGE, THINKING, DEFER, UPDATE, CHOICES, OPEN_MODAL = 4, 5, 6, 7, 8, 9
_SETTABLE = Flag.SUPPRESS_EMBEDS | Flag.SUPPRESS_NOTIFICATIONS | Flag.EPHEMERAL | Flag.IS_COMPONENTS_V2
_FITS = {
    COMMAND: frozenset([MESSAGE, THINKING, OPEN_MODAL]),
    COMPONENT: frozenset([MESSAGE, THINKING, DEFER, UPDATE, OPEN_MODAL]),
    AUTOCOMPLETE: frozenset([CHOICES]),
    SUBMIT: frozenset([MESSAGE, THINKING, DEFER, UPDATE]),
}


@route(
    "interaction_callback",
    "POST",
    "/interactions/{interaction}/{token}/callback",
    bucket="webhook",
    major=("interaction",),
    open=True,
)
def respond(state: State, ask: Ask) -> Answer:
    interaction = state.interactions.get(ask.path["interaction"])
    if interaction is None or interaction.token != ask.path["token"]:
        raise Refused(10062)
    if interaction.response:
        ask.sin("responded_twice", interaction.id)
        raise Refused(40060)
    if state.clock.now() - interaction.at > state.limits.interaction_deadline:
        ask.sin("late_response", interaction.id)
        raise Refused(10062)
    kind = ask.form.get("type")
    if not isinstance(kind, int) or kind not in _FITS[interaction.kind]:
        raise not_a_choice("type", ", ".join(str(it) for it in sorted(_FITS[interaction.kind])))
    if kind in (DEFER, UPDATE) and interaction.source is None:
        raise bad_form("type", "INTERACTION_NO_MESSAGE", "There is no message to update")
    _carry_out(state, ask, interaction, kind)
    interaction.response = kind
    interaction.done.set()
    return _callback(state, interaction, kind) if ask.query.get("with_response") in ("1", "true", "True") else None


def _carry_out(state: State, ask: Ask, interaction: Interaction, kind: int) -> None:
    data = ask.form.get("data") or {}
    if kind == CHOICES:
        interaction.choices = check_autocomplete(data.get("choices"))
    elif kind == OPEN_MODAL:
        form = check_modal(data)
        modal = Modal(interaction, interaction.user, form["custom_id"], form["title"], form["components"])
        interaction.modal = modal
        state.modals.append(modal)
    elif kind == THINKING:
        flags = int(data.get("flags") or 0)
        if flags & ~int(Flag.EPHEMERAL):
            ask.sin("flags_not_settable", str(flags))
        message = new_message(state, interaction, (flags & Flag.EPHEMERAL) | Flag.LOADING)
        interaction.original, interaction.thinking_unanswered = message, True
        post(state, state.channels[interaction.channel_id], message, "thinking", ONLY_USERS)
    elif kind == MESSAGE:
        interaction.original = send(state, ask, interaction, data, "interaction_callback", prefix="data.")
    else:
        interaction.original = source = interaction.source
        if kind == UPDATE and source is not None:
            apply_edit(state, ask, state.channels[source.channel_id], source, data, "interaction_callback")


def send(state: State, ask: Ask, interaction: Interaction, form: Json, how: str, *, prefix: str = "") -> Message:
    """A new message in the name of an interaction."""
    channel = state.channels[interaction.channel_id]
    content = read_content(ask, form, channel.id, prefix=prefix)
    if content.bare:
        raise Refused(50006)
    message = new_message(state, interaction, (content.flags or 0) & int(_SETTABLE))
    message.content = content.text or ""
    fill(message, content, message.flags)
    for file in message.attachments:
        file.ephemeral = bool(message.only_for)
    pings = post(state, channel, message, how, read_allowed(form.get("allowed_mentions"), ONLY_USERS))
    note_ping_sins(state, how, form, message, pings)
    return message


def new_message(state: State, interaction: Interaction, flags: int) -> Message:
    """An empty message of an interaction; ephemeral where asked for, or where the person may not post publicly."""
    if _forced_ephemeral(state, interaction):
        flags |= Flag.EPHEMERAL
    kind = {COMMAND: 23 if interaction.data.get("type") in (2, 3) else 20}.get(interaction.kind, 0)
    message = Message(state.ids.new(), interaction.channel_id, state.bot, state.clock.unix(), kind=kind, flags=flags)
    message.interaction, message.webhook_id = interaction, state.app.id
    message.only_for = interaction.user.id if flags & Flag.EPHEMERAL else ""
    return message


def _forced_ephemeral(state: State, interaction: Interaction) -> bool:
    if not interaction.guild_id or not interaction.user_installed_only:
        return False
    channel = state.channels[interaction.channel_id]
    bits = permissions(state, channel, interaction.user.id)
    return not (bits & Permission.USE_EXTERNAL_APPS and bits & sends(channel))


def _callback(state: State, interaction: Interaction, kind: int) -> Json:
    about: Json = {"id": interaction.id, "type": interaction.kind}
    answer: Json = {"interaction": about}
    original = interaction.original
    if original is not None:
        about["response_message_id"] = original.id
        about["response_message_loading"] = original.loading
        about["response_message_ephemeral"] = bool(original.only_for)
    if original is not None and kind in (MESSAGE, UPDATE, THINKING):
        answer["resource"] = {"type": kind, "message": shown_to_app(state, original)}
    elif kind in (CHOICES, DEFER, OPEN_MODAL):
        answer["resource"] = {"type": kind}
    return answer
