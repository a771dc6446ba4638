"""When one failed request stops the others."""

from __future__ import annotations

import pytest

from llmmanager.bedrock.models.parallel_structures import FailureHandlingStrategy, ParallelProcessingConfig
from llmmanager.bedrock.parallel.failure_handling import FailureHandling


def handling(strategy: str, total: int, threshold: float = 0.5) -> FailureHandling:
    config = ParallelProcessingConfig(
        failure_handling_strategy=FailureHandlingStrategy(strategy), failure_threshold=threshold
    )
    return FailureHandling(config, total)


def test_continue_never_stops_and_one_answer_is_a_success() -> None:
    watched = handling("continue_on_failure", 3)
    assert [watched.must_stop(False) for _ in range(3)] == [False] * 3
    assert watched.succeeded(1)
    assert not watched.succeeded(0)


def test_stop_on_first_failure_stops_at_once_and_needs_every_answer() -> None:
    watched = handling("stop_on_first_failure", 3)
    assert not watched.must_stop(True)
    assert watched.must_stop(False)
    assert not watched.succeeded(2)
    assert watched.succeeded(3)


@pytest.mark.parametrize(("threshold", "stops_at"), [(0.0, 1), (0.5, 6), (0.9, 10), (1.0, None)])
def test_stop_on_threshold_stops_once_the_failed_share_of_all_exceeds_it(
    threshold: float, stops_at: int | None
) -> None:
    watched = handling("stop_on_threshold", 10, threshold)
    stopped = [count for count in range(1, 11) if watched.must_stop(False)]
    assert (stopped[0] if stopped else None) == stops_at
