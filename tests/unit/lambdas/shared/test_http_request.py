"""The time until the timeout of an HTTP request."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from lambdas.shared import http_request
from lambdas.shared.http_request import HttpRequest

NOW = 1_780_000_000.0


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_request, "time", SimpleNamespace(time=lambda: NOW))


def request_with(remaining: float, **request_context: Any) -> HttpRequest:
    context = SimpleNamespace(get_remaining_time_in_millis=lambda: remaining * 1000)
    return HttpRequest({"requestContext": request_context}, context)


@pytest.mark.parametrize(
    ("remaining", "waited", "left"),
    [
        (29, 0, 29),
        (29, 3, 26),
        (29, 9.5, 19.5),
        (12, 3, 12),
        # A response would not reach the caller.
        (29, 29, 0),
        (29, 39, -10),
    ],
)
def test_a_cold_start_counts_toward_the_timeout_of_api_gateway(
    remaining: float, waited: float, left: float
) -> None:
    request = request_with(remaining, requestTimeEpoch=round((NOW - waited) * 1000))

    assert request.seconds_left() == pytest.approx(left, abs=0.001)


@pytest.mark.parametrize(
    "epoch",
    [None, "1780000000000", True, [], NOW, (NOW + 5) * 1000, (NOW - 3600) * 1000, 0, -1],
    ids=["missing", "text", "true", "list", "in seconds", "in the future", "an hour ago", "zero", "negative"],
)
def test_an_implausible_request_time_is_ignored(epoch: Any) -> None:
    assert request_with(20, requestTimeEpoch=epoch).seconds_left() == 20


@pytest.mark.parametrize("event", [{}, {"requestContext": None}, {"requestContext": {}}])
def test_without_a_request_time_the_timeout_of_lambda_counts(event: Any) -> None:
    context = SimpleNamespace(get_remaining_time_in_millis=lambda: 20_000)

    assert HttpRequest(event, context).seconds_left() == 20
