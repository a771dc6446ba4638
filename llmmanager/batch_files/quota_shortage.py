"""Whether a record failed only for lack of quota, and how long to wait before it is tried again."""

from __future__ import annotations

import random
from enum import StrEnum

from llmmanager.bedrock.exceptions.llm_manager_exceptions import QuotaExceededError
from llmmanager.bedrock.models.bedrock_response import BedrockResponse
from llmmanager.bedrock.routing.classification import classify
from llmmanager.bedrock.routing.decision import Kind, Next
from llmmanager.bedrock.routing.quota_gates import window_seconds

# A window is the minute of a quota. Tests shorten it.
WINDOWS_PER_HOUR = 60
_LONGEST_MINUTE_WAIT = 5
_FIRST_DAY_WAIT = 5
# A wait leaves time to continue with another model before the deadline.
_SHARE_OF_TIME_LEFT = 0.25


class Shortage(StrEnum):
    """The kind of quota that is exhausted."""

    MINUTE = "per_minute"
    DAY = "per_day"


def shortage_of(response: BedrockResponse, *, tier: str = "") -> Shortage | None:
    """Return the quota that a failed record lacked, or None if it failed for another reason.

    The last attempt at each target decides: with more quota, one of them would have answered.

    Args:
        tier: the service tier of the record, as in `classify`.
    """
    if response.success:
        return None
    if isinstance(response.error, QuotaExceededError):
        return Shortage.MINUTE
    if is_final(response):
        return None
    last = {
        (attempt.model_id, attempt.region, attempt.invoke_id): attempt.error for attempt in response.attempts
    }
    decisions = [decision for error in last.values() if error and (decision := classify(error, tier=tier))]
    if any(decision.kind is Kind.QUOTA for decision in decisions):
        return Shortage.DAY
    if any(decision.kind is Kind.THROTTLE for decision in decisions):
        return Shortage.MINUTE
    return None


def is_final(response: BedrockResponse) -> bool:
    """Whether a failed call would fail at every other target as well."""
    return bool(response.attempts) and response.attempts[-1].decision == Next.GIVE_UP.value


def seconds_to_wait(
    shortage: Shortage, *, runs: int, seconds_left: float | None, rng: random.Random | None = None
) -> float:
    """Return how long records without quota wait before they are tried again.

    For a quota per minute, the wait is a few windows. For a daily quota, it grows from five windows to an
    hour. A random factor lets several workers continue at different times.

    Args:
        runs: how often in a row they were tried without an answer, from 1.
        seconds_left: seconds until the deadline; None without a deadline.
    """
    if shortage is Shortage.DAY:
        windows: int = min(_FIRST_DAY_WAIT * 2 ** min(runs - 1, 10), WINDOWS_PER_HOUR)
    else:
        windows = min(runs + 1, _LONGEST_MINUTE_WAIT)
    seconds = windows * window_seconds() * (rng or random.SystemRandom()).uniform(0.75, 1.25)
    return seconds if seconds_left is None else min(seconds, max(seconds_left, 0) * _SHARE_OF_TIME_LEFT)
