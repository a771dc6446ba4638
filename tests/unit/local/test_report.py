"""The demo's report tells what its batch would cost on AWS."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.local.batches import BatchResult
from infra.local.report import cost_on_aws, cost_report

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


def test_the_tokens_of_the_model_that_answered_most_are_priced() -> None:
    assert cost_on_aws(BATCH).tokens_usd == pytest.approx((300 * 0.06 + 600 * 0.24) / 1e6)


def test_a_million_records_like_these_stand_beside_the_batch() -> None:
    report = cost_report(BATCH)

    assert "$54.00" in report
    assert all(name in report for name in ("Step Functions", "Lambda", "S3", "DynamoDB", "In all"))
