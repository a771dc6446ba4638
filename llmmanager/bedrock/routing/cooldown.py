"""Targets that keep failing are left alone for a while."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from llmmanager.bedrock.routing.decision import Decision, Kind

FAILURES_BEFORE_COOLDOWN = 3
SHORTEST_SECONDS = 1.0
LONGEST_SECONDS = 30.0
QUOTA_SECONDS = 900.0
NO_ACCESS_SECONDS = 300.0
READ_EVERY_SECONDS = 5.0
# What is shorter would be over before others have heard of it.
WORTH_TELLING_SECONDS = 4.0

_COUNTED = frozenset({Kind.THROTTLE, Kind.UNAVAILABLE, Kind.TIMEOUT, Kind.UNREACHABLE})
# Nothing that waiting for the next call would mend; but quotas are renewed and access is granted.
_AT_ONCE = {Kind.QUOTA: QUOTA_SECONDS, Kind.ACCESS: NO_ACCESS_SECONDS, Kind.MODEL: NO_ACCESS_SECONDS}

Key = tuple[str, str]
"""Model id and region."""

_log = logging.getLogger(__name__)


class Board(Protocol):
    """Where processes tell one another which targets cool down. Either method may raise."""

    def publish(self, key: Key, until: float) -> None:
        """Tell the others that the target cools until then (seconds since 1970)."""

    def read(self) -> Mapping[Key, float]:
        """What all have published: until when each target cools (seconds since 1970)."""


def _on_a_thread(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="llmmanager-cooldowns", daemon=True).start()


@dataclass
class _Health:
    failures: int = 0
    until: float = 0.0


class Cooldowns:
    """Which targets are cooling down, shared by all calls of a manager. Thread-safe.

    A target cools after three transient failures in a row with no success between them (1 s, doubled by
    each further failure, 30 s at most), and at once for 15 minutes when its daily quota is used up, for 5
    when the model cannot be had there. A cooling target is tried last, never left out, so that a wrong
    guess costs order and not answers.

    With a board, other processes hear of it and are heard. It is told when a target will cool for four
    seconds or more, and again only for much longer, and read at most every five seconds, after a failure
    or when `learn` is called: as long as all goes well, never. After a failure both happen on another
    thread, so that no call waits for the board. A board that fails is done without.

    Args:
        clock, wall_clock: seconds that only ever grow; seconds since 1970.
        in_background: runs a function without waiting for it.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        *,
        board: Board | None = None,
        wall_clock: Callable[[], float] = time.time,
        in_background: Callable[[Callable[[], None]], None] = _on_a_thread,
    ) -> None:
        self._clock = clock
        self._wall_clock = wall_clock
        self._lock = threading.Lock()
        self._health: dict[Key, _Health] = {}
        self._heard: dict[Key, float] = {}
        self._told: dict[Key, float] = {}
        self._board = board
        self._in_background = in_background
        self._next_read = float("-inf")
        self._all_cooling = 0

    def failed(self, key: Key, decision: Decision) -> None:
        """Count a failure of the target."""
        if decision.kind not in _AT_ONCE and decision.kind not in _COUNTED:
            return
        with self._lock:
            health = self._health.setdefault(key, _Health())
            health.failures += 1
            if decision.kind in _AT_ONCE:
                seconds = _AT_ONCE[decision.kind]
            elif health.failures >= FAILURES_BEFORE_COOLDOWN:
                doublings = min(health.failures - FAILURES_BEFORE_COOLDOWN, 10)
                seconds = min(SHORTEST_SECONDS * 2**doublings, LONGEST_SECONDS)
            else:
                seconds = 0.0
            now = self._clock()
            health.until = max(health.until, now + seconds)
            unknown = health.until - max(self._told.get(key, now), now)
            # Half of it, so that failures that come at once or go on do not each tell nearly the same.
            tell = seconds >= WORTH_TELLING_SECONDS and unknown > seconds / 2
            if tell:
                self._told[key] = health.until
        if self._board is not None:
            if tell:
                self._in_background(partial(self._publish, self._board, key, self._wall_clock() + seconds))
            if now >= self._next_read:
                self._in_background(self.learn)

    def learn(self) -> None:
        """Hear from the board what other processes have found, unless it was read just now."""
        if self._board is None:
            return
        with self._lock:
            now = self._clock()
            if now < self._next_read:
                return
            self._next_read = now + READ_EVERY_SECONDS
        try:
            told = dict(self._board.read())
        except Exception as error:
            _log.warning("The board of cooldowns cannot be read: %s", error)
            return
        today = self._wall_clock()
        # A clock that is wrong, here or there, must not banish a target for longer than any failure does.
        heard = {key: now + min(until - today, QUOTA_SECONDS) for key, until in told.items() if until > today}
        with self._lock:
            self._heard = heard

    def succeeded(self, key: Key) -> None:
        """Forget the target's failures."""
        if key in self._health or key in self._heard:
            with self._lock:
                self._health.pop(key, None)
                self._heard.pop(key, None)

    def cooling(self, key: Key) -> bool:
        """Whether the target is better left alone now."""
        health = self._health.get(key)
        until = max(health.until if health else 0.0, self._heard.get(key, 0.0))
        return until > self._clock()

    def any(self) -> bool:
        """Whether any target has failed lately, here or elsewhere."""
        return bool(self._health or self._heard)

    def note_all_cooling(self) -> None:
        """Count a call that found each of its targets cooling."""
        with self._lock:
            self._all_cooling += 1

    def take_all_cooling(self) -> int:
        """How many calls have found each of their targets cooling since this was last asked."""
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
