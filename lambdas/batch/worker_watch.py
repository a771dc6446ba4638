"""Stop the requests of an invocation when its time is over, its batch has stopped, or no quota is left."""

from __future__ import annotations

import threading
from collections.abc import Callable
from enum import Enum
from types import TracebackType

from lambdas.batch.stop_signal import StopSignal
from llmmanager import Deadline
from llmmanager.bedrock.routing.quota_gates import window_seconds

_CHECK_SECONDS = 0.25
# Number of windows that the requests of an invocation wait for quota before the function ends. While Step
# Functions waits, no Lambda function runs, and other workers can use the quota.
_STARVED_WINDOWS = 1.0


class Stopped(Enum):
    """Why the requests of an invocation were stopped."""

    TIME = "time"
    BATCH_ENDED = "batch_ended"
    QUOTA = "quota"
    DEADLINE_AT_RISK = "deadline_at_risk"
    NO_RESERVATIONS = "no_reservations"


class WorkerWatch:
    """Context manager whose thread stops the requests of an invocation when necessary.

    Args:
        deadline_at_risk: returns whether the requests should run in another way to meet the batch's deadline;
            its argument is whether they wait for quota.

    Attributes:
        stop: set when no further record may start or wait for quota.
        reason: why it was set.
        starved: whether requests were waiting for quota when it was set.
    """

    def __init__(
        self,
        *,
        start_until: Deadline,
        stop_signal: StopSignal,
        seconds_without_quota: Callable[[], float],
        deadline_at_risk: Callable[[bool], bool] = lambda _throttled: False,
    ) -> None:
        self.stop = threading.Event()
        self.reason: Stopped | None = None
        self.starved = False
        self._start_until = start_until
        self._stop_signal = stop_signal
        self._seconds_without_quota = seconds_without_quota
        self._deadline_at_risk = deadline_at_risk
        self._patience = _STARVED_WINDOWS * window_seconds()
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._watch, name="watch", daemon=True)

    def __enter__(self) -> WorkerWatch:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closed.set()
        self._thread.join()

    def may_start(self) -> bool:
        """Whether another record may start."""
        return self.reason is None and self._start_until.remaining() > 0

    def stop_for(self, reason: Stopped) -> None:
        """Stop the requests, unless they are stopped already."""
        with self._lock:
            if self.reason is None:
                self.starved = reason is Stopped.QUOTA or self._seconds_without_quota() > 0
                self.reason = reason
                self.stop.set()

    def _watch(self) -> None:
        while self.reason is None and not self._closed.wait(min(_CHECK_SECONDS, self._patience / 4)):
            starved = self._seconds_without_quota()
            if self._start_until.remaining() <= 0:
                self.stop_for(Stopped.TIME)
            elif self._deadline_at_risk(starved > 0):
                self.stop_for(Stopped.DEADLINE_AT_RISK)
            elif starved >= self._patience:
                self.stop_for(Stopped.QUOTA)
            elif self._stop_signal.is_set():
                self.stop_for(Stopped.BATCH_ENDED)
