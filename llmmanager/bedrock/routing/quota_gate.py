"""Pace the calls of one target to its quota, so that Bedrock admits nearly every call it is sent."""

from __future__ import annotations

import math
import threading
import time
from bisect import insort
from collections.abc import Callable
from dataclasses import dataclass, field
from operator import attrgetter
from types import TracebackType

from llmmanager.bedrock.routing.decision import QuotaUnit
from llmmanager.bedrock.routing.quota_doubt import QuotaDoubt
from llmmanager.bedrock.routing.quota_meter import Charge, QuotaLimit, UsageWindow

# Parts of the window: a pause after throttles, doubled by each further one; and between probes.
_FIRST_PAUSE = 1 / 100
_LONGEST_PAUSE = 1 / 8
_SHORTEST_PROBE = 1 / 3
_LONGEST_PROBE = 2.0
# About as much is used as the limit allows.
_NEAR_LIMIT = 0.8
# Bedrock counts a call a little after it was sent.
_MARGIN = 1 / 100
# Expected behind calls that wait, or behind one that is sent alone.
_SHORTEST_WAIT = 0.001
# A longer hint of the server is shortened to this many seconds.
_LONGEST_RETRY_AFTER = 60.0
# How long a waiting call takes at most to see that it was cancelled.
_POLL_SECONDS = 0.25


@dataclass(slots=True)
class _Waiter:
    priority: int
    reserve: float
    order: int
    tokens: int
    since: float
    turn: threading.Event = field(default_factory=threading.Event)


@dataclass(slots=True)
class Permit:
    """The right to send one call, and a context manager around it.

    One of its methods is called when the outcome of the call is known. Without one, whether the call was
    admitted is unknown: what was reserved for it counts as used.
    """

    gate: QuotaGate
    charge: Charge
    issued: float
    used: dict[QuotaUnit, int]
    beyond: set[QuotaUnit]
    reserve: float = 0.0
    ended: bool = False

    def __enter__(self) -> Permit:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.ended:
            self.gate._lost(self)

    def answered(self, tokens: int | None, *, latency: float | None = None) -> None:
        """The call was admitted.

        Args:
            tokens: what it used of the quota; None when that is not known (yet, for a stream).
            latency: seconds that Bedrock took to answer, as Bedrock measured it; None when unknown.
        """
        self.gate._answered(self, tokens, latency)

    def settle(self, tokens: int) -> None:
        """The stream of an admitted call ended, and used these tokens."""
        self.gate._settle(self, tokens)

    def throttled(self, unit: QuotaUnit, *, retry_after: float | None = None) -> None:
        """The quota of this unit did not admit the call."""
        self.gate._throttled(self, unit, retry_after)

    def rejected(self) -> None:
        """The call failed for another reason before it used any quota."""
        self.gate._rejected(self)


