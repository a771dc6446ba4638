"""Whether a record only lacks quota, and how long its shard waits for more."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar

from llmmanager import BedrockResponse, QuotaExceededError
from llmmanager.bedrock.routing.classification import classify
from llmmanager.bedrock.routing.decision import Kind, Next
from llmmanager.bedrock.routing.quota_gates import window_seconds

# A quota's minute is a window, which tests shorten.
WINDOWS_PER_HOUR = 60
PATIENCE_WINDOWS = 24 * WINDOWS_PER_HOUR
"""How long a batch without a deadline waits for quota while no record is answered."""
_LONGEST_MINUTE_WAIT = 5
_FIRST_DAY_WAIT = 5
# Before a deadline there must be time left to go on with another model.
_SHARE_OF_TIME_LEFT = 0.25


class Shortage(StrEnum):
    """The quota that is used up."""

    MINUTE = "per_minute"
    DAY = "per_day"


@dataclass(frozen=True)
class QuotaWait:
    """That a shard waits for quota, as its state in Step Functions holds it between two invocations.

    Attributes:
        since: when its last record was answered, or its run began.
        runs: invocations in a row that answered nothing.
        until: when the next invocation is to start.
        shortage: the quota that is used up.
    """

    since: datetime
    runs: int
    until: datetime
    shortage: Shortage

    MEMBERS: ClassVar = ("waitSeconds", "quotaWait")

    @classmethod
    def read(cls, item: Mapping[str, Any]) -> QuotaWait | None:
        """Return the wait that the last invocation ended with, or None."""
        data = item.get("quotaWait")
        if not data:
            return None
        since, until = (datetime.fromisoformat(data[name]) for name in ("since", "until"))
        return cls(since, data["runs"], until, Shortage(data["shortage"]))

    def to_members(self) -> dict[str, Any]:
        """Return `waitSeconds`, for Step Functions, and `quotaWait`, which `read` reads back."""
        data = {
            "since": self.since.isoformat(),
            "runs": self.runs,
            "until": self.until.isoformat(),
            "shortage": self.shortage.value,
        }
        # Step Functions takes whole seconds.
        left = (self.until - datetime.now(UTC)).total_seconds()
        return dict(zip(self.MEMBERS, (max(1, math.ceil(left)), data), strict=True))


def next_wait(
    earlier: QuotaWait | None,
    shortage: Shortage,
    *,
    seconds_left: float | None,
    rng: random.Random | None = None,
) -> QuotaWait:
    """Return the wait after an invocation at whose end no quota admitted a record.

    For a quota per minute it takes a few windows, for a daily one five windows that grow to an hour. The
    shards of a batch wait for different times, so that they do not all start at the same moment.

    Args:
        earlier: the wait before the invocation, if it answered nothing.
        seconds_left: seconds until the batch's deadline; None without one.
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


def patience() -> timedelta:
    """Return how long a batch without a deadline waits for quota while no record is answered."""
    return timedelta(seconds=PATIENCE_WINDOWS * window_seconds())


def shortage_of(response: BedrockResponse) -> Shortage | None:
    """Return the quota without which a record was not answered, or None when it failed for another reason.

    The last attempt at each target decides: more quota would have let one of them answer.
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
    """Whether a failed call would fail again at every target."""
    return bool(response.attempts) and response.attempts[-1].decision == Next.GIVE_UP.value
