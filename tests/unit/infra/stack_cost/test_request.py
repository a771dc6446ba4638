"""The cost of single requests."""

from __future__ import annotations

import pytest

from infra.stack_cost.request import request_cost


def cost(**arguments: float) -> dict[str, float]:
    lines = request_cost(**{"requests": 1_000_000, "latency_seconds": 3, **arguments})  # type: ignore[arg-type]
    return {line.what: line.usd for line in lines}


def test_a_million_requests_cost_the_list_prices() -> None:
    assert cost() == pytest.approx(
        {
            "requests": 3.5,
            "GB-seconds": 40.0002,
            "invocations": 0.2,
            "GB of logs": 0.75,
            "months of a metric": 3.0,
            "read units": 0.25,
            "write units": 1.25,
        }
    )


def test_half_of_the_time_costs_half_of_the_gb_seconds() -> None:
    assert cost(latency_seconds=1.5)["GB-seconds"] == cost()["GB-seconds"] / 2


def test_metrics_are_billed_by_target_and_hour() -> None:
    assert cost(targets=3, hours=73)["months of a metric"] == pytest.approx(20 * 0.30 / 10)


def test_a_budget_costs_a_reservation_and_its_settlement() -> None:
    # Reserved: the day, the month and the reservation. Settled: the same and the usage. Two units each.
    assert cost(limits=2)["write units"] == pytest.approx((3 + 4) * 2 * 0.625)
    assert cost(limits=2)["read units"] == pytest.approx((2 + 2 / 2) * 0.125)
