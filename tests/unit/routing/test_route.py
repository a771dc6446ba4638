"""Which target is tried next."""

from __future__ import annotations

import random
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmmanager.bedrock.invocation.targets import ordered_pairs
from llmmanager.bedrock.models.deadline import NEVER, Deadline
from llmmanager.bedrock.models.llm_manager_structures import RetryConfig, RetryStrategy
from llmmanager.bedrock.routing.cooldown import Cooldowns
from llmmanager.bedrock.routing.decision import Decision, Kind, Next, QuotaUnit
from llmmanager.bedrock.routing.quota_pacing import CallPacing, ManagerQuotas, QuotaPatience
from llmmanager.bedrock.routing.route import Route
from tests.clock import ManualClock
from tests.unit.routing.targets import Access

THROTTLED = Decision(Next.SAME_TARGET, Kind.THROTTLE)
OUT_OF_TOKENS = Decision(Next.SAME_TARGET, Kind.THROTTLE, quota=QuotaUnit.TOKENS)
NO_ACCESS = Decision(Next.OTHER_REGION, Kind.ACCESS)
WRONG_MODEL = Decision(Next.OTHER_MODEL, Kind.MODEL)
UNREACHABLE = Decision(Next.SAME_TARGET, Kind.UNREACHABLE)
WRONG_ACCESS_METHOD = Decision(Next.OTHER_ACCESS_METHOD, Kind.ACCESS_METHOD)


def groups(
    models: str, regions: str, strategy: RetryStrategy = RetryStrategy.REGION_FIRST
) -> list[tuple[Access, ...]]:
    return [
        (Access(model, region),) for model, region in ordered_pairs(list(models), list(regions), strategy)
    ]


def route(
    targets: list[tuple[Access, ...]],
    *,
    clock: ManualClock | None = None,
    deadline: Deadline = NEVER,
    cooldowns: Cooldowns | None = None,
    **config: object,
) -> Route[Access]:
    return Route(
        targets,
        RetryConfig(**{"max_retries": 100, **config}),  # type: ignore[arg-type]
        cooldowns or Cooldowns(),
        deadline,
        random.Random(7),
        clock or ManualClock(100.0),
    )


def walk(call_route: Route[Access], decision: Decision, most: int) -> list[str]:
    """Fail every attempt in the same target; return the targets in the order of the attempts."""
    tried = []
    while len(tried) < most and (step := call_route.next()) is not None:
        tried.append(f"{step.target.model_id}{step.target.region}")
        call_route.record_failure(step.target, decision, decision.next)
    return tried


def test_region_first_takes_all_regions_of_the_first_model_before_the_second() -> None:
    assert walk(route(groups("AB", "123")), NO_ACCESS, 10) == ["A1", "A2", "A3", "B1", "B2", "B3"]


def test_model_first_takes_all_models_in_the_first_region_before_the_second() -> None:
    targets = groups("AB", "12", RetryStrategy.MODEL_FIRST)
    assert walk(route(targets), NO_ACCESS, 10) == ["A1", "B1", "A2", "B2"]


def test_throttled_targets_are_tried_again_in_the_same_order_after_the_others() -> None:
    assert walk(route(groups("A", "12")), THROTTLED, 5) == ["A1", "A2", "A1", "A2", "A1"]


@pytest.mark.parametrize("strategy", RetryStrategy)
def test_a_call_that_waits_on_throttling_stays_with_its_model(strategy: RetryStrategy) -> None:
    call_route = route(groups("AB", "12", strategy), on_throttle="wait", max_retries=1)
    tried = walk(call_route, OUT_OF_TOKENS, 6)
    assert tried[:2] == ["A1", "A2"]
    assert set(tried) == {"A1", "A2"}


def test_a_call_that_waits_on_throttling_leaves_a_model_that_fails_otherwise() -> None:
    call_route = route(groups("AB", "12"), on_throttle="wait")
    assert walk(call_route, OUT_OF_TOKENS, 1) == ["A1"]
    assert walk(call_route, NO_ACCESS, 2) == ["A2", "A1"]
    assert walk(call_route, OUT_OF_TOKENS, 3) == ["B1", "B2", "B1"]


