"""Runs many items on a bounded number of threads and reads an item only when a thread is free."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

from llmmanager.bedrock.forks import after_fork
from llmmanager.bedrock.models.deadline import NEVER, Deadline
from llmmanager.bedrock.parallel.item_source import ItemSource

T = TypeVar("T")
R = TypeVar("R")


class Executor(Generic[T, R]):
    """A thread pool that is reused by all runs of a manager.

    Args:
        work: the function that processes one item on a thread. It must not raise.
        max_concurrent: the number of threads.
    """

    def __init__(self, work: Callable[[T], R], max_concurrent: int) -> None:
        self._work = work
        self._max_concurrent = max_concurrent
        self._start_empty()
        after_fork(self, Executor._start_empty)

    def _start_empty(self) -> None:
        """Start without threads. The threads of a parent process do not exist in its fork."""
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None

    def completed(
        self,
        items: Iterable[T] | ItemSource[T, R],
        *,
        deadline: Deadline = NEVER,
        stop: threading.Event | None = None,
        abandoned: threading.Event | None = None,
    ) -> Iterator[tuple[T, R]]:
        """Return an iterator over pairs of item and result, in order of completion.

        At most `max_concurrent` items are read ahead of the returned results, and those that wait in an
        `ItemSource`. No item starts after `deadline` or after `stop` is set. If the caller closes the
        iterator or an exception interrupts it, `stop` and `abandoned` are set, no further item starts, and
        the iterator waits for the running items.
        """
        done: queue.SimpleQueue[tuple[T, Future[R]]] = queue.SimpleQueue()
        source = items if isinstance(items, ItemSource) else ItemSource[T, R](items)
        running = 0

        def may_start(running: int) -> bool:
            is_stopped = stop is not None and stop.is_set()
            return running < self._max_concurrent and deadline.remaining() > 0 and not is_stopped

        def start_more() -> int:
            started = 0
            while may_start(running + started):
                item = source.take()
                if item is None:
                    break
                future = self._submit(item)
                future.add_done_callback(lambda finished, item=item: done.put((item, finished)))  # type: ignore[misc]
                started += 1
            return started

        try:
            running += start_more()
            while running:
                wait = source.seconds_until_next() if may_start(running) else None
                try:
                    item, future = done.get(timeout=wait)
                except queue.Empty:
                    running += start_more()
                    continue
                running -= 1
                result = future.result()
                source.ended(item, result)
                yield item, result
                running += start_more()
        finally:
            if running and stop is not None:
                stop.set()
            if running and abandoned is not None:
                abandoned.set()
            for _ in range(running):
                done.get()

    def close(self) -> None:
        """Stop the threads. Items started later, also by a current run, get new threads."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown()

    def _submit(self, item: T) -> Future[R]:
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._max_concurrent, thread_name_prefix="llmmanager")
            return self._pool.submit(self._work, item)
