"""One call probes whether a target is accessible before other calls try it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType

from llmmanager.bedrock.forks import after_fork
from llmmanager.bedrock.models.deadline import Cancellation, waking
from llmmanager.bedrock.routing.decision import Decision, Kind
from llmmanager.bedrock.routing.keys import DEFAULT_FORM, CallForm, Key, Target, key_of, keys_of

PATIENCE_SECONDS = 0.2
# Maximum wait as a share of the time that a call has left.
_SHARE_OF_TIME_LEFT = 0.1

_ACCESSIBLE = frozenset({Kind.THROTTLE, Kind.QUOTA})
_DENIALS = frozenset({Kind.ACCESS, Kind.MODEL, Kind.ACCESS_METHOD, Kind.CREDENTIALS})


@dataclass(frozen=True)
class _Probe:
    target: Target
    started: float
    ended: Cancellation = field(default_factory=Cancellation)

    def wait(self, seconds: float, cancelled: threading.Event | None) -> None:
        """Wait until the probe has ended, or `cancelled` is set."""
        turn = threading.Event()
        with self.ended.waking(turn), waking(cancelled, turn):
            turn.wait(seconds)


class Probes:
    """Decides which calls may try a target whose access is uncertain. Thread-safe.

    The access to a model is certain after the model has answered or throttled a call. From then on no call
    waits here. A target counts as denied from a denial until its next answer.

    The first call of a target whose access is uncertain is a probe. While it runs, other calls of the target
    wait for its outcome, at most `patience` seconds from its start. A denial is faster than an answer, so
    one call is denied instead of many, and an answer is delayed by at most `patience`. Calls of a denied
    target do not wait if they have another target.

    Args:
        clock: monotonic seconds.
        is_cooling: `Cooldowns.is_cooling`.
        patience: seconds.
    """

    def __init__(self, clock: Callable[[], float], is_cooling: Callable[..., bool], patience: float) -> None:
        self._clock = clock
        self._is_cooling = is_cooling
        self._patience = patience
        self._start_empty()
        after_fork(self, Probes._start_empty)
        self._accessible: set[str] = set()
        self._no_wait = TargetTurn(self, None, may_call=True)
        self._denied: dict[Key, str] = {}

    def _start_empty(self) -> None:
        """Start without probes: the probes of a parent process do not run in a forked one."""
        self._lock = threading.Lock()
        self._running: dict[Key, _Probe] = {}

    def is_denied(self, target: Target, *, form: CallForm = DEFAULT_FORM) -> bool:
        """Whether the target was denied and has not answered since."""
        return bool(self._denied) and any(key in self._denied for key in keys_of(target, form=form))

    def is_model_denied(self, model_id: str) -> bool:
        """Whether the model was denied anywhere and has not answered there since."""
        if not self._denied:
            return False
        with self._lock:
            return model_id in self._denied.values()

    def answered(self, target: Target, *, form: CallForm = DEFAULT_FORM) -> None:
        """Record an answer: the access to the model is certain, and waiting calls continue."""
        if target.model_id in self._accessible and not self._denied:
            return
        with self._lock:
            self._accessible.add(target.model_id)
            for key in keys_of(target, form=form):
                self._denied.pop(key, None)
            for probe in self._running.values():
                if probe.target.model_id == target.model_id and not self.is_denied(probe.target):
                    probe.ended.set()

    def record_failure(self, target: Target, decision: Decision, *, form: CallForm = DEFAULT_FORM) -> None:
        """Record a failed call. A throttle proves access; a denial makes it uncertain."""
        if decision.kind in _ACCESSIBLE:
            self.answered(target, form=form)
        elif decision.kind in _DENIALS:
            with self._lock:
                self._accessible.discard(target.model_id)
                key = key_of(target, decision.scope, form=form)
                self._denied[key] = target.model_id

    def turn(
        self,
        target: Target,
        *,
        has_other: bool,
        time_left: float,
        form: CallForm = DEFAULT_FORM,
        cancelled: threading.Event | None = None,
    ) -> TargetTurn:
        """Wait until the target may be called, if necessary.

        Args:
            has_other: whether the call has another target to try first.
            time_left: seconds that the call has left.
            form: the form of the call.
            cancelled: ends the wait.

        Returns:
            A context manager for the call. On exit, the outcome of the call is recorded.
        """
        if target.model_id in self._accessible and not self.is_denied(target, form=form):
            return self._no_wait
        until = self._clock() + min(self._patience, time_left * _SHARE_OF_TIME_LEFT)
        while True:
            if has_other and self._is_avoided(target, form=form):
                return TargetTurn.try_others_first(self)
            running = self._start(target, form=form)
            if isinstance(running, TargetTurn):
                # Another probe may have ended with a denial since the check above.
                if running.is_probe and has_other and self._is_avoided(target, form=form):
                    with running:
                        return TargetTurn.try_others_first(self)
                return running
            if has_other and self.is_denied(target, form=form):
                return TargetTurn.try_others_first(self)
            seconds = min(until, running.started + self._patience) - self._clock()
            if seconds <= 0 or (cancelled is not None and cancelled.is_set()):
                return self._no_wait
            running.wait(seconds, cancelled)
            if has_other and self.is_denied(target, form=form):
                return TargetTurn.try_others_first(self)

    def end(self, probe: _Probe) -> None:
        """End a probe whose outcome is recorded, so that the waiting calls continue."""
        with self._lock:
            key = _probe_key(probe.target)
            if self._running.get(key) is probe:
                del self._running[key]
        probe.ended.set()

    def _is_avoided(self, target: Target, *, form: CallForm) -> bool:
        """Whether the target was denied and is cooling down, so that other targets come first."""
        return self.is_model_denied(target.model_id) and self._is_cooling(target, form=form)

    def _start(self, target: Target, *, form: CallForm) -> _Probe | TargetTurn:
        """Start a probe of the target, unless one is running or none is needed."""
        with self._lock:
            if target.model_id in self._accessible and not self.is_denied(target, form=form):
                return self._no_wait
            running = self._running.get(_probe_key(target))
            if running is not None:
                return running
            probe = self._running[_probe_key(target)] = _Probe(target, self._clock())
            return TargetTurn(self, probe, may_call=True)


class TargetTurn:
    """The decision whether a call may try a target. A context manager for the call.

    Attributes:
        may_call: False when the call should try its other targets first.
        is_probe: whether other calls wait for the outcome.
    """

    def __init__(self, probes: Probes, probe: _Probe | None, *, may_call: bool) -> None:
        self._probes = probes
        self._probe = probe
        self.may_call = may_call
        self.is_probe = probe is not None

    @classmethod
    def try_others_first(cls, probes: Probes) -> TargetTurn:
        """Return the turn of a call that should try its other targets first."""
        return cls(probes, None, may_call=False)

    def __enter__(self) -> TargetTurn:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._probe is not None:
            self._probes.end(self._probe)


def _probe_key(target: Target) -> Key:
    return target.invoke_id, target.region