class QuotaGate:
    """Admits calls so that they stay within a quota per window that may be unknown. Thread-safe.

    Without a known quota the gate admits every call until Bedrock throttles several in a row. What was used
    until then is the first estimate of the quota. From then on calls wait for their turn, in the order of
    arrival (a lower priority number first), until what was used in the last window leaves room for them.

    After a throttle the gate pauses, then sends one call alone; each further throttle doubles the pause. A
    learnt quota is probed for more now and then, so that the gate follows a quota that changes.

    Args:
        window: seconds in which Bedrock counts (60).
        clock: seconds that only grow.

    Attributes:
        last_admitted: when the last call was admitted, on the clock; minus infinity before the first.
    """

    def __init__(self, window: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._window = window
        self._clock = clock
        self._lock = threading.Lock()
        self._usage = UsageWindow(window * (1 + _MARGIN))
        self._limits = {
            unit: QuotaLimit(_SHORTEST_PROBE * window, _LONGEST_PROBE * window) for unit in QuotaUnit
        }
        self._waiters: list[_Waiter] = []
        self._arrivals = 0
        self._paused_until = 0.0
        self._pause = 0.0
        self._last_throttle = float("-inf")
        self.last_admitted = float("-inf")
        self._single: Permit | None = None
        self._doubtful = False
        self._doubt = QuotaDoubt()

    def set_known(
        self,
        *,
        tokens: float | None = None,
        requests: float | None = None,
        listed_requests: float | None = None,
    ) -> None:
        """Hold calls to a known quota per window. None leaves a quota as it is: unknown, or learnt.

        What is known already changes nothing, so that a lower quota that was learnt since stays.

        Args:
            listed_requests: requests that Bedrock may not enforce: the gate exceeds them when it does not.
        """
        with self._lock:
            if tokens is not None:
                self._limits[QuotaUnit.TOKENS].set_known(tokens)
            if requests is not None:
                self._limits[QuotaUnit.REQUESTS].set_known(requests)
            elif listed_requests is not None:
                self._limits[QuotaUnit.REQUESTS].set_listed(listed_requests, self._clock())
            self._wake_first()

    @property
    def is_active(self) -> bool:
        """Whether calls may have to wait: a quota is known or learnt, or a call was just throttled."""
        if self._single is not None or self.has_limit:
            return True
        now = self._clock()
        return now < self._paused_until or self._doubt.is_open(now)

    @property
    def has_limit(self) -> bool:
        """Whether a quota is known or learnt."""
        tokens, requests = self._limits.values()
        return tokens.active or requests.active

    def longest_waiting_since(self) -> float | None:
        """Return since when, on the gate's clock, a call waits; None when no call waits."""
        with self._lock:
            return min((waiter.since for waiter in self._waiters), default=None)

    def try_enter(self, tokens: int, *, reserve: float = 0.0) -> Permit | None:
        """Admit a call now, or return None when it would have to wait.

        Args:
            tokens: what Bedrock reserves for the call.
            reserve: the part of the quota that the call leaves to others.
        """
        with self._lock:
            return None if self._waiters else self._admit(tokens, reserve)

    def enter(
        self,
        tokens: int,
        *,
        seconds: float,
        priority: int = 0,
        reserve: float = 0.0,
        cancelled: threading.Event | None = None,
    ) -> Permit | None:
        """Wait until the call is admitted; return None when `cancelled` was set or the time is up.

        Args:
            tokens: what Bedrock reserves for the call.
            seconds: how long the call may wait.
            priority: lower numbers are admitted first.
            reserve: the part of the quota that the call leaves to others; of equal priority, those that
                leave less are admitted first.
        """
        until = self._clock() + seconds
        with self._lock:
            if not self._waiters and (permit := self._admit(tokens, reserve)):
                return permit
            self._arrivals += 1
            waiter = _Waiter(priority, reserve, self._arrivals, tokens, since=self._clock())
            insort(self._waiters, waiter, key=attrgetter("priority", "reserve", "order"))
        try:
            while not (cancelled is not None and cancelled.is_set()):
                now = self._clock()
                with self._lock:
                    first = self._waiters[0] is waiter
                    if first and (permit := self._admit(tokens, reserve)):
                        return permit
                    pause = self._seconds_until_chance(tokens, reserve, now) if first else _POLL_SECONDS
                if now >= until:
                    return None
                waiter.turn.wait(min(max(pause, 0.0005), until - now, _POLL_SECONDS))
                waiter.turn.clear()
            return None
        finally:
            with self._lock:
                self._waiters.remove(waiter)
                self._wake_first()

    def expected_wait(self, tokens: int, *, reserve: float = 0.0) -> float:
        """Return the seconds that a call arriving now is expected to wait."""
        with self._lock:
            return self._expected_wait(tokens, reserve, self._clock())

    def seconds_until_chance(self, tokens: int, *, reserve: float = 0.0) -> float:
        """Return the seconds after which it is worth trying to enter again."""
        with self._lock:
            return self._seconds_until_chance(tokens, reserve, self._clock())

    # What follows is called with the lock held, except the outcomes of a permit.

    def _admit(self, tokens: int, reserve: float) -> Permit | None:
        now = self._clock()
        if now < self._paused_until or self._single is not None or self._doubt.seconds_left(now) > 0:
            return None
        charge = Charge(now, tokens)
        used = {}
        for unit, limit in self._limits.items():
            if not limit.active:
                continue
            amount = charge.amount(unit)
            before = self._usage.used(unit, now)
            used[unit] = before + amount
            if before:
                if used[unit] > limit.allowed(reserve):
                    limit.start_probe(amount, now)
                if used[unit] > limit.allowed(reserve):
                    return None
        beyond = {unit for unit, amount in used.items() if self._limits[unit].within(reserve) < amount}
        permit = Permit(self, charge, now, used, beyond, reserve)
        self._usage.add(charge)
        self.last_admitted = now
        self._doubt.sent()
        if self._doubtful:
            self._single = permit
        return permit

    def _seconds_until_chance(self, tokens: int, reserve: float, now: float) -> float:
        if self._single is not None:
            return _POLL_SECONDS
        pause = max(self._paused_until - now, self._doubt.seconds_left(now))
        room = max(self._seconds_until_room(unit, tokens, reserve, 0, now) for unit in QuotaUnit)
        probes = [limit.next_probe - now for limit in self._limits.values() if limit.active]
        return max(pause, min([room, *probes]), 0.0)

    def _seconds_until_room(
        self, unit: QuotaUnit, tokens: int, reserve: float, ahead: int, now: float
    ) -> float:
        limit = self._limits[unit]
        used = self._usage.used(unit, now)
        own = tokens if unit is QuotaUnit.TOKENS else 1
        # A call of more than the limit is sent when no other is left in the window.
        wanted = ahead + min(own, limit.allowed(reserve))
        excess = used + wanted - limit.allowed(reserve)
        if not limit.active or excess <= 0 or not used + ahead:
            return 0.0
        seconds = self._usage.seconds_until_free(math.ceil(excess), unit, now)
        # A limit below the quota grows while calls wait: it says little about times beyond the window.
        return seconds if limit.is_quota else min(seconds, self._usage.seconds)

    def _expected_wait(self, tokens: int, reserve: float, now: float) -> float:
        waiting = {
            QuotaUnit.TOKENS: sum(waiter.tokens for waiter in self._waiters),
            QuotaUnit.REQUESTS: len(self._waiters),
        }
        room = max(self._seconds_until_room(unit, tokens, reserve, waiting[unit], now) for unit in QuotaUnit)
        behind = _SHORTEST_WAIT if self._waiters or self._single is not None else 0.0
        return max(self._paused_until - now, self._doubt.seconds_left(now), room, behind, 0.0)

    def _settle(self, permit: Permit, tokens: int) -> None:
        with self._lock:
            self._usage.settle(permit.charge, tokens, permit.charge.at)
            self._wake_first()

    def _lost(self, permit: Permit) -> None:
        with self._lock:
            self._end(permit)
            self._wake_first()

    def _wake_first(self) -> None:
        if self._waiters:
            self._waiters[0].turn.set()

    def _answered(self, permit: Permit, tokens: int | None, latency: float | None) -> None:
        now = self._clock()
        with self._lock:
            self._end(permit)
            if permit.issued > self._last_throttle:
                self._doubtful = False
                self._pause = 0.0
                for unit in permit.beyond:
                    self._limits[unit].probe_succeeded(
                        permit.used[unit], permit.charge.amount(unit), permit.reserve
                    )
            at = now - latency if latency is not None else permit.charge.at
            self._usage.settle(permit.charge, permit.charge.tokens if tokens is None else tokens, at)
            self._wake_first()

    def _throttled(self, permit: Permit, unit: QuotaUnit, retry_after: float | None) -> None:
        now = self._clock()
        with self._lock:
            self._end(permit)
            self._usage.remove(permit.charge)
            if retry_after is not None:
                self._paused_until = max(self._paused_until, now + min(retry_after, _LONGEST_RETRY_AFTER))
            if unit in permit.beyond and not self._doubtful:
                if permit.issued > self._last_throttle:
                    self._limits[unit].probe_failed(permit.charge.amount(unit), permit.reserve, now)
                    self._last_throttle = now
            elif self._is_about_quota(permit, unit, now):
                self._lower(permit, unit, now)
            self._wake_first()

    def _lower(self, permit: Permit, unit: QuotaUnit, now: float) -> None:
        """Lower the limit, and pause when the call was sent after the last throttle."""
        self._limits[unit].lower(self._usage.used(unit, now), permit.reserve, now)
        if permit.issued > self._last_throttle:
            longer = max(self._pause * 2, _FIRST_PAUSE * self._window)
            self._pause = min(longer, _LONGEST_PAUSE * self._window)
            self._paused_until = max(self._paused_until, now + self._pause)
            self._last_throttle = now
            self._doubtful = True

    def _is_about_quota(self, permit: Permit, unit: QuotaUnit, now: float) -> bool:
        """Whether a throttle within the limit shows that the quota is used up."""
        near_limit = self._is_near_limit(permit, unit, now)
        return self._doubtful or self._doubt.throttled(permit.issued, now, near_limit=near_limit)

    def _is_near_limit(self, permit: Permit, unit: QuotaUnit, now: float) -> bool:
        limit = self._limits[unit]
        return limit.active and self._usage.used(unit, now) >= _NEAR_LIMIT * limit.within(permit.reserve)

    def _rejected(self, permit: Permit) -> None:
        with self._lock:
            self._end(permit)
            self._usage.remove(permit.charge)
            self._wake_first()

    def _end(self, permit: Permit) -> None:
        permit.ended = True
        if self._single is permit:
            self._single = None
