"""Errors, disconnects and timeouts in the streaming runtime."""

from __future__ import annotations

import base64
import json
import signal
import subprocess
from typing import Any

import pytest

from tests.integration.lambdas.streaming_runtime.conftest import Start
from tests.integration.lambdas.streaming_runtime.loopback_api import Handler, Listener, LoopbackApi, Request
from tests.waiting import PATIENCE_SECONDS

ERROR_TYPE = "lambda-runtime-function-error-type"


def trailing_error(response: Request) -> dict[str, Any]:
    """Return the error in the trailers of a response."""
    body = base64.b64decode(response.trailers["lambda-runtime-function-error-body"])
    error: dict[str, Any] = json.loads(body)
    assert response.trailers[ERROR_TYPE] == error["errorType"]
    return error


def expect_another_invocation(api: LoopbackApi) -> None:
    api.accept("GET", "invocation/next")


def test_an_error_before_the_response_is_reported_without_its_message(api: LoopbackApi, start: Start) -> None:
    process = start("fails")
    api.invoke({})
    error = api.error()
    assert error.headers[ERROR_TYPE] == "ValueError"
    report = error.json()
    assert report["errorType"] == "ValueError"
    assert "handlers.py" in report["stackTrace"][-1]
    assert "a prompt" not in json.dumps(report)
    error.reply()
    expect_another_invocation(api)
    process.kill()
    log, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert "ValueError" in log
    assert "handlers.py" in log
    assert "a prompt" not in log


def test_an_error_during_the_stream_is_reported_in_trailers(api: LoopbackApi, start: Start) -> None:
    start("fails_in_body")
    api.invoke({})
    response = api.response()
    response.prelude()
    assert response.chunks() == [b"first"]
    error = trailing_error(response)
    assert error["errorType"] == "ValueError"
    assert "a prompt" not in json.dumps(error)
    response.reply()
    expect_another_invocation(api)


@pytest.mark.parametrize("piece", ["text", 7, None, ["list"]])
def test_a_piece_that_is_not_bytes_ends_the_stream_with_an_error(
    api: LoopbackApi, start: Start, piece: object
) -> None:
    start("yields_text")
    api.invoke({"piece": piece})
    response = api.response()
    response.prelude()
    assert response.chunks() == [b"first"]
    assert trailing_error(response)["errorType"] == "TypeError"


def test_a_result_that_is_no_streamed_response_is_an_error(api: LoopbackApi, start: Start) -> None:
    start("returns_a_dict")
    api.invoke({})
    assert api.error().json()["errorType"] == "TypeError"


def test_headers_above_16_kb_are_an_error_before_the_response(api: LoopbackApi, start: Start) -> None:
    start("pieces")
    api.invoke({"headers": {"x": "y" * 17_000}, "pieces": []})
    assert api.error().json()["errorType"] == "ValueError"


def test_an_error_while_the_body_is_closed_does_not_end_the_process(api: LoopbackApi, start: Start) -> None:
    start("fails_to_close")
    api.invoke({})
    response = api.response()
    response.prelude()
    assert response.chunks() == [b"all"]
    response.reply()
    expect_another_invocation(api)


def test_a_disconnect_closes_the_body_at_the_next_piece(
    api: LoopbackApi, start: Start, gate: Listener
) -> None:
    start("gated")
    api.invoke({"port": gate.port, "count": 1_000_000})
    handler = Handler(gate.accept_connection())
    response = api.response()
    response.prelude()
    handler.open_gate()
    assert response.chunk() == b"piece 0"
    response.disconnect()
    handler.open_gate()
    assert handler.line() == "closed"
    expect_another_invocation(api)


def test_a_disconnect_during_a_write_closes_the_body(api: LoopbackApi, start: Start, gate: Listener) -> None:
    start("endless")
    api.invoke({"port": gate.port})
    handler = Handler(gate.accept_connection())
    response = api.response()
    response.prelude()
    response.disconnect()
    assert handler.line() == "closed"
    expect_another_invocation(api)


def test_a_client_that_leaves_after_the_last_piece_is_no_error(api: LoopbackApi, start: Start) -> None:
    process = start("pieces")
    api.invoke({"pieces": [base64.b64encode(b"data: [DONE]").decode()]})
    response = api.response()
    response.prelude()
    assert response.chunks() == [b"data: [DONE]"]
    response.disconnect()
    expect_another_invocation(api)
    process.kill()
    log, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert "Traceback" not in log


