"""LangChain's ChatBedrockConverse with `with_fallbacks`, streaming."""

from __future__ import annotations

from typing import Any

from botocore.config import Config
from langchain_aws import ChatBedrockConverse


class Side:
    """See serve.py; the models are the first one and the fallback."""

    def __init__(self, regions: list[str], models: list[dict[str, str]], timeout: float, **_: Any) -> None:
        config = Config(read_timeout=timeout, retries={"mode": "standard"})
        first, fallback = (
            ChatBedrockConverse(model=model["id"], region_name=regions[0], config=config) for model in models
        )
        self._chat = first.with_fallbacks([fallback])

    def stream(self, prompt: str) -> dict[str, Any]:
        text, model, tokens = "", None, None
        for chunk in self._chat.stream([("user", prompt)]):
            text += chunk.text
            model = chunk.response_metadata.get("model_name", model)
            tokens = chunk.usage_metadata["output_tokens"] if chunk.usage_metadata else tokens
        return {"text": text, "model": model, "tokens": tokens}
