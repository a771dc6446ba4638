"""How shards are divided among managed batch jobs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lambdas.batch.job_ranges import JobRange, JobShare, job_ranges
from llmmanager.batch_lanes.job_limits import (
    MAX_JOB_BYTES,
    MAX_JOB_RECORDS,
    MAX_JOB_SHARDS,
    MIN_JOB_RECORDS,
)

# A shard has at most 10,000 records and 32 MB.
shares = st.integers(0, 10_000).flatmap(
    lambda records: st.builds(
        JobShare, st.just(records), st.integers(records, min(records * 3_000, 32_000_000))
    )
)
batches = st.one_of(
    st.lists(shares, max_size=60),
    st.lists(shares, min_size=1, max_size=4).map(lambda pattern: pattern * 200),
)


def shards_of(job: JobRange) -> range:
    return range(job.first_shard, job.first_shard + job.shard_count)


@given(batches)
def test_each_record_that_can_run_in_a_job_is_in_one_job_within_the_limits(batch: list[JobShare]) -> None:
    jobs = job_ranges(batch)
    covered = [shard for job in jobs for shard in shards_of(job)]
    assert covered == sorted(set(covered))
    eligible = sum(share.records for share in batch)
    if eligible >= MIN_JOB_RECORDS:
        assert sum(job.records for job in jobs) == eligible
    else:
        assert jobs == []
    for job in jobs:
        shares = [batch[shard] for shard in shards_of(job)]
        assert job.records == sum(share.records for share in shares)
        assert MIN_JOB_RECORDS <= job.records <= MAX_JOB_RECORDS
        assert sum(share.size for share in shares) <= MAX_JOB_BYTES
        assert sum(share.records > 0 for share in shares) <= MAX_JOB_SHARDS
    assert job_ranges(list(batch)) == jobs


def test_jobs_have_about_the_same_size() -> None:
    assert [job.records for job in job_ranges([JobShare(1_000, 1_000)] * 101)] == [34_000, 33_000, 34_000]


def test_records_that_are_too_large_for_a_job_of_enough_records_are_in_no_job() -> None:
    assert job_ranges([JobShare(1, 25_000_000)] * 60) == []


def test_a_full_job_is_not_divided() -> None:
    assert job_ranges([JobShare(1_000, 1_000)] * 50) == [JobRange(0, 50, MAX_JOB_RECORDS)]


def test_a_shard_that_exceeds_a_job_has_a_job_of_its_own() -> None:
    batch = [JobShare(0, 0), JobShare(200, MAX_JOB_BYTES + 1), JobShare(100, 1)]
    assert job_ranges(batch) == [JobRange(1, 1, 200), JobRange(2, 1, 100)]
