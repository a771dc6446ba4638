"""How and why an execution of the batch machine has ended, in the terms of the API."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_STATUS = {"SUCCEEDED": "succeeded", "FAILED": "failed", "TIMED_OUT": "timed_out", "ABORTED": "stopped"}


def status_of(execution: Mapping[str, Any]) -> str:
    """`running`, `succeeded`, `failed`, `timed_out` or `stopped`.

    Args:
        execution: a response of the Step Functions API, or the detail of its event.
    """
    return _STATUS.get(execution["status"], "running")


def reason_of(ended: Mapping[str, Any]) -> str:
    """The reason of an execution that did not succeed, without a stack trace.

    Args:
        ended: a response of DescribeExecution, or the detail of the event.
    """
    cause = ended.get("cause") or ended.get("error") or "no reason was given"
    try:
        # A function's failure comes as JSON with its stack trace; not every exception has a message.
        failure = json.loads(cause)
        return str(failure["errorMessage"] or failure["errorType"])
    except (ValueError, TypeError, KeyError):
        return str(cause)