def test_another_model_is_used_when_the_wait_for_the_first_would_outlast_the_deadline() -> None:
    clock = ManualClock(100.0)
    deadline = Deadline(clock.now + 5)
    call_route = route(groups("AB", "1"), clock=clock, deadline=deadline, on_throttle="wait")
    hinted = Decision(Next.SAME_TARGET, Kind.THROTTLE, retry_after=10.0, quota=QuotaUnit.TOKENS)
    assert walk(call_route, hinted, 3) == ["A1", "B1"]


def test_a_call_without_a_deadline_does_not_wait_for_its_model_forever() -> None:
    call_route = route(groups("AB", "1"), on_throttle="wait")
    call_route.pacing.longest_wait = 25.0
    hinted = Decision(Next.SAME_TARGET, Kind.THROTTLE, retry_after=10.0, quota=QuotaUnit.TOKENS)
    assert walk(call_route, hinted, 10) == ["A1", "A1", "B1"]
    assert call_route.quota_wait is not None


OUT_OF_DAILY_QUOTA = Decision(Next.OTHER_REGION, Kind.QUOTA)


def repeated(call_route: Route[Access], stop: threading.Event | None = None) -> Route[Access]:
    """The same route for a caller that repeats the call later."""
    call_route.pacing.patience = QuotaPatience(free_throttles=True, stop=stop, repeated=True)
    return call_route


def test_a_repeated_call_uses_no_other_model_when_the_wait_outlasts_the_deadline() -> None:
    clock = ManualClock(100.0)
    deadline = Deadline(clock.now + 5)
    call_route = repeated(route(groups("AB", "12"), clock=clock, deadline=deadline, on_throttle="wait"))
    hinted = Decision(Next.SAME_TARGET, Kind.THROTTLE, retry_after=10.0, quota=QuotaUnit.TOKENS)
    assert walk(call_route, hinted, 10) == ["A1", "A2"]


def test_a_repeated_call_uses_no_other_model_when_a_daily_quota_is_used_up() -> None:
    by_model = repeated(route(groups("AB", "12"), on_throttle="wait"))
    assert walk(by_model, OUT_OF_DAILY_QUOTA, 10) == ["A1", "A2"]
    targets = groups("AB", "12", RetryStrategy.MODEL_FIRST)
    assert walk(repeated(route(targets, on_throttle="wait")), OUT_OF_DAILY_QUOTA, 10) == ["A1", "A2"]
    assert walk(repeated(route(targets)), OUT_OF_DAILY_QUOTA, 10) == ["A1", "B1", "A2", "B2"]


def test_a_repeated_call_no_longer_waits_once_it_is_stopped() -> None:
    stop = threading.Event()
    call_route = repeated(route(groups("AB", "1"), on_throttle="wait"), stop)
    assert walk(call_route, OUT_OF_TOKENS, 2) == ["A1", "A1"]
    stop.set()
    assert call_route.next() is None
    assert call_route.quota_wait is not None


def test_a_model_without_daily_quota_stays_the_first_one_of_a_repeated_call() -> None:
    cooldowns = Cooldowns()
    cooldowns.attempt_failed(Access("A", "1"), OUT_OF_DAILY_QUOTA)
    pacing = CallPacing(patience=QuotaPatience(repeated=True))
    step = Route(groups("AB", "1"), RetryConfig(on_throttle="wait"), cooldowns, pacing=pacing).next()
    assert step is not None
    assert step.target.model_id == "A"


@pytest.mark.parametrize(("decision", "first"), [(THROTTLED, "A"), (NO_ACCESS, "B")])
def test_a_call_that_waits_on_throttling_starts_with_a_model_that_was_throttled(
    decision: Decision, first: str
) -> None:
    cooldowns = Cooldowns()
    for _ in range(3):
        cooldowns.attempt_failed(Access("A", "1"), decision)
    step = route(groups("AB", "1"), cooldowns=cooldowns, on_throttle="wait").next()
    assert step is not None
    assert step.target.model_id == first


@pytest.mark.parametrize("strategy", list(RetryStrategy))
def test_a_call_that_waits_on_throttling_starts_with_a_region_that_is_not_cooling_down(
    strategy: RetryStrategy,
) -> None:
    cooldowns = Cooldowns()
    for _ in range(3):
        cooldowns.attempt_failed(Access("A", "1"), THROTTLED)
    step = route(groups("AB", "12", strategy), cooldowns=cooldowns, on_throttle="wait").next()
    assert step is not None
    assert (step.target.model_id, step.target.region) == ("A", "2")


