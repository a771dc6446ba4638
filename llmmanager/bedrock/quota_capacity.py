"""How much the quotas of several targets admit together, and how long a batch takes under them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from llmmanager.bedrock.catalog.catalog_entries import AccessQuota
from llmmanager.bedrock.invocation.known_quotas import check_reserve
from llmmanager.bedrock.invocation.quota_cost import settled_tokens
from llmmanager.bedrock.models.model_quota import ModelQuota

MINUTE_SECONDS = 60.0


@dataclass(frozen=True)
class QuotaCapacity:
    """What quotas admit per minute; None for an amount that is unknown.

    Attributes:
        tokens_per_minute: input, cache writes, and output as often as the model counts it.
        requests_per_minute: calls.
    """

    tokens_per_minute: float | None = None
    requests_per_minute: float | None = None

    @classmethod
    def of_targets(cls, quotas: Iterable[AccessQuota | None], *, reserve: float) -> QuotaCapacity:
        """Return what several targets admit together. One unknown amount makes the sum unknown.

        Args:
            quotas: the quota of each target; None where it is unknown.
            reserve: the part of each quota that is left to others, from 0 to below 1.
        """
        found = [quota or AccessQuota() for quota in quotas]
        return cls(
            _sum([quota.tokens_per_minute for quota in found], 1 - reserve),
            _sum([quota.requests_per_minute for quota in found], 1 - reserve),
        )

    def seconds(self, *, tokens: float, requests: float, minute: float = MINUTE_SECONDS) -> float | None:
        """Return how long so many tokens and requests take; None when no amount is known.

        Args:
            minute: the seconds in which the quota counts.
        """
        needed = ((tokens, self.tokens_per_minute), (requests, self.requests_per_minute))
        known = [amount / per_minute for amount, per_minute in needed if per_minute is not None]
        return max(known) * minute if known else None


def seconds_of_batch(
    model_id: str, usage: Mapping[str, int], *, records: int, quotas: AccessQuota, reserve: float
) -> float | None:
    """Return how long quotas make a batch; None when they are unknown.

    Args:
        usage: the tokens of all records, with Bedrock's keys.
        quotas: those of all targets together.
        reserve: the part of the quotas that is left to others, from 0 to below 1.

    Raises:
        ConfigurationError: an amount or the reserve is out of range.
    """
    check_reserve(reserve)
    if quotas == AccessQuota():
        return None
    ModelQuota(model_id, quotas.tokens_per_minute, quotas.requests_per_minute)  # checks the amounts
    capacity = QuotaCapacity.of_targets([quotas], reserve=reserve)
    return capacity.seconds(tokens=settled_tokens({"usage": usage}, model_id) or 0, requests=records)


def _sum(amounts: list[float | None], part: float) -> float | None:
    known = [amount for amount in amounts if amount is not None]
    return sum(known) * part if known and len(known) == len(amounts) else None
