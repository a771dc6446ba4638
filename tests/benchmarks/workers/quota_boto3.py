"""Bare boto3 under a quota: one client with botocore's retries, shared by a pool of threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError


class Side:
    """See serve.py; `retries` are botocore's."""

    def __init__(
        self,
        regions: list[str],
        model: dict[str, str],
        concurrency: int,
        max_tokens: int,
        retries: dict[str, Any],
        **_: Any,
    ) -> None:
        config = Config(max_pool_connections=concurrency, retries=retries)
        self._client = boto3.client("bedrock-runtime", region_name=regions[0], config=config)
        self._request = {"modelId": model["id"], "inferenceConfig": {"maxTokens": max_tokens}}
        self._concurrency = concurrency

    def answered(self, prompts: list[str]) -> int:
        with ThreadPoolExecutor(self._concurrency) as pool:
            return sum(pool.map(self._is_answered, prompts))

    def _is_answered(self, prompt: str) -> bool:
        messages = [{"role": "user", "content": [{"text": prompt}]}]
        try:
            return "output" in self._client.converse(**self._request, messages=messages)
        except ClientError:
            return False
