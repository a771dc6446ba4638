"""What is counted for a caller, a model and a day."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageKey:
    """What a row of usage is for.

    Attributes:
        day: a UTC day, such as "2026-12-01".
        team: the team that pays; empty if it is unknown.
        caller: the id of the caller.
        key_id: the public id of the API key; empty without a key.
        model: the id of the model.
    """

    day: str
    team: str
    caller: str
    key_id: str
    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageCounts:
    """Requests, tokens and cost. Counts can be added.

    Unconfirmed attempts may have been billed: their answer was lost, or its token counts. They count at the
    upper bounds that were calculated before they were sent.

    Attributes:
        requests: requests, each at the model that answered, or else at the last one tried.
        failures: requests without a valid answer.
        input_tokens: input tokens, without those in `cache_read_tokens` and `cache_write_tokens`.
        output_tokens, cache_read_tokens, cache_write_tokens: tokens as Bedrock counts them.
        cost: price of these tokens in nano-dollars.
        unpriced: answers whose price is unknown, so that `cost` does not include them.
        unconfirmed_attempts: attempts with unknown token counts.
        unconfirmed_input_tokens, unconfirmed_output_tokens: upper bounds of their tokens.
        unconfirmed_cost: upper bound of their price in nano-dollars, and that of answers in `unpriced`.
    """

    requests: int = 0
    failures: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cost: int = 0
    unpriced: int = 0
    unconfirmed_attempts: int = 0
    unconfirmed_input_tokens: int = 0
    unconfirmed_output_tokens: int = 0
    unconfirmed_cost: int = 0

    @property
    def max_cost(self) -> int:
        """The maximum of what may have been billed, in nano-dollars: what a budget is charged."""
        return self.cost + self.unconfirmed_cost

    @property
    def max_input_tokens(self) -> int:
        """The maximum of the input tokens that may have been billed, cached tokens included."""
        cached = self.cache_read_tokens + self.cache_write_tokens
        return self.input_tokens + cached + self.unconfirmed_input_tokens

    @property
    def max_output_tokens(self) -> int:
        """The maximum of the output tokens that may have been billed."""
        return self.output_tokens + self.unconfirmed_output_tokens

    def __add__(self, other: UsageCounts) -> UsageCounts:
        sums = (mine + others for mine, others in zip(astuple(self), astuple(other), strict=True))
        return UsageCounts(**dict(zip(COUNTS, sums, strict=True)))


COUNTS: tuple[str, ...] = tuple(UsageCounts.__dataclass_fields__)
"""The names of all counts."""


def utc_day(time: datetime) -> str:
    """Return the UTC day of a time, such as "2026-12-01"."""
    return time.astimezone(UTC).date().isoformat()
