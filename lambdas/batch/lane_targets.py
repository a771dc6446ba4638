"""Which lanes the first model of a batch offers, with which target and at what price."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lambdas.shared import clients
from lambdas.shared.manager import RequestTargets, catalog
from lambdas.shared.settings import batch_settings
from llmmanager.batch_lanes.lane import AUTO, Lane, LaneUnavailable
from llmmanager.batch_lanes.lane_text import no_price_text
from llmmanager.batch_lanes.record_groups import LanePrice
from llmmanager.bedrock.catalog.catalog_entries import ModelAccess
from llmmanager.bedrock.pricing import offers_tier, target_cost


@dataclass(frozen=True, slots=True)
class LaneTargets:
    """The targets of a batch's first model.

    Attributes:
        model: the name of the model, as the batch has it.
        calls: for each region of the batch, the preferred target of the shards that begin there; empty if
            the model cannot be called in any region.
        jobs: the target of jobs; None if the model has none.
        unavailable: why a lane cannot be used by any record, by lane.
    """

    model: str
    calls: Sequence[ModelAccess]
    jobs: ModelAccess | None
    unavailable: Mapping[Lane, str]

    @classmethod
    def of(cls, targets: RequestTargets, *, runs_jobs: bool = True) -> LaneTargets:
        """Return the targets of a batch.

        Args:
            runs_jobs: whether the execution can run jobs.
        """
        model = targets.models[0]
        accesses = [access for region in targets.regions for access in catalog().access(model, region)]
        calls = _preferred(accesses, targets.regions)
        region = stack_region()
        jobs = next((access for access in accesses if access.region == region), None)
        unavailable = {}
        if not _offers(calls[0] if calls else None, Lane.FLEX):
            unavailable[Lane.FLEX] = no_price_text(model, Lane.FLEX)
        if not batch_settings().managed_lane:
            unavailable[Lane.MANAGED] = "the setting managed_lane is false"
        elif not runs_jobs:
            unavailable[Lane.MANAGED] = "the execution was started before the stack could run jobs"
        elif region not in targets.regions:
            unavailable[Lane.MANAGED] = f"jobs run in {region}, which is not in the regions of the batch"
        elif jobs is None:
            unavailable[Lane.MANAGED] = f"{model} cannot be called in {region}, where jobs run"
        elif not _offers(jobs, Lane.MANAGED):
            unavailable[Lane.MANAGED] = no_price_text(model, Lane.MANAGED)
        return cls(model, calls, jobs, unavailable)

    def price(self, shard_records: Sequence[int]) -> LanePrice:
        """Return the price of tokens of a batch. A region has its share of the calls.

        Args:
            shard_records: the number of records of each shard.
        """
        regions, records = len(self.calls), max(sum(shard_records), 1)
        shares = [
            (sum(shard_records[first::regions]) / records, self.calls[first]) for first in range(regions)
        ]

        def price(usage: Mapping[str, int], tier: str | None) -> float | None:
            if tier == Lane.MANAGED.price_tier:
                return target_cost(self.jobs, usage, service_tier=tier) if self.jobs else None
            costs = [
                (share, target_cost(target, usage, service_tier=tier)) for share, target in shares if share
            ]
            known = [share * cost for share, cost in costs if cost is not None]
            return sum(known) if known and len(known) == len(costs) else None

        return price


def check_lane(requested: str, targets: RequestTargets) -> None:
    """Raise LaneUnavailable if no record can use the requested lane, because the first model has none."""
    if requested in (AUTO, Lane.ON_DEMAND):
        return
    lane = Lane(requested)
    if reason := LaneTargets.of(targets).unavailable.get(lane):
        raise LaneUnavailable(lane, reason)


def stack_region() -> str:
    """Return the region of the stack, in which its bucket is and its jobs run."""
    return str(clients.s3().meta.region_name)


def _preferred(accesses: Sequence[ModelAccess], regions: Sequence[str]) -> list[ModelAccess]:
    """Return the first target from each region on, in the order in which the shards use the regions."""
    if not accesses:
        return []
    rotations = ((*regions[first:], *regions[:first]) for first in range(len(regions)))
    return [min(accesses, key=lambda access: order.index(access.region)) for order in rotations]


def _offers(target: ModelAccess | None, lane: Lane) -> bool:
    return target is not None and offers_tier(
        target.model_id, lane.price_tier, inference_profile_id=target.priced_profile_id
    )
