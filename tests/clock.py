"""Clocks that tests control, in place of the clock of the library."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from tests.waiting import PATIENCE_SECONDS, SILENCE_SECONDS


class ManualClock:
    """Seconds that pass only when a test changes `now`."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def manual_outage_clock(monkeypatch: pytest.MonkeyPatch) -> ManualClock:
    """Return the clock of all `Outage`s, so that no outage ends early on a slow machine."""
    from lambdas.shared import outage

    clock = ManualClock()
    monkeypatch.setattr(outage, "time", SimpleNamespace(monotonic=clock))
    return clock


class Clock:
    """The time as the library reads it. It advances with each sleep and each call.

    Attributes:
        sleeps: seconds of each sleep. A sleep takes no real time.
        seconds_per_call: duration of each call.
        read_timeouts: the read timeout of each call, in seconds.
        silent_regions, silent_calls: regions and numbers of calls (from 0) without an answer. Their real
            read timeout is short; that of other calls is very long.
    """

    def __init__(self) -> None:
        self.now = time.monotonic()
        self.sleeps: list[float] = []
        self.seconds_per_call = 0.0
        self.read_timeouts: list[float] = []
        self.silent_regions: set[str] = set()
        self.silent_calls: set[int] = set()

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds

    def timed(self, send: Callable[..., Any]) -> Callable[..., Any]:
        """Return `send` with its read timeout recorded and the time of a call added."""

        def call(client: Any, invoke_id: str, body: bytes, read_timeout: float, **options: Any) -> Any:
            is_silent = (
                client.meta.region_name in self.silent_regions or len(self.read_timeouts) in self.silent_calls
            )
            self.read_timeouts.append(read_timeout)
            try:
                timeout = SILENCE_SECONDS if is_silent else PATIENCE_SECONDS
                return send(client, invoke_id, body, timeout, **options)
            finally:
                self.now += self.seconds_per_call

        return call


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Replace the clock of deadlines, waits and durations during the test."""
    from llmmanager.bedrock.invocation import attempt_loop, call_record
    from llmmanager.bedrock.models import deadline
    from llmmanager.bedrock.routing.route import Route
    from llmmanager.bedrock.transport import converse_api

    clock = Clock()
    for module in (deadline, attempt_loop, call_record):
        monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(attempt_loop, "Route", partial(Route, clock=clock.monotonic))
    for operation in ("converse", "converse_stream"):
        monkeypatch.setattr(converse_api, operation, clock.timed(getattr(converse_api, operation)))
    return clock
