"""What the plan of a batch adds up while it reads the records. Its memory does not depend on their number."""

from __future__ import annotations

from collections import deque

from lambdas.batch.batch_input import Batch
from lambdas.batch.job_ranges import JobShare
from lambdas.batch.lane_targets import LaneTargets
from lambdas.shared.manager import model_ids
from lambdas.shared.settings import batch_settings
from llmmanager.batch_files.records import Record
from llmmanager.batch_lanes.cached_prompts import CachedPrompts
from llmmanager.batch_lanes.record_groups import RecordGroups
from llmmanager.json_format.codec import REQUEST_FIELDS


class RecordIntake:
    """The totals of a batch's records.

    Attributes:
        records: lines of the input that are not blank, rejected ones included.
        rejected: lines that are invalid.
        lanes: the records by usable lane, with their tokens, which costs and times depend on.
        shard_records: for each shard, the number of its records.
        job_shares: for each shard, its records that can run in jobs.
    """

    def __init__(self, batch: Batch) -> None:
        model_id = model_ids(batch.targets)[0]
        self.records = self.rejected = 0
        self.lanes = RecordGroups(
            model_id,
            expected_output_tokens=batch.options.expected_output_tokens,
            output_schema=batch.options.output_schema,
            caches_shared=batch.options.prompt_cache,
            cached_prompts=_cached_prompts(batch),
        )
        self.shard_records: list[int] = []
        self.job_shares: list[JobShare] = []
        # The sizes of the records of the next shard, 0 for one that cannot run in a job.
        self._job_sizes: deque[int] = deque()

    def add(self, record: Record, line: bytes) -> None:
        """Count a valid record.

        Args:
            line: the record as a line of its shard.
        """
        given = ((camel, getattr(record.request, name)) for name, camel in REQUEST_FIELDS.items())
        fields = {camel: value for camel, value in given if value is not None}
        self._job_sizes.append(len(line) if self.lanes.add(fields) else 0)

    def end_shard(self, records: int) -> None:
        """Close a shard with so many of the records that were added first."""
        sizes = [self._job_sizes.popleft() for _ in range(records)]
        self.lanes.end_shard()
        self.shard_records.append(records)
        self.job_shares.append(JobShare(sum(size > 0 for size in sizes), sum(sizes)))


def _cached_prompts(batch: Batch) -> CachedPrompts:
    regions = [target.region for target in LaneTargets.of(batch.targets).calls]
    return CachedPrompts(regions=regions, shards_at_once=batch_settings().map_concurrency)
