"""Find out whether a throttle within the limit means that the quota is exhausted."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

# Bedrock also throttles at random, for lack of capacity. A run of throttles is long enough if it would be
# less likely than this with random throttles only.
_PROBABILITY = 1e-4
_SHORTEST_RUN = 4
# A run is long enough at this length, however many calls are throttled: pacing helps then in any case.
_LONGEST_RUN = 23
# The same probability for a call that tests the quota: it is repeated after a throttle that may be random.
_PROBABILITY_OF_TEST = 0.05
# The last calls show the share of random throttles. These counts are assumed before the first call.
_CALLS = 128
_ASSUMED_THROTTLED = 0.4
_ASSUMED_ADMITTED = 7.6
# Near the limit, a run may be shorter by this number of calls.
_SHORTER_NEAR_LIMIT = 2
# In this number of round trips after a throttle, no more calls are sent than the run lacks. A call that was
# not throttled for as long counts as admitted.
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
    _throttled_tests: int = 0
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
        round_trips = _ROUND_TRIPS * max(now - call.issued, _SHORTEST_ROUND_TRIP)
        length = self._long_enough(_PROBABILITY, run=len(run), admitted_before=now - round_trips)
        self._needed = max(length, _SHORTEST_RUN)
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
            self.until = now + round_trips
        return False

    def test_throttled(self) -> bool:
        """Count a throttled call that tests the quota. Return whether the quota is exhausted."""
        self._throttled_tests += 1
        return self._throttled_tests >= self._long_enough(_PROBABILITY_OF_TEST)

    def test_ended(self) -> None:
        """Start the next test of the quota without the throttles of the last one."""
        self._throttled_tests = 0

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

    def _long_enough(self, probability: float, *, run: int = 0, admitted_before: float = math.inf) -> int:
        """Return the length of a run of throttles that is less likely than this with random ones only.

        The fewer calls are known, the longer it is (the Beta-binomial distribution).

        Args:
            run: length of the run until now, which does not count in the share of random throttles.
            admitted_before: calls that were sent before this time and were not throttled count as admitted.
        """
        throttled = sum(call.is_throttled for call in self._calls) - run + _ASSUMED_THROTTLED
        admitted = sum(not call.is_throttled and call.issued < admitted_before for call in self._calls)
        calls = throttled + admitted + _ASSUMED_ADMITTED
        length, likelihood = 0, 1.0
        while likelihood > probability and length < _LONGEST_RUN:
            likelihood *= (throttled + length) / (calls + length)
            length += 1
        return length
