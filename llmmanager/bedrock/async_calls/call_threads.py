"""The threads that run async calls."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from llmmanager.bedrock.forks import after_fork

IDLE_SECONDS = 2.0

Work = Callable[[], None]


@dataclass(eq=False)
class _IdleThread:
    thread: threading.Thread
    inbox: queue.SimpleQueue[Work | None] = field(default_factory=queue.SimpleQueue)


class CallThreads:
    """Threads that are started when they are needed, and end when they have had no work for some time.

    They are daemon threads, so that an idle one does not delay the end of the program. Thread-safe.

    Args:
        max_threads: the number of calls that run at the same time. Further ones wait.
        idle_seconds: how long a thread waits for work before it ends.
    """

    def __init__(self, max_threads: int, *, idle_seconds: float = IDLE_SECONDS) -> None:
        self._max_threads = max_threads
        self._idle_seconds = idle_seconds
        self._start_empty()
        after_fork(self, CallThreads._start_empty)

    def _start_empty(self) -> None:
        """Start without threads. The threads of a parent process do not exist in its fork."""
        self._lock = threading.Lock()
        self._count = 0
        self._idle: list[_IdleThread] = []
        self._waiting: deque[Work] = deque()

    def run(self, work: Work) -> bool:
        """Run a function, which must not raise, on a thread. Return False if it waits for one.

        Raises:
            RuntimeError: the system cannot start a thread.
        """
        with self._lock:
            if self._idle:
                # The last one that became idle, so that those that are not needed end.
                self._idle.pop().inbox.put(work)
                return True
            if self._count >= self._max_threads:
                self._waiting.append(work)
                return False
            self._count += 1
        try:
            threading.Thread(target=self._serve, args=(work,), name="llmmanager-async", daemon=True).start()
        except BaseException:
            with self._lock:
                self._count -= 1
            raise
        return True

    def withdraw(self, work: Work) -> bool:
        """Do not run a function that waits for a thread. Return False if it does not wait any more."""
        with self._lock:
            try:
                self._waiting.remove(work)
            except ValueError:
                return False
            return True

    def close(self) -> None:
        """End the idle threads. The others end when they have been idle for some time."""
        with self._lock:
            ended, self._idle = self._idle, []
            self._count -= len(ended)
        for idle in ended:
            idle.inbox.put(None)
        for idle in ended:
            idle.thread.join()

    def _serve(self, work: Work | None) -> None:
        idle = _IdleThread(threading.current_thread())
        while work is not None:
            work()
            work = None
            work = self._next(idle)

    def _next(self, idle: _IdleThread) -> Work | None:
        """Return the next function of a thread, or None if the thread must end."""
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            self._idle.append(idle)
        try:
            return idle.inbox.get(timeout=self._idle_seconds)
        except queue.Empty:
            with self._lock:
                if idle in self._idle:
                    self._idle.remove(idle)
                    self._count -= 1
                    return None
            return idle.inbox.get()
