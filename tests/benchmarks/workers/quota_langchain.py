"""LangChain's ChatBedrockConverse under a quota, with its `batch`."""

from __future__ import annotations

from typing import Any

from botocore.config import Config
from langchain_aws import ChatBedrockConverse


class Side:
    """See serve.py.

    `retries` are botocore's, `attempts` those of LangChain's own `with_retry` (0 to leave it out).
    """

    def __init__(
        self,
        regions: list[str],
        model: dict[str, str],
        concurrency: int,
        max_tokens: int,
        retries: dict[str, Any],
        attempts: int = 0,
        **_: Any,
    ) -> None:
        chat = ChatBedrockConverse(
            model=model["id"],
            region_name=regions[0],
            max_tokens=max_tokens,
            config=Config(max_pool_connections=concurrency, retries=retries),
        )
        self._chat = chat.with_retry(stop_after_attempt=attempts) if attempts else chat
        self._concurrency = concurrency

    def answered(self, prompts: list[str]) -> int:
        answers = self._chat.batch(
            [[("user", prompt)] for prompt in prompts],
            config={"max_concurrency": self._concurrency},
            return_exceptions=True,
        )
        return sum(not isinstance(answer, BaseException) and bool(answer.text) for answer in answers)
