"""One line about one record: its answer, or why there is none."""

from __future__ import annotations

from typing import Any

from lambdas.shared.codec import encode_request, encode_response, last_error
from llmmanager import BedrockConverseRequest, BedrockResponse

ANSWERED = "answered"
FAILED = "failed"


def result_of(request: BedrockConverseRequest, response: BedrockResponse) -> dict[str, Any]:
    """The result of a record that was run."""
    result = {
        "recordId": request.request_id,
        "status": ANSWERED if response.success else FAILED,
        **encode_response(response),
        "attempts": len(response.attempts),
    }
    if not response.success:
        result |= {"error": last_error(response), "modelInput": encode_request(request)}
    return result


def missed_result(record: dict[str, Any], error: dict[str, Any]) -> dict[str, Any]:
    """The result of a record that no worker finished.

    Args:
        record: as it stands in its shard.
        error: why, as `{"type", "code", "message"}`.
    """
    return {
        "recordId": record["recordId"],
        "status": FAILED,
        "attempts": 0,
        "error": error,
        "modelInput": record["modelInput"],
    }
