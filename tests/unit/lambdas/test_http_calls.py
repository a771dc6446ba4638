"""How long a call of the HTTP API has left."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from lambdas.http_api import calls
from lambdas.http_api.calls import Call

NOW = 1_780_000_000.0


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "time", SimpleNamespace(time=lambda: NOW))


def call(remaining: float, **request_context: Any) -> Call:
    context = SimpleNamespace(get_remaining_time_in_millis=lambda: remaining * 1000)
    return Call({"requestContext": request_context}, context)


@pytest.mark.parametrize(
    ("remaining", "waited", "left"),
    [
        (29, 0, 29),
        (29, 3, 26),
        (29, 9.5, 19.5),
        (12, 3, 12),
        # Nothing that is answered now reaches the caller.
        (29, 29, 0),
        (29, 39, -10),
    ],
)
def test_a_cold_start_is_taken_off_the_time_that_api_gateway_waits(
    remaining: float, waited: float, left: float
) -> None:
    sent = call(remaining, requestTimeEpoch=round((NOW - waited) * 1000))

    assert sent.seconds_left() == pytest.approx(left, abs=0.001)


@pytest.mark.parametrize(
    "epoch",
    [None, "1780000000000", True, [], NOW, (NOW + 5) * 1000, (NOW - 3600) * 1000, 0, -1],
    ids=["missing", "text", "true", "list", "in seconds", "in the future", "an hour ago", "zero", "negative"],
)
def test_a_time_of_the_request_that_cannot_be_right_is_ignored(epoch: Any) -> None:
    assert call(20, requestTimeEpoch=epoch).seconds_left() == 20


@pytest.mark.parametrize("event", [{}, {"requestContext": None}, {"requestContext": {}}])
def test_without_a_time_of_the_request_lambdas_own_time_counts(event: Any) -> None:
    context = SimpleNamespace(get_remaining_time_in_millis=lambda: 20_000)

    assert Call(event, context).seconds_left() == 20
