"""What a batch came to, added up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from lambdas.batch.storage import Plan
from lambdas.batch.summary import Totals

STARTED = datetime(2026, 11, 22, 12, tzinfo=UTC)


def answer(**fields):
    return {
        "status": "answered",
        "attempts": 1,
        "region": "us-east-1",
        "model": "amazon.nova-lite-v1:0",
        "usage": {"inputTokens": 10, "outputTokens": 5, "cacheDetails": [{"ttl": "1h", "inputTokens": 3}]},
        "estimatedCostUsd": 0.25,
        **fields,
    }


def summed(*results, rejected=0):
    totals = Totals()
    for result in results:
        totals.add(result)
    plan = Plan(len(results) + rejected, rejected, STARTED)
    return totals.summary("batch-1", plan, ended_at=STARTED + timedelta(seconds=90.5))


def test_every_line_of_the_input_is_counted_once():
    summary = summed(answer(attempts=3), {"status": "failed", "attempts": 4}, rejected=2)

    assert (summary["records"], summary["answered"], summary["failed"], summary["rejected"]) == (4, 1, 1, 2)
    assert summary["attempts"] == 7
    assert summary["wallSeconds"] == 90.5


def test_tokens_and_costs_are_those_of_the_answers():
    summary = summed(answer(), answer(region="us-west-2"), {"status": "failed", "attempts": 1})

    assert summary["usage"] == {"inputTokens": 20, "outputTokens": 10}
    assert (summary["estimatedCostUsd"], summary["answersWithoutPrice"]) == (0.5, 0)
    assert summary["byRegion"] == {"us-east-1": 1, "us-west-2": 1}


def test_a_cost_that_leaves_answers_out_says_how_many():
    some = summed(answer(), answer(estimatedCostUsd=None, usage=None))
    none = summed(answer(estimatedCostUsd=None))

    assert (some["estimatedCostUsd"], some["answersWithoutPrice"]) == (0.25, 1)
    assert (none["estimatedCostUsd"], none["answersWithoutPrice"]) == (None, 1)
