"""The streaming API on loopback: its function and authorizer, with FakeBedrock as Bedrock.

The function runs in processes of its own, on the streaming runtime, behind the local streaming server.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from llmmanager.testing import FakeBedrock
from local.processes import clean_environment
from local.streaming.environment_pool import EnvironmentPool
from local.streaming.execution_environment import ExecutionEnvironment
from tests.streaming_server import FUNCTION_ARN, serve_streaming_api, streaming_function


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
        self._pools[FUNCTION_ARN].close()
        self._pools[FUNCTION_ARN] = self._new_pool()

    def close(self) -> None:
        """Stop the processes."""
        self._pools[FUNCTION_ARN].close()


@contextmanager
def served_api(bedrock: FakeBedrock, *, variables: Mapping[str, str], folder: Path) -> Iterator[ServedApi]:
    """Serve the API on a free port of 127.0.0.1.

    Args:
        variables: environment variables of the function.
        folder: for the log.
    """
    log = folder / "streaming.log"
    environment = clean_environment(**variables)

    function = streaming_function(variables)

    def new_pool() -> EnvironmentPool:
        return EnvironmentPool(partial(ExecutionEnvironment, function, environment=environment, log=log))

    with ExitStack() as started:
        pools = {FUNCTION_ARN: new_pool()}
        url = serve_streaming_api(pools, log=log, started=started)
        yield started.enter_context(closing(ServedApi(url, bedrock, log, pools, new_pool)))
