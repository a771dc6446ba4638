"""Cooldowns that several processes share through a board."""

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


class Board:
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


class Broken(Board):
    def publish(self, key: Key, until: float) -> None:
        raise ConnectionError("no table")

    def read(self) -> Mapping[Key, float]:
        raise ConnectionError("no table")


def at_once(work: Callable[[], None]) -> None:
    work()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def process(board: Board, clock: ManualClock) -> Cooldowns:
    """One of the processes that share a board; their clocks agree on the date and on nothing else."""
    started = clock.now
    return Cooldowns(
        lambda: clock.now - started, board=board, wall_clock=lambda: clock.now + 1.7e9, in_background=at_once
    )


def fail(cooldowns: Cooldowns, times: int, *, key: Key = KEY) -> None:
    for _ in range(times):
        cooldowns.failed(key, THROTTLED)


def test_a_target_that_cools_for_one_process_cools_for_the_others(clock: ManualClock) -> None:
    board = Board()
    one = process(board, clock)
    clock.now += 100
    other = process(board, clock)
    fail(one, 6)
    assert not other.any()
    other.learn()
    assert other.cooling(KEY)
    assert not other.cooling(OTHER)
    clock.now += 31
    assert not other.cooling(KEY)


def test_a_failure_of_ones_own_makes_a_process_listen(clock: ManualClock) -> None:
    board = Board()
    one, other = process(board, clock), process(board, clock)
    one.failed(KEY, QUOTA)
    other.failed(OTHER, THROTTLED)
    assert other.cooling(KEY)


def test_as_long_as_all_goes_well_the_board_is_neither_read_nor_written(clock: ManualClock) -> None:
    board = Board()
    cooldowns = process(board, clock)
    for _ in range(100):
        cooldowns.any()
        cooldowns.cooling(KEY)
        cooldowns.succeeded(KEY)
        clock.now += 10
    assert (board.reads, board.writes) == (0, 0)


def test_a_short_cooldown_is_not_told(clock: ManualClock) -> None:
    board = Board()
    fail(process(board, clock), 4)
    assert board.writes == 0


def test_a_target_that_goes_on_failing_is_told_seldom(clock: ManualClock) -> None:
    board = Board()
    cooldowns = process(board, clock)
    for _ in range(600):
        fail(cooldowns, 1)
        clock.now += 0.1
    assert board.until[KEY] > clock.now + 1.7e9
    assert board.writes <= 9
    assert board.reads <= 13


def test_a_used_up_quota_is_told_although_a_short_cooldown_was_told_before(clock: ManualClock) -> None:
    board = Board()
    cooldowns = process(board, clock)
    fail(cooldowns, 6)
    cooldowns.failed(KEY, QUOTA)
    assert board.until[KEY] == pytest.approx(clock.now + 1.7e9 + 900)


def test_one_process_reads_at_most_every_five_seconds(clock: ManualClock) -> None:
    board = Board()
    cooldowns = process(board, clock)
    for _ in range(10):
        cooldowns.learn()
    assert board.reads == 1
    clock.now += 5
    cooldowns.learn()
    assert board.reads == 2


def test_a_success_counts_more_than_what_others_say(clock: ManualClock) -> None:
    board = Board()
    fail(process(board, clock), 6)
    other = process(board, clock)
    other.learn()
    other.succeeded(KEY)
    assert not other.any()


def test_a_wrong_clock_banishes_no_target_for_longer_than_a_quota_would(clock: ManualClock) -> None:
    board = Board()
    board.until[KEY] = clock.now + 1.7e9 + 1e6
    cooldowns = process(board, clock)
    cooldowns.learn()
    clock.now += 901
    assert not cooldowns.cooling(KEY)


def test_without_the_board_each_process_goes_by_what_it_has_seen(
    clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    cooldowns = process(Broken(), clock)
    fail(cooldowns, 6)
    cooldowns.learn()
    assert cooldowns.cooling(KEY)
    assert "cannot be written" in caplog.text
    assert "cannot be read" in caplog.text


def test_the_board_is_told_on_a_thread_that_no_exit_waits_for() -> None:
    told = threading.Event()
    threads: list[threading.Thread] = []

    class Remembering(Board):
        def publish(self, key: Key, until: float) -> None:
            threads.append(threading.current_thread())
            told.set()

    Cooldowns(board=Remembering()).failed(KEY, QUOTA)
    assert told.wait(PATIENCE_SECONDS)
    assert [(thread.name, thread.daemon) for thread in threads] == [("llmmanager-cooldowns", True)]


def test_a_cooldown_that_is_just_over_is_not_heard_of(clock: ManualClock) -> None:
    board = Board()
    board.until[KEY] = clock.now + 1.7e9
    cooldowns = process(board, clock)
    cooldowns.learn()
    assert not cooldowns.any()


def test_failures_that_come_at_once_are_told_when_they_say_much_more_than_before(clock: ManualClock) -> None:
    board = Board()
    cooldowns = process(board, clock)
    told = []
    for _ in range(9):
        fail(cooldowns, 1)
        told.append(board.writes)
    # They cool for 0, 0, 1, 2, 4, 8, 16, 20 and 20 seconds.
    assert told == [0, 0, 0, 0, 1, 1, 2, 2, 2]
