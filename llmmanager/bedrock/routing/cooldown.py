"""Cooldowns: targets that fail repeatedly are tried last for some time."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from llmmanager.bedrock.forks import after_fork, new_lock
from llmmanager.bedrock.routing.decision import Decision, ErrorScope, Kind, Next
from llmmanager.bedrock.routing.keys import ALL, DEFAULT_FORM, CallForm, Key, Target, key_of, keys_of
from llmmanager.bedrock.routing.probing import PATIENCE_SECONDS, Probes, TargetTurn

__all__ = ["CooldownStore", "Cooldowns", "Key"]

FAILURES_BEFORE_COOLDOWN = 3
MIN_SECONDS = 1.0
# With a call every 10 s, a recovered target is found within 30 s.
MAX_SECONDS = 20.0
QUOTA_SECONDS = 900.0
NO_ACCESS_SECONDS = 300.0
READ_EVERY_SECONDS = 5.0
# Maximum age of the published cooldowns when a call probes a model that was just denied elsewhere.
READ_BEFORE_PROBE_SECONDS = 0.1
# A shorter cooldown would end before other processes read it.
MIN_PUBLISHED_SECONDS = 4.0

_COUNTED = frozenset({Kind.THROTTLE, Kind.UNAVAILABLE, Kind.TIMEOUT, Kind.UNREACHABLE})
# These fail until the quota is renewed or access is granted, so one failure is enough.
_IMMEDIATE = {Kind.QUOTA: QUOTA_SECONDS, Kind.ACCESS: NO_ACCESS_SECONDS, Kind.MODEL: NO_ACCESS_SECONDS}

_log = logging.getLogger(__name__)


class CooldownStore(Protocol):
    """Where processes share their cooldowns. Either method may raise."""

    def publish(self, key: Key, until: float) -> None:
        """Publish that a key cools down until the given time (seconds since 1970)."""

    def read(self) -> Mapping[Key, float]:
        """Return the published keys, with the end of their cooldown (seconds since 1970)."""


def _run_on_thread(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="llmmanager-cooldowns", daemon=True).start()


@dataclass
class _State:
    failures: int = 0
    until: float = 0.0
    kind: Kind | None = None


class Cooldowns:
    """The targets that are tried last for some time, shared by all calls of a manager. Thread-safe.

    A target cools down after three consecutive transient failures (1 s, doubled by each further failure, at
    most 20 s). It cools down immediately for 15 minutes if its daily quota is exhausted, and for 5 minutes if
    access is denied or the model does not exist there. A cooling target is tried last, but it is never
    excluded. If the access to a target is uncertain, one call probes it before the others; see `Probes`.

    With a store, processes share their cooldowns. A cooldown of four seconds or more is published, and again
    only if it becomes much longer. The store is read at most every five seconds, after a failure or when
    `refresh` is called. After a failure, a background thread writes and reads, so that no call waits for
    the store. Only a probe of a model that was just denied elsewhere reads it first. If the store fails,
    cooldowns continue within the process.

    Args:
        clock, wall_clock: monotonic seconds; seconds since 1970.
        in_background: runs a function without waiting for it.
        patience: maximum seconds that a call waits for the first outcome of a model that this process has
            not called yet.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        *,
        store: CooldownStore | None = None,
        wall_clock: Callable[[], float] = time.time,
        in_background: Callable[[Callable[[], None]], None] = _run_on_thread,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._clock = clock
        self._wall_clock = wall_clock
        self._lock = threading.Lock()
        self._states: dict[Key, _State] = {}
        self._received: dict[Key, float] = {}
        self._published: dict[Key, float] = {}
        self._store = store
        self._in_background = in_background
        self._last_read = float("-inf")
        self._all_cooling = 0
        self._probes = Probes(clock, self.is_cooling, patience)
        after_fork(self, new_lock)

    def attempt_failed(self, target: Target, decision: Decision, *, form: CallForm = DEFAULT_FORM) -> None:
        """Count a failed call for the part of the target that the decision is about."""
        self.record_failure(key_of(target, decision.scope, form=form), decision)
        self._probes.record_failure(target, decision, form=form)

    def attempt_succeeded(self, target: Target, *, form: CallForm = DEFAULT_FORM) -> None:
        """Forget the failures of all parts that the call depended on."""
        if self.any():
            for key in keys_of(target, form=form):
                self.succeeded(key)
        self._probes.answered(target, form=form)

    def region_denied(self, region: str) -> None:
        """Record a region that rejects credentials which are valid elsewhere: it is not enabled."""
        self.record_failure((ALL, region), Decision(Next.OTHER_REGION, Kind.ACCESS, scope=ErrorScope.REGION))

    def turn(
        self,
        target: Target,
        *,
        has_other: bool,
        time_left: float,
        form: CallForm = DEFAULT_FORM,
        cancelled: threading.Event | None = None,
    ) -> TargetTurn:
        """Wait until the target may be called, if necessary. See `Probes.turn`."""
        turn = self._probes.turn(
            target, has_other=has_other, time_left=time_left, form=form, cancelled=cancelled
        )
        if turn.is_probe and self._store is not None and self._probes.is_model_denied(target.model_id):
            self.refresh(READ_BEFORE_PROBE_SECONDS)
            if has_other and self.is_cooling(target, form=form):
                with turn:
                    return TargetTurn.try_others_first(self._probes)
        return turn

    def is_last_choice(self, target: Target, *, form: CallForm = DEFAULT_FORM) -> bool:
        """Whether the target is cooling down, or was denied and has not answered since."""
        return self.is_cooling(target, form=form) or self._probes.is_denied(target, form=form)

    def is_cooling(self, target: Target, *, form: CallForm = DEFAULT_FORM) -> bool:
        """Whether the target, or a part that its call depends on, is cooling down.

        Args:
            form: the form of the call.
        """
        return self.any() and any(self.cooling(key) for key in keys_of(target, form=form))

    def is_failing(
        self,
        target: Target,
        *,
        form: CallForm = DEFAULT_FORM,
        except_for: Collection[Kind] = (Kind.THROTTLE,),
    ) -> bool:
        """Whether the target is cooling down in this process for a reason that is not in `except_for`."""
        now = self._clock()
        found = (self._states.get(key) for key in keys_of(target, form=form))
        return any(
            state is not None and state.kind not in except_for and state.until > now for state in found
        )

    def record_failure(self, key: Key, decision: Decision) -> None:
        """Count a failure of a key."""
        if decision.kind not in _IMMEDIATE and decision.kind not in _COUNTED:
            return
        with self._lock:
            state = self._states.setdefault(key, _State())
            state.failures += 1
            state.kind = decision.kind
            if decision.kind in _IMMEDIATE:
                seconds = _IMMEDIATE[decision.kind]
            elif state.failures >= FAILURES_BEFORE_COOLDOWN:
                doublings = min(state.failures - FAILURES_BEFORE_COOLDOWN, 10)
                seconds = min(MIN_SECONDS * 2**doublings, MAX_SECONDS)
            else:
                seconds = 0.0
            now = self._clock()
            starts = seconds > 0 and state.until <= now
            state.until = max(state.until, now + seconds)
            unpublished = state.until - max(self._published.get(key, now), now)
            # Half of it, so that failures in quick succession do not each publish nearly the same time.
            is_published = seconds >= MIN_PUBLISHED_SECONDS and unpublished > seconds / 2
            if is_published:
                self._published[key] = state.until
            is_stale = now >= self._last_read + READ_EVERY_SECONDS
        if starts:
            _log.info("%s in %s is tried last for %g s (%s)", *key, seconds, decision.kind.value)
        if self._store is not None:
            if is_published:
                self._in_background(partial(self._publish, self._store, key, self._wall_clock() + seconds))
            if is_stale:
                self._in_background(self.refresh)

    def refresh(self, max_age: float = READ_EVERY_SECONDS) -> None:
        """Read the cooldowns of other processes from the store, unless they were read within `max_age`.

        Args:
            max_age: seconds.
        """
        if self._store is None:
            return
        with self._lock:
            now = self._clock()
            if now < self._last_read + max_age:
                return
            self._last_read = now
        try:
            published = dict(self._store.read())
        except Exception as error:
            _log.warning("The shared cooldowns cannot be read: %s", error)
            return
        wall_time = self._wall_clock()
        # Limited, so that a wrong clock in this or another process does not extend a cooldown.
        received = {
            key: now + min(until - wall_time, QUOTA_SECONDS)
            for key, until in published.items()
            if until > wall_time
        }
        with self._lock:
            self._received = received

    def succeeded(self, key: Key) -> None:
        """Forget the failures of a key."""
        if key in self._states or key in self._received:
            with self._lock:
                self._states.pop(key, None)
                self._received.pop(key, None)

    def cooling(self, key: Key) -> bool:
        """Whether a key is cooling down."""
        state = self._states.get(key)
        until = max(state.until if state else 0.0, self._received.get(key, 0.0))
        return until > self._clock()

    def any(self) -> bool:
        """Whether any target has failed recently, in this or another process."""
        return bool(self._states or self._received)

    def count_all_cooling(self) -> None:
        """Count a call whose targets are all cooling down."""
        with self._lock:
            self._all_cooling += 1

    def take_all_cooling(self) -> int:
        """Return the number of calls whose targets were all cooling down, and reset it to 0."""
        if not self._all_cooling:
            return 0
        with self._lock:
            taken, self._all_cooling = self._all_cooling, 0
        return taken

    @staticmethod
    def _publish(store: CooldownStore, key: Key, until: float) -> None:
        try:
            store.publish(key, until)
        except Exception as error:
            _log.warning("The shared cooldowns cannot be written: %s", error)
