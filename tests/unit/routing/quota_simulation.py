"""Requests of several processes under one quota, simulated event by event, without threads or waiting.

The quota is counted as FakeBedrock counts it: a call reserves its tokens when it arrives and is settled
when it ends; what arrived within the last window counts.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from llmmanager.bedrock.routing.decision import QuotaUnit
from llmmanager.bedrock.routing.quota_gate import Permit, QuotaGate, _Waiter

WINDOW = 10.0
# How long a call may wait.
PATIENCE = 12 * WINDOW
INPUT_TOKENS = 12
MAX_TOKENS = 120
RESERVED = INPUT_TOKENS + MAX_TOKENS


@dataclass(frozen=True)
class Outcome:
    """What became of a simulated run.

    Attributes:
        share: settled tokens (or requests, where they are limited) as a part of what the quota allowed.
        seconds: simulated time until the last answer.
        singles, singles_throttled: single requests beside the run, and how many of them were throttled.
    """

    answered: int
    calls: int
    share: float
    seconds: float
    singles: int = 0
    singles_throttled: int = 0

    @property
    def calls_per_answer(self) -> float:
        return self.calls / self.answered


@dataclass
class Quota:
    """Bedrock's side: what arrived in the last window."""

    tokens: float | None
    requests: int | None
    admitted: deque[list[Any]] = field(default_factory=deque)
    used: int = 0

    def admit(self, now: float) -> list[Any] | QuotaUnit:
        self._expire(now)
        if self.requests is not None and len(self.admitted) + 1 > self.requests:
            return QuotaUnit.REQUESTS
        if self.tokens is not None and self.used + RESERVED > self.tokens:
            return QuotaUnit.TOKENS
        entry = [now, RESERVED, True]
        self.admitted.append(entry)
        self.used += RESERVED
        return entry

    def settle(self, entry: list[Any], tokens: int, now: float) -> None:
        self._expire(now)
        if entry[2]:
            self.used += tokens - entry[1]
            entry[1] = tokens

    def _expire(self, now: float) -> None:
        while self.admitted and self.admitted[0][0] <= now - WINDOW:
            entry = self.admitted.popleft()
            entry[2] = False
            self.used -= entry[1]


