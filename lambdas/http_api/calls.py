"""One call of the API: what it sent, in a form that the routes can use, and what it is answered."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lambdas.shared.codec import InvalidRequest
from lambdas.shared.json_text import InvalidJson, parse

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

    @property
    def _request_context(self) -> Mapping[str, Any]:
        return self.event.get("requestContext") or {}

    def body(self) -> dict[str, Any]:
        """The JSON object that was sent.

        Raises:
            InvalidRequest: there is none, or it holds credentials.
        """
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
