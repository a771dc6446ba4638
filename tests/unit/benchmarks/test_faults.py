"""What is made of a fault, judged from what a side measured and FakeBedrock's log of it."""

from __future__ import annotations

from typing import Any

import pytest

from llmmanager.testing import FakeBedrock
from llmmanager.testing.settings import apply_rules
from tests.benchmarks.faults_outcome import FaultOutcome, Outage
from tests.benchmarks.faults_report import section_of
from tests.fault_catalogue import CASES, FALLBACK, PRIMARY, FaultCase

WHOLE = "A complete answer."
BY_NUMBER = {case.number: case for case in CASES}


def call(model: dict[str, str], *, at: float, tokens: int | None = None) -> dict[str, Any]:
    """A call that was answered with so many tokens, or that failed."""
    return {
        "invoked_id": model["id"],
        "model_id": model["id"].removeprefix("eu."),
        "started_at": at,
        "status": 503 if tokens is None else 200,
        "usage": None if tokens is None else {"outputTokens": tokens},
        "answer_lost": False,
    }


FAILED_OVER = [call(PRIMARY, at=1.0), call(FALLBACK, at=1.1, tokens=9)]
ANSWER = {"hangs": False, "seconds": 0.2, "text": WHOLE, "model": "eu.amazon.nova-micro-v1:0", "tokens": 9}


def judged(ended: dict[str, Any], calls: list[dict[str, Any]], number: str = "S04") -> FaultOutcome:
    return FaultOutcome.of(BY_NUMBER[number], ended, calls, whole=WHOLE)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.number)
def test_each_fault_is_one_that_fake_bedrock_can_produce(case: FaultCase) -> None:
    bedrock = FakeBedrock()
    apply_rules(bedrock, case.rules())
    assert len(bedrock.faults) == bool(case.fault)


def test_the_catalogue_has_sixteen_faults_with_the_outage() -> None:
    assert sorted({*BY_NUMBER, "S15"}) == [f"S{number:02}" for number in range(1, 17)]


def test_a_complete_answer_of_the_fallback_is_good() -> None:
    outcome = judged(ANSWER, FAILED_OVER)
    assert (outcome.kind, outcome.faults, outcome.calls) == ("answer", (), 2)
    assert not outcome.is_bad


def test_a_clean_error_is_not_bad() -> None:
    outcome = judged({"hangs": False, "seconds": 1.0, "error": "ClientError: 503"}, FAILED_OVER[:1])
    assert outcome.kind == "error"
    assert not outcome.is_bad


@pytest.mark.parametrize(
    ("ended", "kind"),
    [({**ANSWER, "text": "A compl"}, "incomplete answer"), ({"hangs": True, "seconds": 20.0}, "hang")],
)
def test_a_truncated_answer_and_a_hang_are_bad(ended: dict[str, Any], kind: str) -> None:
    outcome = judged(ended, FAILED_OVER)
    assert outcome.kind == kind
    assert outcome.is_bad


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"model": "eu.amazon.nova-lite-v1:0"}, "wrong model"),
        ({"model": None}, "no model"),
        ({"tokens": 8}, "wrong usage"),
        ({"tokens": None}, "no usage"),
    ],
)
def test_an_answer_that_reports_the_wrong_model_or_usage_is_bad(changed: dict[str, Any], fault: str) -> None:
    assert judged({**ANSWER, **changed}, FAILED_OVER).faults == (fault,)


def test_the_usage_cannot_be_reported_when_bedrock_does_not_send_it() -> None:
    assert judged({**ANSWER, "tokens": None}, FAILED_OVER, number="S11").faults == ()


def test_more_calls_of_the_failing_model_than_allowed_are_bad() -> None:
    calls = [call(PRIMARY, at=float(number)) for number in range(7)]
    assert judged({"hangs": False, "seconds": 7.0, "error": "x"}, calls).faults == (
        "7 calls of the failing model",
    )


@pytest.mark.parametrize(("pause", "bad"), [(0.1, True), (2.0, False)])
def test_a_burst_of_calls_of_a_throttled_model_is_bad(pause: float, bad: bool) -> None:
    calls = [call(PRIMARY, at=10 + pause * number) for number in range(5)]
    assert judged({"hangs": False, "seconds": 9.0, "error": "x"}, calls, number="S02").is_bad is bad


def test_an_outage_is_over_when_the_first_model_answers_again() -> None:
    calls = [
        call(PRIMARY, at=1.0),
        call(FALLBACK, at=1.1, tokens=9),
        call(PRIMARY, at=12.5, tokens=9),
        call(PRIMARY, at=15.0, tokens=9),
    ]
    outage = Outage.of([True, True, False], calls, recovered_at=10.0)
    assert outage == Outage(answered=2, requests=3, calls_while_down=1, recovered_after=2.5)


def test_a_model_that_is_not_used_again_has_not_recovered() -> None:
    assert Outage.of([True], FAILED_OVER, recovered_at=10.0).recovered_after is None


def test_the_tables_count_the_outcomes_and_show_each_of_them() -> None:
    good, bad = judged(ANSWER, FAILED_OVER), judged({**ANSWER, "tokens": 8}, FAILED_OVER)
    outage = Outage(answered=20, requests=20, calls_while_down=3, recovered_after=4.0)
    section = section_of({"ours": [good], "theirs": [bad]}, {"ours": outage, "theirs": outage})
    summary, details = section.tables
    assert [row[:4] for row in summary.rows] == [("ours", "1", "0", "0"), ("theirs", "0", "0", "1")]
    assert summary.in_readme
    assert [row[0] for row in details.rows] == ["S04", "S15"]
    assert details.rows[0][2:] == ("answer, 2 calls, 0.2 s", "**answer, wrong usage, 2 calls, 0.2 s**")
    marks = section.pictures[0].data["libraries"]
    assert [marks[name][0]["mark"] for name in ("ours", "theirs")] == ["answer", "bad"]
