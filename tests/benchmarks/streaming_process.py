"""`python -m tests.benchmarks.streaming_process CODE COUNT LOG`: serve the streaming API on loopback.

The function runs out of the folder CODE in COUNT processes, all started before the base URL is printed. They
have the variables of this process. It serves until its standard input is closed.
"""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

from local.processes import exit_on_signals
from local.streaming.environment_pool import EnvironmentPool
from local.streaming.execution_environment import ExecutionEnvironment
from tests.streaming_server import FUNCTION_ARN, serve_streaming_api, streaming_function


def main() -> None:
    """Serve until the standard input is closed."""
    code, count, log = Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    variables = {
        name: value for name, value in os.environ.items() if name.startswith(("AWS_", "LLMMANAGER_"))
    }
    create = partial(
        ExecutionEnvironment,
        streaming_function(variables, code=code),
        environment={"PATH": os.environ["PATH"]},
        log=log,
    )
    with exit_on_signals(), ExitStack() as started:
        pool = started.enter_context(closing(EnvironmentPool(create, limit=count)))
        with ExitStack() as lent:
            for environment in [lent.enter_context(pool.lend()) for _ in range(count)]:
                environment.wait_until_idle()
        print(serve_streaming_api({FUNCTION_ARN: pool}, log=log, started=started), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
