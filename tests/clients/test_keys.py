"""No request without a valid key succeeds, on any route."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from lambdas.streaming_api.routes import ROUTES
from llmmanager.testing import FakeBedrock
from tests.clients.keys import UNKNOWN_KEY, create_key, revoke_key
from tests.clients.served_api import ServedApi
from tests.integration.local.streaming.http_client import call

HEADERS = ("Authorization", "x-api-key")
INVALID: dict[str, Callable[[], str]] = {
    "none": str,
    "malformed": lambda: "sk-malformed",
    "unknown": lambda: UNKNOWN_KEY,
    "of another secret": lambda: create_key()[:-8] + "AAAAAAAA",
    "revoked": lambda: revoke_key(create_key()),
    "with more text": lambda: f"{create_key()} or another",
}
BODY = {
    "model": "Nova Lite",
    "max_tokens": 50,
    "messages": [{"role": "user", "content": "Hello"}],
    "input": "Hello",
}


def headers(header: str, key: str) -> dict[str, str]:
    if not key:
        return {}
    return {header: f"Bearer {key}" if header == "Authorization" else key}


@pytest.fixture
def send(api: ServedApi) -> Callable[..., tuple[int, Any]]:
    """Returns a function that sends a request to a route and returns status and document."""

    def request(method: str, path: str, given: dict[str, str]) -> tuple[int, Any]:
        port = urlsplit(api.url).port
        assert port is not None
        body = json.dumps(BODY).encode() if method == "POST" else b""
        path = path.replace("{model}", "Nova%20Lite")
        status, _, answer = call(port, f"/v1{path}", method=method, headers=given, body=body)
        return status, json.loads(answer)

    return request


@pytest.mark.parametrize("kind", INVALID)
def test_no_request_without_a_valid_key_succeeds(send: Any, bedrock: FakeBedrock, kind: str) -> None:
    routes = [*((route.method, route.path) for route in ROUTES), ("GET", "/none")]
    for (method, path), header in itertools.product(routes, HEADERS):
        status, document = send(method, path, headers(header, INVALID[kind]()))
        assert (status, document["error"]["code"]) == (401, "invalid_api_key"), (method, path, header)
    assert not bedrock.calls


def test_a_valid_key_is_accepted_where_its_header_is(send: Any, key: str) -> None:
    for route, header in itertools.product(ROUTES, HEADERS):
        status, _ = send(route.method, route.path, headers(header, key))
        is_accepted = header == "Authorization" or route.key == "either"
        assert status == (200 if is_accepted else 401), (route, header)


def test_two_different_keys_in_one_request_are_rejected(send: Any, key: str) -> None:
    both = {**headers("Authorization", key), **headers("x-api-key", create_key())}
    assert send("GET", "/models", both)[0] == 401


def test_each_key_has_models_of_its_own(send: Any) -> None:
    for name in ("Nova Lite", "Nova Micro"):
        _, document = send("GET", "/models", headers("x-api-key", create_key(models=[name])))
        assert [model["id"] for model in document["data"]] == [name]
