"""Cooldowns that several processes share through a store."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

import pytest

from llmmanager.bedrock.routing.cooldown import Cooldowns, Key
from llmmanager.bedrock.routing.decision import Decision, Kind, Next
from tests.clock import ManualClock
from tests.waiting import PATIENCE_SECONDS

THROTTLED = Decision(Next.SAME_TARGET, Kind.THROTTLE)
QUOTA = Decision(Next.OTHER_REGION, Kind.QUOTA)
KEY = ("model", "region")
OTHER = ("model", "another-region")


class FakeStore:
    """What a table does, in memory, and how often it was asked."""

    def __init__(self) -> None:
        self.until: dict[Key, float] = {}
        self.writes = 0
        self.reads = 0

    def publish(self, key: Key, until: float) -> None:
        self.writes += 1
        self.until[key] = max(until, self.until.get(key, 0))

    def read(self) -> Mapping[Key, float]:
        self.reads += 1
        return self.until


class Broken(FakeStore):
    def publish(self, key: Key, until: float) -> None:
        raise ConnectionError("no table")

    def read(self) -> Mapping[Key, float]:
        raise ConnectionError("no table")


def at_once(work: Callable[[], None]) -> None:
    work()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def process(store: FakeStore, clock: ManualClock) -> Cooldowns:
    """One of the processes that share a store; their clocks agree on the date and on nothing else."""
    started = clock.now
    return Cooldowns(
        lambda: clock.now - started, store=store, wall_clock=lambda: clock.now + 1.7e9, in_background=at_once
    )


def fail(cooldowns: Cooldowns, times: int, *, key: Key = KEY) -> None:
    for _ in range(times):
        cooldowns.record_failure(key, THROTTLED)


def test_a_target_that_cools_for_one_process_cools_for_the_others(clock: ManualClock) -> None:
    store = FakeStore()
    one = process(store, clock)
    clock.now += 100
    other = process(store, clock)
    fail(one, 6)
    assert not other.any()
    other.refresh()
    assert other.cooling(KEY)
    assert not other.cooling(OTHER)
    clock.now += 31
    assert not other.cooling(KEY)


def test_a_failure_of_ones_own_makes_a_process_listen(clock: ManualClock) -> None:
    store = FakeStore()
    one, other = process(store, clock), process(store, clock)
    one.record_failure(KEY, QUOTA)
    other.record_failure(OTHER, THROTTLED)
    assert other.cooling(KEY)


def test_without_failures_the_store_is_neither_read_nor_written(clock: ManualClock) -> None:
    store = FakeStore()
    cooldowns = process(store, clock)
    for _ in range(100):
        cooldowns.any()
        cooldowns.cooling(KEY)
        cooldowns.succeeded(KEY)
        clock.now += 10
    assert (store.reads, store.writes) == (0, 0)


def test_a_short_cooldown_is_not_published(clock: ManualClock) -> None:
    store = FakeStore()
    fail(process(store, clock), 4)
    assert store.writes == 0


def test_a_target_that_keeps_failing_is_published_rarely(clock: ManualClock) -> None:
    store = FakeStore()
    cooldowns = process(store, clock)
    for _ in range(600):
        fail(cooldowns, 1)
        clock.now += 0.1
    assert store.until[KEY] > clock.now + 1.7e9
    assert store.writes <= 9
    assert store.reads <= 13


def test_an_exhausted_quota_is_published_although_a_short_cooldown_was_published_before(
    clock: ManualClock,
) -> None:
    store = FakeStore()
    cooldowns = process(store, clock)
    fail(cooldowns, 6)
    cooldowns.record_failure(KEY, QUOTA)
    assert store.until[KEY] == pytest.approx(clock.now + 1.7e9 + 900)


def test_one_process_reads_at_most_every_five_seconds(clock: ManualClock) -> None:
    store = FakeStore()
    cooldowns = process(store, clock)
    for _ in range(10):
        cooldowns.refresh()
    assert store.reads == 1
    clock.now += 5
    cooldowns.refresh()
    assert store.reads == 2


def test_a_success_counts_more_than_what_others_say(clock: ManualClock) -> None:
    store = FakeStore()
    fail(process(store, clock), 6)
    other = process(store, clock)
    other.refresh()
    other.succeeded(KEY)
    assert not other.any()


def test_a_wrong_clock_banishes_no_target_for_longer_than_a_quota_would(clock: ManualClock) -> None:
    store = FakeStore()
    store.until[KEY] = clock.now + 1.7e9 + 1e6
    cooldowns = process(store, clock)
    cooldowns.refresh()
    clock.now += 901
    assert not cooldowns.cooling(KEY)


def test_without_the_store_each_process_uses_its_own_failures(
    clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    cooldowns = process(Broken(), clock)
    fail(cooldowns, 6)
    cooldowns.refresh()
    assert cooldowns.cooling(KEY)
    assert "cannot be written" in caplog.text
    assert "cannot be read" in caplog.text


def test_the_store_is_written_on_a_daemon_thread() -> None:
    published = threading.Event()
    threads: list[threading.Thread] = []

    class Remembering(FakeStore):
        def publish(self, key: Key, until: float) -> None:
            threads.append(threading.current_thread())
            published.set()

    Cooldowns(store=Remembering()).record_failure(KEY, QUOTA)
    assert published.wait(PATIENCE_SECONDS)
    assert [(thread.name, thread.daemon) for thread in threads] == [("llmmanager-cooldowns", True)]


def test_a_cooldown_that_is_just_over_is_not_heard_of(clock: ManualClock) -> None:
    store = FakeStore()
    store.until[KEY] = clock.now + 1.7e9
    cooldowns = process(store, clock)
    cooldowns.refresh()
    assert not cooldowns.any()


def test_simultaneous_failures_are_published_only_when_the_cooldown_becomes_much_longer(
    clock: ManualClock,
) -> None:
    store = FakeStore()
    cooldowns = process(store, clock)
    published = []
    for _ in range(9):
        fail(cooldowns, 1)
        published.append(store.writes)
    # They cool for 0, 0, 1, 2, 4, 8, 16, 20 and 20 seconds.
    assert published == [0, 0, 0, 0, 1, 1, 2, 2, 2]
