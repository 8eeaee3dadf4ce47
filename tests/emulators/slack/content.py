"""What a message may contain: text, Markdown, blocks, attachments and metadata, checked as Slack checks them.

Also notes the sins of content: mentions that ping a whole channel, blocks without a text for notifications.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from tests.emulators.slack.asking import Ask, Refused
from tests.emulators.slack.blocks import markdown_size, problems, total_size
from tests.emulators.slack.records import Channel, Json

_PINGS = re.compile(r"<!(channel|here|everyone|subteam\^)")
_EVENT_TYPE = re.compile(r"^[\w.:-]{1,255}$")


@dataclass(frozen=True, slots=True)
class Content:
    """``None`` where the call did not give the field."""

    text: str | None
    blocks: list[Json] | None
    attachments: list[Json] | None
    metadata: Json | None


def read_content(ask: Ask) -> Content:
    """The checked content of a post or an edit. Raises ``Refused``."""
    limits = ask.state.limits
    text = ask.text("text") if ask.given("text") else None
    blocks = checked_blocks(ask)
    attachments = ask.structure("attachments", "invalid_attachments")
    if attachments is not None and not isinstance(attachments, list):
        raise Refused("invalid_attachments")
    if attachments and len(attachments) > limits.attachments:
        raise Refused("too_many_attachments")
    if ask.given("markdown_text"):
        if text or blocks:
            raise Refused("markdown_text_conflict")
        text = ask.text("markdown_text")
        if len(text) > limits.markdown:
            raise Refused("msg_too_long")
        blocks = [{"type": "markdown", "text": text}] if text else None
    elif blocks and not text:
        ask.state.sin("blocks_without_text", ask.method, "screen readers and notifications read only text")
    note_pings(ask, text, blocks, attachments)
    return Content(text, blocks, attachments, read_metadata(ask))


def checked_blocks(ask: Ask, name: str = "blocks") -> list[Json] | None:
    """The blocks of a message, checked; ``None`` when not given."""
    blocks = ask.structure(name, "invalid_blocks_format")
    if blocks is None:
        return None
    check_message_blocks(ask, blocks)
    return [block | {"block_id": block.get("block_id") or ask.state.new_id("b")} for block in blocks]


def check_message_blocks(ask: Ask, blocks: Any) -> None:
    """Raises ``Refused`` with Slack's error when a message cannot carry ``blocks``."""
    limits = ask.state.limits
    found = problems(blocks, most=limits.blocks_in_message)
    if found:
        raise Refused("invalid_blocks", errors=found, response_metadata={"messages": [f"[ERROR] {it}" for it in found]})
    if markdown_size(blocks) > limits.markdown:
        raise Refused("msg_too_long")
    if total_size(blocks) > limits.blocks_total:
        raise Refused("msg_blocks_too_long")


def read_metadata(ask: Ask) -> Json | None:
    """The metadata; ``{}`` means "take it away", ``None`` "not given"."""
    metadata = ask.structure("metadata", "invalid_metadata_format")
    if metadata is None or metadata == {}:
        return None if metadata is None else {}
    if not isinstance(metadata, dict) or not _EVENT_TYPE.match(str(metadata.get("event_type", ""))):
        raise Refused("invalid_metadata_format")
    if not isinstance(metadata.get("event_payload"), dict):
        raise Refused("invalid_metadata_format")
    return dict(metadata)


def note_pings(ask: Ask, *contents: Any) -> None:
    """A mention that pings a whole channel or group is a sin wherever it stands."""
    if any(_PINGS.search(str(content)) for content in contents if content):
        ask.state.sin("pings_everyone", ask.method)


def note_after_stop(ask: Ask, channel: Channel, thread_ts: str) -> None:
    """After a person stopped an answer nothing new may appear, until a person has written again."""
    for reply in channel.threads.get(thread_ts, ()):
        if reply.stream is None or reply.stream.state != "stopped":
            continue
        later = [other for other in channel.threads[thread_ts] if other.ts > reply.ts and not other.bot_id]
        if not later:
            ask.state.sin("post_after_stop", ask.method, f"{channel.id} {thread_ts}")
