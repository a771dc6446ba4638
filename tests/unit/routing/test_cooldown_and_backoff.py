"""How long a target is left alone."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmmanager.bedrock.models.llm_manager_structures import RetryConfig
from llmmanager.bedrock.routing.backoff import ceiling, delay
from llmmanager.bedrock.routing.cooldown import Cooldowns
from llmmanager.bedrock.routing.decision import Decision, Kind, Next
from tests.clock import ManualClock

THROTTLED = Decision(Next.SAME_TARGET, Kind.THROTTLE)
KEY = ("model", "region")


def test_a_target_cools_after_three_failures_in_a_row_and_not_before() -> None:
    cooldowns = Cooldowns(ManualClock(0.0))
    for expected in (False, False, True):
        cooldowns.record_failure(KEY, THROTTLED)
        assert cooldowns.cooling(KEY) is expected


def test_a_success_forgets_the_failures() -> None:
    cooldowns = Cooldowns(ManualClock(0.0))
    for _ in range(5):
        cooldowns.record_failure(KEY, THROTTLED)
    cooldowns.succeeded(KEY)
    assert not cooldowns.cooling(KEY)
    assert not cooldowns.any()


@pytest.mark.parametrize(
    ("failures", "seconds"), [(3, 1), (4, 2), (5, 4), (6, 8), (7, 16), (8, 20), (99, 20)]
)
def test_how_long_a_target_cools_follows_from_its_failures_in_a_row(failures: int, seconds: float) -> None:
    clock = ManualClock(0.0)
    cooldowns = Cooldowns(clock)
    for _ in range(failures):
        cooldowns.record_failure(KEY, THROTTLED)
    clock.now = seconds - 0.01
    assert cooldowns.cooling(KEY)
    clock.now = seconds
    assert not cooldowns.cooling(KEY)


@pytest.mark.parametrize("kind", [Kind.THROTTLE, Kind.UNAVAILABLE, Kind.TIMEOUT, Kind.UNREACHABLE])
def test_every_sort_of_transient_failure_of_a_target_counts(kind: Kind) -> None:
    cooldowns = Cooldowns(ManualClock(0.0))
    for _ in range(3):
        cooldowns.record_failure(KEY, Decision(Next.SAME_TARGET, kind))
    assert cooldowns.cooling(KEY)


@pytest.mark.parametrize(
    ("kind", "seconds"), [(Kind.QUOTA, 15 * 60), (Kind.ACCESS, 5 * 60), (Kind.MODEL, 5 * 60)]
)
def test_what_waiting_would_not_mend_cools_at_once(kind: Kind, seconds: float) -> None:
    clock = ManualClock(0.0)
    cooldowns = Cooldowns(clock)
    cooldowns.record_failure(KEY, Decision(Next.OTHER_REGION, kind))
    clock.now = seconds - 0.01
    assert cooldowns.cooling(KEY)
    clock.now = seconds
    assert not cooldowns.cooling(KEY)


@given(
    outage=st.floats(0, 600),
    pauses=st.lists(st.floats(0.01, 10), min_size=1, max_size=9),
)
def test_a_recovered_target_is_used_again_within_30_seconds(outage: float, pauses: list[float]) -> None:
    clock = ManualClock(0.0)
    cooldowns = Cooldowns(clock)
    for pause in itertools.cycle(pauses):  # a call after each pause, at most 10 s apart
        clock.now += pause
        if cooldowns.cooling(KEY):
            continue
        if clock.now >= outage:
            break
        cooldowns.record_failure(KEY, Decision(Next.SAME_TARGET, Kind.UNAVAILABLE))
    assert clock.now <= outage + 30


def test_a_short_cooldown_never_cuts_a_long_one() -> None:
    clock = ManualClock(0.0)
    cooldowns = Cooldowns(clock)
    cooldowns.record_failure(KEY, Decision(Next.OTHER_REGION, Kind.QUOTA))
    for _ in range(5):
        cooldowns.record_failure(KEY, THROTTLED)
    clock.now = 899
    assert cooldowns.cooling(KEY)


def test_targets_cool_each_for_itself() -> None:
    cooldowns = Cooldowns(ManualClock(0.0))
    assert not cooldowns.any()
    for _ in range(3):
        cooldowns.record_failure(KEY, THROTTLED)
    assert cooldowns.any()
    cooldowns.succeeded(("model", "other region"))
    assert cooldowns.cooling(KEY)
    assert not cooldowns.cooling(("model", "other region"))


@pytest.mark.parametrize("kind", [Kind.REQUEST, Kind.FEATURE, Kind.CREDENTIALS, Kind.INVALID_ANSWER])
def test_what_is_not_the_targets_fault_says_nothing_of_its_health(kind: Kind) -> None:
    cooldowns = Cooldowns(ManualClock(0.0))
    for _ in range(10):
        cooldowns.record_failure(KEY, Decision(Next.OTHER_MODEL, kind))
    assert not cooldowns.any()


@given(
    retry_delay=st.floats(0, 1e3),
    multiplier=st.floats(1, 1e3),
    cap=st.floats(0, 1e3),
    repetition=st.integers(1, 10_000),
    hint=st.none() | st.floats(0, 1e6),
    seed=st.integers(0, 99),
)
def test_a_wait_is_the_hint_within_the_cap_or_at_most_the_capped_backoff(
    retry_delay: float, multiplier: float, cap: float, repetition: int, hint: float | None, seed: int
) -> None:
    config = RetryConfig(retry_delay=retry_delay, backoff_multiplier=multiplier, max_retry_delay=cap)
    wait = delay(config, repetition, hint, random.Random(seed))
    if hint is not None and hint <= cap:
        assert wait == hint
    else:
        assert 0 <= wait <= ceiling(config, repetition) <= cap


def test_the_longest_wait_grows_by_the_multiplier_up_to_the_cap() -> None:
    config = RetryConfig(retry_delay=1.0, backoff_multiplier=3.0, max_retry_delay=20.0)
    assert [ceiling(config, repetition) for repetition in (1, 2, 3, 4)] == [1.0, 3.0, 9.0, 20.0]


def test_the_wait_is_spread_over_all_of_its_range() -> None:
    config = RetryConfig(retry_delay=4.0)
    rng = random.Random(1)
    waits = [delay(config, 1, None, rng) for _ in range(300)]
    assert min(waits) < 0.4
    assert max(waits) > 3.6


@pytest.mark.parametrize(("hint", "taken"), [(0.0, True), (5.0, True), (5.01, False), (-0.5, False)])
def test_the_servers_hint_counts_from_nothing_to_the_cap(hint: float, taken: bool) -> None:
    config = RetryConfig(retry_delay=2.0, max_retry_delay=5.0)
    assert (delay(config, 1, hint, random.Random(3)) == hint) is taken
