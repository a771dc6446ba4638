"""Calls of one budget whose transactions conflict, on a model of DynamoDB in virtual time."""

from __future__ import annotations

from tests.benchmarks.budget_conflicts import simulate


def test_a_budget_allows_seventy_calls_a_second() -> None:
    outcome = simulate(70, seconds=10)

    assert outcome.settled == outcome.calls > 600


def test_with_too_many_calls_new_ones_fail_and_reservations_are_still_settled() -> None:
    outcome = simulate(150, seconds=6)

    assert outcome.refused > 0
    assert outcome.unsettled <= outcome.calls / 100
