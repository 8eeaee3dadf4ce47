"""The Slack emulator with a real ``slack_bolt`` app on it, over Socket Mode and over signed HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from tests.emulators.slack import Impossible, Limits, Slack

QUIET: dict[str, Any] = {"unfurl_links": False, "unfurl_media": False}
FAST = Limits(ack_timeout=0.3)  # only where nobody will acknowledge anything


class Bot:
    """A Bolt app that notes every event it hears."""

    def __init__(self, slack: Slack) -> None:
        client = AsyncWebClient(token=slack.bot_token, base_url=slack.api_url)
        self.app = AsyncApp(client=client, signing_secret=slack.signing_secret)
        self.client = client
        self.heard: list[dict[str, Any]] = []
        self.bodies: list[dict[str, Any]] = []
        for kind in ("message", "app_mention", "app_home_opened", "reaction_added", "tokens_revoked"):
            self.app.event(kind)(self._hear)

    async def _hear(self, event: dict[str, Any], body: dict[str, Any]) -> None:
        self.heard.append(event)
        self.bodies.append(body)

    @property
    def kinds(self) -> list[str]:
        return [event["type"] for event in self.heard]


@asynccontextmanager
async def socket_bot(slack: Slack) -> AsyncIterator[Bot]:
    bot = Bot(slack)
    handler = AsyncSocketModeHandler(bot.app, slack.app_token, ping_interval=0.2)
    await handler.connect_async()  # type: ignore[no-untyped-call]  # slack_bolt leaves it untyped
    await slack.connected()
    try:
        yield bot
    finally:
        await handler.close_async()  # type: ignore[no-untyped-call]  # slack_bolt leaves it untyped


@asynccontextmanager
async def http_bot(slack: Slack) -> AsyncIterator[Bot]:
    bot = Bot(slack)

    async def take(request: web.Request) -> web.Response:
        headers: dict[str, str | Sequence[str]] = {**request.headers}
        answer = await bot.app.async_dispatch(AsyncBoltRequest(body=await request.text(), headers=headers))
        head = {name: values[0] for name, values in answer.headers.items() if name.lower() != "content-type"}
        return web.Response(status=answer.status, text=answer.body, headers=head)

    routes = web.Application()
    routes.add_routes([web.post("/slack/events", take)])
    runner = web.AppRunner(routes, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    slack.use_http(f"http://127.0.0.1:{runner.addresses[0][1]}/slack/events")
    try:
        yield bot
    finally:
        await runner.cleanup()


async def refused(calling: Any) -> str:
    with pytest.raises(SlackApiError) as caught:
        await calling
    return str(caught.value.response["error"])


@pytest.fixture
async def slack() -> AsyncIterator[Slack]:
    async with Slack() as server:
        yield server


@pytest.mark.parametrize("order", ["mention", "message"])
async def test_a_mention_arrives_twice_in_either_order(slack: Slack, order: str) -> None:
    slack.twins = order
    slack.hold()
    said = await slack.says(slack.ada, slack.general, f"<@{slack.bot.id}> is 1 < 2 & so on?")
    sent = [delivery.event["type"] for delivery in slack.deliveries.all]
    assert sent == (["app_mention", "message"] if order == "mention" else ["message", "app_mention"])
    async with socket_bot(slack) as bot:
        slack.release()
        await slack.until(lambda: len(bot.heard) == 2)
        assert {event["ts"] for event in bot.heard} == {said.ts}
        assert len({body["event_id"] for body in bot.bodies}) == 2
        assert bot.heard[0]["text"] == f"<@{slack.bot.id}> is 1 &lt; 2 &amp; so on?"


async def test_a_dm_is_never_an_app_mention(slack: Slack) -> None:
    async with socket_bot(slack) as bot:
        await slack.says(slack.ada, slack.dm(slack.ada), f"<@{slack.bot.id}> hello")
        await slack.settled()
        assert bot.kinds == ["message"]
        assert bot.heard[0]["channel_type"] == "im"


async def test_an_edit_is_marked_and_a_link_preview_is_not(slack: Slack) -> None:
    async with socket_bot(slack) as bot:
        said = await slack.says(slack.ada, slack.general, "one")
        await slack.edits(slack.ada, said, "two")
        await slack.unfurls(said, "https://example.invalid")
        await slack.deletes(slack.ada, said)
        await slack.settled()
        await slack.until(lambda: len(bot.heard) == 4)
        by_subtype = {event.get("subtype", ""): event for event in bot.heard}
        changes = [event for event in bot.heard if event.get("subtype") == "message_changed"]
        edit = next(event for event in changes if event["message"]["text"] != event["previous_message"]["text"])
        preview = next(event for event in changes if event is not edit)
        assert edit["message"]["edited"]["user"] == slack.ada.id
        assert preview["message"]["text"] == preview["previous_message"]["text"] == "two"
        assert by_subtype["message_deleted"]["deleted_ts"] == said.ts


async def test_own_posts_and_edits_are_sent_and_bolt_drops_them(slack: Slack) -> None:
    async with socket_bot(slack) as bot:
        answer = await bot.client.chat_postMessage(channel=slack.general.id, text="x", **QUIET)
        await bot.client.chat_update(channel=slack.general.id, ts=answer["ts"], text="y")
        await slack.settled()
        assert [delivery.event.get("subtype", "") for delivery in slack.deliveries.all] == ["", "message_changed"]
        assert all(delivery.acked for delivery in slack.deliveries.all)
        assert bot.heard == []


async def test_other_bots_are_heard(slack: Slack) -> None:
    robot = slack.add_person("robot", bot=True)
    slack.general.members.add(robot.id)
    async with socket_bot(slack) as bot:
        await slack.says(robot, slack.general, "beep")
        await slack.until(lambda: bot.heard)
        assert bot.heard[0]["bot_id"] == robot.bot_id
        assert "client_msg_id" not in bot.heard[0]


async def test_an_event_nobody_listens_to_is_sent_four_times_and_noted(slack: Slack) -> None:
    slack.state.limits = FAST
    async with socket_bot(slack):
        newcomer = slack.add_person("newcomer")
        await slack.joins(newcomer, slack.general)
        await slack.settled()
        [delivery] = slack.deliveries.all
        assert [attempt.number for attempt in delivery.attempts] == [0, 1, 2, 3]
        assert delivery.state == "failed"
        assert slack.sin_names == ["not_acknowledged"] * 4


async def test_what_was_said_while_the_line_was_cut_arrives_after_the_reconnection(slack: Slack) -> None:
    async with socket_bot(slack) as bot:
        assert slack.sockets.drop() == 1
        await slack.sockets.disconnected()
        slack.deliveries.retry_factor = 0.1
        await slack.says(slack.ada, slack.general, "anybody there?")
        await slack.until(lambda: bot.heard)
        assert slack.sockets.opened == 2


async def test_a_refresh_makes_the_client_open_a_new_connection(slack: Slack) -> None:
    async with socket_bot(slack) as bot:
        await slack.sockets.refresh()
        await slack.until(lambda: slack.sockets.opened == 2)
        await slack.connected()
        await slack.says(slack.ada, slack.general, "still there?")
        await slack.until(lambda: bot.heard)
        assert len(slack.calls_of("apps.connections.open")) == 2


async def test_a_deaf_connection_loses_what_is_sent_and_a_dead_one_is_replaced(slack: Slack) -> None:
    slack.state.limits = FAST
    async with socket_bot(slack) as bot:
        slack.sockets.deafen(answers_pings=False)
        await slack.says(slack.ada, slack.general, "hello?")
        await slack.until(lambda: slack.sockets.opened == 2)
        slack.deliveries.retry_factor = 0.0
        await slack.says(slack.ada, slack.general, "again")
        await slack.until(lambda: any(event["text"] == "again" for event in bot.heard))
        lost = slack.deliveries.all[0].attempts[0]
        assert lost.outcome in ("timeout", "connection_failed")  # whichever of its two ends it meets first


async def test_events_are_spread_over_several_connections(slack: Slack) -> None:
    async with socket_bot(slack) as one, socket_bot(slack) as other:
        await slack.connected(2)
        for number in range(4):
            await slack.says(slack.ada, slack.general, str(number))
        await slack.settled()
        await slack.until(lambda: len(one.heard) + len(other.heard) == 4)
        assert len(one.heard) == len(other.heard) == 2


async def test_a_repeated_delivery_keeps_its_event_id(slack: Slack) -> None:
    async with socket_bot(slack) as bot:
        slack.deliveries.double_next = 1
        await slack.says(slack.ada, slack.general, "twice")
        await slack.until(lambda: len(bot.bodies) == 2)
        assert bot.bodies[0]["event_id"] == bot.bodies[1]["event_id"]


async def test_held_deliveries_can_be_turned_round(slack: Slack) -> None:
    async with socket_bot(slack) as bot:
        slack.hold()
        for word in ("one", "two", "three"):
            await slack.says(slack.ada, slack.general, word)
        slack.release("reversed")
        await slack.until(lambda: len(bot.heard) == 3)
        assert [event["text"] for event in bot.heard] == ["three", "two", "one"]


async def test_a_slack_connect_message_says_whose_person_wrote_it(slack: Slack) -> None:
    other = slack.add_workspace("other", installed=False)
    eve = slack.add_person("eve", workspace=other)
    joint = slack.add_channel("joint", slack.ada, eve, shared_with=(other,))
    async with socket_bot(slack) as bot:
        await slack.says(eve, joint, "hello")
        await slack.until(lambda: bot.heard)
        assert (bot.heard[0]["user_team"], bot.bodies[0]["team_id"]) == (other.id, slack.home.id)
        assert bot.bodies[0]["is_ext_shared_channel"]


async def test_over_http_events_are_signed_and_the_handshake_works(slack: Slack) -> None:
    async with http_bot(slack) as bot:
        assert slack.webhooks is not None
        assert await slack.webhooks.verify_url()
        await slack.says(slack.ada, slack.general, "hello")
        await slack.settled()
        assert bot.kinds == ["message"]
        answers = [await slack.webhooks.post(b"{}", stale=True), await slack.webhooks.post(b"{}", tampered=True)]
        assert [answer.status for answer in answers] == [401, 401]


async def test_over_http_an_unheard_event_is_retried_with_its_number(slack: Slack) -> None:
    async with http_bot(slack):
        newcomer = slack.add_person("newcomer")
        await slack.joins(newcomer, slack.general)
        await slack.settled()
        [delivery] = slack.deliveries.all
        assert [attempt.outcome for attempt in delivery.attempts] == ["http_error"] * 4


@pytest.mark.parametrize("transport", ["socket", "http"])
async def test_a_command_opens_a_modal_and_answers_in_private(slack: Slack, transport: str) -> None:
    async with socket_bot(slack) if transport == "socket" else http_bot(slack) as bot:

        async def ask(ack: Any, body: dict[str, Any], client: AsyncWebClient, respond: Any) -> None:
            await ack("on it")
            await client.views_open(trigger_id=body["trigger_id"], view=modal())
            await respond("done")

        bot.app.command("/ai")(ask)
        delivery = await slack.command(slack.ada, slack.general, "/ai", "settings")
        assert delivery.acked
        await slack.until(lambda: len(slack.ephemerals(slack.ada)) == 2)
        assert {slack.rendered(message) for message in slack.ephemerals(slack.ada)} == {"on it", "done"}
        modal_view = slack.modal_of(slack.ada)
        assert modal_view is not None
        assert modal_view.body["callback_id"] == "form"


def modal(callback_id: str = "form") -> dict[str, Any]:
    element = {"type": "plain_text_input", "action_id": "model"}
    label = {"type": "plain_text", "text": "Model"}
    return {
        "type": "modal",
        "callback_id": callback_id,
        "title": {"type": "plain_text", "text": "Settings"},
        "submit": {"type": "plain_text", "text": "Save"},
        "blocks": [{"type": "input", "block_id": "b", "label": label, "element": element}],
    }


@pytest.mark.parametrize("transport", ["socket", "http"])
async def test_a_modal_can_be_refused_with_errors_then_taken(slack: Slack, transport: str) -> None:
    async with socket_bot(slack) if transport == "socket" else http_bot(slack) as bot:

        async def open_form(ack: Any, shortcut: dict[str, Any], client: AsyncWebClient) -> None:
            await ack()
            await client.views_open(trigger_id=shortcut["trigger_id"], view=modal())

        async def take(ack: Any, view: dict[str, Any]) -> None:
            value = view["state"]["values"]["b"]["model"]["value"]
            await (ack() if value == "good" else ack(response_action="errors", errors={"b": "no such model"}))

        bot.app.shortcut("open_form")(open_form)
        bot.app.view("form")(take)
        await slack.shortcut(slack.ada, "open_form")
        await slack.until(lambda: slack.modal_of(slack.ada))
        view = slack.modal_of(slack.ada)
        assert view is not None
        with pytest.raises(Impossible, match="Model"):
            await slack.submits(slack.ada, view)
        assert (await slack.submits(slack.ada, view, {"model": "bad"})).errors == {"b": "no such model"}
        assert slack.modal_of(slack.ada) is view
        assert (await slack.submits(slack.ada, view, {"model": "good"})).errors == {}
        assert slack.modal_of(slack.ada) is None


async def test_a_trigger_works_once_and_for_three_seconds(slack: Slack) -> None:
    async with socket_bot(slack) as bot:
        triggers: list[str] = []

        async def note(ack: Any, body: dict[str, Any]) -> None:
            await ack()
            triggers.append(body["trigger_id"])

        bot.app.command("/ai")(note)
        await slack.command(slack.ada, slack.general, "/ai")
        await slack.command(slack.ada, slack.general, "/ai")
        outcomes = []
        await bot.client.views_open(trigger_id=triggers[0], view=modal())
        for trigger, wait in ((triggers[0], 0), (triggers[1], 4), ("nonsense", 0)):
            slack.advance(wait)
            outcomes.append(await refused(bot.client.views_open(trigger_id=trigger, view=modal())))
        assert outcomes == ["trigger_exchanged", "trigger_expired", "invalid_trigger_id"]


async def test_buttons_carry_their_message_and_a_response_url_of_five_uses(slack: Slack) -> None:
    async with socket_bot(slack) as bot:
        pressed: list[dict[str, Any]] = []

        async def note(ack: Any, body: dict[str, Any]) -> None:
            await ack()
            pressed.append(body)

        bot.app.action("retry")(note)
        button = {
            "type": "button",
            "action_id": "retry",
            "value": "m1",
            "text": {"type": "plain_text", "text": "Retry"},
        }
        blocks = [{"type": "actions", "elements": [button]}]
        ts = (await bot.client.chat_postMessage(channel=slack.general.id, text="x", blocks=blocks, **QUIET))["ts"]
        message = slack.general.messages[ts]
        with pytest.raises(Impossible):
            await slack.presses(slack.ada, message, "stop")
        assert (await slack.presses(slack.grace, message, "retry")).acked
        [body] = pressed
        assert (body["actions"][0]["value"], body["message"]["ts"], body["user"]["id"]) == ("m1", ts, slack.grace.id)
        async with aiohttp.ClientSession() as session:
            statuses = []
            for number in range(6):
                answer = {"text": f"answer {number}", "replace_original": True}
                async with session.post(body["response_url"], json=answer) as it:
                    statuses.append(it.status)
        assert statuses == [200] * 5 + [404]
        assert slack.rendered(message) == "answer 4"


async def test_feedback_buttons_send_the_chosen_side(slack: Slack) -> None:
    async with socket_bot(slack) as bot:
        chosen: list[str] = []

        async def note(ack: Any, action: dict[str, Any]) -> None:
            await ack()
            chosen.append(action["value"])

        bot.app.action("feedback")(note)
        sides = {
            f"{side}_button": {"text": {"type": "plain_text", "text": side}, "value": side}
            for side in ("positive", "negative")
        }
        element = {"type": "feedback_buttons", "action_id": "feedback", **sides}
        blocks = [{"type": "context_actions", "elements": [element]}]
        place = slack.dm(slack.ada)
        root = await slack.says(slack.ada, place, "question")
        ts = (await bot.client.chat_startStream(channel=place.id, thread_ts=root.ts, markdown_text="x"))["ts"]
        message = place.messages[ts]
        with pytest.raises(Impossible):
            await slack.presses(slack.ada, message, "feedback", "negative")
        await bot.client.chat_stopStream(channel=place.id, ts=ts, blocks=blocks)
        await slack.presses(slack.ada, message, "feedback", "negative")
        assert chosen == ["negative"]


async def test_the_home_is_published_per_person_and_guards_against_races(slack: Slack) -> None:
    async with socket_bot(slack) as bot:
        await slack.opens_home(slack.ada)
        await slack.until(lambda: bot.heard)
        assert bot.heard[0]["tab"] == "home"
        text = {"type": "mrkdwn", "text": "Welcome"}
        view = {"type": "home", "blocks": [{"type": "section", "text": text}]}
        first = await bot.client.views_publish(user_id=slack.ada.id, view=view)
        await bot.client.views_publish(user_id=slack.ada.id, view=view, hash=first["view"]["hash"])
        stale = bot.client.views_publish(user_id=slack.ada.id, view=view, hash=first["view"]["hash"])
        assert await refused(stale) == "hash_conflict"
        home = slack.home_of(slack.ada)
        assert home is not None
        assert slack.home_of(slack.grace) is None


async def test_a_message_shortcut_works_where_the_bot_is_not(slack: Slack) -> None:
    outside = slack.add_channel("outside", slack.ada, with_bot=False)
    async with socket_bot(slack) as bot:

        async def reply(ack: Any, respond: Any, shortcut: dict[str, Any]) -> None:
            await ack()
            await respond(f"about: {shortcut['message']['text']}")

        bot.app.shortcut("ask_message")(reply)
        said = await slack.says(slack.ada, outside, "what is this?")
        await slack.shortcut(slack.ada, "ask_message", said)
        await slack.until(lambda: slack.ephemerals(slack.ada))
        assert slack.rendered(slack.ephemerals(slack.ada)[0]) == "about: what is this?"
        await slack.settled()
        assert bot.heard == []


async def test_a_command_the_app_does_not_acknowledge_fails_for_the_person(slack: Slack) -> None:
    slack.state.limits = FAST
    async with socket_bot(slack):
        assert not (await slack.command(slack.ada, slack.general, "/unknown")).acked


async def test_modals_stack_three_deep_and_tell_of_their_closing_only_when_asked(slack: Slack) -> None:
    async with socket_bot(slack) as bot:
        closed: list[str] = []
        more = {"type": "button", "action_id": "more", "text": {"type": "plain_text", "text": "More"}}
        view = modal("deep") | {"notify_on_close": True, "blocks": [{"type": "actions", "elements": [more]}]}

        async def open_first(ack: Any, body: dict[str, Any], client: AsyncWebClient) -> None:
            await ack()
            await client.views_open(trigger_id=body["trigger_id"], view=view)

        async def push(ack: Any, body: dict[str, Any], client: AsyncWebClient) -> None:
            await ack()
            try:
                await client.views_push(trigger_id=body["trigger_id"], view=view)
            except SlackApiError as error:
                closed.append(error.response["error"])

        async def note(ack: Any, view: dict[str, Any]) -> None:
            await ack()
            closed.append(view["id"])

        bot.app.command("/ai")(open_first)
        bot.app.action("more")(push)
        bot.app.view_closed("deep")(note)
        await slack.command(slack.ada, slack.general, "/ai")
        depths = []
        for _ in range(3):
            await slack.until(lambda: slack.modal_of(slack.ada) and slack.modal_of(slack.ada) not in depths)
            top = slack.modal_of(slack.ada)
            assert top is not None
            depths.append(top)
            await slack.presses(slack.ada, top, "more")
        await slack.until(lambda: closed)
        assert closed == ["push_limit_reached"]
        await slack.closes(slack.ada, depths[-1])
        assert closed[1:] == [depths[-1].id]
        assert slack.modal_of(slack.ada) is depths[1]


async def test_a_menu_offers_only_its_options(slack: Slack) -> None:
    async with socket_bot(slack) as bot:
        chosen: list[str] = []

        async def note(ack: Any, action: dict[str, Any]) -> None:
            await ack()
            chosen.append(action["selected_option"]["value"])

        bot.app.action("model")(note)
        options = [{"text": {"type": "plain_text", "text": name}, "value": name} for name in ("small", "large")]
        menu = {"type": "static_select", "action_id": "model", "options": options}
        blocks = [{"type": "actions", "elements": [menu]}]
        ts = (await bot.client.chat_postMessage(channel=slack.general.id, text="x", blocks=blocks, **QUIET))["ts"]
        message = slack.general.messages[ts]
        with pytest.raises(Impossible):
            await slack.presses(slack.ada, message, "model", "huge")
        await slack.presses(slack.ada, message, "model", "large")
        assert chosen == ["large"]
