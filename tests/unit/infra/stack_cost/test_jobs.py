"""What the stack adds to the tokens of a batch job."""

from __future__ import annotations

import pytest

from infra.stack_cost.jobs import job_cost, polls

DAY = 24 * 3600


def usd(records: int = 1_000, job_seconds: float = 1_200) -> float:
    lines = job_cost(records=records, input_tokens=500, output_tokens=200, job_seconds=job_seconds)
    return sum(line.usd for line in lines)


@pytest.mark.parametrize(("seconds", "expected"), [(0, 0), (1, 1), (5, 1), (6, 2), (50, 10)])
def test_a_young_job_is_polled_every_five_seconds(seconds: float, expected: int) -> None:
    assert polls(seconds) == expected


def test_an_old_job_is_polled_every_five_minutes() -> None:
    assert polls(DAY) - polls(DAY / 2) == DAY / 2 / 300


def test_the_state_transitions_of_the_polls_of_a_day_cost_about_two_cents() -> None:
    transitions = [
        line.usd
        for seconds in (0.5 * DAY, 1.5 * DAY)
        for line in job_cost(records=100, input_tokens=1, output_tokens=1, job_seconds=seconds)
        if line.what == "state transitions"
    ]
    assert transitions[1] - transitions[0] == pytest.approx(0.02, abs=0.005)


def test_a_job_costs_little_beside_its_tokens() -> None:
    # 50,000 records of Nova Micro in a job cost 1.57 USD.
    assert usd(50_000, job_seconds=3_600) < 0.1 * 50_000 * (500 * 0.0175 + 200 * 0.07) / 1e6
    assert usd(50_000, job_seconds=DAY) - usd(50_000, job_seconds=3_600) < 0.04
