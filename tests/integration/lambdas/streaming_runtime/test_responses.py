"""The streaming runtime sends the responses of a handler."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.lambdas.streaming_runtime.conftest import Start
from tests.integration.lambdas.streaming_runtime.loopback_api import Handler, Listener, LoopbackApi

TRACE = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"


def encoded(*pieces: bytes) -> list[str]:
    return [base64.b64encode(piece).decode() for piece in pieces]


def test_a_response_is_a_streamed_post_with_a_prelude_and_the_pieces(api: LoopbackApi, start: Start) -> None:
    start("pieces")
    api.invoke(
        {
            "status": 201,
            "headers": {"Content-Type": "text/plain"},
            "cookies": ["a=1", "b=2; Secure"],
            "pieces": encoded(b"one", b"two"),
        }
    )
    response = api.response()
    assert response.headers["lambda-runtime-function-response-mode"] == "streaming"
    assert response.headers["transfer-encoding"] == "chunked"
    assert response.headers["content-type"] == "application/vnd.awslambda.http-integration-response"
    assert response.headers["trailer"] == (
        "Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body"
    )
    assert response.prelude() == {
        "statusCode": 201,
        "headers": {"Content-Type": "text/plain"},
        "cookies": ["a=1", "b=2; Secure"],
    }
    assert response.chunks() == [b"one", b"two"]
    assert response.trailers == {}
    response.reply()
    assert response.is_closed_by_the_runtime()


def test_each_piece_arrives_before_the_next_one_exists(
    api: LoopbackApi, start: Start, gate: Listener
) -> None:
    start("gated")
    api.invoke({"port": gate.port})
    handler = Handler(gate.accept_connection())
    response = api.response()
    assert response.prelude()["statusCode"] == 200
    for number in range(3):
        handler.open_gate()
        assert response.chunk() == b"piece %d" % number
    assert response.chunk() == b""


def test_invocations_follow_each_other_in_one_process(api: LoopbackApi, start: Start) -> None:
    start("pieces")
    for number in range(3):
        api.invoke({"pieces": encoded(b"%d" % number)}, request_id=f"request-{number}")
        response = api.response(f"request-{number}")
        response.prelude()
        assert response.chunks() == [b"%d" % number]
        response.reply()


def test_empty_pieces_do_not_end_the_body(api: LoopbackApi, start: Start) -> None:
    start("pieces")
    api.invoke({"pieces": encoded(b"", b"one", b"", b"", b"two", b"")})
    response = api.response()
    response.prelude()
    assert response.chunks() == [b"one", b"two"]


@pytest.mark.parametrize("pieces", [[], [b""]])
def test_an_empty_body_has_a_prelude_only(api: LoopbackApi, start: Start, pieces: list[bytes]) -> None:
    start("pieces")
    api.invoke({"status": 204, "pieces": encoded(*pieces)})
    response = api.response()
    assert response.prelude()["statusCode"] == 204
    assert response.chunk() == b""
    assert response.trailers == {}


def test_headers_with_unusual_values_are_sent_unchanged(api: LoopbackApi, start: Start) -> None:
    headers = {
        "x-empty": "",
        "x-list": "a, b,,c",
        "x-quotes": 'he said "no\\yes"',
        "x-text": "größer ☃ 😀",
        "x-tab": "a\tb",
        "x-long": "x" * 8_000,
    }
    start("pieces")
    api.invoke({"headers": headers, "pieces": encoded(b"all")})
    response = api.response()
    assert response.prelude()["headers"] == headers
    assert response.chunks() == [b"all"]


def test_the_handler_gets_the_event_unchanged(api: LoopbackApi, start: Start) -> None:
    event = {
        "body": base64.b64encode(bytes(range(256))).decode(),
        "isBase64Encoded": True,
        "☃": "😀",
    }
    start("echo")
    api.invoke(event)
    assert answer(api)["event"] == event


def test_the_handler_gets_the_context_of_the_managed_runtime(api: LoopbackApi, start: Start) -> None:
    start("echo")
    api.invoke({}, seconds=60)
    context = answer(api)["context"]
    assert 0 < context.pop("remaining") <= 60_000
    assert context == {
        "aws_request_id": "request-1",
        "invoked_function_arn": "arn:aws:lambda:us-east-1:123456789012:function:f",
        "function_name": "streaming",
        "function_version": "$LATEST",
        "memory_limit_in_mb": "512",
        "log_group_name": "/aws/lambda/streaming",
        "log_stream_name": "2026/01/01/[$LATEST]0",
        "client_context": None,
        "identity": None,
    }


def test_each_invocation_sets_its_trace(api: LoopbackApi, start: Start) -> None:
    start("echo")
    api.invoke({}, headers={"Lambda-Runtime-Trace-Id": TRACE})
    assert answer(api)["trace"] == TRACE
    api.invoke({})
    assert answer(api)["trace"] == ""


def answer(api: LoopbackApi) -> dict[str, Any]:
    """Read the response of `echo` to its end."""
    response = api.response()
    response.prelude()
    document: dict[str, Any] = json.loads(b"".join(response.chunks()))
    response.reply()
    return document


def test_any_body_arrives_complete_and_in_its_pieces(api: LoopbackApi, start: Start) -> None:
    start("pieces")

    @settings(max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.lists(st.binary(max_size=2_000), max_size=12))
    def sends(pieces: list[bytes]) -> None:
        api.invoke({"pieces": encoded(*pieces)})
        response = api.response()
        response.prelude()
        assert response.chunks() == [piece for piece in pieces if piece]
        response.reply()

    sends()


def test_a_large_piece_arrives_complete(api: LoopbackApi, start: Start) -> None:
    piece = bytes(range(256)) * 20_000
    start("pieces")
    api.invoke({"pieces": encoded(piece)})
    response = api.response()
    response.prelude()
    assert response.chunks() == [piece]
