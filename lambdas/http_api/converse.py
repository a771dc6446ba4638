"""POST /v1/converse: one request, answered while the caller waits."""

from __future__ import annotations

from typing import Any

from lambdas.shared.codec import decode_request, encode_response
from lambdas.shared.manager import choose_targets, llm_manager

# What it takes to write the answer, or to say that there is none.
_MARGIN_SECONDS = 1.0


def post(body: dict[str, Any], context: Any) -> tuple[int, Any]:
    """Answer a Converse request with the models and regions that it names, or those configured.

    Raises:
        InvalidRequest: it is not one.
        LLMManagerError: nothing answered it.
    """
    targets = choose_targets(body.pop("models", None), body.pop("regions", None))
    request = decode_request(body)
    response = llm_manager(targets).converse_with_request(
        request, deadline=context.get_remaining_time_in_millis() / 1000 - _MARGIN_SECONDS
    )
    return 200, {"text": response.get_content(), **encode_response(response)}
