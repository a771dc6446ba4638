"""The quotas of a manager and of one of its calls: which gate a target has, and how long it would wait."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from llmmanager.bedrock.routing.keys import Target
from llmmanager.bedrock.routing.quota_gate import Permit, QuotaGate
from llmmanager.bedrock.routing.quota_gates import shared_gate

T = TypeVar("T")


@dataclass(frozen=True)
class TargetQuota:
    """What is known of a target's quota, per minute; None for an amount that is unknown.

    Attributes:
        tokens, requests: amounts that are never exceeded.
        listed_requests: requests that Service Quotas lists. AWS no longer enforces such a quota for most
            models, so the gate exceeds it when Bedrock admits more.
    """

    tokens: float | None = None
    requests: float | None = None
    listed_requests: float | None = None


class QuotaSource(Protocol):
    """What knows the quotas of targets."""

    def quota(self, target: Target) -> TargetQuota:
        """Return what is known of a target's quota."""

    def revision(self) -> object:
        """Return an object that is another one once quotas may have changed."""

    def follow(self) -> None:
        """Look for changed quotas where that is due. Called before a call waits for quota."""


class NoQuotas:
    """A source that knows no quota."""

    def quota(self, target: Target) -> TargetQuota:  # noqa: ARG002
        """See `QuotaSource`."""
        return TargetQuota()

    def revision(self) -> object:
        """See `QuotaSource`."""
        return None

    def follow(self) -> None:
        """See `QuotaSource`."""


def _no_tokens(_target: Target) -> int:
    return 0


@dataclass
class ManagerQuotas:
    """The quota gates of a manager. Gates are shared with all managers of the same account.

    Args:
        account: what tells accounts apart; equal for managers that use the same credentials.
        source: what knows quotas.
        share: the part of a known quota that this manager uses, above 0 and at most 1.
        reserve: the part of each limit, known or learnt, that this manager leaves to others, below 1.
    """

    account: Hashable = None
    source: QuotaSource = field(default_factory=NoQuotas)
    share: float = 1.0
    reserve: float = 0.0
    _gates: dict[Hashable, QuotaGate] = field(default_factory=dict)
    _revision: object = None

    def gate(self, target: Target) -> QuotaGate:
        """Return the gate of a target."""
        # Managers with different shares of a quota each keep within their own.
        key = (self.account, target.region, target.model_id, str(target.access_method), self.share)
        gate = shared_gate(key)
        revision = self.source.revision()
        if revision is not self._revision:
            self._revision = revision
            self._gates = {}
        if self._gates.get(key) is not gate:
            quota = self.source.quota(target)
            gate.set_known(
                tokens=_part(quota.tokens, self.share),
                requests=_part(quota.requests, self.share),
                listed_requests=_part(quota.listed_requests, self.share),
            )
            self._gates[key] = gate
        return gate

    def whole_quota(self, target: Target) -> float:
        """Return the most tokens that Bedrock admits in a minute; infinite when the quota is unknown.

        A learnt quota does not count: it may be less than the account's.
        """
        quota = self.source.quota(target).tokens
        return math.inf if quota is None else quota

    def follow(self) -> bool:
        """Look for changed quotas where that is due; return whether there are any."""
        before = self.source.revision()
        self.source.follow()
        return self.source.revision() is not before

    def seconds_without_admission(self) -> float:
        """Return for how long calls have waited while none was admitted; 0 when no call waits."""
        gates = list(self._gates.values())
        waiting = [since for gate in gates if (since := gate.longest_waiting_since()) is not None]
        if not waiting:
            return 0.0
        return time.monotonic() - max(min(waiting), *(gate.last_admitted for gate in gates))


@dataclass(frozen=True)
class QuotaPatience:
    """How a call behaves when its targets are throttled.

    Attributes:
        priority: lower numbers are admitted first.
        free_throttles: whether throttled attempts leave `max_retries` alone: the call then fails for
            throttling only when its time is up.
        stop: another thread sets it to end waits for quota. The call goes on where it need not wait.
        repeated: whether the caller repeats a call that ended for lack of quota. With `on_throttle` "wait",
            such a lack, also of a daily quota, then never leads to another model.
    """

    priority: int = 0
    free_throttles: bool = False
    stop: threading.Event | None = None
    repeated: bool = False


ONE_CALL = QuotaPatience()


@dataclass(frozen=True)
class Oversize(Generic[T]):
    """A target that never admits a call, since the call reserves more tokens than its known quota.

    Attributes:
        tokens: what the call reserves.
        quota: tokens per minute.
    """

    target: T
    tokens: int
    quota: float


@dataclass
class CallPacing:
    """What one call asks of the gates.

    Args:
        tokens: returns what Bedrock reserves for the call at a target.
        longest_wait: seconds that the call may still wait for quota, whatever its deadline.

    Attributes:
        oversize: of the targets that never admit the call, the one with the largest quota.
    """

    quotas: ManagerQuotas = field(default_factory=ManagerQuotas)
    tokens: Callable[[Any], int] = _no_tokens
    longest_wait: float = math.inf
    patience: QuotaPatience = ONE_CALL
    clock: Callable[[], float] = time.monotonic
    oversize: Oversize[Any] | None = None

    @property
    def is_stopped(self) -> bool:
        """Whether the call may not wait for quota any longer."""
        return self.patience.stop is not None and self.patience.stop.is_set()

    @property
    def wait_left(self) -> float:
        """The seconds that the call may still wait for quota."""
        return 0.0 if self.is_stopped else self.longest_wait

    def is_paced(self, target: Target) -> bool:
        """Whether a quota is known or learnt, so that it decides when the target is called again."""
        return self.quotas.gate(target).has_limit

    def expected_wait(self, target: Target) -> float:
        """Return the seconds that the call would wait at the target; 0 when it can be sent now.

        Infinite when the call reserves more than the target's known quota.
        """
        gate = self.quotas.gate(target)
        if not gate.is_active:
            return 0.0
        tokens = self.tokens(target)
        quota = self.quotas.whole_quota(target)
        if tokens > quota:
            if self.oversize is None or self.oversize.quota < quota:
                self.oversize = Oversize(target, tokens, quota)
            return math.inf
        return gate.expected_wait(tokens, reserve=self.quotas.reserve)

    def enter(
        self, target: Target, *, wait: float, seconds: float, cancelled: threading.Event | None
    ) -> Permit | None:
        """Admit the call, or return None when it should choose a target again.

        Args:
            wait: the expected wait; with 0, the call does not wait.
            seconds: how long the call may wait.
        """
        gate, tokens = self.quotas.gate(target), self.tokens(target)
        if wait <= 0:
            return gate.try_enter(tokens, reserve=self.quotas.reserve)
        started = self.clock()
        try:
            return gate.enter(
                tokens,
                seconds=min(seconds, self.longest_wait),
                priority=self.patience.priority,
                reserve=self.quotas.reserve,
                cancelled=self.patience.stop or cancelled,
            )
        finally:
            self.longest_wait -= self.clock() - started


def _part(amount: float | None, share: float) -> float | None:
    return None if amount is None else amount * share
