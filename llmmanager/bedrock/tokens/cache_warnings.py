"""Warnings about cache points that have no effect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llmmanager.bedrock.tokens.cache_placement import min_cached_tokens, tokens_before_last_point

_CACHE_COUNTS = ("cacheReadInputTokens", "cacheWriteInputTokens")


def cache_warnings(
    request: Mapping[str, Any], model_id: str, answer: Mapping[str, Any] | None, *, auto: bool
) -> list[str]:
    """Return a warning if prompt caching had no effect on an answer.

    Args:
        request: the request that was sent to the model.
        answer: the Converse response, or None.
        auto: whether the call has `prompt_cache="auto"`.
    """
    minimum = min_cached_tokens(model_id)
    prefix = tokens_before_last_point(request)
    if prefix is None:
        if auto and minimum is None:
            return [f'prompt_cache="auto" had no effect: {model_id} is not known to cache prompts']
        return []
    usage = (answer or {}).get("usage")
    if not isinstance(usage, Mapping) or any(usage.get(name) for name in _CACHE_COUNTS):
        return []
    if minimum is None:
        reason = f"{model_id} is not known to cache prompts"
    elif prefix < minimum:
        reason = (
            f"the prompt before the last one has about {prefix:,.0f} tokens, and {model_id} caches at least "
            f"{minimum:,}"
        )
    else:
        reason = f"{model_id} reported neither a cache read nor a cache write"
    return [f"the cache points had no effect: {reason}"]
