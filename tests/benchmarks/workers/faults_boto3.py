"""Bare boto3, which has no fallback, streaming."""

from __future__ import annotations

from typing import Any

import boto3
from botocore.config import Config


class Side:
    """See serve.py; only the first model is called."""

    def __init__(self, regions: list[str], models: list[dict[str, str]], timeout: float, **_: Any) -> None:
        config = Config(read_timeout=timeout, retries={"mode": "standard"})
        self._client = boto3.client("bedrock-runtime", region_name=regions[0], config=config)
        self._model = models[0]["id"]

    def stream(self, prompt: str) -> dict[str, Any]:
        messages = [{"role": "user", "content": [{"text": prompt}]}]
        text, tokens = "", None
        for event in self._client.converse_stream(modelId=self._model, messages=messages)["stream"]:
            text += event.get("contentBlockDelta", {}).get("delta", {}).get("text", "")
            tokens = event["metadata"]["usage"]["outputTokens"] if "metadata" in event else tokens
        return {"text": text, "model": self._model, "tokens": tokens}
