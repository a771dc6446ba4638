"""Bare boto3, as one writes it by hand: a client a region, threads for many requests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
from botocore.config import Config


class Side:
    """See serve.py."""

    def __init__(self, regions: list[str], model: dict[str, str], messages: list[Any], **_: Any) -> None:
        session = boto3.Session()
        self._clients = [session.client("bedrock-runtime", region_name=region) for region in regions]
        self._request = {"modelId": model["id"], "messages": messages}

    def converse(self) -> str:
        answer = self._clients[0].converse(**self._request)
        return answer["output"]["message"]["content"][0]["text"]

    def stream(self) -> Iterator[str]:
        for event in self._clients[0].converse_stream(**self._request)["stream"]:
            if "contentBlockDelta" in event:
                yield event["contentBlockDelta"]["delta"]["text"]

    def prepare_many(self, concurrency: int) -> None:
        from concurrent.futures import ThreadPoolExecutor

        region = self._clients[0].meta.region_name
        config = Config(max_pool_connections=concurrency)
        self._client = boto3.client("bedrock-runtime", region_name=region, config=config)
        self._pool = ThreadPoolExecutor(concurrency)

    def many(self, count: int) -> int:
        answers = self._pool.map(lambda _: self._client.converse(**self._request), range(count))
        return sum("output" in answer for answer in answers)
