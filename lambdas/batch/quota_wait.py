"""How long a shard waits for quota, and whether a record failed only for lack of quota."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar

from lambdas.contract import BatchStep
from llmmanager import BedrockResponse, QuotaExceededError
from llmmanager.bedrock.routing.classification import classify
from llmmanager.bedrock.routing.decision import Kind, Next
from llmmanager.bedrock.routing.quota_gates import window_seconds

# A window is the minute of a quota. Tests shorten it.
WINDOWS_PER_HOUR = 60
_MAX_WINDOWS_WITHOUT_ANSWER = 24 * WINDOWS_PER_HOUR
_LONGEST_MINUTE_WAIT = 5
_FIRST_DAY_WAIT = 5
# A wait leaves time to continue with another model before the deadline.
_SHARE_OF_TIME_LEFT = 0.25


class Shortage(StrEnum):
    """The kind of quota that is exhausted."""

    MINUTE = "per_minute"
    DAY = "per_day"


@dataclass(frozen=True)
class QuotaWait:
    """A shard's wait for quota, stored in the state of Step Functions between two invocations.

    Attributes:
        since: when the shard last made progress.
        runs: number of consecutive invocations without an answer.
        until: when the next invocation starts.
        shortage: the quota that is exhausted.
    """

    since: datetime
    runs: int
    until: datetime
    shortage: Shortage

    MEMBERS: ClassVar = (BatchStep.WAIT_SECONDS, "quotaWait")

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> QuotaWait | None:
        """Return the wait in the output of the last invocation, or None."""
        data = item.get("quotaWait")
        if not data:
            return None
        since, until = (datetime.fromisoformat(data[name]) for name in ("since", "until"))
        return cls(since, data["runs"], until, Shortage(data["shortage"]))

    def to_members(self) -> dict[str, Any]:
        """Return `waitSeconds`, for Step Functions, and `quotaWait`, for `from_item`."""
        data = {
            "since": self.since.isoformat(),
            "runs": self.runs,
            "until": self.until.isoformat(),
            "shortage": self.shortage.value,
        }
        # Step Functions accepts whole seconds only.
        left = (self.until - datetime.now(UTC)).total_seconds()
        return dict(zip(self.MEMBERS, (max(1, math.ceil(left)), data), strict=True))


def next_wait(
    earlier: QuotaWait | None,
    shortage: Shortage,
    *,
    seconds_left: float | None,
    rng: random.Random | None = None,
) -> QuotaWait:
    """Return the wait after an invocation that ended for lack of quota.

    For a quota per minute, the wait is a few windows. For a daily quota, it grows from five windows to an
    hour. A random factor lets the shards of a batch continue at different times.

    Args:
        earlier: the wait before the invocation, if the invocation had no answer.
        seconds_left: seconds until the deadline of the batch; None without a deadline.
    """
    now = datetime.now(UTC)
    runs = earlier.runs + 1 if earlier else 1
    if shortage is Shortage.DAY:
        windows = min(_FIRST_DAY_WAIT * 2 ** min(runs - 1, 10), WINDOWS_PER_HOUR)
    else:
        windows = min(runs + 1, _LONGEST_MINUTE_WAIT)
    seconds = windows * window_seconds() * (rng or random.SystemRandom()).uniform(0.75, 1.25)
    if seconds_left is not None:
        seconds = min(seconds, max(seconds_left, 0) * _SHARE_OF_TIME_LEFT)
    since = earlier.since if earlier else now
    return QuotaWait(since, runs, now + timedelta(seconds=seconds), shortage)


def max_wait_without_answer() -> timedelta:
    """Return how long a batch without a deadline waits for quota without any answer."""
    return timedelta(seconds=_MAX_WINDOWS_WITHOUT_ANSWER * window_seconds())


def shortage_of(response: BedrockResponse) -> Shortage | None:
    """Return the quota that a failed record lacked, or None if it failed for another reason.

    The last attempt at each target decides: with more quota, one of them would have answered.
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
    decisions = [decision for error in last.values() if error and (decision := classify(error))]
    if any(decision.kind is Kind.QUOTA for decision in decisions):
        return Shortage.DAY
    if any(decision.kind is Kind.THROTTLE for decision in decisions):
        return Shortage.MINUTE
    return None


def is_final(response: BedrockResponse) -> bool:
    """Whether a failed call would fail at every other target as well."""
    return bool(response.attempts) and response.attempts[-1].decision == Next.GIVE_UP.value
