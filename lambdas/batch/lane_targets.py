"""Which lanes the first model of a batch offers, with which target and at what price."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lambdas.shared import clients
from lambdas.shared.manager import RequestTargets, catalog
from lambdas.shared.settings import batch_settings
from llmmanager.batch_lanes.lane import AUTO, Lane, LaneUnavailable
from llmmanager.batch_lanes.lane_text import no_price_text
from llmmanager.bedrock.catalog.catalog_entries import ModelAccess
from llmmanager.bedrock.pricing import estimate_cost, offers_tier


@dataclass(frozen=True, slots=True)
class LaneTargets:
    """The targets of a batch's first model.

    Attributes:
        model: the name of the model, as the batch has it.
        calls: the preferred target of calls; None if the model cannot be called in any region of the batch.
        jobs: the target of jobs; None if the model has none.
        unavailable: why a lane cannot be used by any record, by lane.
    """

    model: str
    calls: ModelAccess | None
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
        calls = accesses[0] if accesses else None
        region = stack_region()
        jobs = next((access for access in accesses if access.region == region), None)
        unavailable = {}
        if not _offers(calls, Lane.FLEX):
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

    def price(self, usage: Mapping[str, int], tier: str | None) -> float | None:
        """Return the cost in USD of tokens in a service tier; None if it is unknown."""
        target = self.jobs if tier == Lane.MANAGED.price_tier else self.calls
        if target is None:
            return None
        return estimate_cost(
            target.model_id,
            usage,
            access_method=target.access_method,
            inference_profile_id=target.priced_profile_id,
            region=target.region,
            service_tier=tier,
        )


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


def _offers(target: ModelAccess | None, lane: Lane) -> bool:
    return target is not None and offers_tier(
        target.model_id, lane.price_tier, inference_profile_id=target.priced_profile_id
    )
