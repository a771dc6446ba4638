"""A request to an API, read from API Gateway's proxy event."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from lambdas.contract import GATEWAY_SECONDS
from llmmanager.json_format.codec import InvalidRequest
from llmmanager.json_format.json_text import InvalidJson, parse

# Items on a page: at most, and if the caller sets no limit.
MAX_PAGE: Final = 100
DEFAULT_PAGE: Final = 20
IDEMPOTENCY_HEADER: Final = "Idempotency-Key"

MAX_KEY_LENGTH: Final = 255
# An older request did not wait for a cold start: the clocks differ, or the event is a recorded one.
_OLDEST_SECONDS: Final = 60.0

# Fields with which callers try to authenticate in a body; compared without case, - and _.
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
class HttpRequest:
    """A request: a proxy event and Lambda's context.

    Attributes:
        path_parameters: the values of the `{names}` in the path of its route, as they are in the URL.
        gateway_seconds: API Gateway's timeout.
    """

    event: Mapping[str, Any]
    context: Any
    path_parameters: Mapping[str, str] = field(default_factory=dict)
    gateway_seconds: float = GATEWAY_SECONDS

    def header(self, name: str) -> str | None:
        """Return the value of a header, or None. The case of the name is ignored.

        The values of a repeated header are joined by commas, as in HTTP.
        """
        headers = {**(self.event.get("headers") or {}), **(self.event.get("multiValueHeaders") or {})}
        value = next((value for key, value in headers.items() if key.lower() == name.lower()), None)
        return ", ".join(value) if isinstance(value, list) else value

    def query(self, name: str) -> str | None:
        """Return a query parameter, or None; the last value of a repeated one."""
        value: str | None = (self.event.get("queryStringParameters") or {}).get(name)
        return value

    def page_limit(self) -> int:
        """Return the query parameter `limit`: the maximum number of items on a page.

        Raises:
            InvalidRequest: the limit is not an integer from 1 to `MAX_PAGE`.
        """
        limit = self.query("limit") or str(DEFAULT_PAGE)
        if not re.fullmatch(r"\d{1,3}", limit, re.ASCII) or not 1 <= int(limit) <= MAX_PAGE:
            raise InvalidRequest([f"limit: must be an integer from 1 to {MAX_PAGE}"])
        return int(limit)

    def idempotency_key(self) -> str | None:
        """Return the header Idempotency-Key, or None.

        Raises:
            InvalidRequest: the key is malformed.
        """
        key = self.header(IDEMPOTENCY_HEADER)
        if key is not None and (not 0 < len(key) <= MAX_KEY_LENGTH or not key.isprintable()):
            raise InvalidRequest(
                [f"{IDEMPOTENCY_HEADER}: must be 1 to {MAX_KEY_LENGTH} printable characters"]
            )
        return key

    @property
    def caller(self) -> str:
        """The caller: the ARN of a user, the ARN of a role without its session, or the id of an API key."""
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
        # The mapping of a custom domain name can add a path before the one that API Gateway matches.
        rest = (self.event.get("pathParameters") or {}).get("proxy")
        if rest is not None:
            return f"/{rest}"
        parts = str(self.event.get("resource") or path).strip("/").count("/") + 1
        return "/" + "/".join(path.strip("/").split("/")[-parts:])

    @property
    def base(self) -> str:
        """The path of the API's URL: its stage, or the path of a custom domain's mapping."""
        whole = str(self._request_context.get("path") or "").rstrip("/")
        path = self.path.rstrip("/")
        return whole.removesuffix(path) if whole.endswith(path) else ""

    def seconds_left(self) -> float:
        """Return the seconds until API Gateway's or Lambda's timeout.

        API Gateway's timeout starts with the request, Lambda's with the handler, which is after a cold start.
        A request time that is missing or implausible is ignored.
        """
        remaining: float = self.context.get_remaining_time_in_millis() / 1000
        received = self._request_context.get("requestTimeEpoch")
        if not isinstance(received, int | float) or isinstance(received, bool):
            return remaining
        waited = time.time() - received / 1000
        return min(remaining, self.gateway_seconds - waited) if 0 <= waited < _OLDEST_SECONDS else remaining

    @property
    def _request_context(self) -> Mapping[str, Any]:
        return self.event.get("requestContext") or {}

    def body(self) -> dict[str, Any]:
        """Return the body, which must be a JSON object.

        Raises:
            InvalidRequest: the body is missing, invalid or compressed, or it contains credentials.
        """
        encoding = (self.header("Content-Encoding") or "identity").strip()
        if encoding.lower() != "identity":
            # API Gateway replaces bytes that are not UTF-8, so a compressed body cannot be restored.
            raise InvalidRequest([f"body: must not be compressed (got Content-Encoding {encoding[:80]})"])
        text = self.event.get("body")
        if not text:
            raise InvalidRequest(["body: must be a JSON object (got an empty body)"])
        if not isinstance(text, str):
            raise InvalidRequest(["body: must be a string in the proxy event"])
        try:
            body = parse(base64.b64decode(text, validate=True) if self.event.get("isBase64Encoded") else text)
        except InvalidJson as error:
            raise InvalidRequest([f"body: {error}"]) from None
        except ValueError:
            raise InvalidRequest(["body: must be base64 text if isBase64Encoded is true"]) from None
        if not isinstance(body, dict):
            raise InvalidRequest(["body: must be a JSON object"])
        credentials = [key for key in body if key.lower().replace("-", "").replace("_", "") in _CREDENTIALS]
        if credentials:
            raise InvalidRequest(
                [
                    f"{key[:80]}: credentials are not accepted in a body; sign the request instead"
                    for key in credentials
                ]
            )
        return body
