"""The status of an execution of the batch state machine, and the reason of a failure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lambdas.contract import ENDED_STATUSES


def status_of(execution: Mapping[str, Any]) -> str:
    """Return `running`, `succeeded`, `failed`, `timed_out` or `stopped`.

    Args:
        execution: a response of the Step Functions API, or the detail of an event.
    """
    return ENDED_STATUSES.get(execution["status"], "running")


def reason_of(ended: Mapping[str, Any]) -> str:
    """Return why an execution did not succeed, without a stack trace.

    Args:
        ended: a response of DescribeExecution, or the detail of an event.
    """
    cause = ended.get("cause") or ended.get("error") or "no reason was given"
    try:
        # The failure of a function is JSON with a stack trace. Some exceptions have no message.
        failure = json.loads(cause)
        return str(failure["errorMessage"] or failure["errorType"])
    except (ValueError, TypeError, KeyError):
        return str(cause)
