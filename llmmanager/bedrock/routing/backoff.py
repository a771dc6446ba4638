"""The delay before a target is tried again."""

from __future__ import annotations

import random

from llmmanager.bedrock.models.llm_manager_structures import RetryConfig


def ceiling(config: RetryConfig, repetition: int) -> float:
    """Return the maximum delay in seconds before a repetition (1 is the first)."""
    try:
        delay = config.retry_delay * config.backoff_multiplier ** (repetition - 1)
    except OverflowError:
        return config.max_retry_delay
    return min(delay, config.max_retry_delay)


def delay(config: RetryConfig, repetition: int, retry_after: float | None, rng: random.Random) -> float:
    """Return the delay in seconds: the server's Retry-After up to the maximum, or else full jitter."""
    if retry_after is not None and 0 <= retry_after <= config.max_retry_delay:
        return retry_after
    return rng.uniform(0, ceiling(config, repetition))
