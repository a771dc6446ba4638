"""The quota gate keeps calls within a quota, known or not, and uses nearly all of it."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from llmmanager.bedrock.routing.decision import QuotaUnit
from llmmanager.bedrock.routing.quota_gate import Permit, QuotaGate
from llmmanager.bedrock.routing.quota_meter import Charge, QuotaLimit, UsageWindow
from tests.clock import ManualClock
from tests.unit.routing.quota_simulation import Simulation
from tests.waiting import wait_until

TOKENS, REQUESTS = QuotaUnit.TOKENS, QuotaUnit.REQUESTS


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(100.0)


@pytest.fixture
def gate(clock: ManualClock) -> QuotaGate:
    return QuotaGate(10.0, clock=clock)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("run", "calls_per_answer", "share"),
    [
        pytest.param({"requests": 1000}, 1.05, 0.92, id="unknown-quota"),
        pytest.param({"requests": 1000, "slowest_send": 0.1}, 1.10, 0.92, id="busy-client"),
        pytest.param({"requests": 1000, "concurrency": 128}, 1.25, 0.88, id="many-threads"),
        pytest.param({"requests": 1000, "processes": 4}, 1.45, 0.80, id="four-processes"),
        pytest.param(
            {"requests": 1000, "processes": 4, "known": 2000}, 1.03, 0.90, id="four-processes-with-a-quarter"
        ),
        pytest.param({"requests": 1200, "regions": 3}, 1.05, 0.90, id="three-regions"),
        pytest.param(
            {"requests": 800, "changes": [(30, 4000), (60, 8000)]}, 1.15, 0.85, id="quota-halved-and-restored"
        ),
        pytest.param(
            {"requests": 1000, "tokens": None, "requests_per_window": 85}, 1.05, 0.92, id="requests-limited"
        ),
        pytest.param(
            {"requests": 1000, "tokens": None, "requests_per_window": 85, "listed_requests": 85},
            1.05,
            0.92,
            id="requests-listed-and-enforced",
        ),
        pytest.param(
            {"requests": 1000, "known": 8000, "listed_requests": 5},
            1.03,
            0.90,
            id="requests-listed-and-not-enforced",
        ),
        pytest.param({"requests": 1000, "known": 16000}, 1.05, 0.92, id="twice-the-known-quota"),
    ],
)
def test_every_request_is_answered_with_few_calls_and_nearly_the_whole_quota(
    run: dict[str, Any], calls_per_answer: float, share: float, seed: int
) -> None:
    outcome = Simulation(**run, seed=seed).run()
    assert outcome.answered == run["requests"]
    assert outcome.calls_per_answer <= calls_per_answer
    assert outcome.share >= share


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("known", [None, 40000])
@pytest.mark.parametrize("processes", [1, 4])
@pytest.mark.parametrize(("singles", "throttled"), [(0.05, 0.03), (0.1, 0.1)])
def test_single_requests_beside_a_batch_that_leaves_a_reserve_are_nearly_never_throttled(
    singles: float, throttled: float, processes: int, known: float | None, seed: int
) -> None:
    # They arrive at random times: at 10 % of the quota on average, they exceed the reserve now and then.
    outcome = Simulation(
        requests=4000,
        tokens=40_000,
        processes=processes,
        known=known and known / processes,
        singles=singles,
        reserve=0.1,
        seed=seed,
    ).run()
    assert outcome.answered == 4000
    assert outcome.singles_throttled <= throttled * outcome.singles
    assert outcome.share >= 0.75


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("processes", [1, 4])
def test_a_limit_with_a_reserve_follows_a_quota_that_grows(processes: int, seed: int) -> None:
    grown = Simulation(
        requests=3000, processes=processes, reserve=0.1, changes=[(60, 16000)], seed=seed
    ).run()
    assert grown.answered == 3000
    assert grown.share >= 0.6


@pytest.mark.parametrize("seed", range(3))
def test_an_estimated_limit_loses_the_reserve_only_once(seed: int) -> None:
    outcome = Simulation(requests=3000, reserve=0.1, seed=seed).run()
    assert outcome.share >= 0.85


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("share", [0.06, 0.2, 0.35])
def test_random_throttles_slow_nothing_down(share: float, seed: int) -> None:
    undisturbed = Simulation(requests=1000, tokens=None, seed=seed).run()
    outcome = Simulation(requests=1000, tokens=None, capacity_throttles=share, seed=seed).run()
    assert outcome.answered == 1000
    assert outcome.seconds <= 1.2 * undisturbed.seconds


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("share", [0.2, 0.5])
def test_calls_under_a_quota_are_answered_despite_many_random_throttles(share: float, seed: int) -> None:
    outcome = Simulation(requests=1000, capacity_throttles=share, seed=seed).run()
    assert outcome.answered == 1000
    assert outcome.share >= 0.6


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("known", [None, 8000])
def test_nearly_the_whole_quota_is_used_despite_random_throttles(known: float | None, seed: int) -> None:
    outcome = Simulation(requests=1000, known=known, capacity_throttles=0.2, seed=seed).run()
    assert outcome.answered == 1000
    assert outcome.share >= 0.8


def test_a_gate_that_saw_no_throttle_admits_every_call(gate: QuotaGate) -> None:
    assert all(gate.try_enter(1_000_000) for _ in range(1000))


def test_a_known_quota_is_respected_from_the_first_call(gate: QuotaGate, clock: ManualClock) -> None:
    gate.set_known(tokens=100)
    assert gate.try_enter(60)
    assert gate.try_enter(60) is None
    assert gate.try_enter(40)
    clock.now += 10.2
    assert gate.try_enter(60)


def test_a_call_that_leaves_a_reserve_uses_the_rest_only(gate: QuotaGate) -> None:
    gate.set_known(tokens=100)
    assert gate.try_enter(80, reserve=0.1)
    assert gate.try_enter(20, reserve=0.1) is None
    assert gate.try_enter(20)


def test_a_call_of_more_than_the_limit_is_sent_when_no_other_is_in_the_window(
    gate: QuotaGate, clock: ManualClock
) -> None:
    gate.set_known(tokens=100)
    assert gate.expected_wait(500) == 0
    assert gate.try_enter(60)
    assert 10 <= gate.expected_wait(500) <= 10.2
    assert gate.try_enter(500) is None
    clock.now += 10.2
    assert gate.try_enter(500)


def test_a_lower_estimate_stays_until_another_quota_is_known() -> None:
    limit = QuotaLimit(shortest_interval=3, longest_interval=20)
    limit.set_known(100)
    limit.lower(40, 0.0, 5.0)
    limit.set_known(100)
    assert limit.allowed(0.0) == 40
    limit.set_known(200)
    assert limit.allowed(0.0) == 200


def test_listed_requests_are_exceeded_once_bedrock_admits_more(gate: QuotaGate, clock: ManualClock) -> None:
    gate.set_known(listed_requests=5)
    for _ in range(100):
        permit = gate.try_enter(1)
        assert permit is not None
        permit.answered(1)
        clock.now += 0.01
    assert not gate.has_limit


def test_listed_requests_that_bedrock_enforces_are_respected(gate: QuotaGate, clock: ManualClock) -> None:
    gate.set_known(listed_requests=5)
    admitted = [permit for _ in range(6) if (permit := gate.try_enter(1))]
    assert len(admitted) == 6
    admitted[-1].throttled(REQUESTS)
    clock.now += 0.2
    assert gate.try_enter(1) is None
    assert gate.has_limit


def test_what_a_call_did_not_use_is_free_for_others(gate: QuotaGate) -> None:
    gate.set_known(tokens=100)
    permit = gate.try_enter(90)
    assert permit is not None
    assert gate.try_enter(50) is None
    permit.answered(20)
    assert gate.try_enter(50)


def test_a_call_that_failed_otherwise_uses_no_quota(gate: QuotaGate) -> None:
    gate.set_known(requests=1)
    permit = gate.try_enter(1)
    assert permit is not None
    permit.rejected()
    assert gate.try_enter(1)


def enter_later(gate: QuotaGate, clock: ManualClock) -> Permit:
    """Enter with 10 tokens as soon as the gate admits it, at least a millisecond from now."""
    permit = None
    while permit is None:
        clock.now += 0.001
        permit = gate.try_enter(10)
    return permit


def use_up_the_quota(gate: QuotaGate, clock: ManualClock) -> None:
    while not gate.has_limit:
        enter_later(gate, clock).throttled(TOKENS)


def assert_one_call_is_sent_alone(gate: QuotaGate) -> None:
    """The gate admits one call, and the next ones when it is answered."""
    single = gate.try_enter(10)
    assert single is not None
    assert gate.try_enter(10) is None
    single.answered(10)
    assert gate.try_enter(10)


def test_a_single_throttle_stops_no_other_call(gate: QuotaGate, clock: ManualClock) -> None:
    enter_later(gate, clock).throttled(TOKENS)
    clock.now += 0.1
    assert all(gate.try_enter(10) for _ in range(100))
    assert not gate.has_limit


def test_throttles_in_a_row_that_are_far_apart_show_that_the_quota_is_used_up(
    gate: QuotaGate, clock: ManualClock
) -> None:
    for _ in range(20):
        enter_later(gate, clock).answered(10)
        clock.now += 0.5
    for _ in range(4):
        assert not gate.has_limit
        enter_later(gate, clock).throttled(TOKENS)
        clock.now += 0.5
    assert gate.has_limit


def test_the_fewer_calls_are_known_the_more_in_a_row_show_that_the_quota_is_used_up(
    gate: QuotaGate, clock: ManualClock
) -> None:
    for _ in range(5):
        enter_later(gate, clock).throttled(TOKENS)
    assert not gate.has_limit
    enter_later(gate, clock).throttled(TOKENS)
    assert gate.has_limit


def test_throttles_among_many_admitted_calls_do_not(gate: QuotaGate, clock: ManualClock) -> None:
    for _ in range(20):
        enter_later(gate, clock).throttled(TOKENS)
        clock.now += 0.1
        for _ in range(10):
            enter_later(gate, clock).answered(10)
    assert not gate.has_limit


def test_the_more_calls_are_throttled_at_random_the_more_in_a_row_show_that_the_quota_is_used_up(
    gate: QuotaGate, clock: ManualClock
) -> None:
    for _ in range(30):
        enter_later(gate, clock).throttled(TOKENS)
        enter_later(gate, clock).answered(10)
    for _ in range(10):
        enter_later(gate, clock).throttled(TOKENS)
    assert not gate.has_limit
    use_up_the_quota(gate, clock)
    assert gate.throttles_in_a_row <= 23


def test_a_run_of_throttles_shows_that_the_quota_is_used_up_however_many_are_random(
    gate: QuotaGate, clock: ManualClock
) -> None:
    for _ in range(20):
        for _ in range(9):
            enter_later(gate, clock).throttled(TOKENS)
        enter_later(gate, clock).answered(10)
    for _ in range(23):
        enter_later(gate, clock).throttled(TOKENS)
    assert gate.has_limit


def test_calls_in_progress_do_not_count_as_admitted(gate: QuotaGate, clock: ManualClock) -> None:
    permits = [enter_later(gate, clock) for _ in range(100)]
    for permit in permits[:5]:
        permit.throttled(TOKENS)
    assert not gate.has_limit


def test_a_quota_is_closed_after_throttles_if_its_usage_shows_how_long_to_wait(
    gate: QuotaGate, clock: ManualClock
) -> None:
    assert not gate.close(REQUESTS)
    assert not gate.has_limit
    enter_later(gate, clock).answered(10)
    assert gate.close(REQUESTS)
    assert gate.has_limit
    assert gate.try_enter(10) is None
    assert 9 < gate.expected_wait(10) <= 10.2


def test_after_it_is_closed_a_call_soon_tests_whether_the_throttles_were_random(
    gate: QuotaGate, clock: ManualClock
) -> None:
    enter_later(gate, clock).answered(10)
    gate.close(REQUESTS)
    clock.now += 0.2
    assert_one_call_is_sent_alone(gate)


def test_only_calls_without_another_one_between_them_are_throttled_in_a_row(
    gate: QuotaGate, clock: ManualClock
) -> None:
    permits = [enter_later(gate, clock) for _ in range(9)]
    for permit in [*permits[:3], *permits[4:6]]:
        permit.throttled(TOKENS)
    assert gate.throttles_in_a_row == 2
    permits[3].answered(10)
    assert not gate.has_limit


def test_a_call_sent_alone_does_not_block_others_until_its_answer(
    gate: QuotaGate, clock: ManualClock
) -> None:
    for _ in range(10):
        enter_later(gate, clock).answered(10)
    use_up_the_quota(gate, clock)
    clock.now += 10.2
    assert gate.try_enter(10)
    assert gate.try_enter(10) is None
    clock.now += 1.3
    assert gate.try_enter(10)


def test_after_throttles_in_a_row_one_call_is_sent_alone(gate: QuotaGate, clock: ManualClock) -> None:
    use_up_the_quota(gate, clock)
    assert gate.has_limit
    assert gate.try_enter(10) is None
    clock.now += 10.2
    assert_one_call_is_sent_alone(gate)


def test_each_further_throttle_doubles_the_pause(gate: QuotaGate, clock: ManualClock) -> None:
    use_up_the_quota(gate, clock)
    pauses = [gate.seconds_until_chance(10)]
    for _ in range(3):
        enter_later(gate, clock).throttled(TOKENS)
        pauses.append(gate.seconds_until_chance(10))
    assert pauses == pytest.approx([0.1, 0.2, 0.4, 0.8])


def test_the_servers_retry_after_is_honoured(gate: QuotaGate, clock: ManualClock) -> None:
    permit = gate.try_enter(10)
    assert permit is not None
    permit.throttled(REQUESTS, retry_after=4.0)
    assert gate.seconds_until_chance(10) == pytest.approx(4.0)
    clock.now += 3.9
    assert gate.is_active
    clock.now += 0.2
    assert not gate.is_active


def test_the_expected_wait_is_until_enough_calls_have_left_the_window(gate: QuotaGate) -> None:
    gate.set_known(tokens=100)
    assert gate.expected_wait(50) == 0
    assert gate.try_enter(100)
    assert 10.0 <= gate.expected_wait(50) <= 10.2


def test_a_call_gives_up_when_its_time_is_up() -> None:
    assert full_gate(20.0).enter(1, seconds=0.01) is None


def in_threads(gate: QuotaGate, priorities: list[int], cancelled: threading.Event | None = None) -> list[int]:
    """Let calls enter one after the other, each on a thread that waits; return the order of admission."""
    admitted: list[int] = []

    def enter(number: int, priority: int) -> None:
        if (permit := gate.enter(1, seconds=60, priority=priority, cancelled=cancelled)) is not None:
            admitted.append(number)
            permit.answered(1)

    threads = []
    for number, priority in enumerate(priorities):
        threads.append(threading.Thread(target=enter, args=(number, priority)))
        threads[-1].start()
        wait_until(lambda waiting=number + 1: len(gate._waiters) >= waiting or not threads[-1].is_alive())
    if cancelled is not None:
        cancelled.set()
    for thread in threads:
        thread.join()
    return admitted


def full_gate(window: float) -> QuotaGate:
    """A gate whose one request per window is used up for now."""
    gate = QuotaGate(window)
    gate.set_known(requests=1)
    assert gate.try_enter(1)
    return gate


def test_calls_are_admitted_in_the_order_of_their_arrival() -> None:
    assert in_threads(full_gate(0.3), [0, 0, 0]) == [0, 1, 2]


def test_a_lower_priority_number_is_admitted_first() -> None:
    assert in_threads(full_gate(0.5), [2, 1, 0]) == [2, 1, 0]


def test_waiting_can_be_cancelled() -> None:
    gate = full_gate(20.0)
    assert in_threads(gate, [0, 0], threading.Event()) == []
    assert gate._waiters == []


def test_a_gate_says_since_when_a_call_waits_and_when_the_last_one_was_admitted(clock: ManualClock) -> None:
    gate = QuotaGate(20.0, clock=clock)
    gate.set_known(requests=1)
    assert gate.try_enter(1)
    assert (gate.last_admitted, gate.longest_waiting_since()) == (100.0, None)
    cancelled = threading.Event()
    thread = threading.Thread(target=gate.enter, args=(1,), kwargs={"seconds": 60, "cancelled": cancelled})
    clock.now = 105.0
    thread.start()
    wait_until(lambda: gate._waiters)
    clock.now = 109.0
    assert (gate.last_admitted, gate.longest_waiting_since()) == (100.0, 105.0)
    cancelled.set()
    thread.join()
    assert gate.longest_waiting_since() is None


def test_calls_before_the_window_are_forgotten_although_nothing_reads_the_usage() -> None:
    window = UsageWindow(10.0)
    for second in range(1000):
        window.add(Charge(float(second), tokens=3))
    assert window.tokens == 10 * 3
