"""How long each lane takes."""

from __future__ import annotations

import pytest

from llmmanager.batch_files.record_retries import RECORD_SECONDS
from llmmanager.batch_lanes.lane_times import (
    CALL_SECONDS,
    FLEX_SLOWDOWN,
    JOB_END_SECONDS,
    JOBS_AT_ONCE,
    MIN_JOB_SECONDS,
    TOKENS_PER_SECOND,
    LaneSeconds,
    job_seconds,
    lane_seconds,
)


def seconds(*, output_tokens_of_each: int = 100, quota_seconds: float | None = None) -> LaneSeconds:
    """Return the times of 641 records in 320 calls at once: three rounds."""
    return lane_seconds(
        records=641,
        output_tokens=641 * output_tokens_of_each,
        calls_at_once=320,
        quota_seconds=quota_seconds,
        managed_records=641,
    )


def test_calls_run_in_rounds_and_take_longer_in_flex() -> None:
    times = seconds()
    assert times.on_demand == pytest.approx(3 * (CALL_SECONDS + 100 / TOKENS_PER_SECOND))
    assert times.flex == pytest.approx(times.on_demand * FLEX_SLOWDOWN)


def test_no_call_takes_longer_than_a_record_may() -> None:
    times = seconds(output_tokens_of_each=1_000_000)
    assert (times.on_demand, times.flex) == (3 * RECORD_SECONDS, 3 * RECORD_SECONDS)


def test_quotas_slow_down_all_lanes_but_jobs() -> None:
    times = seconds(quota_seconds=100_000)
    assert (times.on_demand, times.flex) == (100_000, 100_000)
    assert times.managed == seconds().managed


def test_jobs_beyond_those_at_once_wait_for_the_others() -> None:
    one = job_seconds(1, jobs=1)
    assert one == MIN_JOB_SECONDS + JOB_END_SECONDS
    assert job_seconds(JOBS_AT_ONCE, jobs=JOBS_AT_ONCE) == one
    assert job_seconds(JOBS_AT_ONCE + 1, jobs=JOBS_AT_ONCE + 1) == one + MIN_JOB_SECONDS
