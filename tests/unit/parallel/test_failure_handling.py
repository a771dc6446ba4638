"""FailureHandling: when failed requests stop a run."""

from __future__ import annotations

import pytest

from llmmanager.bedrock.models.parallel_structures import FailureHandlingStrategy, ParallelProcessingConfig
from llmmanager.bedrock.parallel.failure_handling import FailureHandling


def failure_handling(strategy: str, total: int, threshold: float = 0.5) -> FailureHandling:
    config = ParallelProcessingConfig(
        failure_handling_strategy=FailureHandlingStrategy(strategy), failure_threshold=threshold
    )
    return FailureHandling(config, total)


def test_continue_never_stops_and_one_answer_is_a_success() -> None:
    handled = failure_handling("continue_on_failure", 3)
    assert [handled.must_stop(False) for _ in range(3)] == [False] * 3
    assert handled.succeeded(1)
    assert not handled.succeeded(0)


def test_stop_on_first_failure_stops_at_once_and_requires_every_answer() -> None:
    handled = failure_handling("stop_on_first_failure", 3)
    assert not handled.must_stop(True)
    assert handled.must_stop(False)
    assert not handled.succeeded(2)
    assert handled.succeeded(3)


@pytest.mark.parametrize(("threshold", "stops_at"), [(0.0, 1), (0.5, 6), (0.9, 10), (1.0, None)])
def test_stop_on_threshold_stops_when_the_failed_share_of_all_requests_exceeds_it(
    threshold: float, stops_at: int | None
) -> None:
    handled = failure_handling("stop_on_threshold", 10, threshold)
    stopped = [count for count in range(1, 11) if handled.must_stop(False)]
    assert (stopped[0] if stopped else None) == stops_at
