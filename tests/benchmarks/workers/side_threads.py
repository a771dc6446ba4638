"""LLMManager on a pool of threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from llmmanager import LLMManager


class Side:
    """See serve.py."""

    def __init__(self, regions: list[str], model: dict[str, str], messages: list[Any], **_: Any) -> None:
        self._messages = messages
        self._manager = LLMManager([model["name"]], regions)

    def prepare_many(self, concurrency: int) -> None:
        self._pool = ThreadPoolExecutor(concurrency)

    def many(self, count: int) -> int:
        responses = self._pool.map(lambda _: self._manager.converse(self._messages), range(count))
        return sum(response.success for response in responses)
