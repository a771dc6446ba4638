"""One call of the API: what it sent, in a form that the routes can use, and what it is answered."""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from lambdas.shared.codec import InvalidRequest
from lambdas.shared.json_text import InvalidJson, parse

# How long API Gateway waits for an answer, from when it has received the request.
GATEWAY_SECONDS: Final = 29.0
# A request that is older did not wait for a cold start: the clocks differ, or the event is a recorded one.
_OLDEST_SECONDS: Final = 60.0

# Fields that people put into a body who mean to sign in by it; compared without case, - and _.
_CREDENTIALS = frozenset(
    {
        "accesskeyid",
        "apikey",
        "authorization",
        "awsaccesskeyid",
        "awssecretaccesskey",
        "awssessiontoken",
        "bearertoken",
        "password",
        "secretaccesskey",
        "sessiontoken",
        "xapikey",
    }
)


@dataclass(frozen=True)
class Answer:
    """What a call is answered; the body is JSON-ready."""

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Call:
    """A proxy event and Lambda's context."""

    event: Mapping[str, Any]
    context: Any

    def header(self, name: str) -> str | None:
        """A header's value, whatever the case of its name; None where it was not sent.

        The values of one that was sent more than once are listed with commas, as HTTP has it.
        """
        headers = {**(self.event.get("headers") or {}), **(self.event.get("multiValueHeaders") or {})}
        value = next((value for key, value in headers.items() if key.lower() == name.lower()), None)
        return ", ".join(value) if isinstance(value, list) else value

    def query(self, name: str) -> str | None:
        """A query parameter; the last one, where it was given twice."""
        value: str | None = (self.event.get("queryStringParameters") or {}).get(name)
        return value

    @property
    def caller(self) -> str:
        """Who signed the call: a user, a role whatever its session, or the holder of an API key."""
        identity = self._request_context.get("identity") or {}
        arn = identity.get("userArn")
        if not arn:
            return str(identity.get("apiKeyId") or "")
        kind, _, name = str(arn).partition("/")
        return f"{kind}/{name.partition('/')[0]}" if kind.endswith(":assumed-role") else str(arn)

    @property
    def path(self) -> str:
        """The path below the API's URL."""
        path = str(self.event.get("path") or "/")
        if path != self._request_context.get("path"):
            return path
        # Called by a domain of its own, whose mapping may put a path in front of what API Gateway matched.
        rest = (self.event.get("pathParameters") or {}).get("proxy")
        if rest is not None:
            return f"/{rest}"
        parts = str(self.event.get("resource") or path).strip("/").count("/") + 1
        return "/" + "/".join(path.strip("/").split("/")[-parts:])

    @property
    def base(self) -> str:
        """The path of the API's URL: its stage, or what the mapping of a domain has put there."""
        whole = str(self._request_context.get("path") or "").rstrip("/")
        path = self.path.rstrip("/")
        return whole.removesuffix(path) if whole.endswith(path) else ""

    def seconds_left(self) -> float:
        """Return the seconds until API Gateway or Lambda ends the call.

        API Gateway counts from the request, Lambda from the start of the handler: a cold start lies between.
        A time of the request that is missing or cannot be right is ignored.
        """
        remaining: float = self.context.get_remaining_time_in_millis() / 1000
        received = self._request_context.get("requestTimeEpoch")
        if not isinstance(received, int | float) or isinstance(received, bool):
            return remaining
        waited = time.time() - received / 1000
        return min(remaining, GATEWAY_SECONDS - waited) if 0 <= waited < _OLDEST_SECONDS else remaining

    @property
    def _request_context(self) -> Mapping[str, Any]:
        return self.event.get("requestContext") or {}

    def body(self) -> dict[str, Any]:
        """Return the JSON object that was sent.

        Raises:
            InvalidRequest: the body is missing, invalid or compressed, or it holds credentials.
        """
        encoding = (self.header("Content-Encoding") or "identity").strip()
        if encoding.lower() != "identity":
            # API Gateway has replaced the bytes that are not UTF-8: what it compressed is lost.
            raise InvalidRequest([f"body: must not be compressed (got Content-Encoding {encoding[:80]})"])
        text = self.event.get("body")
        if not text:
            raise InvalidRequest(["body: must be a JSON object (got nothing)"])
        if not isinstance(text, str):
            raise InvalidRequest(["body: must be text, as API Gateway passes it on"])
        try:
            body = parse(base64.b64decode(text, validate=True) if self.event.get("isBase64Encoded") else text)
        except InvalidJson as error:
            raise InvalidRequest([f"body: {error}"]) from None
        except ValueError:
            raise InvalidRequest(["body: must be base64 text, as isBase64Encoded says"]) from None
        if not isinstance(body, dict):
            raise InvalidRequest(["body: must be a JSON object"])
        credentials = [key for key in body if key.lower().replace("-", "").replace("_", "") in _CREDENTIALS]
        if credentials:
            raise InvalidRequest(
                [
                    f"{key[:80]}: credentials do not belong into a body; requests are signed"
                    for key in credentials
                ]
            )
        return body
