"""Whether a reservation that a budget did not allow is worth another try."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from lambdas.usage.period_limit import PeriodSpending

_FIRST_DELAY_SECONDS: Final = 0.5
_LONGEST_DELAY_SECONDS: Final = 4.0


class BudgetRefusal:
    """What a budget had left when it did not allow a reservation, and whether others may return some of it.

    Args:
        patience: seconds to wait for the reservations of others while none of them changes.

    Attributes:
        spending: what was spent and reserved at the last refusal.
        is_final: whether waiting for others has ended.
    """

    def __init__(self, spending: PeriodSpending, *, own: int, patience: float, now: float) -> None:
        self.spending = spending
        self.is_final = False
        self._patience = patience
        self._others = 0
        self._delay = _FIRST_DELAY_SECONDS
        self._next_try = self._patient_until = now
        self._start(own, now)

    def repeat(self, spending: PeriodSpending, *, own: int, now: float) -> None:
        """Record another refusal.

        Args:
            own: nano-dollars that this worker has reserved.
            now: the time of a monotonic clock in seconds.
        """
        if self.spending == spending:
            self._delay = min(self._delay * 2, _LONGEST_DELAY_SECONDS)
            self._next_try = now + self._delay
            return
        self.spending = spending
        self._start(own, now)

    def add_reserved(self, cost: int) -> None:
        """Subtract what the budget has allowed since then from what was left."""
        spending = self.spending
        self.spending = replace(
            spending, committed=spending.committed + cost, reserved=spending.reserved + cost
        )

    def may_try(self, missing: int, now: float) -> bool:
        """Whether the table may allow a reservation of so many nano-dollars now."""
        return missing <= self.spending.left or (now >= self._next_try and self.may_wait(missing, now))

    def may_wait(self, missing: int, now: float) -> bool:
        """Whether others, such as workers of other shards, may return enough for it."""
        can_be_returned = missing <= self.spending.left + self._others
        return can_be_returned and not self.is_final and now < self._patient_until

    def seconds_to_next_try(self, now: float) -> float:
        """Return the seconds until the table can be asked again."""
        return max(0.0, self._next_try - now)

    def _start(self, own: int, now: float) -> None:
        self._others = max(0, self.spending.reserved - own)
        self._delay = _FIRST_DELAY_SECONDS
        self._next_try = now + self._delay
        self._patient_until = now + self._patience
