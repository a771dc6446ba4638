"""LLMManager over the regions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from llmmanager import LLMManager


class Side:
    """See serve.py."""

    def __init__(self, regions: list[str], model: dict[str, str], messages: list[Any], **_: Any) -> None:
        self._regions, self._models, self._messages = regions, [model["name"]], messages
        self._manager = LLMManager(self._models, regions)

    def converse(self) -> str:
        return self._manager.converse(self._messages).get_content()

    def stream(self) -> Iterator[str]:
        yield from self._manager.converse_stream(self._messages)

    def prepare_many(self, concurrency: int) -> None:
        from llmmanager import BedrockConverseRequest, ParallelLLMManager, ParallelProcessingConfig

        config = ParallelProcessingConfig(max_concurrent_requests=concurrency)
        self._parallel = ParallelLLMManager(self._models, self._regions, parallel_config=config)
        self._request_type = BedrockConverseRequest

    def many(self, count: int) -> int:
        requests = [self._request_type(messages=self._messages) for _ in range(count)]
        return len(self._parallel.converse_parallel(requests).get_successful_responses())
