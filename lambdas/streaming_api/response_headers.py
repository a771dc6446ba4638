"""Headers of responses: their format, and which attempts led to the answer."""

from __future__ import annotations

from collections.abc import Mapping

from lambdas.shared.server_sent_events import CONTENT_TYPE
from lambdas.streaming_api.mapped_request import MappedRequest
from llmmanager import BedrockResponse


def json_headers(request_id: str) -> dict[str, str]:
    """Return the headers of each response with a JSON document."""
    return {"Content-Type": "application/json", **_id_headers(request_id)}


def stream_headers(request_id: str) -> dict[str, str]:
    """Return the headers of each stream of server-sent events."""
    return {"Content-Type": CONTENT_TYPE, "Cache-Control": "no-cache", **_id_headers(request_id)}


def answer_headers(request: MappedRequest, response: BedrockResponse) -> Mapping[str, str]:
    """Return the headers about an answer, as far as it has arrived.

    They are the model and region that answer, the number of attempts so far, the estimated cost in USD if it
    is known, the fields of the request that have no effect, and the features that the model does not support
    and that were removed.
    """
    cost = response.estimated_cost_usd
    known = {
        "x-llmmanager-model": response.model_used,
        "x-llmmanager-region": response.region_used,
        "x-llmmanager-attempts": str(len(response.attempts)),
        "x-llmmanager-cost-usd": None if cost is None or response.get_usage() is None else f"{cost:.8f}",
        "x-llmmanager-ignored": ", ".join(request.ignored),
        "x-llmmanager-disabled": ", ".join(response.features_disabled),
    }
    return {name: value for name, value in known.items() if value}


def _id_headers(request_id: str) -> dict[str, str]:
    # The names that the clients of OpenAI and of Anthropic read.
    return {"x-request-id": request_id, "request-id": request_id}
