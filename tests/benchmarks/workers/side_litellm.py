"""LiteLLM's Router with one deployment a region; many requests with asyncio, as its pages advise."""

from __future__ import annotations

import asyncio
from typing import Any

from litellm import Router


class Side:
    """See serve.py."""

    def __init__(
        self, regions: list[str], model: dict[str, str], messages: list[Any], endpoint: str, **_: Any
    ) -> None:
        deployments = [
            {
                "model_name": "answers",
                "litellm_params": {
                    "model": f"bedrock/converse/{model['id']}",
                    "aws_region_name": region,
                    "aws_bedrock_runtime_endpoint": endpoint,
                },
            }
            for region in regions
        ]
        self._router = Router(model_list=deployments)
        self._messages = [
            {"role": message["role"], "content": message["content"][0]["text"]} for message in messages
        ]

    def converse(self) -> str:
        answer = self._router.completion(model="answers", messages=self._messages)
        return answer.choices[0].message.content

    def prepare_many(self, concurrency: int) -> None:
        self._concurrency = concurrency
        self._runner = asyncio.Runner()

    def many(self, count: int) -> int:
        return self._runner.run(self._many(count))

    async def _many(self, count: int) -> int:
        free = asyncio.Semaphore(self._concurrency)

        async def one() -> bool:
            async with free:
                answer = await self._router.acompletion(model="answers", messages=self._messages)
            return bool(answer.choices[0].message.content)

        return sum(await asyncio.gather(*(one() for _ in range(count))))
