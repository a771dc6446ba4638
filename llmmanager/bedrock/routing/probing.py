"""One call finds out whether a target may be called, before many calls try it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType

from llmmanager.bedrock.forks import after_fork
from llmmanager.bedrock.routing.decision import Decision, Kind
from llmmanager.bedrock.routing.keys import Key, Target, key_of, keys_of

PATIENCE_SECONDS = 0.2
# A wait takes no more than this part of the time that a call has left.
_SHARE_OF_TIME_LEFT = 0.1

_ACCESSIBLE = frozenset({Kind.THROTTLE, Kind.QUOTA})
_DOUBTFUL = frozenset({Kind.ACCESS, Kind.MODEL, Kind.ACCESS_METHOD, Kind.CREDENTIALS})


@dataclass(frozen=True)
class _Probe:
    target: Target
    started: float
    ended: threading.Event = field(default_factory=threading.Event)


class Probes:
    """Which calls may try a target while its access is not certain. Thread-safe.

    The access of a model is certain once it has answered or throttled a call. From then on no call waits
    here. It is uncertain before that, and a target is in doubt from a denial to its next answer.

    The first call of a target whose access is not certain is a probe. While it runs, other calls of the
    target wait for its outcome, at most `patience` seconds from its start. Denials come at once, answers
    take longer: so one call is denied instead of many, and an answer is delayed by no more than that.
    Calls of a target in doubt do not wait as long as they have another target.

    Args:
        clock: seconds that only grow.
        is_cooling: `Cooldowns.is_cooling`.
        patience: seconds.
    """

    def __init__(self, clock: Callable[[], float], is_cooling: Callable[..., bool], patience: float) -> None:
        self._clock = clock
        self._is_cooling = is_cooling
        self._patience = patience
        self._start_empty()
        after_fork(self, Probes._start_empty)
        self._certain: set[str] = set()
        self._no_probe = Turn(self, None, may_call=True)
        self._doubts: dict[Key, str] = {}

    def _start_empty(self) -> None:
        """Begin without probes: those of a parent process do not run in its fork."""
        self._lock = threading.Lock()
        self._running: dict[Key, _Probe] = {}

    def is_in_doubt(self, target: Target, *, streaming: bool = False) -> bool:
        """Whether the target was denied and has not answered since."""
        return bool(self._doubts) and any(key in self._doubts for key in keys_of(target, streaming=streaming))

    def is_model_in_doubt(self, model_id: str) -> bool:
        """Whether the model was denied anywhere and has not answered there since."""
        if not self._doubts:
            return False
        with self._lock:
            return model_id in self._doubts.values()

    def answered(self, target: Target, *, streaming: bool = False) -> None:
        """The target answered: the access of its model is certain, and calls that wait for it go on."""
        if target.model_id in self._certain and not self._doubts:
            return
        with self._lock:
            self._certain.add(target.model_id)
            for key in keys_of(target, streaming=streaming):
                self._doubts.pop(key, None)
            for probe in self._running.values():
                if probe.target.model_id == target.model_id and not self.is_in_doubt(probe.target):
                    probe.ended.set()

    def failed(self, target: Target, decision: Decision, *, streaming: bool = False) -> None:
        """The call of the target failed: a throttle shows that there is access, a denial raises doubt."""
        if decision.kind in _ACCESSIBLE:
            self.answered(target, streaming=streaming)
        elif decision.kind in _DOUBTFUL:
            with self._lock:
                self._certain.discard(target.model_id)
                key = key_of(target, decision.scope, streaming=streaming)
                self._doubts[key] = target.model_id

    def turn(self, target: Target, *, has_other: bool, time_left: float, streaming: bool = False) -> Turn:
        """Wait, if need be, until the target may be called.

        Args:
            has_other: whether the call has another target that it could try first.
            time_left: seconds that the call has left.
            streaming: whether the call is ConverseStream.

        Returns:
            A context manager to be left when the outcome of the call has been noted.
        """
        if target.model_id in self._certain and not self.is_in_doubt(target, streaming=streaming):
            return self._no_probe
        until = self._clock() + min(self._patience, time_left * _SHARE_OF_TIME_LEFT)
        while True:
            cooling = self.is_model_in_doubt(target.model_id) and self._is_cooling(
                target, streaming=streaming
            )
            if has_other and cooling:
                return Turn.refused(self)
            running = self._begin(target, streaming=streaming)
            if isinstance(running, Turn):
                return running
            if has_other and self.is_in_doubt(target, streaming=streaming):
                return Turn.refused(self)
            seconds = min(until, running.started + self._patience) - self._clock()
            if seconds <= 0:
                return self._no_probe
            running.ended.wait(seconds)
            if has_other and self.is_in_doubt(target, streaming=streaming):
                return Turn.refused(self)

    def end(self, probe: _Probe) -> None:
        """The outcome of the probe has been noted: let the calls that wait for it go on."""
        with self._lock:
            key = _place(probe.target)
            if self._running.get(key) is probe:
                del self._running[key]
        probe.ended.set()

    def _begin(self, target: Target, *, streaming: bool) -> _Probe | Turn:
        """Start a probe of the target unless one is under way or none is needed."""
        with self._lock:
            if target.model_id in self._certain and not self.is_in_doubt(target, streaming=streaming):
                return self._no_probe
            running = self._running.get(_place(target))
            if running is not None:
                return running
            probe = self._running[_place(target)] = _Probe(target, self._clock())
            return Turn(self, probe, may_call=True)


class Turn:
    """A call's permission to try a target, until it is left.

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
    def refused(cls, probes: Probes) -> Turn:
        """Return the turn of a call that should try its other targets first."""
        return cls(probes, None, may_call=False)

    def __enter__(self) -> Turn:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._probe is not None:
            self._probes.end(self._probe)


def _place(target: Target) -> Key:
    return target.invoke_id, target.region
