"""Find out whether a throttle within the limit means that the quota is exhausted."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

# Bedrock also throttles at random, for lack of capacity. A run of throttles is long enough if it would be
# less likely than this with random throttles only. Their share is that of the last calls.
_PROBABILITY = 1e-5
_SHORTEST_RUN = 4
_CALLS = 128
# Calls that are assumed before the first one, and the share of them that was throttled.
_ASSUMED_CALLS = 8
_ASSUMED_SHARE = 0.05
# Near the limit, a run may be shorter by this number of calls.
_SHORTER_NEAR_LIMIT = 2
# In this number of round trips after a throttle, no more calls are sent than the run lacks.
_ROUND_TRIPS = 3
_SHORTEST_ROUND_TRIP = 0.005


@dataclass(slots=True, eq=False)
class CheckedCall:
    """A call in the order of sending.

    Attributes:
        issued: when the call was sent.
        is_throttled: whether the call was throttled, and not by an exhausted quota as far as is known.
    """

    issued: float
    is_throttled: bool = False


@dataclass(slots=True)
class ThrottleCheck:
    """The last calls, and which of them were throttled within the limit.

    An exhausted quota throttles one call after the other, and random throttles have admitted calls between
    them. So the quota is exhausted after a run of throttles: throttled calls that were sent one after the
    other. The more calls are throttled at random, the longer the run must be. If the usage is near the limit,
    a shorter run is enough.

    Attributes:
        until: end of the time in which only a few calls are sent.
        throttles_in_a_row: length of the last run of throttles; 0 before the first.
    """

    until: float = -math.inf
    throttles_in_a_row: int = 0
    _sent: int = 0
    _needed: int = _SHORTEST_RUN
    _calls: deque[CheckedCall] = field(default_factory=lambda: deque(maxlen=_CALLS))

    def is_open(self, now: float) -> bool:
        """Whether calls may have to wait for the outcome of the check."""
        return now <= self.until

    def seconds_left(self, now: float) -> float:
        """Return the seconds in which no further call is sent, because enough calls are in progress."""
        return max(self.until - now, 0.0) if self._sent >= self._needed - 1 else 0.0

    def sent(self, now: float) -> CheckedCall:
        """Add a call that is sent now."""
        self._sent += 1
        call = CheckedCall(now)
        self._calls.append(call)
        return call

    def throttled(self, call: CheckedCall, now: float, *, near_limit: bool, one_is_enough: bool) -> bool:
        """Count a throttled call within the limit. Return whether the quota is exhausted.

        Args:
            near_limit: whether the usage is near the limit.
            one_is_enough: whether a single throttle near the limit is enough while few are random.
        """
        call.is_throttled = True
        run = self._run_of(call)
        self.throttles_in_a_row = len(run)
        self._needed = self._long_enough(len(run))
        shorter = _SHORTER_NEAR_LIMIT if near_limit else 0
        certain = near_limit and one_is_enough and self._needed == _SHORTEST_RUN
        if certain or len(run) >= self._needed - shorter:
            self.until = -math.inf
            if len(run) >= _SHORTEST_RUN:
                for other in run:
                    other.is_throttled = False
            return True
        if not self.is_open(now):
            self._sent = 0
            self.until = now + _ROUND_TRIPS * max(now - call.issued, _SHORTEST_ROUND_TRIP)
        return False

    def _run_of(self, call: CheckedCall) -> list[CheckedCall]:
        """Return the throttled calls around a call, without another call between them."""
        run: list[CheckedCall] = []
        for other in self._calls:
            if other.is_throttled:
                run.append(other)
            elif call in run:
                break
            else:
                run = []
        return run

    def _long_enough(self, run: int) -> int:
        """Return the length of a run that shows that the quota is exhausted.

        Args:
            run: length of the run until now, which does not count in the share of random throttles.
        """
        throttled = sum(call.is_throttled for call in self._calls) - run + _ASSUMED_SHARE * _ASSUMED_CALLS
        share = throttled / (len(self._calls) - run + _ASSUMED_CALLS)
        return max(math.ceil(math.log(_PROBABILITY) / math.log(share)), _SHORTEST_RUN)
