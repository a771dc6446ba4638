"""The quota gates of a manager, and how one of its calls waits for them."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from llmmanager.bedrock.routing.decision import QuotaUnit
from llmmanager.bedrock.routing.keys import DEFAULT_FORM, CallForm, Target
from llmmanager.bedrock.routing.quota_gate import Permit, QuotaGate
from llmmanager.bedrock.routing.quota_gates import shared_gate

T = TypeVar("T")


@dataclass(frozen=True)
class TargetQuota:
    """The known quota of a target per minute; None for an unknown amount.

    Attributes:
        tokens, requests: amounts that are never exceeded.
        listed_requests: requests that Service Quotas lists. AWS no longer enforces such a quota for most
            models, so the gate exceeds it if Bedrock admits more.
    """

    tokens: float | None = None
    requests: float | None = None
    listed_requests: float | None = None

    @property
    def is_known(self) -> bool:
        """Whether any amount is known."""
        return not (self.tokens is None and self.requests is None and self.listed_requests is None)


class QuotaSource(Protocol):
    """A source of the quotas of targets."""

    def quota(self, target: Target) -> TargetQuota:
        """Return the known quota of a target."""

    def revision(self) -> object:
        """Return an object that is replaced by another one if quotas may have changed."""

    def follow(self) -> None:
        """Check for changed quotas, at most at an interval. Called before a call waits for quota."""


class NoQuotas:
    """A source without quotas."""

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


def _default_form(_target: Target) -> CallForm:
    return DEFAULT_FORM


@dataclass
class ManagerQuotas:
    """The quota gates of a manager. Gates are shared with all managers of the same account.

    Args:
        account: identifies the account; equal for managers with the same credentials.
        source: the source of known quotas.
        share: the share of a known quota that this manager uses, above 0 and at most 1.
        reserve: the share of each known or estimated limit that this manager leaves to others, below 1.
    """

    account: Hashable = None
    source: QuotaSource = field(default_factory=NoQuotas)
    share: float = 1.0
    reserve: float = 0.0
    _gates: dict[Hashable, QuotaGate] = field(default_factory=dict)
    _known: dict[Hashable, TargetQuota] = field(default_factory=dict)
    _revision: object = None

    def gate(self, target: Target, tier: str = "") -> QuotaGate:
        """Return the gate of a target in a service tier; empty for the default one.

        Bedrock throttles the flex tier first, so each tier has its own gate, and estimates of its own. A
        known quota holds for each of them.
        """
        revision = self.source.revision()
        if revision is not self._revision:
            self._revision = revision
            self._gates, self._known = {}, {}
        key = (self.account, target.region, target.model_id, str(target.access_method), tier)
        quota = self._known.get(key)
        if quota is None:
            quota = self._known[key] = self.source.quota(target)
        # Managers with different shares of a known quota have separate gates.
        gate = shared_gate((*key, self.share if quota.is_known else 1.0))
        if self._gates.get(key) is not gate:
            gate.set_known(
                tokens=_part(quota.tokens, self.share),
                requests=_part(quota.requests, self.share),
                listed_requests=_part(quota.listed_requests, self.share),
            )
            self._gates[key] = gate
        return gate

    def whole_quota(self, target: Target) -> float:
        """Return the known quota of tokens per minute; infinite if it is unknown.

        An estimated quota does not count, because it may be lower than that of the account.
        """
        quota = self.source.quota(target).tokens
        return math.inf if quota is None else quota

    def follow(self) -> bool:
        """Check for changed quotas, at most at an interval. Return whether quotas may have changed."""
        before = self.source.revision()
        self.source.follow()
        return self.source.revision() is not before

    def seconds_without_admission(self) -> float:
        """Return the seconds since the last admission while calls are waiting; 0 if no call waits."""
        gates = list(self._gates.values())
        waiting = [since for gate in gates if (since := gate.longest_waiting_since()) is not None]
        if not waiting:
            return 0.0
        return time.monotonic() - max(min(waiting), *(gate.last_admitted for gate in gates))


@dataclass(frozen=True)
class QuotaPatience:
    """How a call waits when its targets are throttled.

    Attributes:
        priority: lower numbers are admitted first.
        free_throttles: whether throttled attempts do not count against `max_retries`. The call then fails for
            throttling only when its time is over.
        stop: another thread sets it to end waits for quota. Attempts without a wait continue.
        repeated: whether the caller repeats a call that ended for lack of quota. With `on_throttle` "wait",
            the call then never uses another model for lack of quota, not even of a daily one.
    """

    priority: int = 0
    free_throttles: bool = False
    stop: threading.Event | None = None
    repeated: bool = False


ONE_CALL = QuotaPatience()


@dataclass(frozen=True)
class Oversize(Generic[T]):
    """A call that reserves more tokens than the known quota of a target.

    Attributes:
        tokens: tokens that the call reserves.
        quota: tokens per minute.
    """

    target: T
    tokens: int
    quota: float


@dataclass
class CallPacing:
    """How one call waits for the quota gates of its targets.

    Args:
        tokens: returns the tokens that Bedrock reserves for the call at a target.
        form: returns the form of the call at a target.
        longest_wait: remaining seconds that the call may wait for quota, besides its deadline.

    Attributes:
        oversize: the target with the largest quota among those whose quota the call exceeds.
        waiting_since: when the call first waited for quota; None before that.
    """

    quotas: ManagerQuotas = field(default_factory=ManagerQuotas)
    tokens: Callable[[Any], int] = _no_tokens
    form: Callable[[Any], CallForm] = _default_form
    longest_wait: float = math.inf
    patience: QuotaPatience = ONE_CALL
    clock: Callable[[], float] = time.monotonic
    oversize: Oversize[Any] | None = None
    waiting_since: float | None = None

    @property
    def is_stopped(self) -> bool:
        """Whether the call may no longer wait for quota."""
        return self.patience.stop is not None and self.patience.stop.is_set()

    @property
    def wait_left(self) -> float:
        """Remaining seconds that the call may wait for quota."""
        return 0.0 if self.is_stopped else self.longest_wait

    def is_paced(self, target: Target) -> bool:
        """Whether a quota is known or estimated, so that its gate decides when the target is called again."""
        return self._gate(target).has_limit

    def close(self, target: Target, unit: QuotaUnit) -> bool:
        """Treat a quota as exhausted. Return whether the usage shows how long the call has to wait."""
        return self._gate(target).close(unit, reserve=self.quotas.reserve)

    def throttles_in_a_row(self, target: Target, own: int) -> int:
        """Return the number of throttles that determines the delay before the target is called again.

        If other calls were admitted meanwhile, it is lower than the number of throttles of this call.

        Args:
            own: the number of throttles of this call.
        """
        return min(own, self._gate(target).throttles_in_a_row or own)

    def expected_wait(self, target: Target) -> float:
        """Return the expected wait at the target in seconds; 0 if the call can be sent now.

        Infinite if the call reserves more than the target's known quota.
        """
        gate = self._gate(target)
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
        """Admit the call, or return None if it should choose a target again.

        Args:
            wait: the expected wait; with 0, the call does not wait.
            seconds: maximum wait.
        """
        gate, tokens = self._gate(target), self.tokens(target)
        if wait <= 0:
            return gate.try_enter(tokens, reserve=self.quotas.reserve)
        started = self.clock()
        self.waiting_since = started if self.waiting_since is None else self.waiting_since
        try:
            return gate.enter(
                tokens,
                seconds=min(seconds, self.longest_wait),
                priority=self.patience.priority,
                reserve=self.quotas.reserve,
                cancelled=self.patience.stop or cancelled,
                since=self.waiting_since,
            )
        finally:
            self.longest_wait -= self.clock() - started

    def _gate(self, target: Target) -> QuotaGate:
        return self.quotas.gate(target, self.form(target).tier)


def _part(amount: float | None, share: float) -> float | None:
    return None if amount is None else amount * share
