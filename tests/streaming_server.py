"""The deployed streaming API on loopback without an emulator: its routes, its function and its authorizer.

The function runs in processes of its own, on the streaming runtime, behind the local streaming server. The
authorizer runs in the process of the server.
"""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

from infra.gateway_errors import GATEWAY_ERRORS, response_template
from lambdas.api_keys import authorizer
from lambdas.contract import STREAMING_SECONDS, STREAMING_WRAPPER
from lambdas.streaming_api.routes import ROUTES
from local.processes import ROOT
from local.streaming.authorization import Authorization
from local.streaming.deployed_api import Authorizer, DeployedApi, DeployedRoute, GatewayResponse
from local.streaming.environment_pool import EnvironmentPool
from local.streaming.function_code import DeployedFunction
from local.streaming.server import StreamingGateway, build_server

FUNCTION_ARN: Final = "arn:aws:lambda:us-east-1:000000000000:function:streaming"
_AUTHORIZER_ARN: Final = "arn:aws:lambda:us-east-1:000000000000:function:authorizer"
_KEY_HEADERS: Final = {"bearer": ("Authorization",), "either": ()}
_CACHE_SECONDS: Final = 300
# Of the errors without a status of their own.
_STATUSES: Final = {"UNAUTHORIZED": 401, "ACCESS_DENIED": 403, "REQUEST_TOO_LARGE": 413, "DEFAULT_4XX": 400}


class AuthorizerFunction:
    """Lambda's Invoke operation for the authorizer, which runs in this process with its variables."""

    def invoke(self, *, FunctionName: str, Payload: str) -> dict[str, Any]:
        """Return Lambda's response."""
        assert FunctionName == _AUTHORIZER_ARN
        try:
            result: Any = authorizer.handler(json.loads(Payload), SimpleNamespace(aws_request_id="request"))
        except Exception as error:
            report = {"errorMessage": str(error), "errorType": type(error).__name__}
            return {"FunctionError": "Unhandled", "Payload": io.BytesIO(json.dumps(report).encode())}
        return {"Payload": io.BytesIO(json.dumps(result).encode())}


def streaming_api() -> DeployedApi:
    """Return the API with the routes of the function."""
    authorizers = {
        kind: Authorizer(kind, _AUTHORIZER_ARN, headers, cache_seconds=_CACHE_SECONDS if headers else 0)
        for kind, headers in _KEY_HEADERS.items()
    }
    routes = [
        DeployedRoute(f"r{number}", route.path, route.method, FUNCTION_ARN, authorizers[route.key])
        for number, route in enumerate(ROUTES)
    ]
    for path in (*{route.path for route in ROUTES}, "/{proxy+}"):
        routes.append(DeployedRoute(f"any {path}", path, "ANY", FUNCTION_ARN, authorizers["either"]))
    return DeployedApi("api1", "v1", {}, frozenset(), routes, _gateway_responses())


def _gateway_responses() -> dict[str, GatewayResponse]:
    return {
        error.response_type: GatewayResponse(
            error.status or _STATUSES.get(error.response_type, 500),
            {name: f"'{value}'" for name, value in error.headers(for_web_pages=False).items()},
            response_template(error.document),
        )
        for error in GATEWAY_ERRORS
    }


def streaming_function(
    variables: Mapping[str, str], *, code: Path = ROOT, timeout_seconds: int = STREAMING_SECONDS
) -> DeployedFunction:
    """Return the function.

    Args:
        variables: the function's environment variables, without that of the streaming runtime.
        code: the folder that Lambda would mount as /var/task.
    """
    return DeployedFunction(
        name="streaming",
        arn=FUNCTION_ARN,
        role_arn="arn:aws:iam::000000000000:role/streaming",
        handler="lambdas.streaming_api.handler.handler",
        timeout_seconds=timeout_seconds,
        memory_mb=1024,
        variables={**variables, "AWS_LAMBDA_EXEC_WRAPPER": f"/var/task/{STREAMING_WRAPPER}"},
        code=code,
    )


def serve_streaming_api(pools: Mapping[str, EnvironmentPool], *, log: Path, started: ExitStack) -> str:
    """Serve the API on a free port until `started` is closed; return the base URL for clients of OpenAI.

    Args:
        pools: the processes of the function, by its ARN.
        log: file to which failures are written.
    """
    api = streaming_api()
    gateway = StreamingGateway({api.stage: api}, Authorization(AuthorizerFunction()), pools, log)
    server = build_server(gateway, port=0)
    thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.1))
    started.callback(thread.join)
    started.callback(server.server_close)
    started.callback(server.shutdown)
    thread.start()
    return f"http://127.0.0.1:{server.server_port}/{api.stage}"
