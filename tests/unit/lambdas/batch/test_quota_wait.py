"""How long a shard waits for quota."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.batch.quota_wait import QuotaWait, max_wait_without_answer, next_wait
from llmmanager.batch_files.quota_shortage import Shortage


def windows_of(shortage, runs):
    earlier = None
    for _ in range(runs):
        earlier = next_wait(earlier, shortage, seconds_left=None, rng=random.Random(1))
    started = datetime.now(UTC)
    assert earlier.runs == runs
    return (earlier.until - started).total_seconds() / 60


@pytest.mark.parametrize(
    ("shortage", "runs", "windows"),
    [
        (Shortage.MINUTE, 1, 2),
        (Shortage.MINUTE, 2, 3),
        (Shortage.MINUTE, 50, 5),
        (Shortage.DAY, 1, 5),
        (Shortage.DAY, 3, 20),
        (Shortage.DAY, 5, 60),
        (Shortage.DAY, 500, 60),
    ],
)
def test_waits_grow_to_a_few_windows_or_for_a_daily_quota_to_an_hour(shortage, runs, windows):
    assert 0.7 * windows < windows_of(shortage, runs) < 1.3 * windows


def test_the_window_of_a_test_shortens_all_waits(monkeypatch):
    monkeypatch.setenv("LLMMANAGER_QUOTA_WINDOW_SECONDS", "0.6")

    assert windows_of(Shortage.DAY, 500) < 0.8
    assert max_wait_without_answer() == timedelta(minutes=14.4)


def test_no_wait_is_longer_than_the_time_until_the_deadline():
    wait = next_wait(None, Shortage.DAY, seconds_left=7)

    assert (wait.until - datetime.now(UTC)).total_seconds() <= 7


def test_waits_in_a_row_are_counted_from_the_first_one_on():
    first = next_wait(None, Shortage.DAY, seconds_left=None)
    second = next_wait(first, Shortage.DAY, seconds_left=None)

    assert (second.since, second.runs) == (first.since, 2)


@given(st.sampled_from(Shortage), st.floats(-10, 100_000))
def test_a_wait_is_read_back_and_takes_whole_seconds(shortage, left):
    wait = next_wait(None, shortage, seconds_left=left)
    members = wait.to_members()

    assert QuotaWait.from_item({"shard": 0, **members}) == wait
    assert isinstance(members["waitSeconds"], int)
    assert members["waitSeconds"] >= 1


def test_a_shard_that_did_not_wait_has_no_wait():
    assert QuotaWait.from_item({"shard": 0}) is None
