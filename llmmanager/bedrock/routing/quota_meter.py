"""The quota usage of one target in the last window, and its limit."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

from llmmanager.bedrock.routing.decision import QuotaUnit

# A limit is dropped after this many successful probes, less the failed ones with their weight.
_PROBES_TO_DROP_LIMIT = 12
_FAILED_PROBE_WEIGHT = 4
# Maximum share by which probes exceed the limit. If the limit is correct, all of them are throttled.
_MAX_STEP = 1 / 20
# Probes that use the reserve are rarer by this factor.
_RESERVED_PROBE_FACTOR = 5


@dataclass(slots=True, eq=False)
class Charge:
    """The tokens of one call: at first those that Bedrock reserves, later those that it used.

    Attributes:
        at: when Bedrock admitted the call, in seconds on the gate's clock.
        tokens: tokens of quota.
        counted: whether the call is still in the window.
    """

    at: float
    tokens: int
    counted: bool = True

    def amount(self, unit: QuotaUnit) -> int:
        """Return the amount of quota that the call uses."""
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
        """Return the usage of the last window."""
        self._expire(now)
        return self.tokens if unit is QuotaUnit.TOKENS else len(self._charges)

    def add(self, charge: Charge) -> None:
        """Add a call before it is sent."""
        self._expire(charge.at)
        self._charges.append(charge)
        self.tokens += charge.tokens

    def settle(self, charge: Charge, tokens: int, at: float) -> None:
        """Replace the reserved tokens by the used ones, and the time of sending by that of admission."""
        if charge.counted:
            self.tokens += tokens - charge.tokens
            charge.tokens = tokens
            charge.at = max(charge.at, at)

    def remove(self, charge: Charge) -> None:
        """Remove a call that Bedrock did not admit."""
        if charge.counted:
            charge.counted = False
            self.tokens -= charge.tokens
            self._charges.remove(charge)

    def seconds_until_free(self, amount: int, unit: QuotaUnit, now: float) -> float:
        """Return the seconds until calls with a total of `amount` have left the window.

        If the amount exceeds the window, further windows with the same usage are assumed.
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
    """A limit per window, known or estimated from throttles.

    An estimated limit grows with probes: sometimes one call above the limit is sent. If it is admitted, the
    limit was too low, and the next probe is twice as large, up to a share of the limit. If it is throttled, a
    later probe is half as large. A limit that many calls have exceeded is dropped.

    Calls may leave a reserve to others. A probe of an estimated limit then uses the reserve as well, so such
    probes are rarer.

    Attributes:
        limit: the amount per window; infinite until it is known or estimated.
        ceiling: the known quota, which is never exceeded; infinite if unknown.
        headroom: the amount above `limit` that a probe may use now.
        probe_interval: seconds between probes, from `shortest_interval` to `longest_interval`. A failed probe
            doubles it, a successful one halves it.
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
    def is_known(self) -> bool:
        """Whether a quota is known."""
        return self.ceiling < math.inf

    @property
    def is_quota(self) -> bool:
        """Whether the limit is the known quota, and not an estimate."""
        return self.limit == self.ceiling

    def set_known(self, amount: float) -> None:
        """Set the known quota."""
        if amount != self.ceiling:
            self.limit = self.ceiling = amount
            self.headroom = 0.0

    def set_listed(self, amount: float, now: float) -> None:
        """Start with a quota that Bedrock may not enforce, and probe for more when it is exhausted."""
        if amount != self._listed:
            self._listed = self.limit = amount
            self.headroom, self.next_probe = 0.0, now

    def allowed(self, reserve: float) -> float:
        """Return the amount that may be used now, including a probe.

        Args:
            reserve: share of the limit that is left to others.
        """
        if self.headroom and not self.is_known:
            return self.limit + self.headroom
        return min(self.within(reserve) + self.headroom, self.ceiling * (1 - reserve))

    def within(self, reserve: float) -> float:
        """Return the amount that may be used without a probe."""
        return self.limit * (1 - reserve)

    def lower(self, used: int, reserve: float, now: float) -> None:
        """Lower the limit to the admitted usage, after calls within the limit were throttled."""
        self.limit = min(self.limit, max(used, 1))
        self.headroom = 0.0
        self.probe_interval = max(self.probe_interval, self.shortest_interval)
        self.next_probe = now + self.probe_interval * (_RESERVED_PROBE_FACTOR if reserve else 1)
        self._evidence_against = 0

    def probe_failed(self, cost: int, reserve: float, now: float) -> None:
        """Make probes smaller and rarer, after a call above the limit was throttled."""
        self._evidence_against -= _FAILED_PROBE_WEIGHT
        continues = self.headroom >= 2 * cost and not reserve
        self.headroom = self.headroom / 2 if continues else 0.0
        self.probe_interval = min(max(self.probe_interval * 2, self.shortest_interval), self.longest_interval)
        self.next_probe = now + self.probe_interval * (_RESERVED_PROBE_FACTOR if reserve else 1)

    def probe_succeeded(self, used: int, cost: int, reserve: float) -> None:
        """Raise the limit after a call above it was admitted.

        Args:
            used: the usage of the window when the call was sent, including the call.
        """
        whole = used / (1 - reserve) if self.is_known else used
        if self.limit < whole <= self.ceiling:
            self.limit = whole
            self.headroom = max(min(self.headroom * 2, self.limit * _MAX_STEP), cost)
            self.probe_interval = max(self.probe_interval / 2, self.shortest_interval)
            self._evidence_against = max(self._evidence_against, 0) + 1
            if self._evidence_against >= _PROBES_TO_DROP_LIMIT:
                self.limit, self.headroom = self.ceiling, 0.0

    def start_probe(self, cost: int, now: float) -> None:
        """Allow one call above the limit if a probe is due."""
        if self.limit < self.ceiling and self.headroom == 0.0 and now >= self.next_probe:
            self.headroom = cost
            self.next_probe = math.inf