def test_max_retries_bounds_the_attempts_after_transient_failures_over_all_targets_together() -> None:
    assert len(walk(route(groups("AB", "123"), max_retries=3), THROTTLED, 50)) == 4


def test_an_attempt_after_a_permanent_failure_is_not_a_retry() -> None:
    assert len(walk(route(groups("AB", "123"), max_retries=0), NO_ACCESS, 50)) == 6


def test_a_model_that_cannot_serve_is_left_in_every_region() -> None:
    assert walk(route(groups("AB", "12")), WRONG_MODEL, 10) == ["A1", "B1"]


def test_an_unreachable_region_is_left_for_last_with_all_its_models() -> None:
    targets = groups("AB", "12", RetryStrategy.MODEL_FIRST)
    assert walk(route(targets), UNREACHABLE, 4) == ["A1", "A2", "B1", "B2"]


def test_no_time_is_spent_before_a_target_not_yet_tried() -> None:
    call_route = route(groups("A", "123"))
    for _ in range(3):
        step = call_route.next()
        assert step is not None
        assert step.delay == 0
        call_route.record_failure(step.target, THROTTLED, THROTTLED.next)


def test_a_target_tried_before_waits_for_its_backoff_less_the_time_gone_by() -> None:
    clock = ManualClock(100.0)
    call_route = route(groups("A", "1"), clock=clock, retry_delay=8.0)
    first = call_route.next()
    assert first is not None
    call_route.record_failure(first.target, THROTTLED, THROTTLED.next)
    again = call_route.next()
    assert again is not None
    assert 0 < again.delay <= 8
    clock.now += again.delay
    at_once = call_route.next()
    assert at_once is not None
    assert at_once.delay == pytest.approx(0)


def test_the_servers_hint_wins_over_the_backoff() -> None:
    call_route = route(groups("A", "1"), retry_delay=0.0, max_retry_delay=10.0)
    step = call_route.next()
    assert step is not None
    hinted = Decision(Next.SAME_TARGET, Kind.THROTTLE, retry_after=7.0)
    call_route.record_failure(step.target, hinted, hinted.next)
    again = call_route.next()
    assert again is not None
    assert again.delay == pytest.approx(7.0)


def test_nothing_starts_that_would_wait_past_the_deadline() -> None:
    clock = ManualClock(100.0)
    call_route = route(groups("A", "1"), clock=clock, deadline=Deadline(clock.now + 5), max_retry_delay=60.0)
    step = call_route.next()
    assert step is not None
    hinted = Decision(Next.SAME_TARGET, Kind.THROTTLE, retry_after=6.0)
    call_route.record_failure(step.target, hinted, hinted.next)
    assert call_route.next() is None
    assert call_route.out_of_time


def test_another_access_method_is_tried_at_once_and_the_rejected_one_never_again() -> None:
    direct, profile = Access("A", "1"), Access("A", "1", "profile")
    call_route = route([(direct, profile), (Access("A", "2"),)])
    first = call_route.next()
    assert first is not None
    call_route.record_failure(first.target, WRONG_ACCESS_METHOD, WRONG_ACCESS_METHOD.next)
    call_route.add_targets(direct, [direct, profile])
    second = call_route.next()
    assert second is not None
    assert (first.target, second.target, second.delay) == (direct, profile, 0)
    assert not call_route.has_other_access_method(profile)


def test_a_cooling_target_is_tried_last_but_is_tried() -> None:
    cooldowns = Cooldowns()
    for _ in range(3):
        cooldowns.record_failure(("A", "1"), THROTTLED)
    assert walk(route(groups("A", "123"), cooldowns=cooldowns), NO_ACCESS, 9) == ["A2", "A3", "A1"]


decisions = st.sampled_from([THROTTLED, NO_ACCESS, WRONG_MODEL, UNREACHABLE])


