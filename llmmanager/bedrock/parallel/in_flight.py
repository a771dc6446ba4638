"""Counts the requests in flight."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class InFlightCounter:
    """Counts the requests in flight and their maximum. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self.maximum = 0

    @contextmanager
    def count(self) -> Iterator[None]:
        """Count a request as in flight while the block runs."""
        with self._lock:
            self._count += 1
            self.maximum = max(self.maximum, self._count)
        try:
            yield
        finally:
            with self._lock:
                self._count -= 1
