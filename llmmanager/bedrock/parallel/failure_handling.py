"""Decides when failed requests stop a parallel run."""

from __future__ import annotations

from llmmanager.bedrock.models.parallel_structures import FailureHandlingStrategy, ParallelProcessingConfig


class FailureHandling:
    """Counts failures and decides when to stop.

    STOP_ON_THRESHOLD stops when the failed share of all requests exceeds the threshold. The requests that
    are left cannot reduce that share.
    """

    def __init__(self, config: ParallelProcessingConfig, total: int) -> None:
        self._strategy = config.failure_handling_strategy
        self._threshold = config.failure_threshold
        self._total = total
        self.failed = 0

    def must_stop(self, success: bool) -> bool:
        """Count one outcome and return whether the run must stop."""
        self.failed += not success
        if self._strategy is FailureHandlingStrategy.STOP_ON_FIRST_FAILURE:
            return self.failed > 0
        if self._strategy is FailureHandlingStrategy.STOP_ON_THRESHOLD:
            return self.failed / self._total > self._threshold
        return False

    def succeeded(self, answered: int) -> bool:
        """Whether the run counts as successful with this number of answered requests."""
        if self._strategy is FailureHandlingStrategy.CONTINUE_ON_FAILURE:
            return answered > 0
        return answered == self._total
