"""`make local`: run the stack on this machine until Ctrl-C, and print how to call it."""

from __future__ import annotations

import argparse
import os
import sys
import time

from llmmanager.testing import FakeBedrock
from local.instructions import how_to_call
from local.model_catalog import refresh
from local.processes import LocalRunError
from local.running import running_stack
from local.steps import Steps

DEFAULT_PORT = 4566


def main() -> int:
    """Run the stack; return the exit status."""
    options = arguments()
    steps = Steps(sys.stdout)
    try:
        bedrock = FakeBedrock(backend_url=options.backend_url, backend_model=options.backend_model)
    except ValueError as error:
        print(f"make local: {error}", file=sys.stderr)
        return 2
    try:
        steps.print("Deploying the CDK app of this checkout to a local AWS emulator")
        steps.print("FakeBedrock replaces Amazon Bedrock.")
        with running_stack(bedrock, port=options.port, steps=steps) as run:
            with steps.step("model catalog refreshed"):
                refresh(run.stack)
            backend = options.backend_url and f"{options.backend_model} at {options.backend_url}"
            steps.print(how_to_call(run, backend=backend))
            while run.emulator.process.exit_code is None:
                time.sleep(0.5)
            raise LocalRunError(f"the emulator stopped: {run.emulator.process.command_and_log()}")
    except LocalRunError as error:
        print(f"\nmake local: {error}", file=sys.stderr)
        return 1


def arguments() -> argparse.Namespace:
    """Parse the command line; read the backend from BACKEND_URL and BACKEND_MODEL."""
    parser = argparse.ArgumentParser(prog="python -m local.serve", description=__doc__)
    parser.add_argument(
        "--port", type=int, default=DEFAULT_PORT, help=f"port of the emulator (default: {DEFAULT_PORT})"
    )
    options = parser.parse_args()
    options.backend_url = os.environ.get("BACKEND_URL", "")
    options.backend_model = os.environ.get("BACKEND_MODEL", "")
    return options


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\nStopped.")
