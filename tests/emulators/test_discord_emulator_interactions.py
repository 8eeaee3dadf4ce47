"""The Discord emulator's commands, buttons and forms with the real discord.py on them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import pytest

from tests.emulators.discord import Discord, Impossible, Limits, Message, Permission
from tests.emulators.discord.library import app_commands
from tests.emulators.discord.library import discord as library
from tests.emulators.discord.listener import Listener, listening

QUICK = Limits(interaction_deadline=0.2)
Press = library.Interaction[Listener]


@pytest.fixture
async def discord() -> AsyncIterator[Discord]:
    async with Discord() as server:
        yield server


@pytest.fixture
async def client(discord: Discord) -> AsyncIterator[Listener]:
    async with listening(discord) as listener:
        yield listener


async def refused(calling: Awaitable[Any]) -> tuple[int, int]:
    with pytest.raises(library.HTTPException) as caught:
        await calling
    return caught.value.status, caught.value.code


async def offer(client: Listener, answer: Any, **options: Any) -> None:
    """Register ``/ai ask text [model]`` and a message command, both of which ``answer``."""
    group = app_commands.Group(name="ai", description="Ask the model", **options)

    @group.command(name="ask", description="Ask something")
    @app_commands.describe(text="what to ask", model="which model")
    async def ask(interaction: Press, text: str, model: str | None = None) -> None:
        await answer(interaction, text, model)

    @ask.autocomplete("model")
    async def complete(interaction: Press, typed: str) -> list[app_commands.Choice[str]]:
        return [app_commands.Choice(name=name, value=name) for name in ("llama", "qwen") if name.startswith(typed)]

    @app_commands.context_menu(name="Answer this")
    async def menu(interaction: Press, message: library.Message) -> None:
        await answer(interaction, message.content, None)

    client.tree.add_command(group)
    client.tree.add_command(menu)
    await client.tree.sync()


async def test_a_deferred_command_thinks_and_then_answers(discord: Discord, client: Listener) -> None:
    async def answer(interaction: Press, text: str, model: str | None) -> None:
        await interaction.response.defer(thinking=True)
        assert discord.rendered(discord.replies("general")[0]) == "parley is thinking…"
        await interaction.edit_original_response(
            content=f"{text} by {model}", allowed_mentions=library.AllowedMentions.none()
        )

    await offer(client, answer)
    used = await discord.command("ada", "general", "ai ask", {"text": "why?", "model": "qwen"})
    assert (used.failed, used.response) == (False, 5)
    await discord.until(lambda: discord.rendered(discord.replies("general")[0]) == "why? by qwen")
    assert discord.sins == []


async def test_a_command_nobody_answers_fails_after_its_time(discord: Discord, client: Listener) -> None:
    discord.state.limits = QUICK
    caught: list[tuple[int, int]] = []

    async def answer(interaction: Press, text: str, model: str | None) -> None:
        discord.advance(3.1)
        caught.append(await refused(interaction.response.send_message("late")))

    await offer(client, answer)
    used = await discord.command("ada", "general", "ai ask", {"text": "x"})
    assert used.failed
    await discord.until(lambda: caught)
    assert caught == [(404, 10062)]
    assert set(discord.sin_names) == {"late_response", "interaction_unanswered"}


async def test_only_one_initial_response_is_taken(discord: Discord, client: Listener) -> None:
    caught: list[tuple[int, int]] = []

    async def answer(interaction: Press, text: str, model: str | None) -> None:
        await interaction.response.send_message("one")
        interaction.response._response_type = None
        caught.append(await refused(interaction.response.send_message("two")))

    await offer(client, answer)
    await discord.command("ada", "general", "ai ask", {"text": "x"})
    await discord.until(lambda: caught)
    assert caught == [(400, 40060)]
    assert discord.sin_names == ["responded_twice"]


async def test_an_ephemeral_answer_is_seen_by_one_person(discord: Discord, client: Listener) -> None:
    async def answer(interaction: Press, text: str, model: str | None) -> None:
        await interaction.response.send_message("only you", ephemeral=True)

    await offer(client, answer)
    await discord.command("ada", "general", "ai ask", {"text": "x"})
    assert [discord.rendered(message) for message in discord.ephemerals("ada")] == ["only you"]
    assert discord.ephemerals("grace") == []
    assert discord.messages("general") == []
    assert client.of("message") == []


async def test_a_token_lives_a_quarter_of_an_hour(discord: Discord, client: Listener) -> None:
    kept: list[Press] = []

    async def answer(interaction: Press, text: str, model: str | None) -> None:
        await interaction.response.send_message("one")
        kept.append(interaction)

    await offer(client, answer)
    await discord.command("ada", "general", "ai ask", {"text": "x"})
    await discord.until(lambda: kept)
    await kept[0].followup.send("two")
    await (await kept[0].original_response()).delete()
    assert await refused(kept[0].edit_original_response(content="gone")) == (404, 10008)
    discord.advance(901)
    assert await refused(kept[0].followup.send("three")) == (401, 50027)
    assert [message.content for message in discord.replies("general")] == ["two"]
    assert discord.sin_names == ["expired_token"]


async def test_a_followup_in_place_of_the_placeholder_is_a_sin(discord: Discord, client: Listener) -> None:
    async def answer(interaction: Press, text: str, model: str | None) -> None:
        await interaction.response.defer(thinking=True)
        await interaction.followup.send("old way")

    await offer(client, answer)
    await discord.command("ada", "general", "ai ask", {"text": "x"})
    await discord.until(lambda: discord.sins)
    assert discord.sin_names == ["followup_for_defer"]
    assert [message.content for message in discord.replies("general")] == ["old way"]


async def test_choices_are_offered_while_typing(discord: Discord, client: Listener) -> None:
    async def answer(interaction: Press, text: str, model: str | None) -> None:
        raise AssertionError("nothing was sent yet")

    await offer(client, answer)
    choices = await discord.autocompletes("ada", "general", "ai ask", "model", "q")
    assert [choice["value"] for choice in choices] == ["qwen"]


async def test_a_message_command_reads_what_the_intent_would_hide(discord: Discord) -> None:
    discord.app.message_content = False
    seen: list[str] = []

    async def answer(interaction: Press, text: str, model: str | None) -> None:
        seen.append(text)
        await interaction.response.send_message("done", ephemeral=True)

    intents = library.Intents(guilds=True, guild_messages=True)
    async with listening(discord, intents=intents) as client:
        await offer(client, answer)
        said = await discord.says("grace", "general", "hidden words")
        await discord.context_menu("ada", said, "Answer this")
        assert seen == ["hidden words"]


async def test_commands_are_offered_only_where_they_are(discord: Discord, client: Listener) -> None:
    async def answer(interaction: Press, text: str, model: str | None) -> None:
        await interaction.response.send_message("x")

    await offer(client, answer, default_permissions=library.Permissions(manage_guild=True))
    with pytest.raises(Impossible, match="no command other"):
        await discord.command("ada", "general", "other")
    with pytest.raises(Impossible, match="needs text"):
        await discord.command("ada", "general", "ai ask")
    with pytest.raises(Impossible, match="grace may not use ai"):
        await discord.command("grace", "general", "ai ask", {"text": "x"})
    discord.deny(discord.general, Permission.USE_APPLICATION_COMMANDS, user=discord.grace)
    with pytest.raises(Impossible, match="may not use commands"):
        await discord.context_menu("grace", discord.ada, "Answer this")
    assert not (await discord.command("ada", "general", "ai ask", {"text": "x"})).failed


async def test_syncing_again_without_changes_is_a_sin_and_creates_nothing(discord: Discord, client: Listener) -> None:
    async def answer(interaction: Press, text: str, model: str | None) -> None:
        await interaction.response.send_message("x")

    await offer(client, answer)
    before = [command["id"] for command in discord.state.commands[""].values()]
    await client.tree.sync()
    assert discord.sin_names == ["sync_changes_nothing"]
    assert [command["id"] for command in discord.state.commands[""].values()] == before


async def test_two_hundred_commands_a_day_can_be_created(discord: Discord, client: Listener) -> None:
    discord.buckets.on = False
    for batch in range(3):
        client.tree.clear_commands(guild=None)
        for number in range(90):
            name = f"c{batch}-{number}"

            async def run(interaction: Press) -> None:
                """Nothing."""

            client.tree.add_command(app_commands.Command(name=name, description="x", callback=run))
        if batch < 2:
            await client.tree.sync()
        else:
            assert await refused(client.tree.sync()) == (400, 30034)


class Buttons(library.ui.View):
    def __init__(self) -> None:
        super().__init__(timeout=None)
        self.pressed: list[str] = []

    @library.ui.button(label="Stop", custom_id="stop:1")
    async def stop_it(self, interaction: Press, button: library.ui.Button[Buttons]) -> None:
        self.pressed.append(interaction.user.name)
        button.disabled = True
        await interaction.response.edit_message(content="stopped", view=self)

    @library.ui.select(
        custom_id="model",
        options=[library.SelectOption(label="Llama", value="llama"), library.SelectOption(label="Qwen")],
    )
    async def choose(self, interaction: Press, menu: library.ui.Select[Buttons]) -> None:
        self.pressed.append(menu.values[0])
        await interaction.response.defer()


async def drawn(discord: Discord, client: Listener) -> tuple[Message, Buttons]:
    view = Buttons()
    await client.place(discord.general.id).send("working", view=view)
    return discord.replies("general")[0], view


async def test_a_pressed_button_changes_its_message(discord: Discord, client: Listener) -> None:
    message, view = await drawn(discord, client)
    assert discord.rendered(message) == "working\n[Stop]\n[…]"
    used = await discord.presses("grace", message, "stop:1")
    assert (used.response, view.pressed) == (7, ["grace"])
    assert discord.rendered(message) == "stopped\n(Stop)\n[…]"
    with pytest.raises(Impossible):
        await discord.presses("grace", message, "Stop")
    assert discord.sins == []


async def test_a_menu_offers_what_it_offers(discord: Discord, client: Listener) -> None:
    message, view = await drawn(discord, client)
    used = await discord.selects("ada", message, "model", "Llama")
    assert (used.response, view.pressed) == (6, ["llama"])
    with pytest.raises(Impossible, match="does not offer"):
        await discord.selects("ada", message, "model", "gpt")


async def test_a_button_nobody_listens_to_fails(discord: Discord, client: Listener) -> None:
    message, view = await drawn(discord, client)
    view.stop()
    discord.state.limits = QUICK
    assert (await discord.presses("ada", message, "stop:1")).failed
    assert discord.sin_names == ["interaction_unanswered"]


async def test_a_form_is_opened_filled_in_and_sent(discord: Discord, client: Listener) -> None:
    sent: list[str] = []

    class Form(library.ui.Modal, title="Settings"):
        heat: library.ui.TextInput[Form] = library.ui.TextInput(label="Temperature", custom_id="heat", max_length=4)
        model = library.ui.Label[Any](
            text="Model",
            component=library.ui.Select(custom_id="model", options=[library.SelectOption(label="Qwen", value="qwen")]),
        )

        async def on_submit(self, interaction: library.Interaction[Any]) -> None:
            assert isinstance(self.model.component, library.ui.Select)
            sent.append(f"{self.heat.value} {self.model.component.values[0]}")
            await interaction.response.send_message("saved", ephemeral=True)

    async def answer(interaction: Press, text: str, model: str | None) -> None:
        await interaction.response.send_modal(Form())

    await offer(client, answer)
    used = await discord.command("ada", "general", "ai ask", {"text": "x"})
    modal = discord.modal_of("ada")
    assert modal is used.modal
    assert modal is not None
    assert (modal.title, discord.modal_of("grace")) == ("Settings", None)
    with pytest.raises(Impossible, match="heat must be filled in"):
        await discord.submits(modal)
    with pytest.raises(Impossible, match="wrong length"):
        await discord.submits(modal, {"heat": "0.123", "model": "qwen"})
    assert not (await discord.submits(modal, {"heat": "0.2", "model": "Qwen"})).failed
    assert sent == ["0.2 qwen"]
    assert discord.modal_of("ada") is None
    assert [message.content for message in discord.ephemerals("ada")] == ["saved"]


async def test_a_user_app_works_where_the_bot_is_not_with_five_followups(discord: Discord, client: Listener) -> None:
    elsewhere = discord.add_guild("elsewhere", with_bot=False)
    grace = discord.add_person("other grace", elsewhere)
    place = discord.add_channel("chat", guild=elsewhere)
    outcome: list[Any] = []

    async def answer(interaction: Press, text: str, model: str | None) -> None:
        assert interaction.is_user_integration()
        assert not interaction.is_guild_integration()
        await interaction.response.send_message("here")
        outcome.append(await refused(client.place(place.id).send("x")))
        for number in range(5):
            await interaction.followup.send(str(number))
        outcome.append(await refused(interaction.followup.send("six")))

    await offer(client, answer, allowed_installs=app_commands.AppInstallationType(guild=True, user=True))
    with pytest.raises(Impossible, match="not installed"):
        await discord.command(grace, place, "ai ask", {"text": "x"})
    grace.installed = True
    discord.buckets.on = False
    used = await discord.command(grace, place, "ai ask", {"text": "x"})
    await discord.until(lambda: len(outcome) == 2)
    assert outcome == [(403, 50001), (400, 40094)]
    assert used.owners == {"1": grace.id}
    discord.deny(place, Permission.USE_EXTERNAL_APPS, user=grace)
    hidden = await discord.command(grace, place, "ai ask", {"text": "x"})
    assert hidden.original is not None
    assert hidden.original.only_for == grace.id
    await discord.until(lambda: len(outcome) == 4)


async def test_webhook_calls_do_not_count_to_the_global_limit(discord: Discord, client: Listener) -> None:
    async def answer(interaction: Press, text: str, model: str | None) -> None:
        await interaction.response.send_message("x")

    await offer(client, answer)
    before = len(discord.buckets._global)
    await discord.command("ada", "general", "ai ask", {"text": "x"})
    assert len(discord.buckets._global) == before


async def test_interactions_run_side_by_side(discord: Discord, client: Listener) -> None:
    async def answer(interaction: Press, text: str, model: str | None) -> None:
        await interaction.response.send_message(text)

    await offer(client, answer)
    people = [discord.add_person(f"p{number}", discord.home) for number in range(20)]
    used = await asyncio.gather(
        *(discord.command(person, "general", "ai ask", {"text": person.name}) for person in people)
    )
    assert [it.original.content for it in used if it.original] == [person.name for person in people]


async def test_a_command_in_the_bots_dm_comes_without_a_guild(discord: Discord, client: Listener) -> None:
    seen: list[tuple[object, str]] = []

    async def answer(interaction: Press, text: str, model: str | None) -> None:
        seen.append((interaction.guild_id, type(interaction.channel).__name__))
        await interaction.response.send_message("in private")

    await offer(client, answer)
    used = await discord.command("ada", discord.dm("ada"), "ai ask", {"text": "x"})
    assert (used.context, used.owners) == (1, {"0": "0"})
    assert seen == [(None, "DMChannel")]
    assert [message.content for message in discord.replies(discord.dm("ada"))] == ["in private"]


async def test_a_form_cannot_answer_a_form(discord: Discord, client: Listener) -> None:
    caught: list[tuple[int, int]] = []

    class Form(library.ui.Modal, title="First"):
        word: library.ui.TextInput[Form] = library.ui.TextInput(label="Word", required=False)

        async def on_submit(self, interaction: library.Interaction[Any]) -> None:
            caught.append(await refused(interaction.response.send_modal(Form())))
            await interaction.response.defer()

    async def answer(interaction: Press, text: str, model: str | None) -> None:
        await interaction.response.send_modal(Form())

    await offer(client, answer)
    modal = (await discord.command("ada", "general", "ai ask", {"text": "x"})).modal
    assert modal is not None
    await discord.submits(modal)
    await discord.until(lambda: caught)
    assert caught == [(400, 50035)]
