"""Batches whose records have the same long system prompt."""

from __future__ import annotations

import pytest

from llmmanager import estimate_cost
from llmmanager.testing import Fault

RULES = [{"text": "The rules are as follows. " * 200}]  # 1,300 tokens


@pytest.fixture
def same_rules(records):
    """Twelve records with the same system prompt."""
    made = records(12)
    for record in made:
        record["modelInput"]["system"] = RULES
    return made


def test_one_record_writes_the_cache_and_the_others_read_it(machine, deployed, same_rules):
    summary = machine.run({"requests": same_rules, "regions": ["us-east-1"]})

    results = machine.lines("results.jsonl")
    figures = [result["totalUsage"] for result in results]
    assert sorted(usage["cacheWriteInputTokens"] for usage in figures) == [0] * 11 + [1300]
    assert sum(result["cacheSavedUsd"] for result in results) == pytest.approx(summary["cache"]["savedUsd"])
    uncached = sum(
        estimate_cost(
            "amazon.nova-lite-v1:0",
            {
                "inputTokens": usage["totalTokens"] - usage["outputTokens"],
                "outputTokens": usage["outputTokens"],
            },
        )
        for usage in figures
    )
    assert summary["cache"] == {
        "readTokens": 11 * 1300,
        "writeTokens": 1300,
        "savedUsd": pytest.approx(uncached - summary["estimatedCostUsd"]),
    }


def test_a_failed_record_is_reported_as_it_was_given(machine, deployed, same_rules):
    deployed.add_fault(Fault(error="ValidationException", message="Malformed input request", count=1))
    machine.run({"requests": same_rules, "regions": ["us-east-1"], "models": ["Nova Lite"]})

    (failed,) = machine.lines("failed.jsonl")
    assert failed["modelInput"] in [record["modelInput"] for record in same_rules]


def test_switched_off_only_records_that_ask_for_it_are_cached(machine, deployed, same_rules):
    same_rules[0]["modelInput"]["promptCache"] = "auto"
    summary = machine.run({"requests": same_rules, "regions": ["us-east-1"], "promptCache": "off"})

    assert sum("cachePoint" in str(call.body) for call in deployed.calls) == 1
    assert summary["cache"]["writeTokens"] == 1300
    assert summary["cache"]["savedUsd"] <= 0
