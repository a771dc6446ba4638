"""Token counts of answers and their totals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llmmanager.bedrock.models.answer_parts import CacheDetail
    from llmmanager.bedrock.models.request_attempt import RequestAttempt

USAGE_ALIASES: Mapping[str, str] = {
    "inputTokens": "input_tokens",
    "outputTokens": "output_tokens",
    "totalTokens": "total_tokens",
    "cacheReadInputTokens": "cache_read_tokens",
    "cacheWriteInputTokens": "cache_write_tokens",
}
"""Bedrock's names of token counts and their snake_case aliases."""


def token_counts(usage: object) -> dict[str, int] | None:
    """Return the counts of Bedrock's `usage` with its keys and their aliases, or None without counts."""
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
    """Return token counts of 0."""
    return dict.fromkeys((*USAGE_ALIASES, *USAGE_ALIASES.values()), 0)


class UsageAccessors:
    """The methods of `BedrockResponse` that read the token counts of the answer."""

    response_data: dict[str, Any] | None

    def get_usage(self) -> dict[str, int] | None:
        """Return the token counts of the returned answer, or None.

        The keys are those of Bedrock, `inputTokens`, `outputTokens`, `totalTokens`, `cacheReadInputTokens`
        and `cacheWriteInputTokens`, and the same counts as `input_tokens`, `output_tokens`, `total_tokens`,
        `cache_read_tokens` and `cache_write_tokens`.
        """
        return token_counts(self._member("usage"))

    def get_input_tokens(self) -> int:
        """Return the input tokens of the answer, without cached ones; 0 without usage."""
        return self._count("inputTokens")

    def get_output_tokens(self) -> int:
        """Return the output tokens of the answer; 0 without usage."""
        return self._count("outputTokens")

    def get_total_tokens(self) -> int:
        """Return the total tokens of the answer as reported by Bedrock; 0 without usage."""
        return self._count("totalTokens")

    def get_cache_read_tokens(self) -> int:
        """Return the tokens that were read from the prompt cache; 0 without usage."""
        return self._count("cacheReadInputTokens")

    def get_cache_write_tokens(self) -> int:
        """Return the tokens that were written to the prompt cache; 0 without usage."""
        return self._count("cacheWriteInputTokens")

    def get_cache_details(self) -> list[CacheDetail]:
        """Return the tokens that were written to the prompt cache, by the time for which they stay."""
        from llmmanager.bedrock.models.answer_parts import cache_details

        return cache_details(self._member("usage", "cacheDetails"))

    def get_cached_tokens_info(self) -> dict[str, int | bool] | None:
        """Return whether the prompt cache was read and written; None without usage.

        Returns:
            A dict with `cache_read_tokens`, `cache_write_tokens`, `cache_hit` and `cache_write` (both bool).
        """
        if self.get_usage() is None:
            return None
        read, written = self.get_cache_read_tokens(), self.get_cache_write_tokens()
        return {
            "cache_read_tokens": read,
            "cache_write_tokens": written,
            "cache_hit": read > 0,
            "cache_write": written > 0,
        }

    def _count(self, key: str) -> int:
        return (self.get_usage() or {}).get(key, 0)

    def _member(self, *keys: str) -> Any:
        value: Any = self.response_data
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        return value


@dataclass(frozen=True)
class PaidTotals:
    """Tokens and cost of all answers of one or more calls.

    Attributes:
        usage: the sum of the known token counts, with the keys of `BedrockResponse.get_usage()`; None if
            no count is known.
        cost_usd: the sum of the known prices in USD; None if no price is known.
        unknown_usage: number of attempts whose answer was lost or had no token counts. Their tokens are not
            part of `usage`, and AWS may have charged for them.
        without_price: number of answers with known token counts and an unknown price.
    """

    usage: dict[str, int] | None = None
    cost_usd: float | None = None
    unknown_usage: int = 0
    without_price: int = 0

    @classmethod
    def from_attempts(cls, attempts: Sequence[RequestAttempt]) -> PaidTotals:
        """Return the totals of one call."""
        known = [
            (attempt.usage, attempt.estimated_cost_usd) for attempt in attempts if attempt.usage is not None
        ]
        return cls._from_known(known, unknown=len(attempts) - len(known))

    @classmethod
    def from_answer(cls, usage: dict[str, int], cost_usd: float | None, *, unknown_usage: int) -> PaidTotals:
        """Return the totals of a call if only the returned answer is known."""
        return cls._from_known([(usage, cost_usd)], unknown=unknown_usage)

    @classmethod
    def from_calls(cls, calls: Iterable[PaidTotals]) -> PaidTotals:
        """Return the sum of the totals of several calls."""
        parts = list(calls)
        known = [part for part in parts if part.usage is not None or part.cost_usd is not None]
        costs = [part.cost_usd for part in known if part.cost_usd is not None]
        return cls(
            usage=_sum([part.usage for part in known if part.usage is not None]) if known else None,
            cost_usd=sum(costs) if costs else None,
            unknown_usage=sum(part.unknown_usage for part in parts),
            without_price=sum(part.without_price for part in parts),
        )

    @classmethod
    def _from_known(cls, known: list[tuple[dict[str, int], float | None]], *, unknown: int) -> PaidTotals:
        paid = [(usage, cost) for usage, cost in known if any(usage.values())]
        costs = [cost for _, cost in paid if cost is not None]
        cost_nothing = bool(known) and not paid and not unknown
        usage = _sum([usage for usage, _ in known]) if paid or cost_nothing else None
        cost = sum(costs) if costs else 0.0 if cost_nothing else None
        return cls(usage, cost, unknown, len(paid) - len(costs))


def _sum(usages: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total = no_tokens()
    for usage in usages:
        for key, count in usage.items():
            total[key] = total.get(key, 0) + count
    return total
