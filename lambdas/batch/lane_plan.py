"""The lanes of a batch, as its plan chooses them: `lanes.json`, the jobs, and the shards beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lambdas.batch.batch_input import Batch, InvalidBatch
from lambdas.batch.job_ranges import JobRange, job_ranges
from lambdas.batch.lane_targets import LaneTargets
from lambdas.batch.managed.job_files import open_attempts
from lambdas.batch.quota_estimate import batch_capacity
from lambdas.batch.record_intake import RecordIntake
from lambdas.batch.run_mode import SKIPS_MANAGED
from lambdas.batch.storage import BatchStorage
from lambdas.contract import BatchObject, BatchStep
from lambdas.shared.settings import batch_settings
from llmmanager.batch_lanes.lane import Lane, LaneUnavailable
from llmmanager.batch_lanes.lane_choice import LaneChoice, LaneCriteria, choose_lanes
from llmmanager.batch_lanes.lane_comparison import comparison_of
from llmmanager.batch_lanes.lane_explanation import obstacles_text
from llmmanager.batch_lanes.lane_times import lane_seconds
from llmmanager.bedrock.routing.quota_gates import window_seconds


@dataclass(frozen=True, slots=True)
class LanePlan:
    """The lanes of a batch and its jobs.

    Attributes:
        members: the content of `lanes.json`.
        targets: the targets of the first model.
        choice: the chosen lanes.
        jobs: the jobs of the batch, of this run or an earlier one. The number of a job is its index.
        runs_jobs: whether the execution can run jobs.
    """

    members: Mapping[str, Any]
    targets: LaneTargets
    choice: LaneChoice
    jobs: Sequence[JobRange]
    runs_jobs: bool

    @property
    def uses_flex(self) -> bool:
        """Whether calls use the flex tier first."""
        return Lane.FLEX in self.choice.lanes.values()

    @property
    def uses_jobs(self) -> bool:
        """Whether records may run in new jobs."""
        return Lane.MANAGED in self.choice.lanes.values()


def plan_lanes(
    batch: Batch, intake: RecordIntake, *, earlier_jobs: Sequence[JobRange] | None, runs_jobs: bool
) -> LanePlan:
    """Return the lanes of a batch.

    Args:
        earlier_jobs: the jobs of an earlier plan of the same batch; None if it had none.
        runs_jobs: whether the execution can run jobs.

    Raises:
        InvalidBatch: no record can use the requested lane.
    """
    targets = LaneTargets.of(batch.targets, runs_jobs=runs_jobs)
    jobs = job_ranges(intake.job_shares) if earlier_jobs is None else earlier_jobs
    criteria = _criteria(batch, intake, targets, jobs)
    try:
        choice = choose_lanes(criteria)
    except LaneUnavailable as error:
        explains = error.lane is Lane.MANAGED and intake.lanes.obstacles
        more = f". {obstacles_text(intake.lanes.obstacles)}" if explains else ""
        raise InvalidBatch(f"{error}{more}") from None
    fails_over = len(batch.targets.models) > 1
    members = comparison_of(
        criteria, choice, intake.lanes, model=targets.model, fails_over=fails_over
    ).to_members()
    if Lane.MANAGED in choice.lanes.values() or earlier_jobs is not None:
        members["jobs"] = [job.to_members() for job in jobs]
    return LanePlan(members, targets, choice, jobs, runs_jobs)


def earlier_jobs(storage: BatchStorage) -> list[JobRange] | None:
    """Return the jobs of an earlier plan of the batch; None if it had none.

    Files of an earlier job have its number, so its shards must not change.
    """
    members = storage.lanes() or {}
    return [JobRange.from_members(job) for job in members["jobs"]] if "jobs" in members else None


def put_jobs(
    batch: Batch, lanes: LanePlan, intake: RecordIntake, items: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Write the items of the jobs, and of the shards that run beside them.

    Args:
        items: the items of all shards.

    Returns:
        The members of the plan's output that tell the state machine what to run.
    """
    storage = batch.storage
    jobs = _job_items(batch, lanes)
    if not jobs:
        return {
            BatchStep.MANIFEST_KEY: storage.key(BatchObject.MANIFEST),
            BatchStep.SHARD_COUNT: len(items),
        }
    covered = {shard for job in jobs for shard in JobRange.from_members(job).shards}
    direct = []
    for item, share in zip(items, intake.job_shares, strict=True):
        if item["shard"] not in covered or not share.records:
            direct.append(item)
        elif share.records < item["records"]:
            direct.append({**item, SKIPS_MANAGED: True})
    storage.put_items(BatchObject.MAP, direct)
    storage.put_items(BatchObject.JOB_ITEMS, jobs)
    return {
        BatchStep.MANIFEST_KEY: storage.key(BatchObject.MAP),
        BatchStep.SHARD_COUNT: len(direct),
        BatchStep.JOBS_KEY: storage.key(BatchObject.JOB_ITEMS),
        BatchStep.JOB_COUNT: len(jobs),
    }


def _criteria(
    batch: Batch, intake: RecordIntake, targets: LaneTargets, jobs: Sequence[JobRange]
) -> LaneCriteria:
    totals, shares = intake.lanes, intake.job_shares
    job_records = sum(shares[shard].records for job in jobs for shard in job.shards)
    quota_seconds = batch_capacity(batch.targets).seconds(
        tokens=totals.quota_tokens, requests=totals.records, minute=window_seconds()
    )
    seconds = lane_seconds(
        records=totals.records,
        output_tokens=totals.output_tokens,
        calls_at_once=_calls_at_once(batch, len(shares)),
        quota_seconds=quota_seconds,
        managed_records=job_records,
        jobs=len(jobs) or None,
    )
    return LaneCriteria(
        requested=batch.options.lane,
        groups=totals.groups(targets.price(intake.shard_records)),
        seconds=seconds,
        deadline_seconds=batch.options.seconds_left(),
        job_records=job_records,
        unavailable=targets.unavailable,
    )


def _job_items(batch: Batch, lanes: LanePlan) -> list[dict[str, Any]]:
    """Return the items of the jobs: all jobs, or only those that an earlier run has left open."""
    target = lanes.targets.jobs or next(iter(lanes.targets.calls), None)
    if target is None or not lanes.runs_jobs:
        return []
    numbers = range(len(lanes.jobs)) if lanes.uses_jobs else _open_jobs(batch.storage)
    return [
        {
            "batchId": batch.storage.batch_id,
            BatchStep.BUCKET: batch.storage.bucket,
            "run": batch.options.run,
            BatchStep.JOB: number,
            "model": target.model_id,
            "invokeId": target.invoke_id,
            "region": target.region,
            "mayCreate": lanes.uses_jobs,
            **lanes.jobs[number].to_members(),
        }
        for number in numbers
    ]


def _open_jobs(storage: BatchStorage) -> list[int]:
    return sorted({attempt.job for attempt in open_attempts(storage)})


def _calls_at_once(batch: Batch, shards: int) -> int:
    """Return the calls of all workers of a batch together."""
    settings = batch_settings()
    workers = min(settings.map_concurrency, max(shards, 1))
    return workers * batch.options.calls_at_once(settings.worker_concurrency)
