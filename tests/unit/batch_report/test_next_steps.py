"""What to do about each error."""

from __future__ import annotations

import pytest

from llmmanager.batch_report.next_steps import next_step
from llmmanager.bedrock.routing.decision import Kind
from llmmanager.bedrock.routing.error_table import ANY, CLIENT_RULES, RULES

UNKNOWN = next_step("NeverHeardOfException")
CODES = sorted({rule.code for rule in RULES if rule.code != ANY} | CLIENT_RULES.keys())


@pytest.mark.parametrize("code", CODES)
def test_every_error_of_the_table_has_a_next_step(code):
    assert next_step(code) != UNKNOWN


def test_every_rule_and_every_kind_of_failure_has_a_next_step():
    for rule in RULES:
        assert next_step("ThrottlingException" if rule.code == ANY else rule.code, rule.text)
    assert len({next_step(code) for code in CODES}) > len(Kind) / 2


@pytest.mark.parametrize(
    "type_",
    ["RecordLost", "DeadlinePassed", "StoppedOnFailure", "ExecutionEnded", "QuotaExceeded", "InvalidRequest"],
)
def test_every_error_of_a_batch_has_a_next_step(type_):
    assert next_step(type_) != UNKNOWN


def test_the_message_distinguishes_causes_with_the_same_code():
    minute = next_step("ThrottlingException", "Too many requests")
    day = next_step("ThrottlingException", "Too many tokens per day, please wait")

    assert "minute" in minute
    assert "day" in day
    assert next_step("AccessDeniedException") != next_step(
        "AccessDeniedException", "is not authorized to perform: kms:Decrypt"
    )
