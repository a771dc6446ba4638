"""Adds up the records of a batch by the lanes that they can use, one record at a time."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from llmmanager.batch_files.shared_prefixes import own_prefixes, shareable_prefix
from llmmanager.batch_lanes.cached_prompts import CachedPrompts, CachedTokens
from llmmanager.batch_lanes.lane import Lane
from llmmanager.batch_lanes.record_needs import flex_obstacle, managed_obstacle
from llmmanager.bedrock.catalog.model_table import model_data
from llmmanager.bedrock.invocation.quota_cost import max_output_tokens
from llmmanager.bedrock.pricing import offers_tier
from llmmanager.bedrock.tokens.cache_placement import min_cached_tokens
from llmmanager.bedrock.tokens.typical_tokens import request_tokens, typical_tokens

LanePrice = Callable[[Mapping[str, int], str | None], float | None]
"""Returns the cost in USD of tokens, given with Bedrock's keys, in a service tier; None if it is unknown."""

USABLE_LANES = {
    Lane.MANAGED: (Lane.ON_DEMAND, Lane.FLEX, Lane.MANAGED),
    Lane.FLEX: (Lane.ON_DEMAND, Lane.FLEX),
    Lane.ON_DEMAND: (Lane.ON_DEMAND,),
}
"""The lanes that a record can use, by the last of them. A record that can run in a job can also use flex."""


@dataclass(frozen=True, slots=True)
class RecordGroup:
    """Records that can use the same lanes.

    Attributes:
        last_lane: the key of `USABLE_LANES`.
        usd: the cost of the records in each lane that they can use; None if the price is unknown.
    """

    last_lane: Lane
    records: int
    usd: Mapping[Lane, float | None]


