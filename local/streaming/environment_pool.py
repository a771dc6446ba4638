"""The execution environments of a function: started when needed, and kept for later invocations."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from local.streaming.execution_environment import ExecutionEnvironment, FunctionFailed
from local.streaming.wire import FunctionTimedOut

_CLOSE_SECONDS: Final = 2.0


class EnvironmentPool:
    """Lends execution environments. If all are in use, a caller waits."""

    def __init__(self, create: Callable[[], ExecutionEnvironment], *, limit: int = 16) -> None:
        self._create = create
        self._limit = limit
        self._free = threading.Semaphore(limit)
        self._lock = threading.Lock()
        self._idle: list[ExecutionEnvironment] = []
        self._all: set[ExecutionEnvironment] = set()
        self._is_closed = False

    def start_one(self) -> None:
        """Start an environment before the first invocation.

        Raises:
            FunctionFailed, FunctionTimedOut: its process does not start.
        """
        with self.lend() as environment:
            environment.wait_until_idle()

    @contextmanager
    def lend(self) -> Iterator[ExecutionEnvironment]:
        """Lend an environment for one invocation.

        Afterwards it is kept as soon as its process asks for the next invocation. If the function timed out
        or the process ended, it is stopped.
        """
        with self._free:
            environment, is_usable = self._take(), True
            try:
                yield environment
            except FunctionTimedOut:
                is_usable = False
                raise
            finally:
                self._return(environment, is_usable=is_usable)

    def close(self) -> None:
        """Stop all environments. Invocations that are running fail."""
        with self._lock:
            self._is_closed = True
            environments = list(self._all)
        for environment in environments:
            environment.end_process()
        # The threads that use an environment notice the end of its process, and return it.
        for _ in range(self._limit):
            if not self._free.acquire(timeout=_CLOSE_SECONDS):
                break
        for environment in environments:
            environment.stop()

    def _take(self) -> ExecutionEnvironment:
        with self._lock:
            if self._idle:
                return self._idle.pop()
            if self._is_closed:
                raise FunctionFailed("the local stack is being stopped")
            environment = self._create()
            self._all.add(environment)
            return environment

    def _return(self, environment: ExecutionEnvironment, *, is_usable: bool) -> None:
        if is_usable:
            try:
                environment.wait_until_idle()
            except (FunctionFailed, FunctionTimedOut):
                is_usable = False
        with self._lock:
            if is_usable:
                self._idle.append(environment)
                return
            self._all.discard(environment)
        environment.stop()
