"""Predict from the rate of a batch whether it would miss its deadline."""

from __future__ import annotations

from llmmanager.bedrock.routing.quota_gates import window_seconds

# The rate is reliable after one window, or after this share of the time if the deadline is short.
_MIN_WINDOWS = 1.0
_MIN_SHARE = 0.25
# Without any answer after this share of the time, the deadline is considered missed. Without throttled calls,
# the rate may still rise until then.
_MAX_SHARE_WITHOUT_RATE = 0.5


def is_rate_reliable(elapsed: float, left: float, *, throttled: bool) -> bool:
    """Whether the rate of a batch allows a prediction.

    Args:
        elapsed: seconds since the batch began to run in the present way.
        left: seconds until the deadline.
        throttled: whether calls wait for quota. If not, the rate may rise by itself.
    """
    span = elapsed + left
    if not throttled:
        return elapsed >= _MAX_SHARE_WITHOUT_RATE * span
    return elapsed >= min(_MIN_WINDOWS * window_seconds(), _MIN_SHARE * span)


def misses_deadline(elapsed: float, left: float, *, needed: float | None) -> bool:
    """Whether a batch would miss its deadline.

    Args:
        elapsed, left: as for `is_rate_reliable`.
        needed: seconds until its end at the present rate; None without an answer.
    """
    if needed is None:
        return elapsed >= _MAX_SHARE_WITHOUT_RATE * (elapsed + left)
    return needed > left
