"""Pace the calls of one target to its quota, so that Bedrock throttles few of them."""

from __future__ import annotations

import math
import threading
import time
from bisect import insort
from collections.abc import Callable
from dataclasses import dataclass, field
from operator import attrgetter

from llmmanager.bedrock.models.deadline import waking
from llmmanager.bedrock.routing.decision import QuotaUnit
from llmmanager.bedrock.routing.quota_meter import Charge, QuotaLimit, UsageWindow
from llmmanager.bedrock.routing.throttle_check import CheckedCall, ThrottleCheck

# Shares of the window: the pause after a throttle, which each further one doubles; the time between probes.
_FIRST_PAUSE = 1 / 100
_MAX_PAUSE = 1 / 8
# A call sent alone counts as admitted if it is not throttled for this share: an answer can take far longer.
_MAX_ALONE = 1 / 8
_MIN_PROBE = 1 / 3
_MAX_PROBE = 2.0
# Share of the limit from which the usage counts as near the limit.
_NEAR_LIMIT = 0.8
# Bedrock counts a call shortly after it is sent.
_MARGIN = 1 / 100
# Minimum expected wait if other calls wait, or if a call is sent alone.
_MIN_WAIT = 0.001
# Maximum of the server's Retry-After.
_MAX_RETRY_AFTER = 60.0
# Maximum time until a waiting call notices that it was cancelled.
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
    """Permission to send one call. A context manager for the call.

    The caller reports the outcome with one of the methods. Without one, the reserved tokens count as used.
    """

    gate: QuotaGate
    charge: Charge
    issued: float
    used: dict[QuotaUnit, int]
    beyond: set[QuotaUnit]
    checked: CheckedCall
    reserve: float = 0.0
    ended: bool = False
    admitted_before: float = float("-inf")

    def __enter__(self) -> Permit:
        return self

    def __exit__(self, *_: object) -> None:
        if not self.ended:
            self.gate._outcome_unknown(self)

    def answered(self, tokens: int | None, *, latency: float | None = None) -> None:
        """Report that the call was admitted.

        Args:
            tokens: tokens of quota that it used; None if unknown, as at the start of a stream.
            latency: seconds until the answer, measured by Bedrock; None if unknown.
        """
        self.gate._answered(self, tokens, latency)

    def settle(self, tokens: int) -> None:
        """Report the tokens that a stream used, at its end."""
        self.gate._settle(self, tokens)

    def throttled(self, unit: QuotaUnit, *, retry_after: float | None = None) -> None:
        """Report that the call was throttled by the quota of this unit."""
        self.gate._throttled(self, unit, retry_after)

    def rejected(self) -> None:
        """Report that the call failed for another reason, without using quota."""
        self.gate._rejected(self)


