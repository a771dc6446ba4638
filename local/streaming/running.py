"""Serve the deployed methods with streamed responses for the duration of a block."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path

from local.deployed_stack import Stack
from local.processes import LocalRunError
from local.streaming.authorization import Authorization
from local.streaming.deployed_api import read_streamed_apis
from local.streaming.environment_pool import EnvironmentPool
from local.streaming.execution_environment import ExecutionEnvironment, FunctionFailed
from local.streaming.function_code import download_function, role_credentials
from local.streaming.server import StreamingGateway, build_server
from local.streaming.wire import FunctionTimedOut


@contextmanager
def running_streamed_apis(
    stack: Stack, *, port: int, folder: Path, environment: Mapping[str, str]
) -> Iterator[dict[str, str]]:
    """Serve all streamed methods. Yield the base URLs, such as http://127.0.0.1:4567/v1, by stage.

    Args:
        port: 0 for a free port.
        folder: for the code and the log of the function.
        environment: variables of the function's processes, in addition to those of the template.

    Raises:
        LocalRunError: the function does not start. The message says why.
    """
    apis = read_streamed_apis(stack.client("apigateway"))
    if not apis:
        yield {}
        return
    log = folder / "streaming.log"
    with ExitStack() as started:
        pools = {}
        for arn in {route.function_arn for api in apis.values() for route in api.routes}:
            function = download_function(stack, arn, folder=folder)
            # An emulator with HTTPS checks permissions.
            credentials = role_credentials(stack, function) if stack.certificate else {}
            variables = {**environment, **credentials}
            start = partial(ExecutionEnvironment, function, environment=variables, log=log)
            pools[arn] = started.enter_context(closing(EnvironmentPool(start)))
            _check_start(pools[arn], log)
        gateway = StreamingGateway(apis, Authorization(stack.client("lambda")), pools, log)
        server = build_server(gateway, port=port)
        started.callback(server.server_close)
        thread = threading.Thread(target=server.serve_forever, name="streaming-api", daemon=True)
        thread.start()
        started.callback(thread.join)
        started.callback(server.shutdown)
        yield {stage: f"http://127.0.0.1:{server.server_port}/{stage}" for stage in apis}


def _check_start(pool: EnvironmentPool, log: Path) -> None:
    try:
        pool.start_one()
    except (FunctionFailed, FunctionTimedOut) as error:
        output = log.read_text(errors="replace")[-2_000:]
        raise LocalRunError(
            f"the function with streamed responses does not start: {error}\n{output}"
        ) from error
