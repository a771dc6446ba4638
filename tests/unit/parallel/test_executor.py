"""Executor: many items on a bounded number of threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from llmmanager.bedrock.models.deadline import Deadline
from llmmanager.bedrock.parallel.executor import Executor


def test_every_item_is_processed_once() -> None:
    executor = Executor(lambda item: item * 2, 4)
    assert sorted(executor.completed(range(100))) == [(item, item * 2) for item in range(100)]
    executor.close()


def test_at_most_one_item_per_thread_is_read_ahead() -> None:
    read = []

    def source() -> Iterator[int]:
        for item in range(50):
            read.append(item)
            yield item

    executor = Executor(lambda item: item, 3)
    for taken, _ in enumerate(executor.completed(source()), start=1):
        assert len(read) <= taken + 3
    assert len(read) == 50
    executor.close()


def test_threads_are_reused_between_runs() -> None:
    executor = Executor(lambda _: threading.get_ident(), 2)
    idents = {ident for _ in range(10) for _, ident in executor.completed(range(10))}
    assert len(idents) <= 2
    executor.close()


def test_no_item_is_read_after_the_deadline() -> None:
    executor = Executor(lambda item: item, 2)
    assert list(executor.completed(range(5), deadline=Deadline.after(-1))) == []
    executor.close()


def test_no_item_is_read_after_the_stop() -> None:
    stop = threading.Event()
    executor = Executor(lambda item: item, 1)
    results = []
    for item, _ in executor.completed(range(50), stop=stop):
        results.append(item)
        if len(results) == 3:
            stop.set()
    assert results == [0, 1, 2]
    executor.close()


def test_closing_the_iterator_waits_for_the_running_items() -> None:
    running = threading.Semaphore(0)
    finished = []

    def work(item: int) -> int:
        if item:
            running.acquire()
        finished.append(item)
        return item

    executor = Executor(work, 3)
    results = executor.completed(range(50))
    next(results)
    running.release(50)
    results.close()  # type: ignore[attr-defined]
    assert len(finished) <= 4
    executor.close()


def test_an_exception_in_the_caller_stops_the_running_items() -> None:
    stop = threading.Event()
    executor = Executor(lambda item: not item or stop.wait(60), 3)
    results = executor.completed(range(50), stop=stop)
    next(results)
    with pytest.raises(KeyboardInterrupt):
        results.throw(KeyboardInterrupt())  # type: ignore[attr-defined]
    assert stop.is_set()
    executor.close()


def test_a_completed_run_does_not_set_stop() -> None:
    stop = threading.Event()
    executor = Executor(lambda item: item, 3)
    assert len(list(executor.completed(range(50), stop=stop))) == 50
    assert not stop.is_set()
    executor.close()


def test_a_run_continues_after_its_threads_are_closed() -> None:
    executor = Executor(lambda item: item, 2)
    taken = []
    for item, _ in executor.completed(range(20)):
        taken.append(item)
        executor.close()
    assert sorted(taken) == list(range(20))
    executor.close()


def test_an_exception_of_the_work_is_raised_in_the_caller() -> None:
    def work(item: int) -> int:
        raise ZeroDivisionError

    executor = Executor(work, 2)
    with pytest.raises(ZeroDivisionError):
        list(executor.completed(range(5)))
    executor.close()
