"""Whether a service is called while it cannot be reached."""

from __future__ import annotations

from contextlib import suppress

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ParamValidationError, ReadTimeoutError

from lambdas.shared.outage import KnownOutage, Outage
from tests.clock import ManualClock, manual_outage_clock


def server_error(status: int) -> ClientError:
    return ClientError({"Error": {}, "ResponseMetadata": {"HTTPStatusCode": status}}, "GetItem")


UNREACHABLE = EndpointConnectionError(endpoint_url="http://127.0.0.1:1")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> ManualClock:
    return manual_outage_clock(monkeypatch)


@pytest.fixture
def outage(clock: ManualClock) -> Outage:
    return Outage()


def call(outage: Outage, error: Exception | None = None) -> bool:
    """Return whether the call was sent. It ends with the error."""
    was_sent = False
    with suppress(KnownOutage, *([type(error)] if error else [])), outage.noted():
        was_sent = True
        if error is not None:
            raise error
    return was_sent


def test_no_call_is_sent_for_some_seconds_after_one_that_did_not_reach_the_service(
    outage: Outage, clock: ManualClock
) -> None:
    assert call(outage, UNREACHABLE)
    assert [call(outage), call(outage)] == [False, False]
    clock.now += 5
    assert [call(outage), call(outage)] == [True, True]


def test_one_call_at_a_time_tries_whether_the_service_can_be_reached_again(
    outage: Outage, clock: ManualClock
) -> None:
    call(outage, UNREACHABLE)
    clock.now += 5
    with outage.noted():
        assert not call(outage)
        # If that call never ends, another tries.
        clock.now += 5
        assert call(outage, UNREACHABLE)
    clock.now += 5
    assert call(outage)


@pytest.mark.parametrize(
    ("error", "is_outage"),
    [
        (UNREACHABLE, True),
        (ReadTimeoutError(endpoint_url="http://127.0.0.1:1"), True),
        (server_error(503), True),
        (server_error(400), False),
        (ParamValidationError(report="a name is too long"), False),
        (ValueError(), False),
    ],
)
def test_an_answer_of_the_service_is_no_outage(outage: Outage, error: Exception, is_outage: bool) -> None:
    call(outage, error)
    assert call(outage) is not is_outage


def test_the_cause_of_an_error_decides(outage: Outage) -> None:
    error = ValueError()
    error.__cause__ = UNREACHABLE
    call(outage, error)
    assert not call(outage)
