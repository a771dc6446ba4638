"""Runs many requests on a bounded number of threads, drawing them only as threads come free."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

from llmmanager.bedrock.forks import after_fork
from llmmanager.bedrock.models.deadline import NEVER, Deadline

T = TypeVar("T")
R = TypeVar("R")


class Executor(Generic[T, R]):
    """A thread pool kept for the manager's life: no thread is made for a request.

    Args:
        work: what is done with one item, on one of the threads; must not raise.
    """

    def __init__(self, work: Callable[[T], R], max_concurrent: int) -> None:
        self._work = work
        self._max_concurrent = max_concurrent
        self._start_empty()
        after_fork(self, Executor._start_empty)

    def _start_empty(self) -> None:
        """Begin without threads: those of a parent process do not run in its fork."""
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None

    def completed(
        self, items: Iterable[T], *, deadline: Deadline = NEVER, stop: threading.Event | None = None
    ) -> Iterator[tuple[T, R]]:
        """Pairs of item and result as they complete.

        Items are drawn one by one, never more than `max_concurrent` ahead of the results taken, and none
        after `deadline` or once `stop` is set. When the caller abandons the iterator, or is interrupted in
        it, `stop` is set, what runs is waited for and nothing more is started.
        """
        done: queue.SimpleQueue[tuple[T, Future[R]]] = queue.SimpleQueue()
        source = iter(items)
        running = 0

        def start_more() -> int:
            started = 0
            while running + started < self._max_concurrent and deadline.remaining() > 0:
                if stop is not None and stop.is_set():
                    break
                try:
                    item = next(source)
                except StopIteration:
                    break
                future = self._submit(item)
                future.add_done_callback(lambda finished, item=item: done.put((item, finished)))  # type: ignore[misc]
                started += 1
            return started

        try:
            running += start_more()
            while running:
                item, future = done.get()
                running -= 1
                yield item, future.result()
                running += start_more()
        finally:
            if running and stop is not None:
                stop.set()
            for _ in range(running):
                done.get()

    def close(self) -> None:
        """End the threads; what is started later, by a run that is under way too, gets new ones."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown()

    def _submit(self, item: T) -> Future[R]:
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._max_concurrent, thread_name_prefix="llmmanager")
            return self._pool.submit(self._work, item)
