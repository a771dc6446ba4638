"""LangChain's ChatBedrockConverse, which calls one region; many requests with its `batch`."""

from __future__ import annotations

from typing import Any

from langchain_aws import ChatBedrockConverse


class Side:
    """See serve.py."""

    def __init__(self, regions: list[str], model: dict[str, str], messages: list[Any], **_: Any) -> None:
        self._arguments = {"model": model["id"], "region_name": regions[0]}
        self._chat = ChatBedrockConverse(**self._arguments)
        self._messages = [(message["role"], message["content"][0]["text"]) for message in messages]

    def converse(self) -> str:
        return self._chat.invoke(self._messages).text

    def prepare_many(self, concurrency: int) -> None:
        from botocore.config import Config

        self._concurrency = concurrency
        self._chat = ChatBedrockConverse(**self._arguments, config=Config(max_pool_connections=concurrency))

    def many(self, count: int) -> int:
        answers = self._chat.batch([self._messages] * count, config={"max_concurrency": self._concurrency})
        return sum(bool(answer.text) for answer in answers)