@given(
    models=st.integers(1, 4),
    regions=st.integers(1, 4),
    strategy=st.sampled_from(RetryStrategy),
    max_retries=st.integers(0, 6),
    faults=st.lists(decisions, min_size=80, max_size=80),
)
def test_with_any_failures_the_route_ends_within_its_bounds(
    models: int, regions: int, strategy: RetryStrategy, max_retries: int, faults: list[Decision]
) -> None:
    targets = groups("ABCD"[:models], "1234"[:regions], strategy)
    call_route = route(targets, max_retries=max_retries)
    transient = 0
    out: set[tuple[str, str]] = set()
    for fault in faults:
        step = call_route.next()
        if step is None:
            break
        key = (step.target.model_id, step.target.region)
        assert key not in out
        if fault.next is Next.OTHER_REGION:
            out.add(key)
        elif fault.next is Next.OTHER_MODEL:
            out |= {(key[0], region) for region in "1234"}
        transient += fault.transient
        call_route.record_failure(step.target, fault, fault.next)
    assert call_route.next() is None
    assert transient <= max_retries + 1


class Longest(random.Random):
    """Takes the longest wait that is allowed."""

    def uniform(self, a: float, b: float) -> float:
        return b


def failed(call_route: Route[Access], decision: Decision) -> tuple[Access, float]:
    """Make the next attempt fail; its target and how long it was waited for."""
    step = call_route.next()
    assert step is not None
    call_route.clock.now += step.delay  # type: ignore[attr-defined]
    call_route.record_failure(step.target, decision, decision.next)
    return step.target, step.delay


def test_waits_grow_from_round_to_round_for_each_group_separately() -> None:
    call_route = route(groups("A", "12"), retry_delay=1.0, backoff_multiplier=2.0, max_retry_delay=5.0)
    call_route.rng = Longest()
    waits = [failed(call_route, THROTTLED)[1] for _ in range(10)]
    assert waits == pytest.approx([0, 0, 1, 0, 2, 0, 4, 0, 5, 0])


@pytest.mark.parametrize("on_throttle", ["failover", "wait"])
def test_the_wait_does_not_grow_while_other_calls_are_admitted(on_throttle: str) -> None:
    call_route = route(groups("A", "1"), retry_delay=1.0, backoff_multiplier=2.0, on_throttle=on_throttle)
    call_route.rng = Longest()
    call_route.pacing = CallPacing(ManagerQuotas("an account of its own"))
    waits = []
    for _ in range(3):
        target, wait = failed_in_gate(call_route)
        waits.append(wait)
        permit = call_route.pacing.enter(target, wait=1.0, seconds=5.0, cancelled=None)
        assert permit is not None
        permit.answered(1)
    assert waits == pytest.approx([0, 1, 1])


def failed_in_gate(call_route: Route[Access]) -> tuple[Access, float]:
    """Throttle the next attempt; return its target and the wait before it."""
    step = call_route.next()
    assert step is not None
    call_route.clock.now += step.delay  # type: ignore[attr-defined]
    permit = call_route.pacing.enter(step.target, wait=1.0, seconds=5.0, cancelled=None)
    assert permit is not None
    permit.throttled(QuotaUnit.TOKENS)
    call_route.record_failure(step.target, OUT_OF_TOKENS, OUT_OF_TOKENS.next)
    return step.target, step.delay


@pytest.mark.parametrize("next_", [Next.DROP_FEATURE, Next.SAME_TARGET_NOW])
def test_a_changed_request_is_sent_to_the_target_without_a_wait(next_: Next) -> None:
    call_route = route(groups("A", "12"), retry_delay=50.0, max_retry_delay=60.0)
    call_route.rng = Longest()
    failed(call_route, THROTTLED)
    failed(call_route, NO_ACCESS)
    step = call_route.next()
    assert step is not None
    assert step.delay == pytest.approx(50)
    call_route.record_failure(step.target, Decision(next_, Kind.FEATURE), next_)
    again = call_route.next()
    assert again is not None
    assert (again.target, again.delay) == (step.target, 0)


def test_the_end_of_a_route_has_a_reason() -> None:
    used_up = route(groups("A", "1"), max_retries=1)
    walk(used_up, THROTTLED, 9)
    assert used_up.ended_by == "max_retries (1) used up"
    nothing_left = route(groups("A", "12"))
    walk(nothing_left, NO_ACCESS, 9)
    assert nothing_left.ended_by == "every target failed"
    assert not nothing_left.out_of_time
    too_late = route(groups("A", "1"), deadline=Deadline(100.0))
    assert too_late.next() is None
    assert "deadline" in too_late.ended_by
    assert too_late.out_of_time


