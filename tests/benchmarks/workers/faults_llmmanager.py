"""LLMManager with a fallback model, streaming."""

from __future__ import annotations

from typing import Any

from llmmanager import LLMManager


class Side:
    """See serve.py; the models are the first one and the fallback."""

    def __init__(self, regions: list[str], models: list[dict[str, str]], timeout: float, **_: Any) -> None:
        self._manager = LLMManager([model["name"] for model in models], regions, timeout=timeout)

    def stream(self, prompt: str) -> dict[str, Any]:
        stream = self._manager.converse_stream([{"role": "user", "content": [{"text": prompt}]}])
        text = "".join(stream)
        if not stream.success:
            raise RuntimeError(f"the stream ended without success: {stream.get_last_error()}")
        usage = stream.get_usage()
        return {"text": text, "model": stream.model_used, "tokens": usage and usage["outputTokens"]}
