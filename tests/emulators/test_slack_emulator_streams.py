"""Native streams, sessions and working signs of the Slack emulator, with the real ``slack_sdk``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from tests.emulators.slack import BOT_EVENTS, App, Impossible, Message, Slack


@pytest.fixture
async def slack() -> AsyncIterator[Slack]:
    async with Slack(rate_limits=False) as server:
        yield server


@pytest.fixture
def client(slack: Slack) -> AsyncWebClient:
    return AsyncWebClient(token=slack.bot_token, base_url=slack.api_url)


@pytest.fixture
async def question(slack: Slack) -> Message:
    return await slack.says(slack.ada, slack.dm(slack.ada), "question")


async def refused(calling: Any) -> str:
    with pytest.raises(SlackApiError) as caught:
        await calling
    return str(caught.value.response["error"])


async def started(slack: Slack, client: AsyncWebClient, question: Message, text: str = "one ") -> Message:
    answer = await client.chat_startStream(channel=question.channel, thread_ts=question.ts, markdown_text=text)
    return slack.state.channels[question.channel].messages[answer["ts"]]


async def test_a_stream_grows_and_ends(slack: Slack, client: AsyncWebClient, question: Message) -> None:
    message = await started(slack, client, question)
    assert slack.open_streams() == [message]
    assert slack.session_state(question.channel, question.ts) == "processing"
    place: dict[str, Any] = {"channel": message.channel, "ts": message.ts}
    await client.chat_appendStream(**place, chunks=[{"type": "markdown_text", "text": "two "}])
    footer = {"type": "context", "elements": [{"type": "mrkdwn", "text": "AI"}]}
    await client.chat_stopStream(**place, markdown_text="three", blocks=[footer], session_status="suspended")
    assert [sight.text for sight in slack.edit_history(message)] == ["one ", "one two ", "one two three\nAI"]
    assert (slack.open_streams(), slack.session_state(question.channel, question.ts)) == ([], "suspended")
    assert await refused(client.chat_stopStream(**place)) == "message_not_in_streaming_state"
    assert slack.sins == []


async def test_the_sdk_helper_streams_into_it(slack: Slack, client: AsyncWebClient, question: Message) -> None:
    streamer = await client.chat_stream(channel=question.channel, thread_ts=question.ts, buffer_size=4)
    for piece in ("one ", "two ", "three"):
        await streamer.append(markdown_text=piece)
    await streamer.stop()
    [reply] = slack.replies(question.channel, question.ts)
    assert slack.rendered(reply) == "one two three"


async def test_a_stream_needs_a_thread_and_in_channels_a_recipient(slack: Slack, client: AsyncWebClient) -> None:
    root = await slack.says(slack.ada, slack.general, "question")
    place: dict[str, Any] = {"channel": slack.general.id, "markdown_text": "x"}
    start = client.chat_startStream
    assert await refused(client.api_call("chat.startStream", json=place)) == "invalid_thread_ts"
    assert await refused(start(**place, thread_ts="1.000001")) == "invalid_thread_ts"
    place |= {"thread_ts": root.ts}
    assert await refused(start(**place)) == "missing_recipient_user_id"
    assert await refused(start(**place, recipient_user_id=slack.ada.id)) == "missing_recipient_team_id"
    assert (await start(**place, recipient_user_id=slack.ada.id, recipient_team_id=slack.home.id))["ok"]


async def test_an_open_stream_cannot_be_edited(slack: Slack, client: AsyncWebClient, question: Message) -> None:
    message = await started(slack, client, question)
    update = client.chat_update(channel=message.channel, ts=message.ts, text="x")
    assert await refused(update) == "streaming_state_conflict"
    assert slack.sin_names == ["update_of_streaming_message"]


async def test_a_stream_dies_after_five_minutes_and_can_then_be_edited(
    slack: Slack, client: AsyncWebClient, question: Message
) -> None:
    message = await started(slack, client, question)
    place: dict[str, Any] = {"channel": message.channel, "ts": message.ts}
    slack.advance(299)
    await client.chat_appendStream(**place, markdown_text="two")
    slack.advance(1)
    assert await refused(client.chat_appendStream(**place, markdown_text="x")) == "message_not_in_streaming_state"
    assert await refused(client.chat_stopStream(**place)) == "message_not_in_streaming_state"
    assert (slack.sin_names, slack.rendered(message)) == (["stream_left_open"], "one two")
    await client.chat_update(**place, text="whole")
    assert slack.rendered(message) == "whole"


async def test_a_stream_holds_a_bounded_number_of_bytes(
    slack: Slack, client: AsyncWebClient, question: Message
) -> None:
    message = await started(slack, client, question, "é" * 5_000)
    place: dict[str, Any] = {"channel": message.channel, "ts": message.ts}
    assert await refused(client.chat_appendStream(**place, markdown_text="é" * 301)) == "msg_too_long"
    await client.chat_appendStream(**place, markdown_text="é" * 300)
    assert len(message.text) == 5_300
    assert await refused(client.chat_appendStream(**place, markdown_text="x" * 12_001)) == "msg_too_long"


async def test_text_and_chunks_do_not_go_together(slack: Slack, client: AsyncWebClient, question: Message) -> None:
    message = await started(slack, client, question)
    both: dict[str, Any] = {"markdown_text": "x", "chunks": [{"type": "markdown_text", "text": "y"}]}
    append = client.chat_appendStream(channel=message.channel, ts=message.ts, **both)
    assert await refused(append) == "cannot_provide_both_markdown_text_and_chunks"


async def test_task_cards_replace_titles_append_details_and_must_be_closed(
    slack: Slack, client: AsyncWebClient, question: Message
) -> None:
    message = await started(slack, client, question, "text")
    place: dict[str, Any] = {"channel": message.channel, "ts": message.ts}
    task = {"type": "task_update", "id": "t", "title": "Searching", "status": "in_progress", "details": "a"}
    await client.chat_appendStream(**place, chunks=[task])
    await client.chat_appendStream(**place, chunks=[task | {"title": "Searched", "details": "b"}])
    assert slack.rendered(message) == "◔ Searched ab\ntext"
    long = client.chat_appendStream(**place, chunks=[task | {"details": "x" * 257}])
    assert await refused(long) == "invalid_chunks"
    await client.chat_stopStream(**place)
    assert slack.sin_names == ["task_left_open"]
    await client.chat_update(**place, text="only text")
    assert slack.rendered(message) == "only text"


async def test_native_stop_ends_the_stream_and_forbids_more(
    slack: Slack, client: AsyncWebClient, question: Message
) -> None:
    message = await started(slack, client, question)
    assert await slack.presses_stop(slack.ada, question.channel, question.ts) == [message.ts]
    event = slack.deliveries.all[-1].event
    assert (event["type"], event["streaming_message_ts"]) == ("agent_session_stopped", [message.ts])
    assert slack.session_state(question.channel, question.ts) == "processing"
    append = client.chat_appendStream(channel=message.channel, ts=message.ts, markdown_text="x")
    assert await refused(append) == "stopped_by_user"
    assert slack.sins == []
    stop = client.chat_stopStream(channel=message.channel, ts=message.ts)
    assert await refused(stop) == "message_not_in_streaming_state"
    await client.chat_postMessage(
        channel=message.channel, thread_ts=question.ts, text="x", unfurl_links=False, unfurl_media=False
    )
    assert slack.sin_names == ["write_after_stop", "post_after_stop"]


async def test_stop_can_be_pressed_only_while_something_is_at_work(slack: Slack, question: Message) -> None:
    with pytest.raises(Impossible, match="nothing is at work"):
        await slack.presses_stop(slack.ada, question.channel, question.ts)


async def test_without_the_stop_event_sessions_warn_and_others_are_refused(question: Message) -> None:
    for app, agent in ((App(subscriptions=BOT_EVENTS - {"agent_session_stopped"}), True), (App(agent=False), False)):
        async with Slack(app=app) as slack:
            client = AsyncWebClient(token=slack.bot_token, base_url=slack.api_url)
            root = await slack.says(slack.ada, slack.general, "question")
            call = client.agents_sessions_setStatus(channel_id=slack.general.id, status="processing", thread_ts=root.ts)
            if agent:
                assert (await call)["warning"] == "missing_agent_session_stopped_event_subscription"
            else:
                assert await refused(call) == "feature_not_enabled"


async def test_a_session_works_for_an_hour_and_posting_does_not_end_it(
    slack: Slack, client: AsyncWebClient, question: Message
) -> None:
    place: dict[str, Any] = {"channel_id": question.channel, "thread_ts": question.ts}
    assert await refused(client.agents_sessions_setStatus(**place, status="busy")) == "invalid_arguments"
    await client.agents_sessions_setStatus(**place, status="processing", title="first")
    await client.chat_postMessage(channel=question.channel, thread_ts=question.ts, text="x")
    assert slack.status(question.channel, question.ts) == "Working…"
    await client.agents_sessions_rename(**place, title="second")
    slack.advance(3_600)
    assert slack.session_state(question.channel, question.ts) == "active"
    assert slack.state.sessions[question.channel, question.ts].title == "second"


async def test_the_custom_sign_goes_after_two_minutes_or_with_the_reply() -> None:
    async with Slack(app=App(agent=False)) as slack:
        client = AsyncWebClient(token=slack.bot_token, base_url=slack.api_url)
        root = await slack.says(slack.ada, slack.general, "question")
        place: dict[str, Any] = {"channel_id": slack.general.id, "thread_ts": root.ts}
        await client.assistant_threads_setStatus(**place, status="is thinking…")
        assert slack.status(slack.general, root.ts) == "is thinking…"
        await client.chat_postMessage(channel=slack.general.id, thread_ts=root.ts, text="x")
        assert slack.status(slack.general, root.ts) == ""
        await client.assistant_threads_setStatus(**place, status="is thinking…")
        slack.advance(120)
        assert slack.status(slack.general, root.ts) == ""
        many = client.assistant_threads_setStatus(**place, status="x", loading_messages=["y"] * 11)
        assert await refused(many) == "invalid_arguments"


async def test_suggested_prompts_are_at_most_four(slack: Slack, client: AsyncWebClient, question: Message) -> None:
    prompt = {"title": "a", "message": "b"}
    call = client.api_call
    place: dict[str, Any] = {"channel_id": question.channel}
    five = call("assistant.threads.setSuggestedPrompts", json=place | {"prompts": [prompt] * 5})
    assert await refused(five) == "invalid_arguments"
    await call("assistant.threads.setSuggestedPrompts", json=place | {"prompts": [prompt]})
    assert slack.state.prompts[question.channel, ""]["prompts"] == [prompt]
