"""What one target used of its quota in the last window, and how much it may use."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

from llmmanager.bedrock.routing.decision import QuotaUnit

# So many more calls beyond the limit were admitted than throttled: there is no such limit.
_PROBES_THAT_REFUTE = 12
_FAILED_PROBE_COUNTS_AS = 4
# Calls beyond the limit are sent at the same time: when the limit is right, all of them are throttled.
_LARGEST_STEP = 1 / 20
# A probe that uses the reserve is this many times as rare.
_RESERVED_PROBES_APART = 5


@dataclass(slots=True)
class Charge:
    """The tokens of one call: those that Bedrock reserves at its start, later those that it used.

    Attributes:
        at: when Bedrock admitted the call, in seconds on the gate's clock.
        tokens: tokens of quota.
        counted: whether the call is still in the window.
    """

    at: float
    tokens: int
    counted: bool = True

    def amount(self, unit: QuotaUnit) -> int:
        """Return what the call takes of a quota of this unit."""
        return self.tokens if unit is QuotaUnit.TOKENS else 1


@dataclass(slots=True)
class UsageWindow:
    """A sliding log of the calls of the last window.

    Attributes:
        seconds: length of the window, with a margin for the time between sending and admission.
    """

    seconds: float
    tokens: int = 0
    _charges: deque[Charge] = field(default_factory=deque)

    def used(self, unit: QuotaUnit, now: float) -> int:
        """Return what the calls of the last window used."""
        self._expire(now)
        return self.tokens if unit is QuotaUnit.TOKENS else len(self._charges)

    def add(self, charge: Charge) -> None:
        """Count a call that is about to be sent."""
        self._expire(charge.at)
        self._charges.append(charge)
        self.tokens += charge.tokens

    def settle(self, charge: Charge, tokens: int, at: float) -> None:
        """Replace what was reserved by what was used, and the time of sending by that of admission."""
        if charge.counted:
            self.tokens += tokens - charge.tokens
            charge.tokens = tokens
            charge.at = max(charge.at, at)

    def remove(self, charge: Charge) -> None:
        """Forget a call that Bedrock did not admit."""
        if charge.counted:
            charge.counted = False
            self.tokens -= charge.tokens
            self._charges.remove(charge)

    def seconds_until_free(self, amount: int, unit: QuotaUnit, now: float) -> float:
        """Return the seconds after which calls with together `amount` have left the window.

        What exceeds the whole window takes further windows, at the rate of this one.
        """
        self._expire(now)
        if amount <= 0:
            return 0.0
        freed = 0
        for charge in self._charges:
            freed += charge.amount(unit)
            if freed >= amount:
                return charge.at + self.seconds - now
        return self.seconds * (amount / freed) if freed else self.seconds

    def _expire(self, now: float) -> None:
        left = now - self.seconds
        while self._charges and self._charges[0].at <= left:
            charge = self._charges.popleft()
            charge.counted = False
            self.tokens -= charge.tokens


@dataclass(slots=True)
class QuotaLimit:
    """A limit per window, known or learnt from throttles.

    A learnt limit grows by probes: now and then one call more than the limit allows is sent. When it is
    admitted, the limit was too low, and twice as much is tried next, up to a part of the limit. When it is
    throttled, half as much is tried later. A limit that many calls have exceeded is dropped.

    Calls may leave a reserve to others. Whether a learnt limit is too low then shows only when the reserve is
    used as well: a probe does so, and the next one comes later.

    Attributes:
        limit: the amount allowed per window; infinite until it is known or learnt.
        ceiling: the known quota, which is never exceeded; infinite when unknown.
        headroom: how much above `limit` is tried now.
        probe_interval: seconds between probes, from `shortest_interval` to `longest_interval`: doubled by
            each that failed, halved by each that succeeded.
    """

    shortest_interval: float
    longest_interval: float
    limit: float = math.inf
    ceiling: float = math.inf
    headroom: float = 0.0
    probe_interval: float = 0.0
    next_probe: float = math.inf
    _evidence_against: int = 0
    _listed: float | None = None

    @property
    def active(self) -> bool:
        """Whether there is a limit."""
        return self.limit < math.inf

    @property
    def is_quota(self) -> bool:
        """Whether the limit is the known quota, rather than learnt."""
        return self.limit == self.ceiling

    def set_known(self, amount: float) -> None:
        """Hold calls to a quota that is known."""
        if amount != self.ceiling:
            self.limit = self.ceiling = amount
            self.headroom = 0.0

    def set_listed(self, amount: float, now: float) -> None:
        """Start with a quota that Bedrock may not enforce: probe for more as soon as it is used up."""
        if amount != self._listed:
            self._listed = self.limit = amount
            self.headroom, self.next_probe = 0.0, now

    def allowed(self, reserve: float) -> float:
        """Return how much may be used now, a probe included.

        Args:
            reserve: the part of the limit that is left to others.
        """
        if self.headroom and not self._is_known:
            return self.limit + self.headroom
        return min(self.within(reserve) + self.headroom, self.ceiling * (1 - reserve))

    def within(self, reserve: float) -> float:
        """Return how much may be used when nothing is probed."""
        return self.limit * (1 - reserve)

    def lower(self, used: int, reserve: float, now: float) -> None:
        """Lower the limit to what Bedrock admitted, after calls within the limit were throttled."""
        self.limit = min(self.limit, max(used, 1))
        self.headroom = 0.0
        self.probe_interval = max(self.probe_interval, self.shortest_interval)
        self.next_probe = now + self.probe_interval * (_RESERVED_PROBES_APART if reserve else 1)
        self._evidence_against = 0

    def probe_failed(self, cost: int, reserve: float, now: float) -> None:
        """Try less, and later, after a call beyond the limit was throttled."""
        self._evidence_against -= _FAILED_PROBE_COUNTS_AS
        goes_on = self.headroom >= 2 * cost and not reserve
        self.headroom = self.headroom / 2 if goes_on else 0.0
        self.probe_interval = min(max(self.probe_interval * 2, self.shortest_interval), self.longest_interval)
        self.next_probe = now + self.probe_interval * (_RESERVED_PROBES_APART if reserve else 1)

    def probe_succeeded(self, used: int, cost: int, reserve: float) -> None:
        """Raise the limit after a call beyond it was admitted.

        Args:
            used: what all calls used when it was sent, the call itself included.
        """
        whole = used / (1 - reserve) if self._is_known else used
        if self.limit < whole <= self.ceiling:
            self.limit = whole
            self.headroom = max(min(self.headroom * 2, self.limit * _LARGEST_STEP), cost)
            self.probe_interval = max(self.probe_interval / 2, self.shortest_interval)
            self._evidence_against = max(self._evidence_against, 0) + 1
            if self._evidence_against >= _PROBES_THAT_REFUTE:
                self.limit, self.headroom = self.ceiling, 0.0

    def start_probe(self, cost: int, now: float) -> None:
        """Allow one call more than the limit when the time for a probe has come."""
        if self.limit < self.ceiling and self.headroom == 0.0 and now >= self.next_probe:
            self.headroom = cost
            self.next_probe = math.inf

    @property
    def _is_known(self) -> bool:
        return self.ceiling < math.inf
