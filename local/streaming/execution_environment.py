"""An execution environment of a function: its process, and the Runtime API that the process calls."""

from __future__ import annotations

import base64
import json
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from local.processes import GuardedProcess
from local.streaming.function_code import DeployedFunction
from local.streaming.wire import ConnectionEnded, RuntimeRequest, Watch

_VERSION: Final = "/2018-06-01/runtime/"
_START_SECONDS: Final = 60.0
# The second argument of a wrapper on Lambda. It exists only there.
_STANDARD_RUNTIME: Final = "/var/runtime/bootstrap.py"
_PRELUDE_END: Final = bytes(8)


class FunctionFailed(Exception):
    """The function reported an error, or its process ended. The message is for the log."""


class ExecutionEnvironment:
    """A process with the code of a function. It serves one invocation at a time."""

    def __init__(self, function: DeployedFunction, *, environment: Mapping[str, str], log: Path) -> None:
        self._function = function
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._next: RuntimeRequest | None = None
        host, port = self._listener.getsockname()
        self._process = GuardedProcess(
            [function.wrapper, sys.executable, _STANDARD_RUNTIME],
            log=log,
            environment={**environment, **_lambda_variables(function, f"{host}:{port}")},
            directory=function.code,
        )

    def wait_until_idle(self) -> None:
        """Wait until the process asks for an invocation.

        Raises:
            FunctionFailed: the process ended, or reported that the handler cannot be imported.
            FunctionTimedOut: the process does not ask in time.
        """
        watch = self._watch(max(_START_SECONDS, self._function.timeout_seconds))
        while self._next is None:
            request = self._accept(watch)
            if request.path == f"{_VERSION}invocation/next":
                self._next = request
            elif request.path == f"{_VERSION}init/error":
                raise FunctionFailed(f"the handler cannot be imported: {_read_report(request)}")
            elif request.path.endswith("/error"):
                _read_report(request)
            else:
                # The response of an invocation whose client has left. Closing it ends the handler's body.
                request.close()

    def invoke(
        self, event: bytes, *, request_id: str, client: socket.socket | None = None
    ) -> FunctionResponse:
        """Run the handler, and return its response as soon as it begins.

        Args:
            client: the connection of the client, whose end is noticed while the function is silent.

        Raises:
            FunctionFailed: the function failed before its response.
            ClientClosedConnection, FunctionTimedOut: the function did not respond before.
        """
        self.wait_until_idle()
        assert self._next is not None
        asked, self._next = self._next, None
        seconds = self._function.timeout_seconds
        headers = {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": request_id,
            "Lambda-Runtime-Deadline-Ms": str(int((time.time() + seconds) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": self._function.arn,
        }
        try:
            asked.reply(200, event, headers)
            request = self._accept(self._watch(seconds, client))
            if request.path == f"{_VERSION}invocation/{request_id}/response":
                return FunctionResponse.begin(request)
            raise FunctionFailed(_read_report(request))
        except ConnectionEnded as error:
            raise FunctionFailed(str(error)) from error

    def end_process(self) -> None:
        """End the process. A thread that waits for it gets FunctionFailed."""
        self._process.stop()

    def stop(self) -> None:
        """End the process and close its connections. No thread uses the environment."""
        self.end_process()
        self._listener.close()
        if self._next is not None:
            self._next.close()

    def _watch(self, seconds: float, client: socket.socket | None = None) -> Watch:
        return Watch(time.monotonic() + seconds, lambda: self._process.exit_code is None, client)

    def _accept(self, watch: Watch) -> RuntimeRequest:
        try:
            watch.wait(self._listener)
            connection, _ = self._listener.accept()
            return RuntimeRequest.read(connection, watch)
        except ConnectionEnded as error:
            raise FunctionFailed(str(error)) from error


@dataclass
class FunctionResponse:
    """A response that has begun."""

    status: int
    headers: Mapping[str, str]
    cookies: list[str]
    _request: RuntimeRequest
    _chunks: Iterator[bytes]
    _first: bytes

    @classmethod
    def begin(cls, request: RuntimeRequest) -> FunctionResponse:
        """Read the prelude of a response.

        Raises:
            FunctionFailed: there is no valid prelude.
        """
        chunks = request.chunks()
        beginning = b""
        try:
            while _PRELUDE_END not in beginning:
                beginning += next(chunks)
            document, _, first = beginning.partition(_PRELUDE_END)
            prelude = json.loads(document)
        except StopIteration:
            request.close()
            raise FunctionFailed("the response has no prelude") from None
        except BaseException:
            request.close()
            raise
        status, headers, cookies = (prelude[name] for name in ("statusCode", "headers", "cookies"))
        return cls(status, headers, cookies, request, chunks, first)

    def pieces(self) -> Iterator[bytes]:
        """Yield the pieces of the body as they arrive.

        Raises:
            FunctionFailed: the function failed during the response.
            ClientClosedConnection, FunctionTimedOut: the response did not end before.
        """
        if self._first:
            yield self._first
        try:
            yield from self._chunks
            error = self._request.trailers.get("Lambda-Runtime-Function-Error-Body")
            self._request.reply(202)
        except ConnectionEnded as ended:
            raise FunctionFailed(str(ended)) from ended
        if error is not None:
            raise FunctionFailed(base64.b64decode(error).decode(errors="replace"))

    def close(self) -> None:
        """Close the connection, which ends the handler's body if it has not ended."""
        self._request.close()


def _read_report(request: RuntimeRequest) -> str:
    """Return the report of an error, and accept it."""
    with closing(request):
        report = request.body().decode(errors="replace")
        request.reply(202)
        return report


def _lambda_variables(function: DeployedFunction, address: str) -> dict[str, Any]:
    """Return the variables of the function and those that Lambda adds."""
    return {
        **function.variables,
        "_HANDLER": function.handler,
        "LAMBDA_TASK_ROOT": str(function.code),
        "AWS_LAMBDA_RUNTIME_API": address,
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": "local",
    }
