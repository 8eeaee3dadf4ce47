"""What people press: commands, buttons, menus, forms. Each returns once the app has responded or its time is over.

A button can only be pressed where it is drawn, and a command only used where it is offered.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from tests.emulators.discord.describe import (
    app_permissions,
    describe_channel,
    describe_member,
    describe_message,
    describe_user,
)
from tests.emulators.discord.files import describe_file
from tests.emulators.discord.forms import chosen, filled
from tests.emulators.discord.limits import Permission
from tests.emulators.discord.options import find_command, options_of
from tests.emulators.discord.people import People
from tests.emulators.discord.permissions import guild_permissions, permissions
from tests.emulators.discord.reading import walk
from tests.emulators.discord.records import (
    AUTOCOMPLETE,
    COMMAND,
    COMPONENT,
    DM,
    MODAL,
    Attachment,
    Channel,
    Interaction,
    Json,
    Message,
    Modal,
    User,
)
from tests.emulators.discord.room import Impossible


class Hands(People):
    """The people's hands."""

    # --- commands ----------------------------------------------------------------------------------

    async def command(
        self, user: User | str, channel: Channel | str, name: str, options: Mapping[str, Any] | None = None
    ) -> Interaction:
        """Use a slash command; ``name`` may be ``group command``. Options by name; users, files, … as records."""
        person, place = self._who(user), self._where(channel)
        command = self._offered(person, place, name.split(" ", maxsplit=1)[0], 1)
        given, resolved = options_of(self.state, command, name, options or {})
        data = self._command_data(command) | {"options": given}
        return await self._used(
            person, place, COMMAND, data | ({"resolved": resolved} if resolved else {}), command, name
        )

    async def autocompletes(
        self,
        user: User | str,
        channel: Channel | str,
        name: str,
        option: str,
        typed: str,
        others: Mapping[str, Any] | None = None,
    ) -> list[Json]:
        """Type into an option; returns the choices the app offers (none when it did not answer in time)."""
        person, place = self._who(user), self._where(channel)
        command = self._offered(person, place, name.split(" ", maxsplit=1)[0], 1)
        values = {**(others or {}), option: typed}
        given, _ = options_of(self.state, command, name, values, focused=option)
        data = self._command_data(command) | {"options": given}
        return (await self._used(person, place, AUTOCOMPLETE, data, command, name)).choices

    async def context_menu(self, user: User | str, target: Message | User, name: str) -> Interaction:
        """Use a context-menu command on a message (whose content the app then gets) or a user."""
        person = self._who(user)
        if isinstance(target, Message):
            place = self.state.channels[target.channel_id]
            kind, described = 3, describe_message(self.state, target, intent=True)
        else:
            place, kind, described = self.general, 2, describe_user(target)
        command = self._offered(person, place, name, kind)
        group = "messages" if kind == 3 else "users"
        data = self._command_data(command) | {"target_id": target.id, "resolved": {group: {target.id: described}}}
        return await self._used(person, place, COMMAND, data, command, name)

    def _command_data(self, command: Json) -> Json:
        data: Json = {"id": command["id"], "name": command["name"], "type": command["type"]}
        return data | ({"guild_id": command["guild_id"]} if command.get("guild_id") else {})

    def _offered(self, person: User, place: Channel, name: str, kind: int) -> Json:
        """The command as Discord offers it to this person here. Raises ``Impossible``."""
        if not self.sees(person, place):
            raise Impossible(f"{person.name} cannot see {place.name or place.id}")
        if place.archived:
            raise Impossible("there are no commands in an archived thread")
        in_guild = self.state.bot_in(place.guild_id)
        bits = permissions(self.state, place, person.id)
        if place.guild_id and not bits & Permission.USE_APPLICATION_COMMANDS:
            raise Impossible(f"{person.name} may not use commands here")
        command = find_command(self.state, place.guild_id if in_guild else "", name, kind)
        if command is None:
            raise Impossible(f"there is no command {name}")
        context = self._context(place)
        if command.get("contexts") is not None and context not in command["contexts"]:
            raise Impossible(f"{name} is not offered here")
        if not self._owners(person, place, command):
            raise Impossible(f"{name} is not installed here")
        needed = command.get("default_member_permissions")
        guild = self.state.guild_of(place)
        if needed is not None and guild is not None and in_guild:
            has = guild_permissions(guild, person.id)
            if not has & Permission.ADMINISTRATOR and (needed == "0" or int(needed) & ~has):
                raise Impossible(f"{person.name} may not use {name}")
        return command

    def _context(self, place: Channel) -> int:
        if place.guild_id:
            return 0
        return 1 if place.kind == DM and self.bot.id in place.recipients else 2

    def _owners(self, person: User, place: Channel, command: Json | None) -> dict[str, str]:
        """Who installed the app so that it may act here: "0" a guild (0 for the bot's DM), "1" the person."""
        kinds = (command or {}).get("integration_types") or [0, 1]
        owners: dict[str, str] = {}
        if 0 in kinds and self.state.bot_in(place.guild_id):
            owners["0"] = place.guild_id
        elif 0 in kinds and self._context(place) == 1:
            owners["0"] = "0"
        if 1 in kinds and person.installed and self.app.user_install:
            owners["1"] = person.id
        return owners

    async def _used(self, person: User, place: Channel, kind: int, data: Json, command: Json, name: str) -> Interaction:
        interaction = self._interaction(person, place, kind, data, self._owners(person, place, command))
        interaction.name = name
        return await self._sent(interaction, place)

    # --- buttons and menus -------------------------------------------------------------------------

    async def presses(self, user: User | str, message: Message, custom_id: str) -> Interaction:
        """Press the button with this custom id (or, if none has it, this label)."""
        buttons = [it for it in walk(message.components) if it.get("type") == 2 and it.get("style") != 5]
        found = [it for it in buttons if it.get("custom_id") == custom_id]
        found = found or [it for it in buttons if it.get("label") == custom_id]
        if not found or found[0].get("disabled"):
            raise Impossible(f"no button is called {custom_id}")
        data: Json = {"custom_id": found[0]["custom_id"], "component_type": 2, "id": found[0].get("id", 1)}
        return await self._touched(user, message, data)

    async def selects(self, user: User | str, message: Message, custom_id: str, *values: str) -> Interaction:
        """Choose values (or labels) of the menu with this custom id."""
        menus = [it for it in walk(message.components) if it.get("custom_id") == custom_id and it["type"] != 2]
        if not menus or menus[0].get("disabled"):
            raise Impossible(f"no menu is called {custom_id}")
        data: Json = {"custom_id": custom_id, "component_type": menus[0]["type"], "id": menus[0].get("id", 1)}
        return await self._touched(user, message, data | {"values": chosen(menus[0], values)})

    async def _touched(self, user: User | str, message: Message, data: Json) -> Interaction:
        person, place = self._who(user), self.state.channels[message.channel_id]
        if message.deleted or message.only_for not in ("", person.id) or not self.sees(person, place):
            raise Impossible(f"{person.name} cannot see this message")
        if place.archived:
            raise Impossible("nothing can be pressed in an archived thread")
        owners = message.interaction.owners if message.interaction else self._owners(person, place, None)
        interaction = self._interaction(person, place, COMPONENT, data, owners)
        interaction.source = message
        return await self._sent(interaction, place)

    async def submits(
        self, modal: Modal, values: Mapping[str, Any] | None = None, *, files: Sequence[Attachment] = ()
    ) -> Interaction:
        """Fill in a form by custom id (text, a value, or several) and send it."""
        if not modal.open:
            raise Impossible("the form is closed")
        components = filled(modal.components, values or {}, files)
        origin = modal.interaction
        place = self.state.channels[origin.channel_id]
        data: Json = {"custom_id": modal.custom_id, "components": components}
        if files:
            for file in files:
                file.channel_id, file.ephemeral = place.id, True
                self.state.files[file.id] = file
            data["resolved"] = {"attachments": {file.id: describe_file(self.state, file) for file in files}}
        interaction = self._interaction(modal.user, place, MODAL, data, origin.owners)
        interaction.source = origin.source
        await self._sent(interaction, place)
        modal.open = interaction.failed
        return interaction

    async def dismisses(self, modal: Modal) -> None:
        """Close a form; the app does not hear of it."""
        modal.open = False

    # --- on their way ------------------------------------------------------------------------------

    def _interaction(self, person: User, place: Channel, kind: int, data: Json, owners: dict[str, str]) -> Interaction:
        token = "aW50ZXJhY3Rpb24" + secrets.token_urlsafe(48)
        interaction = Interaction(
            self.state.ids.new(), token, kind, person, place.id, place.guild_id, self.clock.now(), data, owners,
            self._context(place),
        )  # fmt: skip
        self.state.interactions[interaction.id] = self.state.tokens[token] = interaction
        return interaction

    async def _sent(self, interaction: Interaction, place: Channel) -> Interaction:
        interaction.at = self.clock.now()
        self.state.emit("INTERACTION_CREATE", self._described(interaction, place), place)
        try:
            await asyncio.wait_for(interaction.done.wait(), self.state.limits.interaction_deadline)
        except TimeoutError:
            self.state.sin(
                "interaction_unanswered", "gateway", interaction.name or str(interaction.data.get("custom_id"))
            )
        return interaction

    def _described(self, interaction: Interaction, place: Channel) -> Json:
        person, guild = interaction.user, self.state.guild_of(place)
        answer: Json = {"id": interaction.id, "application_id": self.app.id, "type": interaction.kind, "version": 1}
        answer |= {"token": interaction.token, "data": interaction.data, "context": interaction.context}
        answer |= {"channel_id": place.id, "locale": person.locale, "entitlements": []}
        answer["channel"] = describe_channel(self.state, place) | {
            "permissions": app_permissions(self.state, place, person.id)
        }
        answer |= {"authorizing_integration_owners": dict(interaction.owners), "entitlement_sku_ids": []}
        answer["attachment_size_limit"] = self.state.limits.file_bytes
        seat = self.bot.id if "0" in interaction.owners else person.id
        answer["app_permissions"] = app_permissions(self.state, place, seat)
        if guild is not None:
            answer |= {"guild_id": guild.id, "guild_locale": guild.locale}
            answer["guild"] = {"id": guild.id, "locale": guild.locale, "features": []}
            member = describe_member(guild.members[person.id])
            answer["member"] = member | {"permissions": app_permissions(self.state, place, person.id)}
        else:
            answer["user"] = describe_user(person)
        if interaction.source is not None:
            answer["message"] = describe_message(self.state, interaction.source, intent=True)
        return answer
