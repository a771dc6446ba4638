"""Predict whether a batch would miss its deadline."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from botocore.exceptions import BotoCoreError, ClientError

from lambdas.batch.options import Options
from lambdas.batch.progress import read_progress
from lambdas.batch.runs import run_started_at
from lambdas.batch.storage import BatchStorage
from lambdas.shared.function_log import logger
from llmmanager.batch_files.deadline_prediction import is_rate_reliable, misses_deadline
from llmmanager.bedrock.routing.quota_gates import window_seconds

_CHECKS_PER_WINDOW = 4


@dataclass
class _Prediction:
    is_missed: bool = False
    next_check: float = 0.0


class DeadlineRisk:
    """Predicts from the rate of a batch whether it ends before its deadline.

    Args:
        since: when the present way to run the records began; None for the start of the run.
        after_jobs: whether no record waits in a managed batch job any more, not even in one that is open.
    """

    def __init__(
        self,
        storage: BatchStorage,
        options: Options,
        *,
        since: datetime | None = None,
        after_jobs: bool = False,
    ) -> None:
        self._storage = storage
        self._options = options
        self._since = since
        self._after_jobs = after_jobs
        self._predictions = {throttled: _Prediction() for throttled in (True, False)}

    def restart(self, since: datetime) -> None:
        """Predict from the rate since the given time, because the records run in another way from then on."""
        self._since = since
        self._predictions = {throttled: _Prediction() for throttled in (True, False)}

    def is_missed(self, *, throttled: bool = True) -> bool:
        """Whether the batch would miss its deadline at the present rate. False while it is unreliable.

        Args:
            throttled: whether calls wait for quota. If not, the rate may rise by itself, so the result is
                False in the first half of the time.
        """
        left = self._options.seconds_left()
        if left is None:
            return False
        prediction = self._predictions[throttled]
        if time.monotonic() >= prediction.next_check:
            interval = max(left, 0) / 10
            if throttled:
                interval = min(window_seconds() / _CHECKS_PER_WINDOW, interval)
            prediction.next_check = time.monotonic() + interval
            try:
                prediction.is_missed = self._predict_miss(left, throttled=throttled)
            except (BotoCoreError, ClientError) as error:
                name = type(error).__name__
                logger.warning("cannot read the progress of the batch", extra={"error_type": name})
        return prediction.is_missed

    def _predict_miss(self, left: float, *, throttled: bool) -> bool:
        now, since = datetime.now(UTC), self._since or run_started_at(self._storage)
        elapsed = (now - since).total_seconds()
        if not is_rate_reliable(elapsed, left, throttled=throttled):
            return False
        progress = read_progress(self._storage, self._storage.plan(), since=since, now=now)
        if self._after_jobs:
            progress = replace(progress, in_jobs=0)
        return misses_deadline(elapsed, left, needed=progress.seconds_left)
