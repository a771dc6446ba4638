"""Managers that wait hardly at all between attempts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from llmmanager import LLMManager, ParallelLLMManager, ParallelProcessingConfig, RetryConfig
from llmmanager.testing import FakeBedrock

MakeManager = Callable[..., LLMManager]
MakeParallel = Callable[..., ParallelLLMManager]


@pytest.fixture
def fake_bedrock(fake_bedrock: FakeBedrock, monkeypatch: pytest.MonkeyPatch) -> FakeBedrock:
    """A FakeBedrock whose minute is short, so that a throttled call waits hardly at all."""
    monkeypatch.setenv("LLMMANAGER_QUOTA_WINDOW_SECONDS", "0.02")
    return fake_bedrock


@pytest.fixture
def ask() -> list[dict[str, Any]]:
    """A conversation of one short question."""
    return [{"role": "user", "content": [{"text": "What is the capital of France?"}]}]


@pytest.fixture
def make_manager(fake_bedrock: FakeBedrock) -> Iterator[MakeManager]:
    """Return a function that creates managers, by default for Nova Lite in two regions."""
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
