"""The streamed methods of the deployed template: routes, authorizers, errors of API Gateway and web pages.

The emulator cannot stream. The local server reads all of this from the emulator's API Gateway, and runs the
deployed function on its streaming runtime.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from llmmanager.testing import FakeBedrock
from local.processes import DUMMY_CREDENTIALS, REGION
from local.running import LocalRun
from tests.integration.local.streaming.http_client import Call, call

pytestmark = pytest.mark.e2e

CHAT = "/chat/completions"
QUESTION = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello!"}]}


@pytest.fixture
def key(run: LocalRun) -> str:
    created = run.stack.api.post("/v1/keys", {"owner": "ada@example.com", "team": "web"}).expect(201)
    return str(created["key"])


@pytest.fixture
def base(run: LocalRun) -> tuple[int, str]:
    """Port and path of the base URL."""
    url = urlsplit(run.stack.variables["STREAMING_API_URL"])
    assert url.port is not None
    return url.port, url.path


def test_a_stream_arrives_piece_by_piece_from_the_model_of_an_alias(
    base: tuple[int, str], key: str, bedrock: FakeBedrock
) -> None:
    port, path = base
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    with Call(port, path + CHAT, event={**QUESTION, "stream": True}, headers=headers) as request:
        status, given = request.head()
        pieces = list(iter(request.chunk, b""))
    assert (status, dict(given)["x-llmmanager-model"]) == (200, "amazon.nova-micro-v1:0")
    assert len(pieces) > 2
    assert pieces[-1].endswith(b"data: [DONE]\n\n")
    assert {one.operation for one in bedrock.calls} == {"ConverseStream"}


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "code"),
    [
        ("POST", CHAT, {}, 401, "invalid_api_key"),
        ("POST", CHAT, {"Authorization": "Bearer sk-other"}, 401, "invalid_api_key"),
        ("GET", "/models", {}, 401, "invalid_api_key"),
        ("GET", "/none", {}, 401, "invalid_api_key"),
    ],
)
def test_a_request_without_a_valid_key_is_rejected_in_the_format_of_both_apis(
    base: tuple[int, str], method: str, path: str, headers: Any, status: int, code: str
) -> None:
    port, prefix = base
    given, answered, body = call(port, prefix + path, method=method, headers=headers, body=b"")
    document = json.loads(body)
    assert (given, document["error"]["code"]) == (status, code)
    assert (document["type"], document["error"]["type"]) == ("error", "authentication_error")
    assert document["request_id"]
    assert answered["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("header", ["Authorization: Bearer ", "x-api-key: "])
def test_both_headers_are_accepted_where_clients_of_both_apis_call(
    base: tuple[int, str], key: str, header: str
) -> None:
    port, path = base
    name, _, prefix = header.partition(": ")
    status, _, body = call(port, f"{path}/models", method="GET", headers={name: prefix + key}, body=b"")
    assert status == 200
    assert "gpt-4o" in {model["id"] for model in json.loads(body)["data"]}


def test_unknown_paths_and_methods_get_an_answer_of_the_function(base: tuple[int, str], key: str) -> None:
    port, prefix = base
    headers = {"Authorization": f"Bearer {key}"}
    for method, path, status in (("GET", "/none/at/all", 404), ("GET", "/chat", 404), ("GET", CHAT, 405)):
        given, _, body = call(port, prefix + path, method=method, headers=headers, body=b"")
        assert (given, bool(json.loads(body)["error"]["message"])) == (status, True), path


@pytest.mark.parametrize("path", [CHAT, "/none"])
def test_a_web_page_may_call_every_path(base: tuple[int, str], path: str) -> None:
    port, prefix = base
    origin = {"Origin": "https://chat.example.com", "Access-Control-Request-Method": "POST"}
    status, headers, body = call(port, prefix + path, method="OPTIONS", headers=origin, body=b"")
    assert (status, body) == (204, b"")
    assert headers["access-control-allow-origin"] == "*"
    assert "Authorization" in headers["access-control-allow-headers"]


def test_a_signed_request_is_answered_by_a_stream(run: LocalRun, bedrock: FakeBedrock) -> None:
    url = urlsplit(f"{run.streamed_urls['prod']}/v1/converse-stream")
    body = json.dumps({"messages": "Hello!"}).encode()
    signed = AWSRequest("POST", url.geturl(), data=body)
    keys = Credentials(DUMMY_CREDENTIALS["AWS_ACCESS_KEY_ID"], DUMMY_CREDENTIALS["AWS_SECRET_ACCESS_KEY"])
    SigV4Auth(keys, "execute-api", REGION).add_auth(signed)
    assert url.port is not None
    with Call(url.port, url.path, body=body, headers=dict(signed.headers)) as request:
        status, _ = request.head()
        pieces = list(iter(request.chunk, b""))
    assert status == 200
    assert pieces[0].startswith(b"event: messageStart\n")
    assert pieces[-1].startswith(b"event: answer\n")
    assert {one.operation for one in bedrock.calls} == {"ConverseStream"}
    status, _, body = call(url.port, url.path, body=body)
    assert (status, json.loads(body)["type"]) == (403, "urn:llmmanager:problem:gateway")
