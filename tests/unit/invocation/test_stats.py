"""CallStats: the counters of calls."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from llmmanager.bedrock.invocation.stats import CallStats
from llmmanager.bedrock.models.llm_manager_structures import RequestAttempt
from llmmanager.bedrock.routing.decision import Decision, Kind, Next

THROTTLED = Decision(Next.SAME_TARGET, Kind.THROTTLE)
NO_ACCESS = Decision(Next.OTHER_REGION, Kind.ACCESS)
DROPPED = Decision(Next.DROP_FEATURE, Kind.FEATURE)


def attempt(model: str, region: str, number: int, decision: Decision | None) -> RequestAttempt:
    moment = datetime.now(UTC)
    return RequestAttempt(
        model_id=model,
        region=region,
        access_method="on_demand",
        attempt_number=number,
        start_time=moment,
        end_time=moment,
        success=decision is None,
        invoke_id=f"us.{model}",
    )


def counted(*steps: tuple[str, str, Decision | None]) -> dict[str, object]:
    """Return the counters after one call with these attempts (model, region, decision)."""
    attempts = [
        attempt(model, region, number, decision)
        for number, (model, region, decision) in enumerate(steps, start=1)
    ]
    stats = CallStats()
    stats.count(attempts, [decision for _, _, decision in steps])
    return stats.snapshot()


@pytest.mark.parametrize(
    ("steps", "attempts", "retries", "failovers", "fallbacks", "throttles"),
    [
        ([], 0, 0, 0, 0, {}),
        ([("A", "1", None)], 1, 0, 0, 0, {}),
        ([("A", "1", THROTTLED), ("A", "1", None)], 2, 1, 0, 0, {"us.A@1": 1}),
        ([("A", "1", THROTTLED), ("A", "2", None)], 2, 1, 1, 0, {"us.A@1": 1}),
        ([("A", "1", NO_ACCESS), ("B", "1", None)], 2, 0, 1, 0, {}),
        ([("A", "1", DROPPED), ("A", "1", None)], 2, 0, 0, 1, {}),
        ([("A", "1", DROPPED), ("A", "1", THROTTLED), ("A", "2", None)], 3, 1, 1, 1, {"us.A@1": 1}),
        # An attempt after an answer that was rejected later is counted like after a failure.
        ([("A", "1", None), ("A", "1", THROTTLED), ("A", "2", None)], 3, 1, 1, 0, {"us.A@1": 1}),
        # A failure without a further attempt is not a retry, but counts as throttled.
        ([("A", "1", THROTTLED), ("A", "2", THROTTLED)], 2, 1, 1, 0, {"us.A@1": 1, "us.A@2": 1}),
        (
            [
                ("A", "1", THROTTLED),
                ("A", "2", DROPPED),
                ("A", "2", DROPPED),
                ("A", "1", THROTTLED),
                ("B", "1", None),
            ],
            5,
            2,
            3,
            2,
            {"us.A@1": 2},
        ),
    ],
)
def test_a_call_is_counted_by_the_attempt_after_each_failure(
    steps: list[tuple[str, str, Decision | None]],
    attempts: int,
    retries: int,
    failovers: int,
    fallbacks: int,
    throttles: dict[str, int],
) -> None:
    assert counted(*steps) == {
        "requests": 1,
        "attempts": attempts,
        "retries": retries,
        "failovers": failovers,
        "feature_fallbacks": fallbacks,
        "throttles": throttles,
    }


def test_a_returned_snapshot_does_not_change() -> None:
    stats = CallStats()
    before = stats.snapshot()
    stats.count([], [])
    assert (before["requests"], stats.snapshot()["requests"]) == (0, 1)


def test_calls_are_summed() -> None:
    stats = CallStats()
    for _ in range(3):
        stats.count([attempt("A", "1", 1, THROTTLED), attempt("A", "2", 2, None)], [THROTTLED, None])
    assert stats.snapshot() == {
        "requests": 3,
        "attempts": 6,
        "retries": 3,
        "failovers": 3,
        "feature_fallbacks": 0,
        "throttles": {"us.A@1": 3},
    }