class Simulation:
    """Runs requests through the gates of several processes.

    Args:
        processes: each has gates of its own and `concurrency` requests at a time.
        changes: (seconds, tokens per window) from which on the quota is another.
        known: known tokens per window of each gate; None if unknown.
        listed_requests: listed requests per window of each gate, which may not be enforced.
        capacity_throttles: the part of the calls that is throttled whatever the quota.
        reserve: the part of the quota that the gates leave to others.
        singles: the part of the quota that single requests use. They are sent without a gate as long as the
            run lasts, and not again when they are throttled.
        slowest_send: the longest time in seconds from a call's admission to its arrival, and back.
    """

    def __init__(
        self,
        *,
        requests: int,
        processes: int = 1,
        concurrency: int = 32,
        regions: int = 1,
        tokens: float | None = 8000,
        requests_per_window: int | None = None,
        changes: Sequence[tuple[float, float]] = (),
        known: float | None = None,
        listed_requests: float | None = None,
        capacity_throttles: float = 0.0,
        reserve: float = 0.0,
        singles: float = 0.0,
        slowest_send: float = 0.02,
        seed: int = 0,
    ) -> None:
        self._random = random.Random(seed)
        self._capacity_throttles = capacity_throttles
        self._reserve = reserve
        self._slowest_send = slowest_send
        self._tokens = tokens or math.inf
        self._now = 0.0
        self._events: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._sequence = itertools.count()
        self._quotas = [Quota(tokens, requests_per_window) for _ in range(regions)]
        self._gates = [
            [QuotaGate(WINDOW, clock=lambda: self._now) for _ in range(regions)] for _ in range(processes)
        ]
        for gate in itertools.chain(*self._gates):
            gate.set_known(tokens=known, listed_requests=listed_requests)
        self._waiting = [[0] * regions for _ in range(processes)]
        self._left = [requests // processes] * processes
        self._calls = self._answered = self._settled = 0
        self._finished = 0.0
        self._changes = list(changes)
        for process in range(processes):
            for _ in range(concurrency):
                self._at(0.0, self._start, process)
        for seconds, amount in changes:
            self._at(seconds, self._change, amount)
        self._total = requests // processes * processes
        self._singles = self._singles_throttled = 0
        if singles:
            self._seconds_apart = WINDOW * (INPUT_TOKENS + 0.75 * MAX_TOKENS) / (singles * self._tokens)
            self._at(2 * WINDOW, self._single)

    def run(self) -> Outcome:
        """Run until the last answer."""
        while self._events:
            self._now, _, action, arguments = heapq.heappop(self._events)
            assert self._now < 1000, "the run does not end"
            action(*arguments)
        return Outcome(
            self._answered,
            self._calls,
            self._share(),
            self._finished,
            self._singles,
            self._singles_throttled,
        )

    def _share(self) -> float:
        (quota, *_) = self._quotas
        if quota.requests is not None:
            return self._answered * WINDOW / (quota.requests * self._finished)
        allowed, since, amount = 0.0, 0.0, self._tokens
        for seconds, following in self._changes:
            allowed += amount * (min(seconds, self._finished) - since)
            since, amount = min(seconds, self._finished), following
        allowed += amount * (self._finished - since)
        return self._settled * WINDOW / (allowed * len(self._quotas))

    def _at(self, seconds: float, action: Callable[..., None], *arguments: Any) -> None:
        heapq.heappush(self._events, (seconds, next(self._sequence), action, arguments))

    def _after(self, low: float, high: float, action: Callable[..., None], *arguments: Any) -> None:
        self._at(self._now + self._random.uniform(low, high), action, *arguments)

    def _change(self, tokens: float) -> None:
        for quota in self._quotas:
            quota.tokens = tokens

    def _single(self) -> None:
        if self._answered == self._total:
            return
        self._singles += 1
        entry = self._quotas[0].admit(self._now)
        if isinstance(entry, QuotaUnit):
            self._singles_throttled += 1
        else:
            tokens = INPUT_TOKENS + self._random.randint(MAX_TOKENS // 2, MAX_TOKENS)
            self._after(0.2, 0.6, self._settle_single, entry, tokens)
        self._at(self._now + self._random.expovariate(1 / self._seconds_apart), self._single)

    def _settle_single(self, entry: list[Any], tokens: int) -> None:
        self._quotas[0].settle(entry, tokens, self._now)

    def _start(self, process: int) -> None:
        if self._left[process]:
            self._left[process] -= 1
            self._request(process)

    def _request(self, process: int) -> None:
        """Send to the first region that admits the request at once, else wait where the wait is shortest."""
        gates = self._gates[process]
        for region, gate in enumerate(gates):
            if not self._waiting[process][region] and (
                permit := gate.try_enter(RESERVED, reserve=self._reserve)
            ):
                return self._send(process, region, permit)
        waits = [self._expected_wait(process, region) for region in range(len(gates))]
        region = waits.index(min(waits))
        if waits[region] > PATIENCE:
            return self._start(process)  # the request fails, as the call would
        waiting = self._waiting[process]
        waiting[region] += 1
        self._admit_waiting(process, region)
        return None

    def _expected_wait(self, process: int, region: int) -> float:
        """Return what the gate expects with the waiting requests of the simulation in its line."""
        gate = self._gates[process][region]
        waiter = _Waiter(0, self._reserve, 0, RESERVED, since=self._now)
        gate._waiters = [waiter] * self._waiting[process][region]
        try:
            return gate.expected_wait(RESERVED, reserve=self._reserve)
        finally:
            gate._waiters = []

    def _admit_waiting(self, process: int, region: int) -> None:
        gate = self._gates[process][region]
        while self._waiting[process][region] and (permit := gate.try_enter(RESERVED, reserve=self._reserve)):
            self._waiting[process][region] -= 1
            self._send(process, region, permit)
        if self._waiting[process][region]:
            pause = min(max(gate.seconds_until_chance(RESERVED, reserve=self._reserve), 0.001), 0.25)
            self._at(self._now + pause, self._retry, process, region, self._waiting[process][region])

    def _retry(self, process: int, region: int, waiting: int) -> None:
        if self._waiting[process][region] == waiting:
            self._admit_waiting(process, region)

    def _admit_everywhere(self, process: int) -> None:
        for region in range(len(self._quotas)):
            self._admit_waiting(process, region)

    def _send(self, process: int, region: int, permit: Permit) -> None:
        self._calls += 1
        self._after(0.001, self._slowest_send, self._arrive, process, region, permit)

    def _arrive(self, process: int, region: int, permit: Permit) -> None:
        if self._random.random() < self._capacity_throttles:
            self._after(0.001, self._slowest_send / 2, self._throttled, process, permit, QuotaUnit.TOKENS)
            return
        entry = self._quotas[region].admit(self._now)
        if isinstance(entry, QuotaUnit):
            self._after(0.001, self._slowest_send / 2, self._throttled, process, permit, entry)
        else:
            latency = self._random.uniform(0.2, 0.6)
            self._at(self._now + latency, self._finish, process, region, permit, entry, latency)

    def _throttled(self, process: int, permit: Permit, unit: QuotaUnit) -> None:
        permit.throttled(unit)
        self._request(process)
        self._admit_everywhere(process)

    def _finish(self, process: int, region: int, permit: Permit, entry: list[Any], latency: float) -> None:
        tokens = INPUT_TOKENS + self._random.randint(MAX_TOKENS // 2, MAX_TOKENS)
        self._quotas[region].settle(entry, tokens, self._now)
        self._settled += tokens
        self._answered += 1
        self._finished = self._now
        self._after(0.001, self._slowest_send / 2, self._done, process, permit, tokens, latency)

    def _done(self, process: int, permit: Permit, tokens: int, latency: float) -> None:
        permit.answered(tokens, latency=latency)
        self._start(process)
        self._admit_everywhere(process)
