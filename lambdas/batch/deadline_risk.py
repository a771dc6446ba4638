"""Whether a batch that waits for quota would miss its deadline."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from botocore.exceptions import BotoCoreError, ClientError

from lambdas.batch.options import Options
from lambdas.batch.progress import read_progress
from lambdas.batch.storage import BatchStorage
from lambdas.shared.observability import logger
from llmmanager.bedrock.routing.quota_gates import window_seconds

# The rate of a whole window is a good guess at what the quotas admit; a short deadline leaves less time.
_JUDGED_AFTER_WINDOWS = 1.0
_JUDGED_AFTER_SHARE = 0.25
_WITHOUT_RATE_AFTER_SHARE = 0.5
_LOOKS_PER_WINDOW = 4


class DeadlineRisk:
    """Judges from the batch's rate whether its records will be answered before its deadline."""

    def __init__(self, storage: BatchStorage, options: Options) -> None:
        self._storage = storage
        self._options = options
        self._next_look = 0.0
        self._missed = False

    def is_missed(self) -> bool:
        """Whether the deadline would be missed at the present rate; False while it is too early to say."""
        left = self._options.seconds_left()
        if left is None or self._options.on_throttle != "wait":
            return False
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + min(window_seconds() / _LOOKS_PER_WINDOW, max(left, 0) / 10)
            try:
                self._missed = self._judge(left)
            except (BotoCoreError, ClientError) as error:
                name = type(error).__name__
                logger.warning("the batch's progress cannot be read", extra={"error_type": name})
        return self._missed

    def _judge(self, left: float) -> bool:
        now, since = datetime.now(UTC), self._storage.run_started_at()
        elapsed = (now - since).total_seconds()
        span = elapsed + left
        if elapsed < min(_JUDGED_AFTER_WINDOWS * window_seconds(), _JUDGED_AFTER_SHARE * span):
            return False
        needed = read_progress(self._storage, self._storage.plan(), since=since, now=now).seconds_left
        return elapsed >= _WITHOUT_RATE_AFTER_SHARE * span if needed is None else needed > left
