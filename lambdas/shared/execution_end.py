"""Why an execution of the batch machine has ended."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def reason_of(ended: Mapping[str, Any]) -> str:
    """The reason of an execution that did not succeed, without a stack trace.

    Args:
        ended: what Step Functions tells of it: DescribeExecution's response, or the detail of its event.
    """
    cause = ended.get("cause") or ended.get("error") or "no reason was given"
    try:
        # A function's failure comes as JSON with its stack trace.
        return str(json.loads(cause)["errorMessage"])
    except (ValueError, TypeError, KeyError):
        return str(cause)
