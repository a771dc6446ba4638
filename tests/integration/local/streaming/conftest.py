"""A local streaming API whose function is in tests/integration/lambdas/streaming_runtime/handlers.py."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest

from local.processes import ROOT
from local.streaming.authorization import Authorization
from local.streaming.deployed_api import Authorizer, DeployedApi, DeployedRoute, GatewayResponse
from local.streaming.environment_pool import EnvironmentPool
from local.streaming.execution_environment import ExecutionEnvironment
from local.streaming.function_code import DeployedFunction
from local.streaming.server import StreamingGateway, build_server
from tests.integration.lambdas.streaming_runtime.loopback_api import Listener

ARN = "arn:aws:lambda:us-east-1:000000000000:function:streaming"
AUTHORIZER_ARN = "arn:aws:lambda:us-east-1:000000000000:function:authorizer"
BINARY = "application/octet-stream"
GATEWAY_RESPONSES = {
    "MISSING_AUTHENTICATION_TOKEN": 403,
    "UNAUTHORIZED": 401,
    "ACCESS_DENIED": 403,
    "AUTHORIZER_FAILURE": 500,
    "AUTHORIZER_CONFIGURATION_ERROR": 500,
    "REQUEST_TOO_LARGE": 413,
    "DEFAULT_4XX": 400,
}


@dataclass
class LambdaEndpoint:
    """Lambda's Invoke operation for one authorizer function.

    Attributes:
        results: result by the value of the Authorization header. A text is an error of the function.
        events: the events of all invocations.
    """

    results: dict[str, Any] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)


def serve(server: ThreadingHTTPServer, started: ExitStack) -> None:
    """Serve until `started` is closed."""
    thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.01))
    started.callback(thread.join)
    started.callback(server.server_close)
    started.callback(server.shutdown)
    thread.start()


@pytest.fixture
def lambda_endpoint(aws_credentials: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[LambdaEndpoint]:
    endpoint = LambdaEndpoint()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path.endswith("/invocations")
            event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            endpoint.events.append(event)
            result = endpoint.results[event["headers"].get("Authorization", "")]
            self.send_response(200)
            if isinstance(result, str):
                self.send_header("X-Amz-Function-Error", "Unhandled")
                result = {"errorMessage": result, "errorType": "Exception"}
            self.end_headers()
            self.wfile.write(json.dumps(result).encode())

        def log_message(self, *_: object) -> None:
            pass

    with ExitStack() as started:
        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        serve(server, started)
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", f"http://127.0.0.1:{server.server_port}")
        yield endpoint


@pytest.fixture
def gate() -> Iterator[Listener]:
    """The port at which a handler connects to the test."""
    with Listener() as gate:
        yield gate


@dataclass(frozen=True)
class Served:
    """A running server."""

    port: int
    log: Path


Serve = Callable[..., Served]


@pytest.fixture
def serve_handler(lambda_endpoint: LambdaEndpoint, tmp_path: Path) -> Iterator[Serve]:
    """Return a function that serves one of the handlers."""
    with ExitStack() as started:

        def start(
            handler: str, *, timeout_seconds: int = 600, cache_seconds: int = 300, limit: int = 16
        ) -> Served:
            log = tmp_path / "streaming.log"
            function = DeployedFunction(
                name="streaming",
                arn=ARN,
                role_arn="arn:aws:iam::000000000000:role/streaming",
                handler=f"tests.integration.lambdas.streaming_runtime.handlers.{handler}",
                timeout_seconds=timeout_seconds,
                memory_mb=512,
                variables={"AWS_LAMBDA_EXEC_WRAPPER": "/var/task/lambdas/streaming_wrapper"},
                code=ROOT,
            )
            environment = {"PATH": os.environ["PATH"]}
            create = partial(ExecutionEnvironment, function, environment=environment, log=log)
            pool = started.enter_context(closing(EnvironmentPool(create, limit=limit)))
            client = boto3.client("lambda")
            started.callback(client.close)
            gateway = StreamingGateway({"v1": api(cache_seconds)}, Authorization(client), {ARN: pool}, log)
            server = build_server(gateway, port=0)
            serve(server, started)
            return Served(server.server_port, log)

        yield start


def api(cache_seconds: int) -> DeployedApi:
    """Return an API with a route for all callers and a route for holders of keys."""
    authorizer = Authorizer("keys", AUTHORIZER_ARN, ("Authorization",), cache_seconds)
    routes = [
        DeployedRoute("r1", "/open", "ANY", ARN),
        DeployedRoute("r3", "/signed", "POST", ARN, signed=True),
        DeployedRoute("r2", "/closed/{name}", "POST", ARN, authorizer),
    ]
    template = '{"error": {"type": "$context.error.responseType", "message": $context.error.messageString}}'
    headers = {"Access-Control-Allow-Origin": "'*'", "x-origin": "method.request.header.Origin"}
    responses = {
        name: GatewayResponse(status, headers, template) for name, status in GATEWAY_RESPONSES.items()
    }
    return DeployedApi("api1", "v1", {"color": "blue"}, frozenset({BINARY}), routes, responses)