class RecordGroups:
    """The records and tokens of a batch by the lanes that the records can use.

    Args:
        model_id: the first model of the batch. All lanes but on demand use this model only.
        expected_output_tokens: the output of a record, which is at most its `maxTokens` or the maximum of the
            model; None for this maximum.
        output_schema: the schema that the batch adds to each record. It keeps the records out of jobs.
        caches_shared: whether records with the same long tools and system prompt use the prompt cache.
        cached_prompts: the caches; None for those of a batch without shards.

    Attributes:
        obstacles: what keeps records out of jobs, and how many records.
        unlimited_records: the number of records whose output is estimated as the maximum of the model.
    """

    def __init__(
        self,
        model_id: str,
        *,
        expected_output_tokens: int | None = None,
        output_schema: Mapping[str, Any] | None = None,
        caches_shared: bool = True,
        cached_prompts: CachedPrompts | None = None,
    ) -> None:
        self.obstacles: Counter[str] = Counter()
        self.unlimited_records = 0
        data = model_data(model_id)
        self._model_id = model_id
        self._burndown = (data.output_burndown if data else None) or 1
        self._expected_output_tokens = expected_output_tokens
        self._has_schema = output_schema is not None
        self._schema_tokens = typical_tokens(output_schema) if output_schema else 0.0
        self._can_cache = min_cached_tokens(model_id) is not None
        self._caches_shared = caches_shared
        self._cached_prompts = cached_prompts or CachedPrompts()
        self._sums: defaultdict[tuple[Lane, str | None], _Sum] = defaultdict(_Sum)

    @property
    def records(self) -> int:
        """The number of records."""
        return sum(total.records for total in self._sums.values())

    @property
    def input_tokens(self) -> int:
        """The input tokens of all records, cached ones included."""
        return math.ceil(sum(total.input_tokens for total in self._sums.values()))

    @property
    def output_tokens(self) -> int:
        """The output tokens of all records."""
        return sum(total.output_tokens for total in self._sums.values())

    @property
    def reads_cache(self) -> bool:
        """Whether records are estimated to read their prompt from the cache."""
        return any(total.cached.read for total in self._sums.values())

    @property
    def input_quota_tokens(self) -> int:
        """The tokens that Bedrock counts against the quota of the model for the input of all records."""
        # Tokens that are read from the cache do not count.
        return math.ceil(sum(total.input_tokens - total.cached.read for total in self._sums.values()))

    @property
    def quota_tokens(self) -> int:
        """The tokens that Bedrock counts against the quota of the model for all records."""
        return self.input_quota_tokens + self.output_tokens * self._burndown

    @property
    def most_quota_tokens(self) -> int:
        """The same without the cache, and with an output of `maxTokens` or of the maximum of the model."""
        output = sum(total.most_output_tokens for total in self._sums.values())
        return self.input_tokens + output * self._burndown

    def records_of(self, last_lane: Lane) -> int:
        """Return the number of records whose last usable lane this is."""
        return sum(total.records for (lane, _), total in self._sums.items() if lane is last_lane)

    def add(self, model_input: Mapping[str, Any]) -> bool:
        """Count a record, and return whether it can run in a job.

        Args:
            model_input: its request. Members that are None count as missing.
        """
        last_lane, tier = self._needs(model_input)
        total = self._sums[last_lane, tier]
        total.records += 1
        total.input_tokens += request_tokens(model_input) + self._schema_tokens
        self._add_output(model_input, total)
        if self._can_cache:
            self._add_cached(model_input, total.cached)
        return last_lane is Lane.MANAGED

    def end_shard(self) -> None:
        """Close a shard."""
        self._cached_prompts.end_shard()

    def groups(self, price: LanePrice) -> tuple[RecordGroup, ...]:
        """Return the groups of records with their costs, those with the most lanes first."""
        found = []
        for last_lane, lanes in USABLE_LANES.items():
            sums = {tier: total for (lane, tier), total in self._sums.items() if lane is last_lane}
            usd = {lane: _usd(sums, price, lane=lane) for lane in lanes}
            records = sum(total.records for total in sums.values())
            found.append(RecordGroup(last_lane, records, usd))
        return tuple(found)

    def on_demand_usd(self, price: LanePrice) -> float | None:
        """Return the cost of all records without lanes; None if a price is unknown."""
        return known_sum([group.usd[Lane.ON_DEMAND] for group in self.groups(price)])

    def _add_cached(self, model_input: Mapping[str, Any], tokens: CachedTokens) -> None:
        if prefixes := own_prefixes(model_input, self._model_id):
            self._cached_prompts.add(prefixes, tokens)
        elif self._caches_shared and (prefix := shareable_prefix(model_input, self._model_id)):
            self._cached_prompts.add_shared(prefix, tokens)

    def _add_output(self, model_input: Mapping[str, Any], total: _Sum) -> None:
        most, expected = max_output_tokens(model_input, self._model_id), self._expected_output_tokens
        total.most_output_tokens += most
        total.output_tokens += most if expected is None else min(expected, most)
        if expected is None and (model_input.get("inferenceConfig") or {}).get("maxTokens") is None:
            self.unlimited_records += 1

    def _needs(self, model_input: Mapping[str, Any]) -> tuple[Lane, str | None]:
        """Return the last lane that a record can use, and its own service tier.

        The tier is None if the model does not offer it: the record is then sent without it.
        """
        obstacle = "outputSchema" if self._has_schema else managed_obstacle(model_input)
        if obstacle is None:
            return Lane.MANAGED, None
        self.obstacles[obstacle] += 1
        if flex_obstacle(model_input) is None:
            return Lane.FLEX, None
        extra = model_input.get("extraRequestFields") or {}
        tier = extra.get("serviceTier") or model_input.get("serviceTier") or {}
        own = str(tier.get("type")) if isinstance(tier, Mapping) else ""
        return Lane.ON_DEMAND, own if offers_tier(self._model_id, own) else None


@dataclass(slots=True)
class _Sum:
    records: int = 0
    input_tokens: float = 0.0
    output_tokens: int = 0
    most_output_tokens: int = 0
    # Parts of the input.
    cached: CachedTokens = field(default_factory=CachedTokens)

    def usage(self, lane: Lane) -> dict[str, int]:
        """Return the tokens with Bedrock's keys. A job does not use the cache."""
        read = 0 if lane is Lane.MANAGED else math.floor(self.cached.read)
        written = 0 if lane is Lane.MANAGED else math.floor(self.cached.written)
        return {
            "inputTokens": math.ceil(self.input_tokens) - read - written,
            "outputTokens": self.output_tokens,
            "cacheReadInputTokens": read,
            "cacheWriteInputTokens": written,
        }


def _usd(sums: Mapping[str | None, _Sum], price: LanePrice, *, lane: Lane) -> float | None:
    """Return the cost in a lane; None if a price is unknown."""
    return known_sum([price(total.usage(lane), lane.price_tier or tier) for tier, total in sums.items()])


def known_sum(costs: Sequence[float | None]) -> float | None:
    """Return the sum of costs; None if one is unknown."""
    known = [cost for cost in costs if cost is not None]
    return sum(known) if len(known) == len(costs) else None
