"""StartOrder: which requests of a run wait for the answer to the first one with their prefix."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from llmmanager.bedrock.models.bedrock_response import BedrockResponse
from llmmanager.bedrock.models.request_attempt import RequestAttempt
from llmmanager.bedrock.parallel.start_order import LONGEST_WAIT_SECONDS, StartOrder
from llmmanager.bedrock.parallel.warm_prefixes import WarmPrefixes
from llmmanager.bedrock.tokens.cache_prefixes import CachedPrefix
from tests.clock import ManualClock

MODEL, OTHER = "acme.talk", "acme.plain"
TTL = 300.0
TOKENS = 2_000.0


@dataclass(frozen=True)
class Request:
    name: str
    prefixes: tuple[CachedPrefix, ...] = ()


def prefixed(name: str, *contents: str) -> Request:
    return Request(name, tuple(CachedPrefix(MODEL, content.encode(), TOKENS, TTL) for content in contents))


def answered(*, model: str = MODEL, region: str = "us-east-1", seconds: float = 0.0) -> BedrockResponse:
    end = datetime.now(UTC)
    attempt = RequestAttempt(model, region, "on_demand", 1, end - timedelta(seconds=seconds), end, True)
    return BedrockResponse(success=True, attempts=[attempt])


FAILED = BedrockResponse(success=False)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def warm(clock: ManualClock) -> WarmPrefixes:
    return WarmPrefixes(clock)


def start_order(
    requests: Iterable[Request], warm: WarmPrefixes, clock: ManualClock, *, max_waiting: int = 10
) -> StartOrder[Request]:
    return StartOrder(requests, warm, max_waiting=max_waiting, clock=clock)


def started(order: StartOrder[Request]) -> str:
    """Return the names of all requests that may start now."""
    return "".join(request.name for request in iter(order.take, None))


def test_requests_wait_for_the_first_one_with_their_prefix(warm: WarmPrefixes, clock: ManualClock) -> None:
    first = prefixed("a", "x")
    requests = [first, prefixed("b", "x"), Request("c"), prefixed("d", "y"), prefixed("e", "x")]
    order = start_order(requests, warm, clock)
    assert started(order) == "acd"
    order.ended(first, answered())
    assert started(order) == "be"
    assert order.waiting == []


def test_a_request_waits_for_a_part_of_its_prefix(warm: WarmPrefixes, clock: ManualClock) -> None:
    first = prefixed("a", "rules", "rules and talk")
    order = start_order([first, prefixed("b", "rules", "rules and chat")], warm, clock)
    assert started(order) == "a"
    order.ended(first, answered())
    assert started(order) == "b"


def test_the_next_request_takes_the_place_of_one_that_failed(warm: WarmPrefixes, clock: ManualClock) -> None:
    first, second = prefixed("a", "x"), prefixed("b", "x")
    order = start_order([first, second, prefixed("c", "x"), prefixed("d", "x")], warm, clock)
    assert started(order) == "a"
    order.ended(first, FAILED)
    assert started(order) == "b"
    order.ended(second, answered())
    assert started(order) == "cd"


def test_a_prefix_delays_requests_for_a_limited_time_in_total(warm: WarmPrefixes, clock: ManualClock) -> None:
    first = prefixed("a", "x")
    order = start_order([first, *(prefixed(name, "x") for name in "bcd")], warm, clock)
    assert started(order) == "a"
    clock.now += LONGEST_WAIT_SECONDS - 1
    order.ended(first, FAILED)
    assert started(order) == "b"
    assert order.seconds_until_next() == 1.0
    clock.now += 1
    assert order.seconds_until_next() == 0.0
    assert started(order) == "cd"
    assert order.seconds_until_next() is None


def test_a_paid_answer_that_is_invalid_has_written_the_prefix(warm: WarmPrefixes, clock: ManualClock) -> None:
    first = prefixed("a", "x")
    order = start_order([first, prefixed("b", "x"), prefixed("c", "x")], warm, clock)
    assert started(order) == "a"
    now = datetime.now(UTC)
    attempt = RequestAttempt(
        MODEL, "us-east-1", "on_demand", 1, now, now, False, usage={"cache_write_tokens": 9}
    )
    order.ended(first, BedrockResponse(success=False, attempts=[attempt]))
    assert started(order) == "bc"


def test_requests_wait_again_when_the_prefix_has_not_been_used_for_its_time(
    warm: WarmPrefixes, clock: ManualClock
) -> None:
    requests = [prefixed(name, "x") for name in "abcdef"]
    source = iter(requests[:1])
    order = start_order(source, warm, clock)
    assert started(order) == "a"
    order.ended(requests[0], answered(seconds=10.0))  # it was used when the attempt started
    for number, seconds, expected in ((1, 200.0, "b"), (2, TTL - 1, "c"), (3, TTL, "d")):
        clock.now += seconds
        order._items = iter([requests[number]])
        assert started(order) == expected
        if number < 3:
            order.ended(requests[number], answered())
    order._items = iter(requests[4:])
    assert started(order) == ""
    order.ended(requests[3], answered())
    assert started(order) == "ef"


def test_runs_of_a_manager_share_what_is_in_the_cache(warm: WarmPrefixes, clock: ManualClock) -> None:
    first = prefixed("a", "x")
    order = start_order([first], warm, clock)
    assert started(order) == "a"
    order.ended(first, answered(region="us-west-2"))
    assert started(start_order([prefixed("b", "x"), prefixed("c", "x")], warm, clock)) == "bc"
    assert warm.regions(first.prefixes) == ["us-west-2"]


def test_nothing_waits_when_another_model_answers(warm: WarmPrefixes, clock: ManualClock) -> None:
    first = prefixed("a", "x")
    order = start_order([first, prefixed("b", "x"), prefixed("c", "x")], warm, clock)
    assert started(order) == "a"
    order.ended(first, answered(model=OTHER))
    assert started(order) == "bc"
    assert warm.regions(first.prefixes) == []


def test_the_regions_are_those_of_the_longest_prefix(warm: WarmPrefixes, clock: ManualClock) -> None:
    short, long = prefixed("a", "x").prefixes[0], prefixed("a", "xy").prefixes[0]
    warm.add(short, "us-east-1", age=0.0)
    warm.add(long, "us-west-2", age=0.0)
    assert warm.regions([short, long]) == ["us-west-2"]
    clock.now += TTL
    assert warm.regions([short, long]) == []


def test_few_requests_are_read_while_others_wait(warm: WarmPrefixes, clock: ManualClock) -> None:
    read = []

    def source() -> Iterable[Request]:
        for number in range(50):
            read.append(number)
            yield prefixed(str(number), "x")

    order = start_order(source(), warm, clock, max_waiting=3)
    assert started(order) == "0"
    assert len(read) == 4
    assert [request.name for request in order.waiting] == ["1", "2", "3"]


def test_expired_prefixes_are_forgotten(
    warm: WarmPrefixes, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llmmanager.bedrock.parallel.warm_prefixes._MAX_PREFIXES", 3)
    prefixes = [prefixed("a", name).prefixes[0] for name in "abcdefg"]
    for prefix in prefixes[:3]:
        warm.add(prefix, "us-east-1", age=0.0)
        clock.now += 100.0
    warm.add(prefixes[3], "us-east-1", age=0.0)  # the first one has expired
    assert [warm.has(prefix) for prefix in prefixes[:4]] == [False, True, True, True]
    warm.add(prefixes[4], "us-east-1", age=0.0)  # too many that have not expired
    assert [warm.has(prefix) for prefix in prefixes[:5]] == [False, False, False, False, True]
