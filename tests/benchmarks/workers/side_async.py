"""LLMManager in an event loop."""

from __future__ import annotations

import asyncio
from typing import Any

from llmmanager import LLMManager


class Side:
    """See serve.py."""

    def __init__(self, regions: list[str], model: dict[str, str], messages: list[Any], **_: Any) -> None:
        self._messages = messages
        self._manager = LLMManager([model["name"]], regions)

    def prepare_many(self, concurrency: int) -> None:
        self._concurrency = concurrency

    def many(self, count: int) -> int:
        return asyncio.run(self._many(count))

    async def _many(self, count: int) -> int:
        free = asyncio.Semaphore(self._concurrency)

        async def answered() -> bool:
            async with free:
                return (await self._manager.aconverse(self._messages)).success

        return sum(await asyncio.gather(*(answered() for _ in range(count))))
