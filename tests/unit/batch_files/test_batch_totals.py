"""The summary of a batch."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from llmmanager.batch_files.batch_totals import BatchTotals
from llmmanager.batch_files.results import with_earlier

STARTED = datetime(2026, 11, 22, 12, tzinfo=UTC)


def answer(**fields):
    return {
        "recordId": "record-1",
        "status": "answered",
        "attempts": 1,
        "region": "us-east-1",
        "model": "amazon.nova-lite-v1:0",
        "usage": {"inputTokens": 10, "outputTokens": 5, "cacheDetails": [{"ttl": "1h", "inputTokens": 3}]},
        "totalUsage": {"inputTokens": 10, "outputTokens": 5},
        "estimatedCostUsd": 0.25,
        "attemptsWithUnknownUsage": 0,
        "answersWithoutPrice": 0,
        **fields,
    }


def failure(**fields):
    return {"recordId": "record-2", "status": "failed", "attempts": 1, **fields}


def row(**fields):
    return {
        "model": "amazon.nova-lite-v1:0",
        "region": "us-east-1",
        "attempts": 1,
        "throttles": 0,
        "usage": {"inputTokens": 10, "outputTokens": 5},
        "estimatedCostUsd": 0.25,
        **fields,
    }


def summed(*results, rejected=0):
    totals = BatchTotals()
    for result in results:
        totals.add(result)
    ended = STARTED + timedelta(seconds=90.5)
    return totals.summary("batch-1", rejected=rejected, started_at=STARTED, ended_at=ended)


def test_every_record_of_the_input_is_counted_once():
    summary = summed(answer(attempts=3), failure(attempts=4), rejected=2)

    assert (summary["records"], summary["answered"], summary["failed"], summary["rejected"]) == (4, 1, 1, 2)
    assert summary["attempts"] == 7
    assert summary["wallSeconds"] == 90.5


def test_tokens_and_costs_are_those_of_the_answers():
    summary = summed(answer(), answer(region="us-west-2"), failure())

    assert summary["usage"] == {"inputTokens": 20, "outputTokens": 10}
    assert (summary["estimatedCostUsd"], summary["answersWithoutPrice"]) == (0.5, 0)
    assert summary["byRegion"] == {"us-east-1": 1, "us-west-2": 1}


def test_the_cost_includes_answers_of_failed_records():
    failed = answer(status="failed", totalUsage={"inputTokens": 30, "outputTokens": 3}, estimatedCostUsd=1.5)
    summary = summed(answer(), failed)

    assert summary["usage"] == {"inputTokens": 40, "outputTokens": 8}
    assert (summary["estimatedCostUsd"], summary["answered"]) == (1.75, 1)
    assert summary["byModel"] == {"amazon.nova-lite-v1:0": 1}


def test_answers_without_a_price_are_counted():
    some = summed(answer(), answer(estimatedCostUsd=None, answersWithoutPrice=1))
    none = summed(answer(estimatedCostUsd=None, answersWithoutPrice=2))

    assert (some["estimatedCostUsd"], some["answersWithoutPrice"]) == (0.25, 1)
    assert (none["estimatedCostUsd"], none["answersWithoutPrice"]) == (None, 2)


def test_attempts_with_unknown_usage_are_counted_and_the_cost_is_not_zero():
    lost = failure(attempts=2, attemptsWithUnknownUsage=2, totalUsage=None)
    some, none = summed(answer(), lost), summed(lost)

    assert (some["attemptsWithUnknownUsage"], some["estimatedCostUsd"]) == (2, 0.25)
    assert (none["attemptsWithUnknownUsage"], none["estimatedCostUsd"]) == (2, None)


def test_a_result_of_an_earlier_version_is_counted_with_its_fields():
    old = {
        name: value
        for name, value in answer().items()
        if name not in ("totalUsage", "attemptsWithUnknownUsage", "answersWithoutPrice")
    }
    summary = summed(old, {**old, "estimatedCostUsd": None}, failure())

    assert summary["usage"] == {"inputTokens": 20, "outputTokens": 10}
    assert (summary["estimatedCostUsd"], summary["answersWithoutPrice"]) == (0.25, 1)


def test_attempts_throttles_tokens_and_cost_are_summed_up_by_model_and_region():
    throttled = row(region="us-west-2", throttles=1, usage={"inputTokens": 0}, estimatedCostUsd=0.0)
    other_model = row(model="amazon.nova-pro-v1:0", usage={"outputTokens": 2}, estimatedCostUsd=1.0)
    summary = summed(
        answer(byTarget=[throttled, row()], errorCodes={"ThrottlingException": 1}),
        failure(
            byTarget=[row(estimatedCostUsd=None), other_model],
            errorCodes={"ThrottlingException": 1, "ReadTimeoutError": 1},
            error={"type": "ReadTimeoutError", "code": None, "message": "too slow"},
        ),
    )

    assert summary["byTarget"] == [
        other_model,
        row(attempts=2, usage={"inputTokens": 20, "outputTokens": 10}),
        throttled,
    ]
    assert summary["throttles"] == 1
    assert summary["errors"] == {"ReadTimeoutError": 1}
    assert summary["errorCodes"] == {"ThrottlingException": 2, "ReadTimeoutError": 1}


def test_answers_costs_and_savings_are_summed_up_by_lane():
    flex = answer(lane="flex", estimatedCostUsd=0.125, savedUsd=0.125)
    summary = summed(
        answer(lane="onDemand"),
        flex,
        answer(lane="flex", estimatedCostUsd=None, savedUsd=None),
        answer(lane="managed", status="failed", estimatedCostUsd=0.5),
        answer(),
    )

    assert summary["byLane"] == {
        "onDemand": {"answered": 2, "estimatedCostUsd": 0.5, "savedUsd": None},
        "flex": {"answered": 2, "estimatedCostUsd": 0.125, "savedUsd": 0.125},
        "managed": {"answered": 0, "estimatedCostUsd": 0.5, "savedUsd": None},
    }


def test_the_summary_has_percentiles_of_the_latency_of_answers():
    summary = summed(*(answer(latencyMs=float(ms)) for ms in range(1, 1001)), failure(latencyMs=9e9))

    latency = summary["latencyMs"]
    assert latency == {
        "p50": pytest.approx(500, rel=0.01),
        "p95": pytest.approx(950, rel=0.01),
        "p99": pytest.approx(990, rel=0.01),
        "max": 1000,
    }
    assert summed()["latencyMs"] == {"p50": None, "p95": None, "p99": None, "max": None}


def test_the_attempts_of_interrupted_runs_are_part_of_the_result():
    run = {
        "attempts": 2,
        "totalUsage": {"inputTokens": 1, "outputTokens": 2},
        "estimatedCostUsd": 0.5,
        "attemptsWithUnknownUsage": 1,
        "answersWithoutPrice": 0,
    }
    lost = {**run, "totalUsage": None, "estimatedCostUsd": None}
    whole = with_earlier(answer(), [run, lost])
    missed = with_earlier({"status": "failed", "attempts": 0}, [lost, run])

    assert (whole["attempts"], whole["estimatedCostUsd"], whole["attemptsWithUnknownUsage"]) == (5, 0.75, 2)
    assert whole["totalUsage"] == {"inputTokens": 11, "outputTokens": 7}
    assert (missed["attempts"], missed["totalUsage"]) == (4, run["totalUsage"])
    assert with_earlier(answer(), []) == answer()


def test_the_cache_has_its_tokens_and_what_they_saved():
    usage = {"cacheReadInputTokens": 900, "cacheWriteInputTokens": 100}
    reads = answer(totalUsage=usage, cacheSavedUsd=0.5)
    writes = answer(totalUsage=usage, cacheSavedUsd=-0.125)

    assert summed(reads, writes, answer())["cache"] == {
        "readTokens": 1800,
        "writeTokens": 200,
        "savedUsd": 0.375,
    }
    assert summed(writes)["cache"]["savedUsd"] == -0.125
    assert summed(answer(totalUsage=usage, cacheSavedUsd=None))["cache"]["savedUsd"] is None
    assert summed(answer())["cache"] == {"readTokens": 0, "writeTokens": 0, "savedUsd": 0.0}


def test_the_savings_of_interrupted_runs_of_a_record_are_added():
    interrupted = {**failure(status="interrupted"), "totalUsage": {}, "estimatedCostUsd": 0.1}
    interrupted |= {"attemptsWithUnknownUsage": 0, "answersWithoutPrice": 0, "byTarget": [], "endedAt": None}
    interrupted |= {"throttles": 0, "errorCodes": {}, "cacheSavedUsd": -0.125}

    assert with_earlier(answer(cacheSavedUsd=0.5), [interrupted])["cacheSavedUsd"] == 0.375
    assert with_earlier(answer(), [interrupted])["cacheSavedUsd"] == -0.125
    assert "cacheSavedUsd" not in with_earlier(answer(), [])
