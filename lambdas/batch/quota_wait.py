"""How long a shard waits for quota."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from lambdas.contract import BatchStep
from llmmanager.batch_files.quota_shortage import WINDOWS_PER_HOUR, Shortage, seconds_to_wait
from llmmanager.bedrock.routing.quota_gates import window_seconds

_MAX_WINDOWS_WITHOUT_ANSWER = 24 * WINDOWS_PER_HOUR


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

    Args:
        earlier: the wait before the invocation, if the invocation had no answer.
        seconds_left: seconds until the deadline of the batch; None without a deadline.
    """
    now = datetime.now(UTC)
    runs = earlier.runs + 1 if earlier else 1
    seconds = seconds_to_wait(shortage, runs=runs, seconds_left=seconds_left, rng=rng)
    since = earlier.since if earlier else now
    return QuotaWait(since, runs, now + timedelta(seconds=seconds), shortage)


def max_wait_without_answer() -> timedelta:
    """Return how long a batch without a deadline waits for quota without any answer."""
    return timedelta(seconds=_MAX_WINDOWS_WITHOUT_ANSWER * window_seconds())
