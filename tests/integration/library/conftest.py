"""Managers that wait hardly at all between attempts, and a clock that only the test moves."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from llmmanager import LLMManager, ParallelLLMManager, ParallelProcessingConfig, RetryConfig
from llmmanager.bedrock.invocation import call_record, run, wire
from llmmanager.bedrock.models import deadline
from llmmanager.bedrock.routing.route import Route
from llmmanager.testing import FakeBedrock
from tests.waiting import PATIENCE_SECONDS, SILENCE_SECONDS

MakeManager = Callable[..., LLMManager]
MakeParallel = Callable[..., ParallelLLMManager]


@pytest.fixture
def ask() -> list[dict[str, Any]]:
    """A conversation of one short question."""
    return [{"role": "user", "content": [{"text": "What is the capital of France?"}]}]


@pytest.fixture
def make_manager(fake_bedrock: FakeBedrock) -> Iterator[MakeManager]:
    """Makes managers for Nova Lite in two regions unless told otherwise; `retry` fills a RetryConfig."""
    managers: list[LLMManager] = []

    def make(
        models: tuple[str, ...] = ("Nova Lite",),
        regions: tuple[str, ...] = ("us-east-1", "us-west-2"),
        *,
        retry: dict[str, Any] | None = None,
        **arguments: Any,
    ) -> LLMManager:
        config = RetryConfig(**{"retry_delay": 0.001, **(retry or {})})
        managers.append(LLMManager(list(models), list(regions), retry_config=config, **arguments))
        return managers[-1]

    yield make
    for manager in managers:
        manager.close()


@pytest.fixture
def make_parallel(fake_bedrock: FakeBedrock) -> Iterator[MakeParallel]:
    """Like `make_manager`; `parallel` fills a ParallelProcessingConfig."""
    managers: list[ParallelLLMManager] = []

    def make(
        models: tuple[str, ...] = ("Nova Lite",),
        regions: tuple[str, ...] = ("us-east-1", "us-west-2", "us-east-2"),
        *,
        retry: dict[str, Any] | None = None,
        parallel: dict[str, Any] | None = None,
        **arguments: Any,
    ) -> ParallelLLMManager:
        managers.append(
            ParallelLLMManager(
                list(models),
                list(regions),
                retry_config=RetryConfig(**{"retry_delay": 0.001, **(retry or {})}),
                parallel_config=ParallelProcessingConfig(**(parallel or {})),
                **arguments,
            )
        )
        return managers[-1]

    yield make
    for manager in managers:
        manager.close()


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
