"""The demo's checks hold for a batch that went well, and each notices what it is there for."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from infra.local.batches import BatchResult
from infra.local.checks import Check, Trouble, batch_checks
from infra.local.report import batch_report
from llmmanager.testing import Call

GOOD, DENIED = "model-good", "model-denied"
TROUBLE = Trouble(throttled_region="us-east-1", denied_model_id=DENIED)
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


def wrong(batch: BatchResult, calls: list[Call]) -> list[str]:
    checks: list[Check] = list(batch_checks(batch, ids=IDS, calls=calls, trouble=TROUBLE))
    return [check.claim for check in checks if not check.holds]


def test_a_batch_that_went_well_passes_every_check() -> None:
    assert wrong(batch(), calls()) == []


@pytest.mark.parametrize(
    ("field", "value", "noticed"),
    [
        ("answered", 3, "summary and results agree on the answered records"),
        ("failed", 1, "summary and results agree on the failed records"),
        ("rejected", 1, "summary and results agree on the rejected lines"),
        ("attempts", 5, "summary and Bedrock's log agree on the number of calls"),
        ("byRegion", {"us-west-2": 2}, "summary and results agree on the answers of each region"),
        ("byModel", {DENIED: 2}, "summary and results agree on the answers of each model"),
        ("usage", {"totalTokens": 21}, "summary and results agree on the tokens"),
    ],
)
def test_a_summary_that_differs_from_the_results_is_noticed(field: str, value: Any, noticed: str) -> None:
    told = batch()
    told.summary[field] = value
    assert wrong(told, calls()) == [noticed]


@pytest.mark.parametrize(
    ("field", "value", "noticed"),
    [
        ("recordId", "b", "every record has exactly one result"),
        ("status", "failed", "every record is answered"),
        ("modelOutput", {"output": {"message": {"content": []}}}, "every answer has text or a tool call"),
        ("featuresDisabled", ["images"], "no answer left out a part of its request"),
        ("attempts", 9, "results and Bedrock's log agree on the number of calls"),
        ("region", "us-east-1", "results and Bedrock's log agree on the answers of each model and region"),
    ],
)
def test_a_result_that_is_not_as_it_should_be_is_noticed(field: str, value: Any, noticed: str) -> None:
    told = batch()
    told.results[0][field] = value
    assert noticed in wrong(told, calls())


def test_many_denied_calls_for_few_answers_are_noticed() -> None:
    noisy = batch()
    noisy.summary["attempts"], noisy.results[0]["attempts"] = 7, 4
    more = [*calls(), call(7, "us-west-2", model=DENIED, error="AccessDeniedException")]
    assert wrong(noisy, more) == ["at most 0.3 calls per answer were denied"]


def test_a_bedrock_that_never_throttled_or_refused_shows_nothing() -> None:
    quiet = copy.deepcopy(batch())
    quiet.summary["attempts"], quiet.results[0]["attempts"] = 4, 1
    assert wrong(quiet, calls()[2:]) == [
        "calls were throttled in us-east-1, and only there",
        f"access was denied to {DENIED}, and only to it",
    ]


def test_the_report_says_what_became_of_the_records_and_of_the_calls() -> None:
    report = batch_report(batch(), calls=calls(), trouble=TROUBLE)
    assert "4: 4 answered, 0 failed, 0 rejected" in report
    assert "eu-central-1 2, us-west-2 2" in report
    assert "6: answered 4, AccessDeniedException 1, ThrottlingException 1" in report
    assert "24 in, 16 out" in report
    assert "$0.001230" in report


def test_the_report_says_what_the_denied_and_the_throttled_calls_are() -> None:
    report = batch_report(batch(), calls=calls(), trouble=TROUBLE)
    assert f"denied          1, 0.25 per answer: how workers learn that {DENIED} is denied" in report
    assert "throttled       1: how workers learn that us-east-1 has no quota left" in report


def test_a_cost_that_is_not_known_is_not_made_up() -> None:
    told = batch()
    told.summary["estimatedCostUsd"] = None
    assert "unknown" in batch_report(told, calls=calls(), trouble=TROUBLE)
