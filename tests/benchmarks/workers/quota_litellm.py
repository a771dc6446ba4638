"""LiteLLM's Router under a quota: one deployment, many requests with asyncio."""

from __future__ import annotations

import asyncio
from typing import Any

from litellm import Router
from litellm.types.router import RetryPolicy


class Side:
    """See serve.py.

    `router` are arguments of Router, `rate_limit_retries` its retry policy for throttled calls, `deployment`
    further parameters of the deployment.
    """

    def __init__(
        self,
        regions: list[str],
        model: dict[str, str],
        endpoint: str,
        concurrency: int,
        max_tokens: int,
        router: dict[str, Any],
        rate_limit_retries: int = 0,
        deployment: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        parameters = {
            "model": f"bedrock/converse/{model['id']}",
            "aws_region_name": regions[0],
            "aws_bedrock_runtime_endpoint": endpoint,
            **(deployment or {}),
        }
        if rate_limit_retries:
            router = {**router, "retry_policy": RetryPolicy(RateLimitErrorRetries=rate_limit_retries)}
        self._router = Router(model_list=[{"model_name": "answers", "litellm_params": parameters}], **router)
        self._concurrency, self._max_tokens = concurrency, max_tokens

    def answered(self, prompts: list[str]) -> int:
        return asyncio.run(self._answered(prompts))

    async def _answered(self, prompts: list[str]) -> int:
        free = asyncio.Semaphore(self._concurrency)

        async def one(prompt: str) -> bool:
            async with free:
                try:
                    answer = await self._router.acompletion(
                        model="answers",
                        messages=[{"role": "user", "content": prompt}],
                        max_tokens=self._max_tokens,
                    )
                except Exception:
                    return False
            return bool(answer.choices[0].message.content)

        return sum(await asyncio.gather(*map(one, prompts)))
