"""Signed HTTP: the same deliveries posted to the app's request URLs, as the Events API does.

Events are JSON, interactions ``payload=<json>``, commands plain form fields. Every body is signed; a test may send
one with a stale time or a wrong signature.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass
from urllib.parse import urlencode

import aiohttp

from tests.emulators.slack.deliveries import Carried, Delivery
from tests.emulators.slack.records import Json
from tests.emulators.slack.state import State

_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the app answered to one HTTP delivery."""

    status: int
    text: str
    no_retry: bool = False


class Webhooks:
    """``url`` takes everything, unless ``command_url`` or ``interactive_url`` is set."""

    def __init__(self, state: State, url: str) -> None:
        self.state, self.url = state, url
        self.command_url = self.interactive_url = ""
        self._session: aiohttp.ClientSession | None = None

    async def carry(self, delivery: Delivery, number: int, reason: str) -> Carried:
        """Post once; anything but 2xx within the time is a failure with Slack's reason for it."""
        body, content_type, url = self._encode(delivery)
        headers = {"X-Slack-Retry-Num": str(number), "X-Slack-Retry-Reason": reason} if number else {}
        try:
            answer = await self.post(body, content_type, url=url, headers=headers)
        except TimeoutError:
            self.state.sin("not_acknowledged", delivery.kind, str(delivery.event.get("type", "")))
            return Carried("http_timeout")
        except aiohttp.ClientError:
            return Carried("connection_failed")
        if not 200 <= answer.status < 300:
            self.state.sin("not_acknowledged", delivery.kind, f"status {answer.status}")
            return Carried("http_error", no_retry=answer.no_retry)
        return Carried(answer=_parsed(answer.text) if delivery.answers else {})

    def _encode(self, delivery: Delivery) -> tuple[bytes, str, str]:
        if delivery.kind == "events_api":
            return json.dumps(delivery.body).encode(), "application/json", self.url
        if delivery.kind == "slash_commands":
            return urlencode(delivery.body).encode(), _FORM, self.command_url or self.url
        form = urlencode({"payload": json.dumps(delivery.body)})
        return form.encode(), _FORM, self.interactive_url or self.url

    async def post(
        self,
        body: bytes,
        content_type: str = "application/json",
        *,
        url: str = "",
        headers: dict[str, str] | None = None,
        stale: bool = False,
        tampered: bool = False,
    ) -> Answer:
        """Post a signed body; ``stale``: signed too long ago; ``tampered``: the signature is another body's."""
        if self._session is None:
            self._session = aiohttp.ClientSession()
        age = self.state.limits.signature_age + 60 if stale else 0
        stamp = str(int(self.state.clock.unix() - age))
        signed = self.sign(stamp, body + b" " if tampered else body)
        head = {"Content-Type": content_type, "X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": signed}
        timeout = aiohttp.ClientTimeout(total=self.state.limits.ack_timeout)
        async with self._session.post(
            url or self.url, data=body, headers=head | (headers or {}), timeout=timeout
        ) as it:
            no_retry = it.headers.get("X-Slack-No-Retry") == "1"
            return Answer(it.status, await it.text(), no_retry)

    def sign(self, stamp: str, body: bytes) -> str:
        """Slack's ``v0=`` signature of ``body`` at ``stamp``."""
        secret = self.state.app.signing_secret.encode()
        return "v0=" + hmac.new(secret, b"v0:" + stamp.encode() + b":" + body, hashlib.sha256).hexdigest()

    async def verify_url(self, challenge: str = "a-challenge") -> bool:
        """The ``url_verification`` handshake; true when the app echoes the challenge."""
        body: Json = {"token": "legacy", "challenge": challenge, "type": "url_verification"}
        answer = await self.post(json.dumps(body).encode())
        return answer.status == 200 and challenge in answer.text

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


def _parsed(text: str) -> Json:
    try:
        answer = json.loads(text) if text else {}
    except ValueError:
        return {"text": text}
    return answer if isinstance(answer, dict) else {"text": str(answer)}
