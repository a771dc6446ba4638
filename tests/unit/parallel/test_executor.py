"""Many items on a bounded number of threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from llmmanager.bedrock.models.deadline import Deadline
from llmmanager.bedrock.parallel.executor import Executor


def test_every_item_is_worked_once() -> None:
    executor = Executor(lambda item: item * 2, 4)
    assert sorted(executor.completed(range(100))) == [(item, item * 2) for item in range(100)]
    executor.close()


def test_items_are_drawn_no_further_ahead_than_there_are_threads() -> None:
    drawn = []

    def source() -> Iterator[int]:
        for item in range(50):
            drawn.append(item)
            yield item

    executor = Executor(lambda item: item, 3)
    for taken, _ in enumerate(executor.completed(source()), start=1):
        assert len(drawn) <= taken + 3
    assert len(drawn) == 50
    executor.close()


def test_threads_are_kept_between_runs() -> None:
    executor = Executor(lambda _: threading.get_ident(), 2)
    idents = {ident for _ in range(10) for _, ident in executor.completed(range(10))}
    assert len(idents) <= 2
    executor.close()


def test_nothing_is_drawn_once_the_deadline_has_passed() -> None:
    executor = Executor(lambda item: item, 2)
    assert list(executor.completed(range(5), deadline=Deadline.after(-1))) == []
    executor.close()


def test_nothing_is_drawn_once_it_was_stopped() -> None:
    stop = threading.Event()
    executor = Executor(lambda item: item, 1)
    results = []
    for item, _ in executor.completed(range(50), stop=stop):
        results.append(item)
        if len(results) == 3:
            stop.set()
    assert results == [0, 1, 2]
    executor.close()


def test_an_abandoned_run_leaves_nothing_running() -> None:
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


def test_what_runs_hears_that_its_caller_has_gone() -> None:
    stop = threading.Event()
    executor = Executor(lambda item: not item or stop.wait(60), 3)
    results = executor.completed(range(50), stop=stop)
    next(results)
    with pytest.raises(KeyboardInterrupt):
        results.throw(KeyboardInterrupt())  # type: ignore[attr-defined]
    assert stop.is_set()
    executor.close()


def test_a_run_that_was_taken_to_its_end_is_not_stopped() -> None:
    stop = threading.Event()
    executor = Executor(lambda item: item, 3)
    assert len(list(executor.completed(range(50), stop=stop))) == 50
    assert not stop.is_set()
    executor.close()


def test_a_run_outlasts_the_closing_of_its_threads() -> None:
    executor = Executor(lambda item: item, 2)
    taken = []
    for item, _ in executor.completed(range(20)):
        taken.append(item)
        executor.close()
    assert sorted(taken) == list(range(20))
    executor.close()


def test_what_the_work_raises_reaches_the_caller() -> None:
    def work(item: int) -> int:
        raise ZeroDivisionError

    executor = Executor(work, 2)
    with pytest.raises(ZeroDivisionError):
        list(executor.completed(range(5)))
    executor.close()
