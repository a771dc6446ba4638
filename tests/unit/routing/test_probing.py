"""One call tries a target before many do, as long as its access is not certain."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from llmmanager.bedrock.routing.cooldown import Cooldowns, Key
from llmmanager.bedrock.routing.decision import Decision, ErrorScope, Kind, Next
from llmmanager.bedrock.routing.probing import TargetTurn
from tests.clock import ManualClock
from tests.unit.routing.targets import Access

DENIED = Decision(Next.OTHER_REGION, Kind.ACCESS)
THROTTLED = Decision(Next.SAME_TARGET, Kind.THROTTLE)
SILENT = Decision(Next.OTHER_REGION, Kind.TIMEOUT)
REJECTED = Decision(Next.OTHER_REGION, Kind.CREDENTIALS, scope=ErrorScope.REGION)
# Longer than any test takes: what waits for it would fail the test.
LONG = 60.0


EAST, WEST = Access("m", "east"), Access("m", "west")
OTHER_MODEL_EAST = Access("n", "east")
PROFILE_EAST = Access("m", "east", "geographic_profile")


def turn(cooldowns: Cooldowns, target: Access, *, has_other: bool = False) -> TargetTurn:
    return cooldowns.turn(target, has_other=has_other, time_left=float("inf"))


def waiting(cooldowns: Cooldowns, target: Access, *, has_other: bool = False) -> Future[TargetTurn]:
    """A call on a thread of its own that waits for the probe under target."""
    pool = ThreadPoolExecutor(1)
    future = pool.submit(turn, cooldowns, target, has_other=has_other)
    pool.shutdown(wait=False)
    return future


def test_the_first_call_of_a_target_is_a_probe_and_the_next_waits_for_its_outcome() -> None:
    cooldowns = Cooldowns(patience=LONG)
    with turn(cooldowns, EAST) as first:
        assert (first.may_call, first.is_probe) == (True, True)
        second = waiting(cooldowns, EAST, has_other=True)
        assert not second.done()
        cooldowns.attempt_failed(EAST, DENIED)
    assert not second.result(LONG).may_call


def test_an_answer_lets_every_call_of_the_model_go_on() -> None:
    cooldowns = Cooldowns(patience=LONG)
    with turn(cooldowns, EAST), turn(cooldowns, WEST):
        calls = [waiting(cooldowns, target) for target in (EAST, EAST, WEST)]
        cooldowns.attempt_succeeded(EAST)
        assert [(call.result(LONG).may_call, call.result().is_probe) for call in calls] == [(True, False)] * 3


@pytest.mark.parametrize("decision", [THROTTLED, Decision(Next.OTHER_REGION, Kind.QUOTA)])
def test_a_throttle_shows_that_there_is_access(decision: Decision) -> None:
    cooldowns = Cooldowns(patience=LONG)
    with turn(cooldowns, EAST):
        cooldowns.attempt_failed(EAST, decision)
        assert not turn(cooldowns, EAST).is_probe


def test_a_model_that_has_answered_is_never_waited_for_in_any_region() -> None:
    cooldowns = Cooldowns(patience=LONG)
    cooldowns.attempt_succeeded(EAST)
    for target in (EAST, EAST, WEST, WEST, PROFILE_EAST):
        assert (turn(cooldowns, target).may_call, turn(cooldowns, target).is_probe) == (True, False)


def test_no_call_waits_longer_than_it_has_patience() -> None:
    cooldowns = Cooldowns(patience=0.0)
    with turn(cooldowns, EAST):
        assert (turn(cooldowns, EAST).may_call, turn(cooldowns, EAST).is_probe) == (True, False)


def test_a_call_with_little_time_left_waits_for_a_tenth_of_it_at_most() -> None:
    cooldowns = Cooldowns(patience=LONG)
    with turn(cooldowns, EAST):
        assert cooldowns.turn(EAST, has_other=False, time_left=0.001).may_call


def test_a_probe_without_a_verdict_is_followed_by_another() -> None:
    cooldowns = Cooldowns(patience=LONG)
    with turn(cooldowns, EAST):
        second = waiting(cooldowns, EAST)
        cooldowns.attempt_failed(EAST, SILENT)
    assert (second.result(LONG).may_call, second.result().is_probe) == (True, True)


def test_a_probe_ends_however_the_call_ends() -> None:
    cooldowns = Cooldowns(patience=LONG)
    with pytest.raises(KeyboardInterrupt), turn(cooldowns, EAST):
        raise KeyboardInterrupt
    assert turn(cooldowns, EAST).is_probe


def test_probes_of_different_targets_do_not_wait_for_each_other() -> None:
    cooldowns = Cooldowns(patience=LONG)
    with turn(cooldowns, EAST):
        assert turn(cooldowns, WEST).is_probe
        assert turn(cooldowns, OTHER_MODEL_EAST).is_probe
        assert turn(cooldowns, PROFILE_EAST).is_probe


def test_a_denied_target_is_left_to_calls_that_have_no_other() -> None:
    cooldowns = Cooldowns(ManualClock(), patience=LONG)
    cooldowns.attempt_failed(EAST, DENIED)
    assert not turn(cooldowns, EAST, has_other=True).may_call
    with turn(cooldowns, EAST) as alone:
        assert (alone.may_call, alone.is_probe) == (True, True)


def test_when_a_denial_is_over_one_call_at_a_time_tries_the_target_and_the_others_do_not_wait() -> None:
    clock = ManualClock()
    cooldowns = Cooldowns(clock, patience=LONG)
    cooldowns.attempt_failed(EAST, DENIED)
    clock.now += 301
    for _ in range(2):
        with turn(cooldowns, EAST, has_other=True) as probe:
            assert (probe.may_call, probe.is_probe) == (True, True)
            assert not turn(cooldowns, EAST, has_other=True).may_call
    cooldowns.attempt_succeeded(EAST)
    assert (turn(cooldowns, EAST, has_other=True).may_call, turn(cooldowns, EAST).is_probe) == (True, False)


def test_a_denial_takes_back_the_certainty_about_the_models_other_regions() -> None:
    cooldowns = Cooldowns(patience=LONG)
    cooldowns.attempt_succeeded(EAST)
    cooldowns.attempt_failed(WEST, DENIED)
    assert turn(cooldowns, EAST).is_probe


def test_a_denied_access_method_leaves_the_others_of_its_region() -> None:
    cooldowns = Cooldowns(ManualClock(), patience=LONG)
    cooldowns.attempt_failed(
        EAST, Decision(Next.OTHER_ACCESS_METHOD, Kind.ACCESS, scope=ErrorScope.ACCESS_METHOD)
    )
    assert cooldowns.is_last_choice(EAST)
    assert not cooldowns.is_last_choice(PROFILE_EAST)
    assert not cooldowns.is_last_choice(WEST)
    cooldowns.attempt_succeeded(PROFILE_EAST)
    assert cooldowns.is_last_choice(EAST)


def test_only_a_global_profile_is_denied_everywhere_at_once() -> None:
    everywhere = Decision(Next.OTHER_ACCESS_METHOD, Kind.ACCESS, scope=ErrorScope.ACCESS_METHOD_EVERYWHERE)
    cooldowns = Cooldowns(ManualClock(), patience=LONG)
    cooldowns.attempt_failed(Access("m", "east", "global_profile"), everywhere)
    assert cooldowns.is_last_choice(Access("m", "west", "global_profile"))
    cooldowns.attempt_failed(EAST, everywhere)
    assert cooldowns.is_last_choice(EAST)
    assert not cooldowns.is_last_choice(WEST)


def test_a_region_that_rejected_credentials_is_denied_for_every_model_and_cools_for_none() -> None:
    cooldowns = Cooldowns(ManualClock(), patience=LONG)
    cooldowns.attempt_failed(EAST, REJECTED)
    assert cooldowns.is_last_choice(OTHER_MODEL_EAST)
    assert not cooldowns.any()
    assert not cooldowns.is_last_choice(WEST)
    cooldowns.attempt_succeeded(OTHER_MODEL_EAST)
    assert not cooldowns.is_last_choice(EAST)


def test_a_region_cools_once_another_has_accepted_the_credentials() -> None:
    clock = ManualClock()
    cooldowns = Cooldowns(clock)
    cooldowns.region_denied("east")
    assert cooldowns.is_cooling(EAST)
    assert cooldowns.is_cooling(OTHER_MODEL_EAST)
    assert not cooldowns.is_cooling(WEST)
    clock.now += 300
    assert not cooldowns.is_cooling(EAST)


class FakeStore:
    """What other processes have published, and how often it was read."""

    def __init__(self, until: dict[Key, float] | None = None) -> None:
        self.until = until or {}
        self.reads = 0

    def publish(self, key: Key, until: float) -> None:
        self.until[key] = until

    def read(self) -> Mapping[Key, float]:
        self.reads += 1
        return self.until


def test_the_store_is_read_before_a_denied_model_is_tried_elsewhere() -> None:
    store = FakeStore({("m", "west"): 4e9})
    cooldowns = Cooldowns(store=store, patience=LONG, in_background=lambda work: None)
    with turn(cooldowns, WEST, has_other=True) as first:
        assert (first.may_call, store.reads) == (True, 0)
    cooldowns.attempt_failed(EAST, DENIED)
    assert not turn(cooldowns, WEST, has_other=True).may_call
    assert store.reads == 1
    # The call that was sent elsewhere is not a probe any more.
    assert turn(cooldowns, WEST).is_probe


def test_threads_at_once_make_one_probe() -> None:
    cooldowns = Cooldowns(patience=LONG)
    start = threading.Barrier(16)

    def call(_: int) -> bool:
        start.wait(LONG)
        with turn(cooldowns, EAST, has_other=True) as permission:
            if permission.is_probe:
                cooldowns.attempt_failed(EAST, DENIED)
            return permission.may_call

    with ThreadPoolExecutor(16) as pool:
        called = list(pool.map(call, range(16)))
    assert called.count(True) == 1