def test_an_early_rejection_by_the_runtime_api_does_not_end_the_process(
    api: LoopbackApi, start: Start, gate: Listener
) -> None:
    process = start("gated")
    api.invoke({"port": gate.port, "count": 1})
    handler = Handler(gate.accept_connection())
    response = api.response()
    response.reply(413, body=b"too large")
    handler.open_gate()
    expect_another_invocation(api)
    process.kill()
    log, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert "was answered with status 413: b'too large'" in log


def test_a_handler_that_waits_is_interrupted_before_the_timeout(
    api: LoopbackApi, start: Start, gate: Listener
) -> None:
    start("waits")
    api.invoke({"port": gate.port}, seconds=1)
    error = api.error()
    assert error.json()["errorType"] == "StreamDeadline"
    error.reply()
    expect_another_invocation(api)


def test_a_body_that_waits_can_send_a_last_piece_before_the_timeout(
    api: LoopbackApi, start: Start, gate: Listener
) -> None:
    process = start("waits_in_body")
    api.invoke({"port": gate.port, "last": True})
    response = api.response()
    response.prelude()
    wait_and_alarm(gate, process)
    assert response.chunks() == [b"first", b"last"]
    assert response.trailers == {}


def test_a_body_that_waits_until_the_timeout_ends_with_an_error(
    api: LoopbackApi, start: Start, gate: Listener
) -> None:
    process = start("waits_in_body")
    api.invoke({"port": gate.port})
    response = api.response()
    response.prelude()
    wait_and_alarm(gate, process)
    assert response.chunks() == [b"first"]
    assert trailing_error(response)["errorType"] == "StreamDeadline"
    response.reply()
    expect_another_invocation(api)


def wait_and_alarm(gate: Listener, process: subprocess.Popen[str]) -> None:
    """Wait until the body waits, and send the signal that the guard's timer would send."""
    assert Handler(gate.accept_connection()).line() == "waiting"
    process.send_signal(signal.SIGALRM)


@pytest.mark.parametrize(
    ("handler", "error_type", "message"),
    [
        ("tests.missing.handler", "ModuleNotFoundError", "No module named 'tests.missing'"),
        ("tests.integration.lambdas.streaming_runtime.handlers.missing", "AttributeError", "missing"),
        (
            "tests.integration.lambdas.streaming_runtime.broken_handler.handler",
            "ZeroDivisionError",
            "division",
        ),
    ],
)
def test_a_handler_that_cannot_be_imported_is_reported_with_the_message(
    api: LoopbackApi, start: Start, handler: str, error_type: str, message: str
) -> None:
    process = start(handler)
    error = api.accept("POST", "init/error")
    assert error.headers[ERROR_TYPE] == error_type
    report = error.json()
    assert report["errorType"] == error_type
    assert message in report["errorMessage"]
    error.reply()
    log, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 1
    assert "the handler cannot be imported" in log
    assert message in log


def test_a_runtime_api_that_rejects_the_request_ends_the_process(api: LoopbackApi, start: Start) -> None:
    process = start("pieces")
    api.accept("GET", "invocation/next").reply(500)
    _, errors = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 1
    assert "invocation/next was answered with status 500" in errors


def test_sigterm_ends_a_waiting_process(api: LoopbackApi, start: Start) -> None:
    process = start("pieces")
    waiting = api.accept("GET", "invocation/next")
    process.terminate()
    assert process.wait(PATIENCE_SECONDS) == 0
    assert waiting.is_closed_by_the_runtime()


def test_sigterm_during_a_stream_closes_the_body_and_leaves_the_response_incomplete(
    api: LoopbackApi, start: Start, gate: Listener
) -> None:
    process = start("gated")
    api.invoke({"port": gate.port})
    handler = Handler(gate.accept_connection())
    response = api.response()
    response.prelude()
    handler.open_gate()
    assert response.chunk() == b"piece 0"
    process.terminate()
    assert handler.line() == "closed"
    assert process.wait(PATIENCE_SECONDS) == 0
    # No last chunk: the client must not take the response for complete.
    assert response.is_closed_by_the_runtime()
