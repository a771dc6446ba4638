"""A client of Lambda's Runtime API that streams responses.

The protocol: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html and, for streamed responses,
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html#runtimes-custom-response-streaming.
"""

from __future__ import annotations

import base64
import json
import select
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Final

_VERSION: Final = "/2018-06-01/runtime"
_ERROR_TYPE: Final = "Lambda-Runtime-Function-Error-Type"
_ERROR_BODY: Final = "Lambda-Runtime-Function-Error-Body"


class RuntimeApiError(Exception):
    """The Runtime API cannot be called or rejects a request."""


class ClientDisconnected(RuntimeApiError):
    """The connection of a streamed response is closed: its client has disconnected."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """One invocation of the function.

    Attributes:
        event: the event as JSON.
        deadline: when the function times out, in seconds since 1970.
        trace_id: X-Ray's trace header; empty without tracing.
    """

    request_id: str
    event: bytes
    deadline: float
    function_arn: str
    trace_id: str

    def seconds_left(self) -> float:
        """Seconds until the function times out; never negative."""
        return max(0.0, self.deadline - time.time())


@dataclass(frozen=True, slots=True)
class ErrorReport:
    """The description of an error for Lambda.

    Attributes:
        type: name of the exception's class.
        stack: one text for each frame.
    """

    type: str
    message: str = ""
    stack: tuple[str, ...] = ()

    def to_json(self) -> bytes:
        """Return the report in the format of Lambda's errors."""
        document = {"errorType": self.type, "errorMessage": self.message, "stackTrace": list(self.stack)}
        return json.dumps(document).encode()


class RuntimeApi:
    """The Runtime API at `host:port`. Every request has a connection of its own."""

    def __init__(self, address: str) -> None:
        self._address = address

    def next(self) -> Invocation:
        """Wait for the next invocation, without a time limit, and return it.

        Raises:
            RuntimeApiError: the Runtime API does not return an invocation. The process cannot continue.
        """
        path = "invocation/next"
        with _errors(path), closing(HTTPConnection(self._address)) as connection:
            connection.request("GET", f"{_VERSION}/{path}")
            answer = connection.getresponse()
            event = answer.read()
            if answer.status != 200:
                raise RuntimeApiError(f"{path} was answered with status {answer.status}")
            return Invocation(
                request_id=answer.headers["Lambda-Runtime-Aws-Request-Id"],
                event=event,
                deadline=int(answer.headers["Lambda-Runtime-Deadline-Ms"]) / 1000,
                function_arn=answer.headers.get("Lambda-Runtime-Invoked-Function-Arn", ""),
                trace_id=answer.headers.get("Lambda-Runtime-Trace-Id", ""),
            )

    def report_error(self, invocation: Invocation, error: ErrorReport) -> None:
        """Report that an invocation failed before its response began.

        Raises:
            RuntimeApiError: the report is not accepted.
        """
        self._post_error(f"invocation/{invocation.request_id}/error", error)

    def report_init_error(self, error: ErrorReport) -> None:
        """Report that the handler cannot be imported.

        Raises:
            RuntimeApiError: the report is not accepted.
        """
        self._post_error("init/error", error)

    def start_response(self, invocation: Invocation, prelude: bytes) -> ResponseStream:
        """Begin the response of an invocation.

        Args:
            prelude: the beginning of the response, with status and headers.

        Raises:
            ClientDisconnected: the connection is closed.
        """
        return ResponseStream(self._address, invocation, prelude)

    def _post_error(self, path: str, error: ErrorReport) -> None:
        with _errors(path), closing(HTTPConnection(self._address)) as connection:
            headers = {"Content-Type": "application/json", _ERROR_TYPE: _ascii(error.type)}
            connection.request("POST", f"{_VERSION}/{path}", error.to_json(), headers)
            _expect_accepted(connection, path)


class ResponseStream:
    """A response that has begun. Unless `end` is called before `close`, it is incomplete."""

    def __init__(self, address: str, invocation: Invocation, prelude: bytes) -> None:
        self._invocation = invocation
        self._path = f"invocation/{invocation.request_id}/response"
        # http.client sets TCP_NODELAY. Otherwise, a small piece would wait for the previous one's receipt.
        self._connection = connection = HTTPConnection(address)
        connection.putrequest("POST", f"{_VERSION}/{self._path}", skip_accept_encoding=True)
        connection.putheader("Content-Type", "application/vnd.awslambda.http-integration-response")
        connection.putheader("Lambda-Runtime-Function-Response-Mode", "streaming")
        connection.putheader("Transfer-Encoding", "chunked")
        connection.putheader("Trailer", f"{_ERROR_TYPE}, {_ERROR_BODY}")
        try:
            connection.endheaders(_chunk(prelude))
        except OSError as error:
            raise ClientDisconnected(self._path) from error
        self._socket: socket.socket = connection.sock
        self._readable = select.poll()
        self._readable.register(self._socket, select.POLLIN)

    def write(self, piece: bytes) -> None:
        """Send a piece, which must not be empty: an empty chunk would end the body.

        Raises:
            ClientDisconnected: the connection is closed, or the function times out before the piece is sent.
        """
        chunk = _chunk(piece)
        try:
            if self._is_closed():
                raise ClientDisconnected(self._path)
            self._limit_time()
            self._connection.send(chunk)
        except OSError as error:
            raise ClientDisconnected(self._path) from error

    def end(self, error: ErrorReport | None = None) -> None:
        """End the response, and report an error that occurred after it began.

        Raises:
            ClientDisconnected: the connection is closed before the response is accepted.
            RuntimeApiError: the response is not accepted.
        """
        trailers = ""
        if error is not None:
            body = base64.b64encode(error.to_json()).decode("ascii")
            trailers = f"{_ERROR_TYPE}: {_ascii(error.type)}\r\n{_ERROR_BODY}: {body}\r\n"
        with _errors(self._path):
            self._limit_time()
            try:
                self._connection.send(f"0\r\n{trailers}\r\n".encode("ascii"))
                _expect_accepted(self._connection, self._path)
            except ConnectionError as closed:
                raise ClientDisconnected(self._path) from closed

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _limit_time(self) -> None:
        # A timeout of 0 would make the socket non-blocking.
        self._socket.settimeout(self._invocation.seconds_left() or 0.001)

    def _is_closed(self) -> bool:
        """Whether the other side closed the connection. The first write after that would still succeed."""
        return bool(self._readable.poll(0)) and not self._socket.recv(1, socket.MSG_PEEK)


@contextmanager
def _errors(path: str) -> Iterator[None]:
    """Raise RuntimeApiError for errors of the connection and for invalid responses."""
    try:
        yield
    except (OSError, HTTPException, TypeError, ValueError) as error:
        raise RuntimeApiError(f"{path}: {error!r}") from error


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _ascii(text: str) -> str:
    return text.encode("ascii", "replace").decode("ascii")


def _expect_accepted(connection: HTTPConnection, path: str) -> None:
    answer = connection.getresponse()
    reason = answer.read(1000)
    if answer.status != 202:
        raise RuntimeApiError(f"{path} was answered with status {answer.status}: {reason!r}")
