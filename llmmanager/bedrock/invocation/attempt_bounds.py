"""Upper bounds of the tokens and the cost of one attempt."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from llmmanager.bedrock.catalog.catalog_entries import ModelAccess
from llmmanager.bedrock.catalog.managed_prompts import is_managed_prompt
from llmmanager.bedrock.pricing import identified_model, target_answer_cost

# Tokens that models add to each request, e.g. a system prompt of their own.
_BASE_TOKENS = 500
# Tokens that models add for tools, answer formats and citations. Claude adds at most 800 for tools, and 1300
# for its own tools. Source: Anthropic's "Tool use with Claude", section "Pricing".
_FEATURE_TOKENS = 3_000
_FEATURES = (b'"toolConfig"', b'"tools"', b'"outputConfig"', b'"citations"')
# A tool that Bedrock runs. It adds what it found to the input.
_SYSTEM_TOOL = b'"systemTool"'
# The beta "context-1m-2025-08-07" of Claude.
_LONG_CONTEXT, _LONG_CONTEXT_TOKENS = b'"context-1m', 1_000_000
# Largest context of any model, for models with an unknown one. No answer is longer.
_MAX_CONTEXT_TOKENS = 10_000_000
# Sources disagree about the maximum output of some models: 5000 or 10,000 tokens for Nova, 64,000 or 65,535
# for Nova 2.
_MIN_MAX_OUTPUT_TOKENS = 10_000
_OUTPUT_MARGIN = 10  # percent
# Model-specific fields raise the maximum output of some models: the reasoning of Nova 2, a beta of Claude.
_EXTENDED_OUTPUT_TOKENS = 128_000
# The field of models that can generate several answers, such as Jamba, and a maximum output of Llama that is
# not called tokens.
_ANSWERS, _MAX_LENGTH = "n", "max_gen_len"
# More than any model generates.
_MAX_ANSWERS = 1_000
# Content that the caller's tools define. Media cannot be in it.
_TOOL_DATA = ("input", "json")


class AttemptBounds:
    """Upper bounds of one attempt. No answer uses more tokens or costs more.

    Text has at most one token per byte of the encoded request, as in byte-level tokenizers. Media have at
    most as many tokens as the context of the model.

    Args:
        request: the Converse request for the target.
        body: the encoded request.
    """

    def __init__(self, target: ModelAccess, request: Mapping[str, Any], body: bytes) -> None:
        self._target = target
        self._request = request
        self._body = body
        self._model = identified_model(target.model_id, target.priced_profile_id)

    @cached_property
    def input_tokens(self) -> int:
        """The maximum input tokens, cached tokens included."""
        if is_managed_prompt(self._target.model_id):
            return _MAX_CONTEXT_TOKENS  # its text is unknown
        body = self._body
        content = (self._request.get("system"), self._request.get("messages"))
        if _SYSTEM_TOOL in body or _has_media(content):
            return max(self._context_tokens, _LONG_CONTEXT_TOKENS if _LONG_CONTEXT in body else 0)
        has_features = any(feature in body for feature in _FEATURES)
        return len(body) + _BASE_TOKENS + (_FEATURE_TOKENS if has_features else 0)

    @cached_property
    def output_tokens(self) -> int:
        """The maximum output tokens, reasoning included: `maxTokens`, or the maximum of the model."""
        fields = self._request.get("additionalModelRequestFields")
        answers = fields.get(_ANSWERS) if isinstance(fields, Mapping) else None
        number = math.ceil(min(_MAX_ANSWERS, answers)) if isinstance(answers, int | float) else 1
        return min(_MAX_CONTEXT_TOKENS, self._answer_tokens(fields)) * max(number, 1)

    def _answer_tokens(self, fields: object) -> int:
        """Return the maximum output tokens of one answer."""
        limit = (self._request.get("inferenceConfig") or {}).get("maxTokens")
        if isinstance(limit, int):
            # Claude's interleaved thinking has a budget of its own, which may be larger than maxTokens.
            other = max(_token_numbers(fields), default=0)
            return limit if other <= limit else limit + other
        maximum = self._model.max_output_tokens if self._model else None
        if maximum is None:
            return self._context_tokens
        maximum = max(maximum + maximum * _OUTPUT_MARGIN // 100, _MIN_MAX_OUTPUT_TOKENS)
        return max(maximum, _EXTENDED_OUTPUT_TOKENS, *_token_numbers(fields)) if fields else maximum

    @cached_property
    def cost_usd(self) -> float | None:
        """The maximum list price in USD, or None if it is unknown.

        Bedrock may serve a request on demand although it asks for another service tier.
        """
        count = self.input_tokens
        written: dict[str, Any] = {"cacheWriteInputTokens": count}
        usages = [{"inputTokens": count}, {"cacheReadInputTokens": count}, written]
        if b'"1h"' in self._body:
            usages.append({**written, "cacheDetails": [{"ttl": "1h", "inputTokens": count}]})
        costs = [self._cost(usage, tier) for usage in usages for tier in (None, self._service_tier)]
        known = [cost for cost in costs if cost is not None]
        return max(known) if known else None

    def _cost(self, usage: Mapping[str, Any], service_tier: str | None) -> float | None:
        tokens = {**usage, "outputTokens": self.output_tokens}
        return target_answer_cost(self._target, tokens, service_tier=service_tier)

    @property
    def _service_tier(self) -> str | None:
        tier = self._request.get("serviceTier")
        return tier.get("type") if isinstance(tier, Mapping) else None

    @property
    def _context_tokens(self) -> int:
        known = self._model.max_context_tokens if self._model else None
        return known or _MAX_CONTEXT_TOKENS


def _has_media(content: object) -> bool:
    """Whether content blocks have a source other than text, such as bytes or a file in S3."""
    if isinstance(content, Mapping):
        source = content.get("source")
        if isinstance(source, Mapping) and not source.keys() & {"text", "content"}:
            return True
        return any(_has_media(value) for name, value in content.items() if name not in _TOOL_DATA)
    return isinstance(content, list | tuple) and any(map(_has_media, content))


def _token_numbers(fields: object) -> Iterator[int]:
    """Yield the numbers of tokens in model-specific fields, such as `budget_tokens`."""
    if isinstance(fields, Mapping):
        for name, value in fields.items():
            is_limit = "token" in str(name).lower() or name == _MAX_LENGTH
            if is_limit and isinstance(value, int | float):
                yield math.ceil(min(_MAX_CONTEXT_TOKENS, value))
            else:
                yield from _token_numbers(value)
