"""The HTTP server of the streaming API."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from local.streaming.authorization import Authorization, RejectedByGateway
from local.streaming.client_request import ClientRequest, RoutedRequest
from local.streaming.deployed_api import DeployedApi
from local.streaming.environment_pool import EnvironmentPool
from local.streaming.execution_environment import ExecutionEnvironment, FunctionFailed, FunctionResponse
from local.streaming.wire import ClientClosedConnection, FunctionTimedOut

_MAX_BODY_BYTES: Final = 10 * 1024 * 1024
# Lambda's limit.
_MAX_EVENT_BYTES: Final = 6 * 1024 * 1024
_VARIABLE: Final = re.compile(r"\$context\.([A-Za-z.]+)")
# The server decides on these.
_CONNECTION_HEADERS: Final = frozenset({"connection", "content-length", "transfer-encoding", "keep-alive"})
_WITHOUT_BODY: Final = frozenset({204, 304})
_JSON: Final = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class StreamingGateway:
    """What the server needs to answer a request.

    Attributes:
        apis: by name of their stage, which is the first segment of a request's path.
        pools: execution environments, by ARN of the function.
        log: file to which failures are written.
    """

    apis: Mapping[str, DeployedApi]
    authorization: Authorization
    pools: Mapping[str, EnvironmentPool]
    log: Path


def build_server(gateway: StreamingGateway, *, port: int) -> ThreadingHTTPServer:
    """Return a server on 127.0.0.1 that listens but does not serve yet."""
    handler = type("Handler", (_Handler,), {"gateway": gateway})
    return _Server(("127.0.0.1", port), handler)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Clients connect at the same time. Above the default, 5, the kernel may reset connections.
    request_queue_size = 128


class _Handler(BaseHTTPRequestHandler):
    """Answers one request of a connection, and then closes it."""

    gateway: StreamingGateway
    protocol_version = "HTTP/1.1"
    # Send a small piece at once.
    disable_nagle_algorithm = True

    def handle_one_request(self) -> None:
        """Answer a request with any method."""
        self.close_connection = True
        self.raw_requestline = self.rfile.readline(65537)
        if self.raw_requestline and self.parse_request():
            self.close_connection = True
            with suppress(ClientClosedConnection, ConnectionError):
                self._answer()

    def log_message(self, format: str, *args: Any) -> None:
        """Do nothing: only failures are logged."""

    def _answer(self) -> None:
        request = ClientRequest(self.command, self.path, tuple(self.headers.items()), b"")
        stage, separator, rest = request.path.removeprefix("/").partition("/")
        api = self.gateway.apis.get(stage)
        if api is None:
            self._send_whole(request, 403, _JSON, b'{"message": "Forbidden"}')
            return
        try:
            request = replace(request, body=self._read_body())
            routed = _route(api, request, path=separator + rest or "/")
            context = self.gateway.authorization.authorize(routed)
            event = json.dumps(routed.proxy_event(context)).encode()
            if len(event) > _MAX_EVENT_BYTES:
                raise _too_large()
        except RejectedByGateway as error:
            self._send_whole(request, *_format(error, api, request))
            return
        pool = self.gateway.pools[routed.route.function_arn]
        # The failure has been logged and sent. The pool has seen it, too.
        with suppress(FunctionFailed, FunctionTimedOut), pool.lend() as environment:
            self._invoke(environment, request, event)

    def _read_body(self) -> bytes:
        if "Transfer-Encoding" in self.headers:
            raise RejectedByGateway("DEFAULT_4XX", "The local server needs a Content-Length header")
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal():
            raise RejectedByGateway("DEFAULT_4XX", "Bad Request")
        if int(length) > _MAX_BODY_BYTES:
            raise _too_large()
        return self.rfile.read(int(length))

    def _invoke(self, environment: ExecutionEnvironment, request: ClientRequest, event: bytes) -> None:
        """Invoke the function and send its response.

        Raises:
            FunctionFailed, FunctionTimedOut: there is no complete response. The client knows it.
            ClientClosedConnection, ConnectionError: the client is gone.
        """
        has_begun = False
        try:
            response = environment.invoke(event, request_id=request.id, client=self.connection)
            has_begun = True
            with closing(response):
                self._send_response(request, response)
        except (FunctionFailed, FunctionTimedOut) as error:
            with self.gateway.log.open("a") as log:
                log.write(f"{request.id} {request.method} {request.path}: {error!r}\n")
            if has_begun:
                # Without the last chunk, the client does not take the response for complete.
                self.connection.shutdown(socket.SHUT_RDWR)
            else:
                self._send_whole(request, 502, _JSON, b'{"message": "Internal server error"}')
            raise

    def _send_response(self, request: ClientRequest, response: FunctionResponse) -> None:
        has_body = request.method != "HEAD" and response.status not in _WITHOUT_BODY
        headers = [
            (name, value)
            for name, value in response.headers.items()
            if name.lower() not in _CONNECTION_HEADERS
        ]
        headers += [("Set-Cookie", cookie) for cookie in response.cookies]
        headers += [("Transfer-Encoding", "chunked")] if has_body else []
        self._send_head(request, response.status, headers)
        for piece in response.pieces():
            if has_body:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        if has_body:
            self.wfile.write(b"0\r\n\r\n")

    def _send_whole(
        self, request: ClientRequest, status: int, headers: Mapping[str, str], body: bytes
    ) -> None:
        self._send_head(request, status, [*headers.items(), ("Content-Length", str(len(body)))])
        if request.method != "HEAD":
            self.wfile.write(body)

    def _send_head(self, request: ClientRequest, status: int, headers: Iterable[tuple[str, str]]) -> None:
        self.send_response_only(status)
        for name, value in headers:
            # The base class writes Latin-1.
            self.send_header(name, value.encode().decode("latin-1"))
        self.send_header("x-amzn-RequestId", request.id)
        self.send_header("Connection", "close")
        self.end_headers()


def _too_large() -> RejectedByGateway:
    return RejectedByGateway("REQUEST_TOO_LARGE", "Request Too Long")


def _route(api: DeployedApi, request: ClientRequest, *, path: str) -> RoutedRequest:
    found = api.find(request.method, path)
    if found is None:
        raise RejectedByGateway("MISSING_AUTHENTICATION_TOKEN", "Missing Authentication Token")
    route, parameters = found
    return RoutedRequest(request, api, route, path, parameters)


def _format(
    error: RejectedByGateway, api: DeployedApi, request: ClientRequest
) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body of an error, in the format that the API defines."""
    response = api.gateway_responses[error.type]
    variables = {
        "error.message": error.message or "",
        "error.messageString": json.dumps(error.message),
        "error.responseType": error.type,
        "requestId": request.id,
    }
    body = _VARIABLE.sub(lambda match: variables.get(match[1], ""), response.template)
    headers = dict(_JSON)
    for name, value in response.headers.items():
        if value.startswith("'"):
            headers[name] = value.strip("'")
        elif found := request.header(value.removeprefix("method.request.header.")):
            headers[name] = found
    return response.status, headers, body.encode()
