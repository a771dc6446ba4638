"""The demo's checks of the half-price batch pass for a correct batch, and each fails for its own fault."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from llmmanager.testing import Call
from local.batch_client import BatchResult
from local.demo_lanes import RECORDS, lane_checks, lanes_report, savings_report

LANES = {
    "estimates": [
        {
            "lane": lane,
            "records": RECORDS,
            "estimatedCostUsd": usd,
            "estimatedSeconds": seconds,
            "possible": usd is not None,
            "reason": None if usd is not None else "no price",
        }
        for lane, usd, seconds in (("onDemand", 0.2, 4), ("flex", None, None), ("managed", 0.1, 2100))
    ],
    "explanation": "120 records in managed batch jobs",
}


def answer(number: int) -> dict[str, Any]:
    lane = "managed" if number else "onDemand"
    return {"recordId": f"city-{number:03}", "lane": lane, "usage": {"totalTokens": 10}}


def batch() -> BatchResult:
    by_lane = {
        "managed": {"answered": RECORDS - 1, "savedUsd": 0.1},
        "onDemand": {"answered": 1, "savedUsd": None},
    }
    return BatchResult(
        folder=Path(),
        summary={"byLane": by_lane, "estimatedCostUsd": 0.101, "jobs": {"statuses": {"Completed": 1}}},
        results=[answer(number) for number in range(RECORDS)],
        failed=[],
        rejected=[],
    )


def call(status: int = 200) -> Call:
    return Call(number=1, operation="Converse", region="us-east-1", started_at=0, ended_at=1, status=status)


JOB = {"status": "Completed", "billed": {"totalTokens": 10 * (RECORDS - 1)}}


def failed(result: BatchResult, *, lanes: Any = LANES, job: Any = JOB, calls: Any = None) -> list[str]:
    calls = [call()] if calls is None else calls
    return [
        check.name for check in lane_checks(result, lanes=lanes, jobs=[job], calls=calls) if not check.passed
    ]


def test_a_correct_batch_passes_every_check() -> None:
    assert failed(batch()) == []


def test_a_record_with_two_results_fails_a_check() -> None:
    wrong = batch()
    wrong.results.append(answer(0))
    assert failed(wrong) == ["every record of the half-price batch has one result"]


@pytest.mark.parametrize("calls", [[], [call(), call()], [call(503)]])
def test_another_number_of_calls_than_one_answer_fails_a_check(calls: list[Call]) -> None:
    assert failed(batch(), calls=calls) == ["one call answers the record for which the job failed"]


def test_a_job_that_has_not_ended_or_is_billed_otherwise_fails_a_check() -> None:
    assert failed(batch(), job={**JOB, "status": "InProgress"}) == ["every batch job has ended"]
    assert failed(batch(), job={**JOB, "billed": {"totalTokens": 1}}) == [
        "results and the bill of the batch job have the same number of tokens"
    ]


def test_a_batch_that_saves_too_little_fails_a_check() -> None:
    wrong = batch()
    wrong.summary["byLane"]["managed"]["savedUsd"] = 0.05
    assert failed(wrong) == ["the batch costs at most 55% of its price on demand"]


def test_an_estimate_that_saves_too_little_fails_a_check() -> None:
    lanes = copy.deepcopy(LANES)
    lanes["estimates"][2]["estimatedCostUsd"] = 0.15
    assert failed(batch(), lanes=lanes) == ["the dry run estimates the same share"]


def test_the_reports_have_the_estimates_and_what_was_saved() -> None:
    lines = lanes_report(LANES).splitlines()
    assert [line.split()[:3] for line in lines[1:4]] == [
        ["onDemand", "120", "$0.200"],
        ["flex", "-", "-"],
        ["managed", "120", "$0.100"],
    ]
    assert "120 records in managed batch jobs" in lines[4]
    report = savings_report(batch())
    assert "managed 119, onDemand 1" in report
    assert "city-000, for which the job failed" in report
    assert "$0.100 of the $0.201 on demand" in report
