"""When jobs are stopped to meet a deadline."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lambdas.batch.managed.cut_off import CutOff

START = datetime(2026, 12, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("hours", "records", "seconds", "at_minutes", "margin_minutes"),
    [
        # An hour, less a tenth for the stop, less 20 minutes for 1,000 of 1,000 records on demand.
        (1, 1000, 1200, 60 - 6 - 20, 6),
        (1, 100, 1200, 60 - 6 - 2, 6),
        (1, 0, 1200, 60 - 6, 6),
        (12, 1000, 1200, 720 - 15 - 20, 15),
        (1, 1000, None, 60 - 6 - 30, 6),
        # The on-demand lane alone would miss the deadline.
        (1, 1000, 7200, 60 - 6 - 120, 6),
    ],
)
def test_the_on_demand_lane_has_the_time_that_it_needs(
    hours: int, records: int, seconds: float | None, at_minutes: float, margin_minutes: float
) -> None:
    estimate = {"lane": "onDemand", "records": 1000, "estimatedSeconds": seconds}
    lanes: dict[str, Any] = {"estimates": [{"lane": "flex", "estimatedSeconds": 1, "records": 1}, estimate]}

    found = CutOff.of(START + timedelta(hours=hours), started_at=START, records=records, lanes=lanes)

    assert found.at == START + timedelta(minutes=at_minutes)
    assert found.margin == timedelta(minutes=margin_minutes)


def test_without_an_estimate_the_on_demand_lane_has_half_of_the_time() -> None:
    found = CutOff.of(START + timedelta(hours=1), started_at=START, records=5, lanes=None)

    assert found.at == START + timedelta(minutes=60 - 6 - 30)
