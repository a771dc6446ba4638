"""Advances batch jobs in a thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from .fake_job import FakeJob

_MAX_WAIT_SECONDS = 3600.0
_STOP_SECONDS = 5.0


class JobTimer:
    """Advances jobs in a thread when something is due, so that their output appears without a request.

    Args:
        jobs: returns the jobs.
        advance: advances a job.
        clock: returns the time in seconds.
    """

    def __init__(
        self,
        *,
        jobs: Callable[[], Iterable[FakeJob]],
        advance: Callable[[FakeJob], None],
        clock: Callable[[], float],
    ) -> None:
        self._jobs = jobs
        self._advance = advance
        self._clock = clock
        self._lock = threading.Lock()
        self._changed = threading.Event()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        """Look at the jobs again, after one was added or stopped."""
        with self._lock:
            if self._thread is None:
                self._stopped = threading.Event()
                self._thread = threading.Thread(
                    target=self._run, args=(self._stopped,), name="fake-bedrock-jobs", daemon=True
                )
                self._thread.start()
        self._changed.set()

    def stop(self) -> None:
        """Stop the thread, without waiting long for a responder. Jobs advance when they are described."""
        with self._lock:
            thread, self._thread = self._thread, None
            self._stopped.set()
        self._changed.set()
        if thread is not None:
            thread.join(_STOP_SECONDS)

    def _run(self, stopped: threading.Event) -> None:
        while not stopped.is_set():
            self._changed.clear()
            for job in self._jobs():
                if job.next_event_at is not None and job.next_event_at <= self._clock():
                    self._advance(job)
            due = [at for job in self._jobs() if (at := job.next_event_at) is not None]
            self._changed.wait(min(max(0.0, min(due) - self._clock()), _MAX_WAIT_SECONDS) if due else None)