def test_a_group_without_targets_is_ignored() -> None:
    assert walk(route([(), (Access("A", "1"),), ()]), NO_ACCESS, 9) == ["A1"]
    assert route([()]).next() is None


def test_a_group_that_would_wait_past_the_deadline_does_not_end_the_route() -> None:
    clock = ManualClock(100.0)
    call_route = route(groups("A", "12"), clock=clock, deadline=Deadline(clock.now + 5), max_retry_delay=60.0)
    for seconds in (30.0, 3.0):
        hinted = Decision(Next.SAME_TARGET, Kind.THROTTLE, retry_after=seconds)
        failed(call_route, hinted)
    step = call_route.next()
    assert step is not None
    assert (step.target.region, step.delay) == ("2", 3.0)


def test_access_methods_are_added_to_their_own_group_only() -> None:
    first, other = (Access("A", "1"), Access("A", "1", "profile")), (Access("A", "2"),)
    call_route = route([(first[0],), other, (Access("B", "1"),)])
    assert not call_route.has_other_access_method(first[0])
    call_route.add_targets(first[0], first)
    assert call_route.has_other_access_method(first[0])
    assert not call_route.has_other_access_method(other[0])
    assert not call_route.has_other_access_method(Access("B", "1"))
    assert [failed(call_route, WRONG_ACCESS_METHOD)[0], failed(call_route, NO_ACCESS)[0]] == list(first)
    assert [failed(call_route, NO_ACCESS)[0].model_id for _ in range(2)] == ["A", "B"]
    assert call_route.next() is None


def test_a_removed_model_is_not_in_the_next_round() -> None:
    call_route = route(groups("AB", "12", RetryStrategy.MODEL_FIRST))
    assert [failed(call_route, THROTTLED)[0].model_id, failed(call_route, THROTTLED)[0].model_id] == [
        "A",
        "B",
    ]
    assert failed(call_route, WRONG_MODEL)[0] == Access("A", "2")
    assert walk(call_route, NO_ACCESS, 9) == ["B2", "B1"]


def test_groups_whose_preferred_target_is_unwanted_are_removed() -> None:
    profile_first = (Access("A", "1", "profile"), Access("A", "1"))
    direct_first = (Access("A", "2"), Access("A", "2", "profile"))
    call_route = route([(Access("B", "1"),), (Access("B", "2", "profile"),), profile_first, direct_first])
    for _ in range(2):
        failed(call_route, THROTTLED)
    call_route.keep_only(lambda target: target.access_method == "profile")
    assert walk(call_route, NO_ACCESS, 9) == ["A1", "B2"]


def test_a_model_not_yet_tried_in_an_unreachable_region_comes_before_one_that_was() -> None:
    call_route = route(groups("AB", "12"))
    assert failed(call_route, UNREACHABLE)[0] == Access("A", "1")
    # B1 was never tried: it needs no wait, and comes before the one that was.
    assert walk(call_route, NO_ACCESS, 9) == ["A2", "B2", "B1", "A1"]


@pytest.mark.parametrize(
    "kind", [Kind.THROTTLE, Kind.UNAVAILABLE, Kind.TIMEOUT, Kind.UNREACHABLE, Kind.INVALID_ANSWER]
)
def test_every_sort_of_transient_failure_counts_against_max_retries(kind: Kind) -> None:
    decision = Decision(Next.OTHER_REGION, kind)
    assert walk(route(groups("A", "1234"), max_retries=1), decision, 9) == ["A1", "A2"]


@pytest.mark.parametrize(
    "kind", [Kind.QUOTA, Kind.ACCESS, Kind.ACCESS_METHOD, Kind.MODEL, Kind.REQUEST, Kind.FEATURE]
)
def test_permanent_failures_do_not_count_against_max_retries(kind: Kind) -> None:
    decision = Decision(Next.OTHER_REGION, kind)
    assert walk(route(groups("A", "1234"), max_retries=0), decision, 9) == ["A1", "A2", "A3", "A4"]
