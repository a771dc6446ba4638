"""Divides the shards of a batch among managed batch jobs, within the limits of a job."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from llmmanager.batch_lanes.job_limits import (
    MAX_JOB_BYTES,
    MAX_JOB_RECORDS,
    MAX_JOB_SHARDS,
    MIN_JOB_RECORDS,
)


@dataclass(frozen=True, slots=True)
class JobShare:
    """The records of a shard that can run in a job.

    Attributes:
        size: their total length in bytes.
    """

    records: int
    size: int

    @property
    def part(self) -> float:
        """The part of a job that they fill: the largest one by any limit."""
        if not self.records:
            return 0.0
        return max(self.records / MAX_JOB_RECORDS, self.size / MAX_JOB_BYTES, 1 / MAX_JOB_SHARDS)


@dataclass(frozen=True, slots=True)
class JobRange:
    """Consecutive shards whose records run in one job.

    Attributes:
        records: the number of records that can run in a job.
    """

    first_shard: int
    shard_count: int
    records: int

    @property
    def shards(self) -> range:
        """The numbers of the shards."""
        return range(self.first_shard, self.first_shard + self.shard_count)

    def to_members(self) -> dict[str, int]:
        """Return the members of the job in lanes.json and in its item of the map state."""
        return {"firstShard": self.first_shard, "shardCount": self.shard_count, "records": self.records}

    @classmethod
    def from_members(cls, members: Mapping[str, int]) -> JobRange:
        """Return the range with these members."""
        return cls(members["firstShard"], members["shardCount"], members["records"])


def job_ranges(shares: Sequence[JobShare]) -> list[JobRange]:
    """Return the ranges of as few jobs as possible, of about the same size.

    The result depends on the arguments only. If records are so large that a job cannot have
    `MIN_JOB_RECORDS` of them, their range is left out.

    Args:
        shares: one for each shard, in order.
    """
    total = math.fsum(share.part for share in shares)
    jobs = math.ceil(total)
    while jobs:
        ranges = list(_cut(shares, total / jobs))
        if all(_fits(shares, shards) for shards in ranges):
            found = (_range(shares, shards) for shards in ranges)
            return [job for job in found if job.records >= MIN_JOB_RECORDS]
        jobs += 1
    return []


def _cut(shares: Sequence[JobShare], part: float) -> Iterator[range]:
    """Yield ranges of shards. Each one ends where the sum is nearest to a multiple of `part`."""
    first, filled, number = 0, 0.0, 1
    for shard, share in enumerate(shares):
        if shard > first and filled + share.part / 2 > part * number:
            yield range(first, shard)
            first, number = shard, number + 1
        filled += share.part
    if first < len(shares):
        yield range(first, len(shares))


def _fits(shares: Sequence[JobShare], shards: range) -> bool:
    """Whether a job can have the records of these shards, or they cannot be divided further.

    The job of a shard that exceeds it has the first of its records.
    """
    parts = [share.part for shard in shards if (share := shares[shard]).part]
    return len(parts) < 2 or math.fsum(parts) <= 1


def _range(shares: Sequence[JobShare], shards: range) -> JobRange:
    """Return the range without the shards at its ends that have no records for the job."""
    used = [shard for shard in shards if shares[shard].records]
    if not used:
        return JobRange(shards.start, 0, 0)
    records = sum(shares[shard].records for shard in used)
    return JobRange(used[0], used[-1] - used[0] + 1, records)
