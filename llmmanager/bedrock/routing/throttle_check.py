"""Find out whether a throttle within the limit means that the quota is exhausted."""

from __future__ import annotations

from dataclasses import dataclass

# Bedrock also throttles single calls for lack of capacity. So a few more calls are sent, and the check waits
# some round trips of the first call for their throttles.
_CALLS = 3
_ROUND_TRIPS = 3
_SHORTEST_ROUND_TRIP = 0.005
# Later calls count as well if this share of them is throttled.
_MIN_LATE_SHARE = 2 / 3
_RESTART_SHARE = 1 / 2
_NEVER = float("inf")


@dataclass(slots=True)
class ThrottleCheck:
    """A throttle within the limit, and the calls that show whether the quota is exhausted.

    It is exhausted if three of these calls are throttled, or one if the usage is near the limit.

    Attributes:
        started: when the throttle arrived; infinite without a throttle.
        until: end of the time in which only a few calls are sent.
    """

    started: float = _NEVER
    until: float = -_NEVER
    _sent: int = 0
    _throttled: int = 0

    def is_open(self, now: float) -> bool:
        """Whether calls may have to wait for the outcome of the check."""
        return now <= self.until

    def seconds_left(self, now: float) -> float:
        """Return the seconds in which no further call is sent, because enough calls are in progress."""
        return max(self.until - now, 0.0) if self._sent >= _CALLS else 0.0

    def sent(self) -> None:
        """Count a call that was sent."""
        self._sent += 1

    def throttled(self, issued: float, now: float, *, near_limit: bool) -> bool:
        """Count a throttled call within the limit. Return whether the quota is exhausted.

        Args:
            issued: when the call was sent.
            near_limit: whether the usage is near the limit.
        """
        if issued >= self.started:
            self._throttled += 1
            enough = 1 if near_limit else _CALLS
            if self._throttled >= enough and (
                issued <= self.until or self._throttled >= _MIN_LATE_SHARE * self._sent
            ):
                self.started, self.until = _NEVER, -_NEVER
                return True
        if self.started == _NEVER or (
            not self.is_open(now) and self._throttled < _RESTART_SHARE * self._sent
        ):
            self.started = now
            self.until = now + _ROUND_TRIPS * max(now - issued, _SHORTEST_ROUND_TRIP)
            self._sent = self._throttled = 0
        return False
