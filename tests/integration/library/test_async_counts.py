"""acount_tokens and aestimate_cost: results, exceptions and cancellation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from llmmanager import BedrockConverseRequest, ConfigurationError, LLMManager, RequestValidationError
from llmmanager.testing import FakeBedrock, Fault
from tests.waiting import wait_until

TOOLS = {"tools": [{"toolSpec": {"name": "weather", "inputSchema": {"json": {"type": "object"}}}}]}
SYSTEM = [{"text": "Be brief."}]
REQUEST = BedrockConverseRequest(messages="Hello", inference_config={"maxTokens": 9})
COUNTS: list[Callable[[LLMManager], Coroutine[Any, Any, Any]]] = [
    lambda manager: manager.acount_tokens("Hello"),
    lambda manager: manager.aestimate_cost(REQUEST),
]


@pytest.fixture
def manager(make_manager) -> LLMManager:
    return make_manager(("Claude Haiku 4.5", "Nova Lite"))


def test_tokens_are_counted_as_count_tokens_counts_them(manager: LLMManager, ask) -> None:
    async def main() -> list[Any]:
        return await asyncio.gather(
            manager.acount_tokens("Hello"),
            manager.acount_tokens(ask, SYSTEM, TOOLS),
            manager.acount_tokens(ask, model="Nova Lite"),
        )

    assert asyncio.run(main()) == [
        manager.count_tokens("Hello"),
        manager.count_tokens(ask, SYSTEM, TOOLS),
        manager.count_tokens(ask, model="Nova Lite"),
    ]


def test_a_cost_is_estimated_as_estimate_cost_does(manager: LLMManager) -> None:
    estimate = asyncio.run(manager.aestimate_cost(REQUEST, output_tokens=5))
    assert estimate == manager.estimate_cost(REQUEST, output_tokens=5)
    assert estimate.targets[0].output_tokens == 5


def test_exceptions_are_those_of_the_other_methods(manager: LLMManager, fake_bedrock: FakeBedrock) -> None:
    async def main() -> None:
        with pytest.raises(RequestValidationError, match="messages"):
            await manager.acount_tokens([])
        with pytest.raises(ConfigurationError, match="model must be one of"):
            await manager.acount_tokens("Hello", model="Nova Pro")
        with pytest.raises(ConfigurationError, match="output_tokens"):
            await manager.aestimate_cost(REQUEST, output_tokens=-1)
        with pytest.raises(ConfigurationError, match="BedrockConverseRequest"):
            await manager.aestimate_cost("Hello")  # type: ignore[arg-type]

    asyncio.run(main())
    assert not fake_bedrock.calls


@pytest.mark.parametrize("count", COUNTS)
def test_cancelling_closes_the_connection_and_asks_no_other_region(
    manager: LLMManager, fake_bedrock: FakeBedrock, count: Callable[[LLMManager], Coroutine[Any, Any, Any]]
) -> None:
    fake_bedrock.add_fault(Fault(hang=True))

    async def main() -> None:
        task = asyncio.create_task(count(manager))
        await asyncio.to_thread(wait_until, lambda: fake_bedrock.in_flight)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.to_thread(wait_until, lambda: not fake_bedrock._server._connections)
        fake_bedrock.clear_faults()
        assert not (await manager.acount_tokens("Hello")).is_estimate

    asyncio.run(main())
    assert [call.region for call in fake_bedrock.calls] == ["us-east-1", "us-east-1"]
