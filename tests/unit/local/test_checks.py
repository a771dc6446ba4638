"""The demo's checks pass for a correct batch, and each fails for its own fault."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from llmmanager.testing import Call
from local.batch_client import BatchResult
from local.checks import Faults, batch_checks
from local.report import batch_report

GOOD, DENIED = "model-good", "model-denied"
FAULTS = Faults(throttled_region="us-east-1", denied_model_id=DENIED)
IDS = ["a", "b", "c", "d"]


def result(record_id: str, region: str, attempts: int) -> dict[str, Any]:
    return {
        "recordId": record_id,
        "status": "answered",
        "modelOutput": {"output": {"message": {"content": [{"text": "Yes."}]}}},
        "model": GOOD,
        "region": region,
        "attempts": attempts,
        "usage": {"inputTokens": 6, "outputTokens": 4, "totalTokens": 10},
        "featuresDisabled": [],
    }


def call(number: int, region: str, *, model: str = GOOD, error: str = "") -> Call:
    return Call(
        number=number,
        operation="Converse",
        region=region,
        started_at=0.0,
        ended_at=1.0,
        model_id=model,
        status=400 if error else 200,
        error_code=error,
    )


def calls() -> list[Call]:
    return [
        call(1, "us-east-1", model=DENIED, error="AccessDeniedException"),
        call(2, "us-east-1", error="ThrottlingException"),
        call(3, "us-west-2"),
        call(4, "eu-central-1"),
        call(5, "us-west-2"),
        call(6, "eu-central-1"),
    ]


def batch() -> BatchResult:
    summary = {
        "records": 4,
        "answered": 4,
        "failed": 0,
        "rejected": 0,
        "byRegion": {"us-west-2": 2, "eu-central-1": 2},
        "byModel": {GOOD: 4},
        "attempts": 6,
        "usage": {"inputTokens": 24, "outputTokens": 16, "totalTokens": 40},
        "estimatedCostUsd": 0.00123,
        "wallSeconds": 2.5,
    }
    results = [
        result("a", "us-west-2", 3),
        result("b", "eu-central-1", 1),
        result("c", "us-west-2", 1),
        result("d", "eu-central-1", 1),
    ]
    return BatchResult(Path("results"), summary, results, [], [])


def failed_checks(batch: BatchResult, calls: list[Call]) -> list[str]:
    checks = batch_checks(batch, ids=IDS, calls=calls, faults=FAULTS)
    return [check.name for check in checks if not check.passed]


def test_a_correct_batch_passes_every_check() -> None:
    assert failed_checks(batch(), calls()) == []


@pytest.mark.parametrize(
    ("field", "value", "check"),
    [
        ("answered", 3, "summary and results have the same number of answered records"),
        ("failed", 1, "summary and results have the same number of failed records"),
        ("rejected", 1, "summary and results have the same number of rejected lines"),
        ("attempts", 5, "summary and FakeBedrock's log have the same number of calls"),
        ("byRegion", {"us-west-2": 2}, "summary and results have the same number of answers by region"),
        ("byModel", {DENIED: 2}, "summary and results have the same number of answers by model"),
        ("usage", {"totalTokens": 21}, "summary and results have the same number of tokens"),
    ],
)
def test_a_summary_that_differs_from_the_results_fails_a_check(field: str, value: Any, check: str) -> None:
    changed = batch()
    changed.summary[field] = value
    assert failed_checks(changed, calls()) == [check]


@pytest.mark.parametrize(
    ("field", "value", "check"),
    [
        ("recordId", "b", "every record has exactly one result"),
        ("status", "failed", "every record is answered"),
        ("modelOutput", {"output": {"message": {"content": []}}}, "every answer has text or a tool call"),
        ("featuresDisabled", ["images"], "no request lost a feature to feature fallback"),
        ("attempts", 9, "results and FakeBedrock's log have the same number of calls"),
        (
            "region",
            "us-east-1",
            "results and FakeBedrock's log have the same number of answers by model and region",
        ),
    ],
)
def test_a_wrong_result_fails_a_check(field: str, value: Any, check: str) -> None:
    changed = batch()
    changed.results[0][field] = value
    assert check in failed_checks(changed, calls())


def test_too_many_denied_calls_fail_a_check() -> None:
    many_denied = batch()
    many_denied.summary["attempts"], many_denied.results[0]["attempts"] = 7, 4
    more = [*calls(), call(7, "us-west-2", model=DENIED, error="AccessDeniedException")]
    assert failed_checks(many_denied, more) == ["at most 0.3 calls per answer are denied"]


def test_missing_faults_fail_checks() -> None:
    without_faults = copy.deepcopy(batch())
    without_faults.summary["attempts"], without_faults.results[0]["attempts"] = 4, 1
    assert failed_checks(without_faults, calls()[2:]) == [
        "calls are throttled in us-east-1 only",
        f"access is denied to {DENIED} only",
    ]


def test_the_report_counts_records_and_calls() -> None:
    report = batch_report(batch(), calls=calls(), faults=FAULTS)
    assert "4: 4 answered, 0 failed, 0 rejected" in report
    assert "eu-central-1 2, us-west-2 2" in report
    assert "6: answered 4, AccessDeniedException 1, ThrottlingException 1" in report
    assert "24 input, 16 output" in report
    assert "$0.001230" in report


def test_the_report_explains_denied_and_throttled_calls() -> None:
    report = batch_report(batch(), calls=calls(), faults=FAULTS)
    assert f"denied        1 (0.25 per answer), before workers avoided {DENIED}" in report
    assert "throttled     1, before workers avoided us-east-1" in report


def test_an_unknown_cost_is_reported_as_unknown() -> None:
    changed = batch()
    changed.summary["estimatedCostUsd"] = None
    assert "unknown" in batch_report(changed, calls=calls(), faults=FAULTS)
