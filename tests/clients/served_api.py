"""The streaming API on loopback: its function and authorizer, with FakeBedrock as Bedrock.

The function runs in processes of its own, on the streaming runtime, behind the local streaming server.
"""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from infra.gateway_errors import GATEWAY_ERRORS, response_template
from lambdas.api_keys import authorizer
from lambdas.contract import STREAMING_SECONDS, STREAMING_WRAPPER
from lambdas.streaming_api.routes import ROUTES
from llmmanager.testing import FakeBedrock
from local.processes import ROOT, clean_environment
from local.streaming.authorization import Authorization
from local.streaming.deployed_api import Authorizer, DeployedApi, GatewayResponse, Route
from local.streaming.environment_pool import EnvironmentPool
from local.streaming.execution_environment import ExecutionEnvironment
from local.streaming.function_code import DeployedFunction
from local.streaming.server import StreamingGateway, build_server

_FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:streaming"
_AUTHORIZER = "arn:aws:lambda:us-east-1:000000000000:function:authorizer"
_KEY_HEADERS = {"bearer": ("Authorization",), "x_api_key": ("x-api-key",), "either": ()}


class AuthorizerFunction:
    """Lambda's Invoke operation for the authorizer, which runs in this process."""

    def invoke(self, *, FunctionName: str, Payload: str) -> dict[str, Any]:
        """Return the response of Lambda."""
        assert FunctionName == _AUTHORIZER
        try:
            result: Any = authorizer.handler(json.loads(Payload), SimpleNamespace(aws_request_id="request"))
        except Exception as error:
            report = {"errorMessage": str(error), "errorType": type(error).__name__}
            return {"FunctionError": "Unhandled", "Payload": io.BytesIO(json.dumps(report).encode())}
        return {"Payload": io.BytesIO(json.dumps(result).encode())}


@dataclass
class ServedApi:
    """A running API.

    Attributes:
        url: the base URL for clients of OpenAI.
        bedrock: answers for the models.
        log: file with the output of the function.
    """

    url: str
    bedrock: FakeBedrock
    log: Path
    _pools: dict[str, EnvironmentPool]
    _new_pool: Callable[[], EnvironmentPool]

    def restart(self) -> None:
        """Replace the processes of the function, so that they know of no throttled or failed target."""
        self._pools[_FUNCTION].close()
        self._pools[_FUNCTION] = self._new_pool()

    def close(self) -> None:
        """Stop the processes."""
        self._pools[_FUNCTION].close()


@contextmanager
def served_api(bedrock: FakeBedrock, *, variables: Mapping[str, str], folder: Path) -> Iterator[ServedApi]:
    """Serve the API on a free port of 127.0.0.1.

    Args:
        variables: environment variables of the function.
        folder: for the log.
    """
    log = folder / "streaming.log"
    environment = clean_environment(**variables)

    def new_pool() -> EnvironmentPool:
        function = _function(variables)
        return EnvironmentPool(partial(ExecutionEnvironment, function, environment=environment, log=log))

    with ExitStack() as started:
        pools = {_FUNCTION: new_pool()}
        gateway = StreamingGateway(_api(), Authorization(AuthorizerFunction()), pools, log)
        server = build_server(gateway, port=0)
        url = f"http://127.0.0.1:{server.server_port}/v1"
        api = started.enter_context(closing(ServedApi(url, bedrock, log, pools, new_pool)))
        thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.01))
        thread.start()
        started.callback(thread.join)
        started.callback(server.server_close)
        started.callback(server.shutdown)
        yield api


def _function(variables: Mapping[str, str]) -> DeployedFunction:
    return DeployedFunction(
        name="streaming",
        arn=_FUNCTION,
        role_arn="arn:aws:iam::000000000000:role/streaming",
        handler="lambdas.streaming_api.handler.handler",
        timeout_seconds=STREAMING_SECONDS,
        memory_mb=1024,
        variables={**variables, "AWS_LAMBDA_EXEC_WRAPPER": f"/var/task/{STREAMING_WRAPPER}"},
        code=ROOT,
    )


def _api() -> DeployedApi:
    authorizers = {
        kind: Authorizer(kind, _AUTHORIZER, headers, cache_seconds=300 if headers else 0)
        for kind, headers in _KEY_HEADERS.items()
    }
    routes = [
        Route(f"r{number}", route.path, route.method, _FUNCTION, authorizers[route.key])
        for number, route in enumerate(ROUTES)
    ]
    for path in (*{route.path for route in ROUTES}, "/{proxy+}"):
        routes.append(Route(f"any {path}", path, "ANY", _FUNCTION, authorizers["either"]))
    return DeployedApi("api1", "v1", {}, frozenset(), routes, _gateway_responses())


def _gateway_responses() -> dict[str, GatewayResponse]:
    statuses = {"UNAUTHORIZED": 401, "ACCESS_DENIED": 403, "REQUEST_TOO_LARGE": 413, "DEFAULT_4XX": 400}
    return {
        error.response_type: GatewayResponse(
            error.status or statuses.get(error.response_type, 500),
            {name: f"'{value}'" for name, value in error.headers(for_web_pages=False).items()},
            response_template(error.document),
        )
        for error in GATEWAY_ERRORS
    }
