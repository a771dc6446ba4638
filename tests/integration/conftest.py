"""What Lambda gives to a function: a context, and an environment that outlives a call. And a clock."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import boto3
import pytest

from llmmanager.bedrock.invocation import call_record, run, wire
from llmmanager.bedrock.models import deadline
from llmmanager.bedrock.routing.route import Route
from tests.waiting import PATIENCE_SECONDS, SILENCE_SECONDS


@dataclass
class Context:
    """What Lambda hands to a function, with the time that a test gives it."""

    seconds: float = 900
    function_name: str = "function-of-the-test"
    memory_limit_in_mb: int = 1024
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:function-of-the-test"
    aws_request_id: str = "request-of-the-test"

    def get_remaining_time_in_millis(self) -> int:
        return int(self.seconds * 1000)


@pytest.fixture
def make_context() -> type[Context]:
    """Makes a context that has so many seconds left, 900 unless told."""
    return Context


@pytest.fixture
def cold_start() -> Callable[[], None]:
    """Makes the next call the first of its execution environment: what functions have kept is gone."""

    def forget() -> None:
        for name, module in list(sys.modules.items()):
            if name.startswith("lambdas."):
                for kept in list(vars(module).values()):
                    if hasattr(kept, "cache_clear"):
                        kept.cache_clear()

    return forget


@pytest.fixture(scope="session")
def session() -> boto3.Session:
    """One for all tests: a new one reads botocore's descriptions of the services again."""
    return boto3.Session("testing", "testing", region_name="us-east-1")


class Clock:
    """The time as the library sees it: it moves when the library sleeps and by each call.

    Attributes:
        sleeps: seconds of each sleep, none of which takes real time.
        seconds_per_call: how long each call takes.
        read_timeouts: the read timeout of each call, in seconds.
        silent_regions: regions that never answer. The read timeout of their calls ends soon.
    """

    def __init__(self) -> None:
        self.now = time.monotonic()
        self.sleeps: list[float] = []
        self.seconds_per_call = 0.0
        self.read_timeouts: list[float] = []
        self.silent_regions: set[str] = set()

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds

    def timed(self, send: Callable[..., Any]) -> Callable[..., Any]:
        """Return `send` with its read timeout recorded and the time of a call added."""

        def call(client: Any, invoke_id: str, body: bytes, read_timeout: float) -> Any:
            self.read_timeouts.append(read_timeout)
            is_silent = client.meta.region_name in self.silent_regions
            try:
                return send(client, invoke_id, body, SILENCE_SECONDS if is_silent else PATIENCE_SECONDS)
            finally:
                self.now += self.seconds_per_call

        return call


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of deadlines, waits and durations during the test."""
    clock = Clock()
    for module in (deadline, run, call_record):
        monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(run, "Route", partial(Route, clock=clock.monotonic))
    for operation in ("converse", "converse_stream"):
        monkeypatch.setattr(wire, operation, clock.timed(getattr(wire, operation)))
    return clock
