"""Handlers for the runtime under test, which imports this module in a process of its own."""

from __future__ import annotations

import base64
import dataclasses
import json
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from lambdas.streamed_response import StreamDeadline, StreamedResponse


def given(event: Any) -> Any:
    """Return what the test sent: the event, or the body of a request to API Gateway."""
    return json.loads(event["body"]) if "requestContext" in event else event


class Gate:
    """A connection to the test: waits until the test opens the gate, and sends it lines."""

    def __init__(self, event: Any) -> None:
        self._socket = socket.create_connection(("127.0.0.1", given(event)["port"]))

    def wait(self) -> None:
        self._socket.recv(1)

    def tell(self, line: str) -> None:
        self._socket.sendall(f"{line}\n".encode())


def pieces(event: Any, context: Any) -> StreamedResponse:
    """Respond with the pieces, headers and cookies of the event."""
    event = given(event)
    body = (base64.b64decode(piece) for piece in event["pieces"])
    return StreamedResponse(
        event.get("status", 200), event.get("headers", {}), body, tuple(event.get("cookies", ()))
    )


def echo(event: Any, context: Any) -> StreamedResponse:
    """Respond with the event, the context and the trace."""
    fields = {
        field.name: getattr(context, field.name)
        for field in dataclasses.fields(context)
        if field.name != "invocation"
    }
    fields["remaining"] = context.get_remaining_time_in_millis()
    answer = {"event": event, "context": fields, "trace": os.environ["_X_AMZN_TRACE_ID"]}
    return StreamedResponse(200, {}, [json.dumps(answer).encode()])


def gated(event: Any, context: Any) -> StreamedResponse:
    """Send one piece each time that the gate opens; report the end of the body."""
    gate = Gate(event)

    def body() -> Iterator[bytes]:
        try:
            for number in range(given(event).get("count", 3)):
                gate.wait()
                yield b"piece %d" % number
        finally:
            gate.tell("closed")

    return StreamedResponse(200, {}, body())


def held(event: Any, context: Any) -> StreamedResponse:
    """Respond when the gate opens."""
    Gate(event).wait()
    return StreamedResponse(200, {}, [b"all"])


def endless(event: Any, context: Any) -> StreamedResponse:
    """Send large pieces for ever; report the end of the body."""
    gate = Gate(event)

    def body() -> Iterator[bytes]:
        try:
            while True:
                yield bytes(1_000_000)
        finally:
            gate.tell("closed")

    return StreamedResponse(200, {}, body())


def sleeper(event: Any, context: Any) -> StreamedResponse:
    """Ignore every deadline: wait before the response, or in the body."""
    gate = Gate(event)

    def body() -> Iterator[bytes]:
        yield b"first"
        wait()

    def wait() -> None:
        while True:
            with suppress(StreamDeadline):
                gate.wait()

    if given(event).get("before"):
        wait()
    return StreamedResponse(200, {}, body())


def waits(event: Any, context: Any) -> StreamedResponse:
    """Wait for a gate that never opens, before the response."""
    Gate(event).wait()
    raise AssertionError("the gate was opened")


def waits_in_body(event: Any, context: Any) -> StreamedResponse:
    """Wait for a gate that never opens, in the body. With `event["last"]`, end with an error event."""
    gate = Gate(event)

    def body() -> Iterator[bytes]:
        yield b"first"
        try:
            gate.tell("waiting")
            gate.wait()
        except StreamDeadline:
            if not given(event).get("last"):
                raise
            yield b"last"

    return StreamedResponse(200, {}, body())


def exits(event: Any, context: Any) -> StreamedResponse:
    """End the process after the first piece, or before the response."""

    def body() -> Iterator[bytes]:
        yield b"first"
        os._exit(3)

    if given(event).get("before"):
        os._exit(3)
    return StreamedResponse(200, {}, body())


def fails(event: Any, context: Any) -> StreamedResponse:
    """Fail before the response."""
    raise ValueError("a prompt")


def fails_in_body(event: Any, context: Any) -> StreamedResponse:
    """Fail after the first piece."""

    def body() -> Iterator[bytes]:
        yield b"first"
        raise ValueError("a prompt")

    return StreamedResponse(200, {}, body())


class FailsToClose:
    """A body that cannot be closed."""

    def __iter__(self) -> Iterator[bytes]:
        return iter([b"all"])

    def close(self) -> None:
        raise ValueError("a prompt")


def fails_to_close(event: Any, context: Any) -> StreamedResponse:
    """Respond with a body that cannot be closed."""
    return StreamedResponse(200, {}, FailsToClose())


def returns_a_dict(event: Any, context: Any) -> Any:
    """Return a response of the standard runtime."""
    return {"statusCode": 200}


def yields_text(event: Any, context: Any) -> Any:
    """Respond with a body whose second piece is no bytes."""
    wrong: Any = [b"first", given(event)["piece"]]
    return StreamedResponse(200, {}, wrong)


def logs(event: Any, context: Any) -> StreamedResponse:
    """Log with the standard library, print, and respond."""
    logging.getLogger("example").warning("two\nlines")
    print("printed")
    return StreamedResponse(200, {}, [])


def powertools(event: Any, context: Any) -> StreamedResponse:
    """Log with Powertools, in the handler and in the body."""
    from aws_lambda_powertools import Logger

    logger = Logger(service="example")

    @logger.inject_lambda_context(clear_state=True)
    def handler(event: Any, context: Any) -> StreamedResponse:
        logger.info("in the handler")
        return StreamedResponse(200, {}, body())

    def body() -> Iterator[bytes]:
        logger.info("in the body")
        yield b"all"

    response: StreamedResponse = handler(event, context)
    return response
