"""bestehorn-llmmanager over the regions, with its catalog kept in a file as it does by default."""

from __future__ import annotations

from typing import Any

from bestehorn_llmmanager import LLMManager


class Side:
    """See serve.py."""

    def __init__(self, regions: list[str], model: dict[str, str], messages: list[Any], **_: Any) -> None:
        self._regions, self._models, self._messages = regions, [model["name"]], messages
        self._manager = LLMManager(models=self._models, regions=regions)

    def converse(self) -> str:
        return self._manager.converse(messages=self._messages).get_content()

    def prepare_many(self, concurrency: int) -> None:
        from bestehorn_llmmanager.bedrock.models.parallel_structures import (
            BedrockConverseRequest,
            ParallelProcessingConfig,
        )
        from bestehorn_llmmanager.parallel_llm_manager import ParallelLLMManager

        config = ParallelProcessingConfig(max_concurrent_requests=concurrency)
        self._parallel = ParallelLLMManager(
            models=self._models, regions=self._regions, parallel_config=config
        )
        self._request_type = BedrockConverseRequest

    def many(self, count: int) -> int:
        # The number tells the requests apart: its ids are made from the content and the time.
        requests = [
            self._request_type(messages=self._messages, request_id=f"request-{number}")
            for number in range(count)
        ]
        return len(self._parallel.converse_parallel(requests).get_successful_responses())
