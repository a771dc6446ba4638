"""How long a target is left alone."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from llmmanager.bedrock.models.llm_manager_structures import RetryConfig
from llmmanager.bedrock.routing.backoff import ceiling, delay
from llmmanager.bedrock.routing.cooldown import Cooldowns
from llmmanager.bedrock.routing.decision import Decision, Kind, Next

THROTTLED = Decision(Next.SAME_TARGET, Kind.THROTTLE)
KEY = ("model", "region")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_target_cools_after_three_failures_in_a_row_and_not_before() -> None:
    cooldowns = Cooldowns(Clock())
    for expected in (False, False, True):
        cooldowns.failed(KEY, THROTTLED)
        assert cooldowns.cooling(KEY) is expected


def test_a_success_forgets_the_failures() -> None:
    cooldowns = Cooldowns(Clock())
    for _ in range(5):
        cooldowns.failed(KEY, THROTTLED)
    cooldowns.succeeded(KEY)
    assert not cooldowns.cooling(KEY)
    assert not cooldowns.any()


def test_each_further_failure_doubles_the_time_up_to_half_a_minute() -> None:
    clock = Clock()
    cooldowns = Cooldowns(clock)
    for _ in range(30):
        cooldowns.failed(KEY, THROTTLED)
    clock.now = 29.9
    assert cooldowns.cooling(KEY)
    clock.now = 30.1
    assert not cooldowns.cooling(KEY)


def test_a_used_up_daily_quota_cools_at_once_and_for_long() -> None:
    clock = Clock()
    cooldowns = Cooldowns(clock)
    cooldowns.failed(KEY, Decision(Next.OTHER_REGION, Kind.QUOTA))
    clock.now = 800
    assert cooldowns.cooling(KEY)


def test_a_request_that_a_model_refuses_says_nothing_of_its_health() -> None:
    cooldowns = Cooldowns(Clock())
    for _ in range(10):
        cooldowns.failed(KEY, Decision(Next.OTHER_MODEL, Kind.REQUEST))
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
