"""LiteLLM's Router with a fallback model, streaming."""

from __future__ import annotations

from typing import Any

from litellm import Router


class Side:
    """See serve.py; the models are the first one and the fallback."""

    def __init__(
        self, regions: list[str], models: list[dict[str, str]], timeout: float, endpoint: str, **_: Any
    ) -> None:
        deployments = [
            {
                "model_name": name,
                "litellm_params": {
                    "model": f"bedrock/converse/{model['id']}",
                    "aws_region_name": regions[0],
                    "aws_bedrock_runtime_endpoint": endpoint,
                },
            }
            for name, model in zip(("first", "fallback"), models, strict=True)
        ]
        self._router = Router(
            model_list=deployments,
            fallbacks=[{"first": ["fallback"]}],
            num_retries=2,
            timeout=timeout,
            stream_timeout=timeout,
        )

    def stream(self, prompt: str) -> dict[str, Any]:
        text, model, tokens = "", None, None
        for chunk in self._router.completion(
            model="first",
            messages=[{"role": "user", "content": prompt}],
            stream=True,
            stream_options={"include_usage": True},
        ):
            if chunk.choices:
                text += chunk.choices[0].delta.content or ""
            model = chunk.model or model
            usage = getattr(chunk, "usage", None)
            tokens = usage.completion_tokens if usage else tokens
        return {"text": text, "model": model, "tokens": tokens}
