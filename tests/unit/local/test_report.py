"""The demo reports the estimated cost of its batch on AWS."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.batch_client import BatchResult
from local.report import cost_on_aws, cost_report

BATCH = BatchResult(
    folder=Path(),
    summary={
        "records": 3,
        "byModel": {"amazon.nova-micro-v1:0": 1, "amazon.nova-lite-v1:0": 2},
        "usage": {"inputTokens": 300, "outputTokens": 600},
    },
    results=[{"status": "answered", "durationMs": 500.0}] * 3,
    failed=[],
    rejected=[],
)


def test_tokens_are_priced_for_the_model_with_most_answers() -> None:
    assert cost_on_aws(BATCH).tokens_usd == pytest.approx((300 * 0.06 + 600 * 0.24) / 1e6)


def test_the_report_includes_the_cost_of_a_million_records() -> None:
    report = cost_report(BATCH)

    assert "$54.00" in report
    assert all(name in report for name in ("Step Functions", "Lambda", "S3", "DynamoDB", "Total"))
