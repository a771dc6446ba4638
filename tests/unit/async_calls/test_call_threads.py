"""CallThreads: threads that start on demand and end when they are idle."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from llmmanager.bedrock.async_calls.call_threads import CallThreads
from tests.unit.test_forks import in_a_fork
from tests.waiting import PATIENCE_SECONDS, wait_until

MakeThreads = Callable[..., CallThreads]


def alive() -> int:
    return sum(thread.name == "llmmanager-async" for thread in threading.enumerate())


@pytest.fixture
def make_threads() -> Iterator[MakeThreads]:
    """Return a function that creates a pool whose idle threads do not end by themselves."""
    made: list[CallThreads] = []

    def make(max_threads: int, *, idle_seconds: float = PATIENCE_SECONDS) -> CallThreads:
        made.append(CallThreads(max_threads, idle_seconds=idle_seconds))
        return made[-1]

    def end_threads() -> bool:
        # Again and again, since a thread can become idle after the first time.
        for threads in made:
            threads.close()
        return not alive()

    yield make
    wait_until(end_threads, "the end of the threads")


class Blocked:
    """Functions that run until `release`."""

    def __init__(self) -> None:
        self.started: queue.SimpleQueue[int] = queue.SimpleQueue()
        self.release = threading.Event()

    def __call__(self) -> None:
        self.started.put(threading.get_ident())
        self.release.wait(PATIENCE_SECONDS)

    def idents(self, count: int) -> set[int]:
        return {self.started.get(timeout=PATIENCE_SECONDS) for _ in range(count)}


def test_each_function_gets_a_thread_up_to_the_maximum(make_threads: MakeThreads) -> None:
    threads, work = make_threads(3), Blocked()
    assert [threads.run(work) for _ in range(5)] == [True, True, True, False, False]
    assert len(work.idents(3)) == 3
    assert work.started.empty()
    work.release.set()
    work.idents(2)


def test_an_idle_thread_is_used_again(make_threads: MakeThreads) -> None:
    threads, idents = make_threads(3), queue.SimpleQueue[int]()
    for _ in range(10):
        threads.run(lambda: idents.put(threading.get_ident()))
        wait_until(lambda: len(threads._idle) == 1)
    assert len({idents.get() for _ in range(10)}) == 1


def test_idle_threads_end(make_threads: MakeThreads) -> None:
    threads, work = make_threads(5, idle_seconds=0.01), Blocked()
    for _ in range(5):
        threads.run(work)
    work.idents(5)
    work.release.set()
    wait_until(lambda: not alive(), "the end of the idle threads")
    assert threads._count == 0
    assert threads.run(work)
    work.idents(1)


def test_a_function_that_waits_can_be_withdrawn(make_threads: MakeThreads) -> None:
    threads, work = make_threads(1), Blocked()
    ran: list[str] = []

    def waiting() -> None:
        ran.append("ran")

    threads.run(work)
    assert not threads.run(waiting)
    assert threads.withdraw(waiting)
    assert not threads.withdraw(waiting)
    work.idents(1)
    assert not threads.withdraw(work)
    work.release.set()
    wait_until(lambda: threads._idle)
    assert ran == []


def test_no_function_is_lost_when_threads_end_at_the_same_time(make_threads: MakeThreads) -> None:
    threads, done = make_threads(4, idle_seconds=0.0), queue.SimpleQueue[int]()
    for number in range(2000):
        threads.run(lambda number=number: done.put(number))
    assert sorted(done.get(timeout=PATIENCE_SECONDS) for _ in range(2000)) == list(range(2000))


def test_closing_ends_the_idle_threads_and_the_pool_can_be_used_again(make_threads: MakeThreads) -> None:
    threads, work = make_threads(2), Blocked()
    work.release.set()
    threads.run(work)
    [idle] = wait_until(lambda: threads._idle)
    threads.close()
    assert not idle.thread.is_alive()
    assert threads.run(work)
    work.idents(2)


def test_a_thread_that_cannot_start_takes_no_place(
    make_threads: MakeThreads, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads, work = make_threads(1), Blocked()
    work.release.set()

    def fail(thread: Any) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", fail)
        with pytest.raises(RuntimeError, match="new thread"):
            threads.run(work)
    assert threads.run(work)
    work.idents(1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_process_starts_its_own_threads(make_threads: MakeThreads) -> None:
    threads, work = make_threads(1), Blocked()
    threads.run(work)
    work.idents(1)
    ran = threading.Event()
    assert in_a_fork(lambda: threads.run(ran.set) and ran.wait(PATIENCE_SECONDS))
    work.release.set()
