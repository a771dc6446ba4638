"""A runtime process, started as Lambda starts it, and the Runtime API that it calls."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.lambdas.streaming_runtime.loopback_api import Listener, LoopbackApi
from tests.waiting import PATIENCE_SECONDS

ROOT = Path(__file__).resolve().parents[4]
WRAPPER = ROOT / "lambdas" / "streaming_wrapper"
HANDLERS = "tests.integration.lambdas.streaming_runtime.handlers"
# What Lambda passes to a wrapper: the interpreter and the arguments of the standard runtime.
STANDARD_RUNTIME = [sys.executable, "/var/runtime/bootstrap.py"]

Start = Callable[[str], "subprocess.Popen[str]"]


def environment(handler: str, address: str) -> dict[str, str]:
    """Return the variables of a function's process."""
    return {
        "PATH": os.environ["PATH"],
        "_HANDLER": handler,
        "LAMBDA_TASK_ROOT": str(ROOT),
        "AWS_LAMBDA_RUNTIME_API": address,
        "AWS_LAMBDA_FUNCTION_NAME": "streaming",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/streaming",
        "AWS_LAMBDA_LOG_STREAM_NAME": "2026/01/01/[$LATEST]0",
    }


@pytest.fixture
def api() -> Iterator[LoopbackApi]:
    with LoopbackApi() as api:
        yield api


@pytest.fixture
def gate() -> Iterator[Listener]:
    """The port at which a handler connects to the test."""
    with Listener() as gate:
        yield gate


@pytest.fixture
def start(api: LoopbackApi, tmp_path: Path) -> Iterator[Start]:
    """Return a function that starts a runtime with one of the handlers, or with a handler's full name."""
    with ExitStack() as started:

        def start_with(handler: str) -> subprocess.Popen[str]:
            name = handler if "." in handler else f"{HANDLERS}.{handler}"
            process = subprocess.Popen(
                [WRAPPER, *STANDARD_RUNTIME],
                cwd=tmp_path,
                env=environment(name, api.address),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            started.callback(process.communicate, timeout=PATIENCE_SECONDS)
            started.callback(process.kill)
            return process

        yield start_with
