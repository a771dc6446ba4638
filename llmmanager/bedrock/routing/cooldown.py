"""Targets that keep failing are tried last for a while."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from llmmanager.bedrock.forks import after_fork, new_lock
from llmmanager.bedrock.routing.decision import Decision, Kind, Next, Scope
from llmmanager.bedrock.routing.keys import ALL, Key, Target, key_of, keys_of
from llmmanager.bedrock.routing.probing import PATIENCE_SECONDS, Probes, Turn

__all__ = ["Board", "Cooldowns", "Key"]

FAILURES_BEFORE_COOLDOWN = 3
SHORTEST_SECONDS = 1.0
# Calls at most 10 s apart find a target that has recovered within 30 s.
LONGEST_SECONDS = 20.0
QUOTA_SECONDS = 900.0
NO_ACCESS_SECONDS = 300.0
READ_EVERY_SECONDS = 5.0
# Before a target is tried of a model that was just denied elsewhere.
READ_BEFORE_PROBE_SECONDS = 0.1
# A shorter cooldown would end before other processes know of it.
WORTH_TELLING_SECONDS = 4.0

_COUNTED = frozenset({Kind.THROTTLE, Kind.UNAVAILABLE, Kind.TIMEOUT, Kind.UNREACHABLE})
# The next call would fail as well; but quotas are renewed and access is granted.
_AT_ONCE = {Kind.QUOTA: QUOTA_SECONDS, Kind.ACCESS: NO_ACCESS_SECONDS, Kind.MODEL: NO_ACCESS_SECONDS}

_log = logging.getLogger(__name__)


class Board(Protocol):
    """Where processes share which targets cool down. Either method may raise."""

    def publish(self, key: Key, until: float) -> None:
        """Tell the other processes that a key cools until then (seconds since 1970)."""

    def read(self) -> Mapping[Key, float]:
        """Return until when each published key cools (seconds since 1970)."""


def _on_a_thread(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="llmmanager-cooldowns", daemon=True).start()


@dataclass
class _Health:
    failures: int = 0
    until: float = 0.0
    kind: Kind | None = None


class Cooldowns:
    """Which targets are tried last for a while, shared by all calls of a manager. Thread-safe.

    A target cools after three transient failures in a row with no success between them (1 s, doubled by
    each further failure, 20 s at most), and at once for 15 minutes when its daily quota is used up, for 5
    when access to it is denied or the model does not exist there. A cooling target is tried last, never left
    out, so that a wrong guess costs order and not answers. While the access of a target is not certain, one
    call tries it before many do; see `Probes`.

    With a board, processes share their cooldowns. One of four seconds or more is published, and again only
    when it becomes much longer. The board is read at most every five seconds, after a failure or when
    `learn` is called: as long as all goes well, never. After a failure both happen on another thread, so
    that no call waits for the board, except a probe of a model that was just denied elsewhere, which reads
    it first. A board that fails is not needed.

    Args:
        clock, wall_clock: seconds that only ever grow; seconds since 1970.
        in_background: runs a function without waiting for it.
        patience: seconds that a call waits at most for the first outcome of a model that this process has
            not called yet.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        *,
        board: Board | None = None,
        wall_clock: Callable[[], float] = time.time,
        in_background: Callable[[Callable[[], None]], None] = _on_a_thread,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._clock = clock
        self._wall_clock = wall_clock
        self._lock = threading.Lock()
        self._health: dict[Key, _Health] = {}
        self._heard: dict[Key, float] = {}
        self._told: dict[Key, float] = {}
        self._board = board
        self._in_background = in_background
        self._last_read = float("-inf")
        self._all_cooling = 0
        self._probes = Probes(clock, self.is_cooling, patience)
        after_fork(self, new_lock)

    def attempt_failed(self, target: Target, decision: Decision, *, streaming: bool = False) -> None:
        """Count a failed call of the target against what the decision is about."""
        self.failed(key_of(target, decision.scope, streaming=streaming), decision)
        self._probes.failed(target, decision, streaming=streaming)

    def attempt_succeeded(self, target: Target, *, streaming: bool = False) -> None:
        """Forget the failures of everything that the call depended on."""
        if self.any():
            for key in keys_of(target, streaming=streaming):
                self.succeeded(key)
        self._probes.answered(target, streaming=streaming)

    def region_refused(self, region: str) -> None:
        """The region refused credentials that another region accepts: the account has not enabled it."""
        self.failed((ALL, region), Decision(Next.OTHER_REGION, Kind.ACCESS, scope=Scope.REGION))

    def turn(self, target: Target, *, has_other: bool, time_left: float, streaming: bool = False) -> Turn:
        """Wait, if need be, until the target may be called; see `Probes.turn`."""
        turn = self._probes.turn(target, has_other=has_other, time_left=time_left, streaming=streaming)
        if turn.is_probe and self._board is not None and self._probes.is_model_in_doubt(target.model_id):
            self.learn(READ_BEFORE_PROBE_SECONDS)
            if has_other and self.is_cooling(target, streaming=streaming):
                with turn:
                    return Turn.refused(self._probes)
        return turn

    def is_better_last(self, target: Target, *, streaming: bool = False) -> bool:
        """Whether the target is cooling, or was denied and has not answered since."""
        return self.is_cooling(target, streaming=streaming) or self._probes.is_in_doubt(
            target, streaming=streaming
        )

    def is_cooling(self, target: Target, *, streaming: bool = False) -> bool:
        """Whether the target, or anything that a call of it depends on, is better not called now.

        Args:
            streaming: whether the call would be ConverseStream.
        """
        return self.any() and any(self.cooling(key) for key in keys_of(target, streaming=streaming))

    def is_failing(
        self, target: Target, *, streaming: bool = False, besides: Collection[Kind] = (Kind.THROTTLE,)
    ) -> bool:
        """Whether this process found the target cooling for another reason than these."""
        now = self._clock()
        found = (self._health.get(key) for key in keys_of(target, streaming=streaming))
        return any(
            health is not None and health.kind not in besides and health.until > now for health in found
        )

    def failed(self, key: Key, decision: Decision) -> None:
        """Count a failure of what the key stands for."""
        if decision.kind not in _AT_ONCE and decision.kind not in _COUNTED:
            return
        with self._lock:
            health = self._health.setdefault(key, _Health())
            health.failures += 1
            health.kind = decision.kind
            if decision.kind in _AT_ONCE:
                seconds = _AT_ONCE[decision.kind]
            elif health.failures >= FAILURES_BEFORE_COOLDOWN:
                doublings = min(health.failures - FAILURES_BEFORE_COOLDOWN, 10)
                seconds = min(SHORTEST_SECONDS * 2**doublings, LONGEST_SECONDS)
            else:
                seconds = 0.0
            now = self._clock()
            starts = seconds > 0 and health.until <= now
            health.until = max(health.until, now + seconds)
            unknown = health.until - max(self._told.get(key, now), now)
            # Half of it, so that failures in quick succession do not each publish nearly the same time.
            tell = seconds >= WORTH_TELLING_SECONDS and unknown > seconds / 2
            if tell:
                self._told[key] = health.until
            read = now >= self._last_read + READ_EVERY_SECONDS
        if starts:
            _log.info("%s in %s is tried last for %g s (%s)", *key, seconds, decision.kind.value)
        if self._board is not None:
            if tell:
                self._in_background(partial(self._publish, self._board, key, self._wall_clock() + seconds))
            if read:
                self._in_background(self.learn)

    def learn(self, max_age: float = READ_EVERY_SECONDS) -> None:
        """Read from the board what other processes have found, unless that was done less than `max_age` ago.

        Args:
            max_age: seconds.
        """
        if self._board is None:
            return
        with self._lock:
            now = self._clock()
            if now < self._last_read + max_age:
                return
            self._last_read = now
        try:
            told = dict(self._board.read())
        except Exception as error:
            _log.warning("The board of cooldowns cannot be read: %s", error)
            return
        today = self._wall_clock()
        # A wrong clock, in this process or in another, must not cool a target for longer than any failure.
        heard = {key: now + min(until - today, QUOTA_SECONDS) for key, until in told.items() if until > today}
        with self._lock:
            self._heard = heard

    def succeeded(self, key: Key) -> None:
        """Forget the failures of what the key stands for."""
        if key in self._health or key in self._heard:
            with self._lock:
                self._health.pop(key, None)
                self._heard.pop(key, None)

    def cooling(self, key: Key) -> bool:
        """Whether what the key stands for is better not called now."""
        health = self._health.get(key)
        until = max(health.until if health else 0.0, self._heard.get(key, 0.0))
        return until > self._clock()

    def any(self) -> bool:
        """Whether any target has failed recently, in this process or in another."""
        return bool(self._health or self._heard)

    def note_all_cooling(self) -> None:
        """Count a call that found each of its targets cooling."""
        with self._lock:
            self._all_cooling += 1

    def take_all_cooling(self) -> int:
        """Return how many calls found each of their targets cooling, and start to count from 0 again."""
        if not self._all_cooling:
            return 0
        with self._lock:
            taken, self._all_cooling = self._all_cooling, 0
        return taken

    @staticmethod
    def _publish(board: Board, key: Key, until: float) -> None:
        try:
            board.publish(key, until)
        except Exception as error:
            _log.warning("The board of cooldowns cannot be written: %s", error)
