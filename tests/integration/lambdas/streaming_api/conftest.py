"""The streaming API's handler in this process, called as the runtime calls it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from lambdas.api_keys.api_key import KeyIdentity
from lambdas.streamed_response import StreamedResponse

IDENTITY = KeyIdentity(key_id="key1", owner="ana", team="search", models=None, regions=None, expires=None)
EVENT_END = b"\n\n"


@dataclass(frozen=True)
class Received:
    """A response whose body has been received."""

    status: int
    headers: Mapping[str, str]
    pieces: list[bytes]

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)

    @property
    def document(self) -> Any:
        return json.loads(self.body)

    @property
    def events(self) -> list[Any]:
        """The data of each server-sent event; JSON is decoded."""
        lines = (line for line in self.body.decode().split("\n") if line.startswith("data: "))
        texts = [line.removeprefix("data: ") for line in lines]
        return [text if text == "[DONE]" else json.loads(text) for text in texts]


@dataclass(frozen=True)
class Api:
    """Sends requests with an API key."""

    make_context: Any
    identity: KeyIdentity = IDENTITY
    seconds: float = 900
    headers: Mapping[str, str] = field(default_factory=dict)

    def open(self, method: str, path: str, body: Any = None, **headers: str) -> StreamedResponse:
        """Return the response when it begins."""
        from lambdas.streaming_api.handler import handler

        return handler(self.event(method, path, body, **headers), self.make_context(self.seconds))

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Received:
        response = self.open(method, path, body, **headers)
        pieces = list(response.body)
        close = getattr(response.body, "close", lambda: None)
        close()
        return Received(response.status, response.headers, pieces)

    def post(self, path: str, body: Any, **headers: str) -> Received:
        return self.send("POST", path, body, **headers)

    def get(self, path: str, **headers: str) -> Received:
        return self.send("GET", path, **headers)

    def event(self, method: str, path: str, body: Any = None, **headers: str) -> dict[str, Any]:
        """Return API Gateway's proxy event."""
        named = {name.replace("_", "-"): value for name, value in {**self.headers, **headers}.items()}
        identity = {**self.identity.to_context(), "principalId": self.identity.key_id}
        return {
            "httpMethod": method,
            "path": path,
            "headers": named,
            "body": body if isinstance(body, str | None) else json.dumps(body),
            "isBase64Encoded": False,
            "requestContext": {"path": f"/v1{path}", "authorizer": identity},
        }


@pytest.fixture
def api(deployed: Any, make_context: Any) -> Callable[..., Api]:
    """Returns clients with the identity of a key, by default one without limits."""

    def client(**identity: Any) -> Api:
        from dataclasses import replace

        return Api(make_context, replace(IDENTITY, **identity))

    return client
