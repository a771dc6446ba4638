"""Whether a record lacks quota, and how long its shard waits for it."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from lambdas.batch.quota_wait import QuotaWait, Shortage, max_wait_without_answer, next_wait, shortage_of
from llmmanager import BedrockResponse, QuotaExceededError
from llmmanager.bedrock.models.llm_manager_structures import RequestAttempt

THROTTLED = ("ThrottlingException", "Too many requests, please wait before trying again.")
OUT_OF_DAILY_QUOTA = ("ThrottlingException", "Too many tokens per day, please wait before trying again.")
UNAVAILABLE = ("ServiceUnavailableException", "Service unavailable")
DENIED = ("AccessDeniedException", "You don't have access to the model with the specified model ID.")


def failed(*errors: tuple[str, str, str], last_decision: str = "other_region") -> BedrockResponse:
    """A failed response with attempts at regions, each as (region, code, message)."""
    now = datetime.now(UTC)
    attempts = [
        RequestAttempt(
            model_id="amazon.nova-lite-v1:0",
            region=region,
            access_method="on_demand",
            attempt_number=number,
            start_time=now,
            end_time=now,
            success=False,
            error=ClientError({"Error": {"Code": code, "Message": message}}, "Converse"),
            invoke_id="amazon.nova-lite-v1:0",
            decision=last_decision,
        )
        for number, (region, code, message) in enumerate(errors, start=1)
    ]
    return BedrockResponse(success=False, attempts=attempts)


@pytest.mark.parametrize(
    ("response", "shortage"),
    [
        (BedrockResponse(success=True), None),
        (BedrockResponse(success=False, error=QuotaExceededError("no quota")), Shortage.MINUTE),
        (failed(("one", *OUT_OF_DAILY_QUOTA), ("two", *DENIED)), Shortage.DAY),
        (failed(("one", *THROTTLED)), Shortage.MINUTE),
        (failed(("one", *THROTTLED), ("two", *OUT_OF_DAILY_QUOTA)), Shortage.DAY),
        (failed(("one", *THROTTLED), ("one", *UNAVAILABLE)), None),
        (failed(("one", *UNAVAILABLE), ("two", *DENIED)), None),
        (failed(("one", *THROTTLED), ("two", *DENIED), last_decision="give_up"), None),
        (failed(), None),
    ],
)
def test_a_record_lacks_quota_if_a_target_ended_with_a_throttle(response, shortage):
    assert shortage_of(response) is shortage


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
