"""The estimated cost of requests before they are sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llmmanager.batch_lanes.lane_comparison import LaneComparison

__all__ = ["CostEstimate", "FileCostEstimate", "ModelCost", "TargetCost"]


@dataclass(frozen=True, slots=True)
class TargetCost:
    """The estimated cost of a request if one target answers it.

    Attributes:
        model, region: the id of the model, and the region.
        access_method: "on_demand", "geographic_profile" or "global_profile"; None if unknown.
        inference_profile_id: the profile, or None for on-demand.
        input_tokens: the input tokens, counted by Bedrock or estimated; None if they are unknown.
        is_estimate: whether the input tokens are estimated.
        output_tokens: the expected output tokens, or the maximum.
        usd: the list price in USD if the request writes `cached_tokens` to the prompt cache, as the first one
            with this prompt does; None if it is unknown.
        reason: why the price is unknown, or None.
        cached_tokens: the estimated input tokens before the last cache point; 0 if the model does not cache
            them.
        usd_from_cache: the list price in USD if the request reads these tokens from the cache; None without
            them.
    """

    model: str
    region: str
    access_method: str | None
    inference_profile_id: str | None
    input_tokens: int | None
    is_estimate: bool
    output_tokens: int
    usd: float | None
    reason: str | None = None
    cached_tokens: int = 0
    usd_from_cache: float | None = None


@dataclass(frozen=True, slots=True)
class CostEstimate:
    """The estimated cost of a request.

    Attributes:
        targets: the cost on each target that the call may use, in the order in which they are tried.
    """

    targets: tuple[TargetCost, ...]

    @property
    def usd(self) -> float | None:
        """The cost on the first target, or None if it is unknown."""
        return self.targets[0].usd if self.targets else None

    @property
    def max_usd(self) -> float | None:
        """The cost on the most expensive target; None if the cost on a target is unknown."""
        costs = [target.usd for target in self.targets]
        known = [cost for cost in costs if cost is not None]
        return max(known) if known and len(known) == len(costs) else None


@dataclass(frozen=True, slots=True)
class ModelCost:
    """The estimated cost of a file of records if one model answers all of them.

    Attributes:
        model: the id of the model.
        input_tokens: the estimated input tokens of all records.
        output_tokens: the expected output tokens of all records, or the maximum.
        usd: the list price of all records in USD, or None if it is unknown. What the prompt cache saves is
            estimated for records with `promptCache` or cache points, and for those of a batch with the same
            long tools and system prompt.
        reason: why the price is unknown, or None.
        usd_per_record: the average for a record.
        quota_seconds: how long the known quotas of the model's targets make the file; None if they are
            unknown.
    """

    model: str
    input_tokens: int
    output_tokens: int
    usd: float | None
    reason: str | None
    usd_per_record: float | None
    quota_seconds: float | None

    def to_members(self) -> dict[str, Any]:
        """Return the cost as `llmmanager batch estimate --json` prints it."""
        return {
            "model": self.model,
            "inputTokens": self.input_tokens,
            "outputTokens": self.output_tokens,
            "estimatedCostUsd": self.usd,
            "reason": self.reason,
            "quotaSeconds": self.quota_seconds,
        }


@dataclass(frozen=True, slots=True)
class FileCostEstimate:
    """The estimated cost of a file of records.

    Attributes:
        records: the number of records.
        rejected_lines: the number of lines that are not valid records. They are not priced.
        models: the cost for each model of the manager.
        problems: the problems of the first rejected lines.
        lanes: what a batch of the records costs in each lane of a deployed stack; None without records.
    """

    records: int
    rejected_lines: int
    models: tuple[ModelCost, ...]
    problems: tuple[str, ...] = ()
    lanes: LaneComparison | None = None

    @property
    def usd(self) -> float | None:
        """The cost if the first model answers all records, or None if it is unknown."""
        return self.models[0].usd if self.models else None

    def to_members(self) -> dict[str, Any]:
        """Return the estimate as `llmmanager batch estimate --json` prints it.

        `records`, with the rejected ones, `rejected` and `lanes` are those of a dry run in a stack.
        """
        return {
            "records": self.records + self.rejected_lines,
            "rejected": self.rejected_lines,
            "problems": list(self.problems),
            "models": [cost.to_members() for cost in self.models],
            "lanes": self.lanes.to_members() if self.lanes else None,
        }
