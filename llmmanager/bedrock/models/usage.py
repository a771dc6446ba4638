"""Token counts of answers, and their sums over the attempts of a call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmmanager.bedrock.models.llm_manager_structures import RequestAttempt

USAGE_ALIASES: Mapping[str, str] = {
    "inputTokens": "input_tokens",
    "outputTokens": "output_tokens",
    "totalTokens": "total_tokens",
    "cacheReadInputTokens": "cache_read_tokens",
    "cacheWriteInputTokens": "cache_write_tokens",
}
"""The snake_case name of each of Bedrock's token counts."""


def token_counts(usage: object) -> dict[str, int] | None:
    """Return the counts of Bedrock's `usage` under its own keys and their aliases; None if it has none."""
    if not isinstance(usage, Mapping):
        return None
    counts = {
        key: value
        for key, value in usage.items()
        if isinstance(key, str) and isinstance(value, int) and not isinstance(value, bool)
    }
    if not counts:
        return None
    for key, alias in USAGE_ALIASES.items():
        counts[alias] = counts.setdefault(key, 0)
    return counts


def no_tokens() -> dict[str, int]:
    """Return the counts of a call that cost nothing."""
    return dict.fromkeys((*USAGE_ALIASES, *USAGE_ALIASES.values()), 0)


@dataclass(frozen=True)
class PaidTotals:
    """What all answers of one or more calls cost.

    Attributes:
        usage: the sum of the known token counts, under the keys of `BedrockResponse.get_usage()`; None
            when it is not known of any answer.
        cost_usd: the sum of the known prices in USD; None when no price is known.
        unknown_usage: attempts that may have cost tokens which are not part of `usage`: their answer was
            lost on its way, or came without token counts.
        without_price: answers whose tokens are known and whose price is not.
    """

    usage: dict[str, int] | None = None
    cost_usd: float | None = None
    unknown_usage: int = 0
    without_price: int = 0

    @classmethod
    def of_attempts(cls, attempts: Sequence[RequestAttempt]) -> PaidTotals:
        """Return the totals of one call."""
        known = [
            (attempt.usage, attempt.estimated_cost_usd) for attempt in attempts if attempt.usage is not None
        ]
        return cls._of_known(known, unknown=len(attempts) - len(known))

    @classmethod
    def of_answer(cls, usage: dict[str, int], cost_usd: float | None, *, unknown_usage: int) -> PaidTotals:
        """Return the totals of a call of which only the returned answer is known."""
        return cls._of_known([(usage, cost_usd)], unknown=unknown_usage)

    @classmethod
    def of_calls(cls, calls: Iterable[PaidTotals]) -> PaidTotals:
        """Return the sum of the totals of several calls."""
        parts = list(calls)
        known = [part for part in parts if part.usage is not None or part.cost_usd is not None]
        costs = [part.cost_usd for part in known if part.cost_usd is not None]
        return cls(
            usage=_sum_of([part.usage for part in known if part.usage is not None]) if known else None,
            cost_usd=sum(costs) if costs else None,
            unknown_usage=sum(part.unknown_usage for part in parts),
            without_price=sum(part.without_price for part in parts),
        )

    @classmethod
    def _of_known(cls, known: list[tuple[dict[str, int], float | None]], *, unknown: int) -> PaidTotals:
        paid = [(usage, cost) for usage, cost in known if any(usage.values())]
        costs = [cost for _, cost in paid if cost is not None]
        cost_nothing = bool(known) and not paid and not unknown
        usage = _sum_of([usage for usage, _ in known]) if paid or cost_nothing else None
        cost = sum(costs) if costs else 0.0 if cost_nothing else None
        return cls(usage, cost, unknown, len(paid) - len(costs))


def _sum_of(usages: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total = no_tokens()
    for usage in usages:
        for key, count in usage.items():
            total[key] = total.get(key, 0) + count
    return total
