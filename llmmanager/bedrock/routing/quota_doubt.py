"""Whether a throttle within the limit is about the quota."""

from __future__ import annotations

from dataclasses import dataclass

# One throttle says little: Bedrock also throttles single calls when it is short of capacity. So some other
# calls are sent, and their throttles awaited for some round trips of the first.
_CALLS = 3
_ROUND_TRIPS = 3
_SHORTEST_ROUND_TRIP = 0.005
# Calls that are sent after that time show it as well, when most of them are throttled.
_MOST = 2 / 3
_HALF = 1 / 2
_NEVER = float("inf")


@dataclass(slots=True)
class QuotaDoubt:
    """A throttle within the limit, and the calls that are sent to find out whether the quota is used up.

    It is when three of them are throttled too, or one when about as much is used as the limit allows.

    Attributes:
        started: when the throttle arrived; infinite without a doubt.
        until: until when no more than some calls are sent.
    """

    started: float = _NEVER
    until: float = -_NEVER
    _sent: int = 0
    _throttled: int = 0

    def is_open(self, now: float) -> bool:
        """Whether calls may have to wait until the throttles of others are known."""
        return now <= self.until

    def seconds_left(self, now: float) -> float:
        """Return how long no further call is sent, since those that were sent may be throttled."""
        return max(self.until - now, 0.0) if self._sent >= _CALLS else 0.0

    def sent(self) -> None:
        """A call was sent."""
        self._sent += 1

    def throttled(self, issued: float, now: float, *, near_limit: bool) -> bool:
        """A call within the limit was throttled; return whether the quota is used up.

        Args:
            issued: when the call was sent.
            near_limit: whether about as much is used as the limit allows.
        """
        if issued >= self.started:
            self._throttled += 1
            enough = 1 if near_limit else _CALLS
            if self._throttled >= enough and (issued <= self.until or self._throttled >= _MOST * self._sent):
                self.started, self.until = _NEVER, -_NEVER
                return True
        if self.started == _NEVER or (not self.is_open(now) and self._throttled < _HALF * self._sent):
            self.started = now
            self.until = now + _ROUND_TRIPS * max(now - issued, _SHORTEST_ROUND_TRIP)
            self._sent = self._throttled = 0
        return False