class QuotaGate:
    """Admits calls so that they stay within a quota per window, which may be unknown. Thread-safe.

    If the quota is unknown, the gate admits every call until Bedrock throttles several of them. The usage
    until then is the first estimate of the quota. From then on, calls wait until the usage of the last window
    leaves room for them, in the order of their arrival (lower priority numbers first).

    After a throttle, the gate pauses, and then sends one call alone. Each further throttle doubles the pause.
    The gate sometimes probes for more than an estimated quota, so that it follows a quota that changes.

    Args:
        window: seconds of the window in which Bedrock counts (60).
        clock: monotonic seconds.

    Attributes:
        last_admitted: when the last call not throttled was sent, on the clock; -inf before it.
    """

    def __init__(self, window: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._window = window
        self._clock = clock
        self._lock = threading.Lock()
        self._usage = UsageWindow(window * (1 + _MARGIN))
        self._limits = {unit: QuotaLimit(_MIN_PROBE * window, _MAX_PROBE * window) for unit in QuotaUnit}
        self._waiters: list[_Waiter] = []
        self._arrivals = 0
        self._paused_until = 0.0
        self._pause = 0.0
        self._last_throttle = float("-inf")
        self.last_admitted = float("-inf")
        self._single: Permit | None = None
        self._recovering = False
        self._check = ThrottleCheck()

    def set_known(
        self,
        *,
        tokens: float | None = None,
        requests: float | None = None,
        listed_requests: float | None = None,
    ) -> None:
        """Set the known quotas per window. None leaves a quota unchanged: unknown, or estimated.

        An unchanged value has no effect, so that a lower estimate remains.

        Args:
            listed_requests: a quota of requests that Bedrock may not enforce: the gate tries to exceed it.
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
        """Whether calls may have to wait: a quota is known or estimated, or a call was just throttled."""
        if self._single is not None or self.has_limit:
            return True
        return (now := self._clock()) < self._paused_until or self._check.is_open(now)

    @property
    def has_limit(self) -> bool:
        """Whether a quota is known or estimated."""
        tokens, requests = self._limits.values()
        return tokens.active or requests.active

    @property
    def throttles_in_a_row(self) -> int:
        """The number of calls sent in a row that were throttled, as of the last throttle; 0 before it."""
        return self._check.throttles_in_a_row

    def close(self, unit: QuotaUnit, *, reserve: float = 0.0) -> bool:
        """Treat the quota as exhausted after throttles. Return whether the usage shows how long to wait."""
        with self._lock:
            now = self._clock()
            limit = self._limits[unit]
            if (used := self._usage.used(unit, now)) and not limit.active:
                self._lower(unit, reserve, now, is_new=True)
                limit.next_probe = self._paused_until  # The throttles may have been random.
            return used > 0

    def longest_waiting_since(self) -> float | None:
        """Return the time on the clock since which a call has been waiting; None if no call waits."""
        with self._lock:
            return min((waiter.since for waiter in self._waiters), default=None)

    def try_enter(self, tokens: int, *, reserve: float = 0.0) -> Permit | None:
        """Admit a call now, or return None if it would have to wait.

        Args:
            tokens: tokens that Bedrock reserves for the call.
            reserve: share of the quota that the call leaves to others.
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
        since: float | None = None,
    ) -> Permit | None:
        """Wait until the call is admitted. Return None if `cancelled` is set or the time is over.

        Args:
            tokens: tokens that Bedrock reserves for the call.
            seconds: maximum wait.
            priority: lower numbers are admitted first.
            reserve: share of the quota left to others. Among calls of equal priority, lower ones go first.
            since: when the call began to wait, if it was throttled after an earlier wait; None for now.
        """
        until = self._clock() + seconds
        with self._lock:
            if not self._waiters and (permit := self._admit(tokens, reserve)):
                return permit
            self._arrivals += 1
            started = self._clock() if since is None else since
            waiter = _Waiter(priority, reserve, self._arrivals, tokens, since=started)
            insort(self._waiters, waiter, key=attrgetter("priority", "reserve", "order"))
        try:
            with waking(cancelled, waiter.turn):
                return self._wait_for_turn(waiter, until, cancelled)
        finally:
            with self._lock:
                self._waiters.remove(waiter)
                self._wake_first()

    def _wait_for_turn(
        self, waiter: _Waiter, until: float, cancelled: threading.Event | None
    ) -> Permit | None:
        while not (cancelled is not None and cancelled.is_set()):
            now = self._clock()
            with self._lock:
                first = self._waiters[0] is waiter
                if first and (permit := self._admit(waiter.tokens, waiter.reserve)):
                    return permit
                pause = _POLL_SECONDS
                if first:
                    pause = self._seconds_until_chance(waiter.tokens, waiter.reserve, now)
            if now >= until:
                return None
            waiter.turn.wait(min(max(pause, 0.0005), until - now, _POLL_SECONDS))
            waiter.turn.clear()
        return None

    def expected_wait(self, tokens: int, *, reserve: float = 0.0) -> float:
        """Return the expected wait of a new call in seconds."""
        with self._lock:
            return self._expected_wait(tokens, reserve, self._clock())

    def seconds_until_chance(self, tokens: int, *, reserve: float = 0.0) -> float:
        """Return the seconds until a call may be admitted, so that it can try again."""
        with self._lock:
            return self._seconds_until_chance(tokens, reserve, self._clock())

    # The following methods need the lock, except those that report the outcome of a permit.

    def _admit(self, tokens: int, reserve: float) -> Permit | None:
        now = self._clock()
        if self._single is not None and now - self._single.issued >= _MAX_ALONE * self._window:
            self._single, self._recovering, self._pause = None, False, 0.0
        if now < self._paused_until or self._single is not None or self._check.seconds_left(now) > 0:
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
        checked = self._check.sent(now)
        permit = Permit(self, charge, now, used, beyond, checked, reserve, admitted_before=self.last_admitted)
        self._usage.add(charge)
        self.last_admitted = now
        if self._recovering:
            self._single = permit
        return permit

    def _seconds_until_chance(self, tokens: int, reserve: float, now: float) -> float:
        if self._single is not None:
            return _POLL_SECONDS
        pause = max(self._paused_until - now, self._check.seconds_left(now))
        room = max(self._seconds_until_room(unit, tokens, reserve, 0, now) for unit in QuotaUnit)
        probes = [limit.next_probe - now for limit in self._limits.values() if limit.active]
        return max(pause, min([room, *probes]), 0.0)

    def _seconds_until_room(
        self, unit: QuotaUnit, tokens: int, reserve: float, ahead: int, now: float
    ) -> float:
        limit = self._limits[unit]
        used = self._usage.used(unit, now)
        own = tokens if unit is QuotaUnit.TOKENS else 1
        # A call above the limit is sent when no other call is in the window.
        needed = ahead + min(own, limit.allowed(reserve))
        excess = used + needed - limit.allowed(reserve)
        if not limit.active or excess <= 0 or not used + ahead:
            return 0.0
        seconds = self._usage.seconds_until_free(math.ceil(excess), unit, now)
        # An estimated limit grows while calls wait, so a longer prediction would be wrong.
        return seconds if limit.is_quota else min(seconds, self._usage.seconds)

    def _expected_wait(self, tokens: int, reserve: float, now: float) -> float:
        waiting = {
            QuotaUnit.TOKENS: sum(waiter.tokens for waiter in self._waiters),
            QuotaUnit.REQUESTS: len(self._waiters),
        }
        room = max(self._seconds_until_room(unit, tokens, reserve, waiting[unit], now) for unit in QuotaUnit)
        behind = _MIN_WAIT if self._waiters or self._single is not None else 0.0
        return max(self._paused_until - now, self._check.seconds_left(now), room, behind, 0.0)

    def _settle(self, permit: Permit, tokens: int) -> None:
        with self._lock:
            self._usage.settle(permit.charge, tokens, permit.charge.at)
            self._wake_first()

    def _outcome_unknown(self, permit: Permit) -> None:
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
                if self._recovering or permit.beyond:
                    self._check.test_ended()
                self._recovering = False
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
            if permit.issued == self.last_admitted:
                self.last_admitted = permit.admitted_before
            if retry_after is not None:
                self._paused_until = max(self._paused_until, now + min(retry_after, _MAX_RETRY_AFTER))
            if unit in permit.beyond and not self._recovering:
                if permit.issued > self._last_throttle and self._check.test_throttled():
                    self._check.test_ended()
                    self._limits[unit].probe_failed(permit.charge.amount(unit), permit.reserve, now)
                    self._last_throttle = now
            elif self._is_exhausted(permit, unit, now):
                self._lower(unit, permit.reserve, now, is_new=permit.issued > self._last_throttle)
            self._wake_first()

    def _lower(self, unit: QuotaUnit, reserve: float, now: float, *, is_new: bool) -> None:
        """Lower the limit, and pause if the throttled call was sent after the last throttle."""
        if not (self._recovering and is_new) or self._check.test_throttled():
            self._limits[unit].lower(self._usage.used(unit, now), reserve, now)
        if is_new:
            longer = max(self._pause * 2, _FIRST_PAUSE * self._window)
            self._pause = min(longer, _MAX_PAUSE * self._window)
            self._paused_until = max(self._paused_until, now + self._pause)
            self._last_throttle = now
            self._recovering = True

    def _is_exhausted(self, permit: Permit, unit: QuotaUnit, now: float) -> bool:
        """Whether a throttle within the limit shows that the quota is exhausted."""
        if self._recovering:
            return True
        # A known quota is rarely exceeded, and single calls of others exceed a reserve for a moment only.
        one_is_enough = not (permit.reserve or self._limits[unit].is_known)
        near_limit = self._is_near_limit(permit, unit, now)
        return self._check.throttled(permit.checked, now, near_limit=near_limit, one_is_enough=one_is_enough)

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
