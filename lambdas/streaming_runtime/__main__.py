"""The process of the streaming runtime: import the handler and respond to invocations."""

from __future__ import annotations

import importlib
import logging
import os
import signal
import sys
from typing import cast

from lambdas.streamed_response import Handler
from lambdas.streaming_runtime.deadline_guard import DeadlineGuard
from lambdas.streaming_runtime.invocation import describe, respond
from lambdas.streaming_runtime.log_lines import log_to_stdout
from lambdas.streaming_runtime.runtime_api import RuntimeApi


def main() -> None:
    """Respond to invocations until Lambda ends the process.

    Raises:
        RuntimeApiError: the Runtime API cannot be used. Lambda starts another process.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    lines = log_to_stdout()
    api = RuntimeApi(os.environ["AWS_LAMBDA_RUNTIME_API"])
    try:
        handler = load_handler(os.environ["_HANDLER"])
    except Exception as error:
        logging.getLogger(__package__).exception("the handler cannot be imported")
        api.report_init_error(describe(error, message=str(error)))
        sys.exit(1)
    guard = DeadlineGuard()
    while True:
        invocation = api.next()
        lines.request_id = invocation.request_id
        os.environ["_X_AMZN_TRACE_ID"] = invocation.trace_id
        respond(api, handler, invocation, guard)


def load_handler(name: str) -> Handler:
    """Import a handler by its name, such as `lambdas.example.handler.handler`.

    Raises:
        Exception: the name is invalid, or the import fails.
    """
    module, _, function = name.replace("/", ".").rpartition(".")
    return cast(Handler, getattr(importlib.import_module(module), function))


if __name__ == "__main__":
    main()
