"""What the prompt cache saved for a record."""

from __future__ import annotations

from typing import Any

from llmmanager.bedrock.models.bedrock_response import BedrockResponse
from llmmanager.bedrock.models.request_attempt import RequestAttempt

_CACHE_COUNTS = ("cacheReadInputTokens", "cacheWriteInputTokens")


def cache_figures(response: BedrockResponse) -> dict[str, Any]:
    """Return what the prompt cache saved in all attempts of a call.

    Returns:
        `cacheSavedUsd`: the price without a cache minus the cost. It is negative if writing cost more than
        reading saved, and None if a price is unknown. Empty if the cache was not used.
    """
    cached = [
        attempt
        for attempt in response.attempts
        if attempt.usage and any(attempt.usage.get(name) for name in _CACHE_COUNTS)
    ]
    if not cached:
        return {}
    savings = [_saved_usd(response, attempt) for attempt in cached]
    known = [saved for saved in savings if saved is not None]
    return {"cacheSavedUsd": sum(known) if len(known) == len(savings) else None}


def _saved_usd(response: BedrockResponse, attempt: RequestAttempt) -> float | None:
    # Imported here: few batches use the cache.
    from llmmanager.bedrock.pricing import answer_cost

    usage: Any = attempt.usage
    if attempt is response.get_successful_attempt() and response.response_data is not None:
        usage = response.response_data["usage"]  # with the details of writes for an hour
    cost = answer_cost(
        attempt.model_id,
        usage,
        access_method=attempt.access_method,
        inference_profile_id=attempt.invoke_id,
        region=attempt.region,
    )
    if attempt.estimated_cost_usd is None or cost is None or not cost.usd:
        return None
    # The attempt's own cost is that of the service tier, in which all prices have the same discount.
    return attempt.estimated_cost_usd * cost.saved_by_cache_usd / cost.usd
