"""LLMManager's parallel manager under a quota, with default settings."""

from __future__ import annotations

from typing import Any

from llmmanager import BedrockConverseRequest, ParallelLLMManager, ParallelProcessingConfig


class Side:
    """See serve.py."""

    def __init__(
        self, regions: list[str], model: dict[str, str], concurrency: int, max_tokens: int, **_: Any
    ) -> None:
        config = ParallelProcessingConfig(max_concurrent_requests=concurrency)
        self._parallel = ParallelLLMManager([model["name"]], regions, parallel_config=config)
        self._inference = {"maxTokens": max_tokens}

    def answered(self, prompts: list[str]) -> int:
        requests = [
            BedrockConverseRequest(
                messages=[{"role": "user", "content": [{"text": prompt}]}], inference_config=self._inference
            )
            for prompt in prompts
        ]
        return len(self._parallel.converse_parallel(requests).get_successful_responses())
