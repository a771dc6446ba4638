"""POST /v1/converse: one request, answered while the caller waits."""

from __future__ import annotations

from typing import Any

from lambdas.shared.codec import decode_request, encode_response
from lambdas.shared.manager import choose_targets, llm_manager
from lambdas.shared.metrics import recorded
from lambdas.shared.observability import log_payload

# What it takes to write the answer, or to say that there is none.
_MARGIN_SECONDS = 1.0


def post(body: dict[str, Any], context: Any, *, caller: str | None = None) -> tuple[int, Any]:
    """Answer a Converse request with the models and regions that it names, or those configured.

    Args:
        caller: ARN of the identity that signed the request, for the metrics.

    Raises:
        InvalidRequest: it is not one.
        LLMManagerError: nothing answered it.
    """
    targets = choose_targets(body.pop("models", None), body.pop("regions", None))
    request = decode_request(body)
    deadline = context.get_remaining_time_in_millis() / 1000 - _MARGIN_SECONDS
    response = recorded(
        lambda: llm_manager(targets).converse_with_request(request, deadline=deadline),
        door="http",
        caller=caller,
    )
    log_payload(request, response)
    return 200, {"text": response.get_content(), **encode_response(response)}
