"""Predict whether a batch that waits for quota would miss its deadline."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from botocore.exceptions import BotoCoreError, ClientError

from lambdas.batch.options import Options
from lambdas.batch.progress import read_progress
from lambdas.batch.runs import run_started_at
from lambdas.batch.storage import BatchStorage
from lambdas.shared.function_log import logger
from llmmanager.bedrock.routing.quota_gates import window_seconds

# The rate is reliable after one window, or after this share of the time if the deadline is short.
_MIN_WINDOWS = 1.0
_MIN_SHARE = 0.25
# Without any answer after this share of the time, the deadline is considered missed.
_MAX_SHARE_WITHOUT_RATE = 0.5
_CHECKS_PER_WINDOW = 4


class DeadlineRisk:
    """Predicts from the rate of a batch whether it ends before its deadline."""

    def __init__(self, storage: BatchStorage, options: Options) -> None:
        self._storage = storage
        self._options = options
        self._next_check = 0.0
        self._missed = False

    def is_missed(self) -> bool:
        """Whether the batch would miss its deadline at the present rate. False while it is unreliable."""
        left = self._options.seconds_left()
        if left is None or self._options.on_throttle != "wait":
            return False
        if time.monotonic() >= self._next_check:
            interval = min(window_seconds() / _CHECKS_PER_WINDOW, max(left, 0) / 10)
            self._next_check = time.monotonic() + interval
            try:
                self._missed = self._predict_miss(left)
            except (BotoCoreError, ClientError) as error:
                name = type(error).__name__
                logger.warning("cannot read the progress of the batch", extra={"error_type": name})
        return self._missed

    def _predict_miss(self, left: float) -> bool:
        now, since = datetime.now(UTC), run_started_at(self._storage)
        elapsed = (now - since).total_seconds()
        span = elapsed + left
        if elapsed < min(_MIN_WINDOWS * window_seconds(), _MIN_SHARE * span):
            return False
        needed = read_progress(self._storage, self._storage.plan(), since=since, now=now).seconds_left
        return elapsed >= _MAX_SHARE_WITHOUT_RATE * span if needed is None else needed > left
