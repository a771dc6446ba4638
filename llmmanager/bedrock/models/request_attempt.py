"""One attempt of a call."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta


@dataclass(frozen=True)
class RequestAttempt:
    """One call of one target: a model in a region with an access method.

    Attributes:
        model_id: the model's id.
        region: the region that was called.
        access_method: "on_demand", "geographic_profile" or "global_profile"; None for an id that is not in
            the catalog.
        attempt_number: number of the attempt in its call, from 1.
        start_time, end_time: when the attempt started and ended, in UTC.
        success: whether the target answered.
        error: the error of a failed attempt, or None.
        invoke_id: the id that was invoked, of a model or a profile.
        decision: what the error led to ("other_region", "drop_feature", ...), or None.
        usage: the tokens of this call, with the keys of `BedrockResponse.get_usage()`. All counts are 0 if
            Bedrock rejected the call or it was not sent. None if the counts are unknown: the answer was lost
            (timeout, closed connection, interrupted stream) or has no counts (yet).
        estimated_cost_usd: the price of these tokens in USD, or None if unknown.
    """

    model_id: str
    region: str
    access_method: str | None
    attempt_number: int
    start_time: datetime
    end_time: datetime
    success: bool
    error: Exception | None = None
    invoke_id: str | None = None
    decision: str | None = None
    # Not part of the hash: a dict is not hashable.
    usage: dict[str, int] | None = field(default=None, hash=False)
    estimated_cost_usd: float | None = None

    @property
    def duration_ms(self) -> float:
        """Duration of the call in milliseconds."""
        return (self.end_time - self.start_time) / timedelta(milliseconds=1)

    @property
    def usage_known(self) -> bool:
        """Whether the tokens of this call are known. AWS may have charged for unknown tokens."""
        return self.usage is not None
