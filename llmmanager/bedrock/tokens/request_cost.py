"""Estimates the cost of a request on each target before it is sent."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llmmanager.bedrock.catalog.catalog_entries import ModelAccess
from llmmanager.bedrock.catalog.managed_prompts import is_managed_prompt
from llmmanager.bedrock.exceptions.llm_manager_exceptions import ConfigurationError
from llmmanager.bedrock.invocation.manager_resources import ManagerResources
from llmmanager.bedrock.invocation.quota_cost import expected_output_tokens
from llmmanager.bedrock.models.cost_estimates import CostEstimate, TargetCost
from llmmanager.bedrock.models.token_count import InputTokenCount
from llmmanager.bedrock.pricing import offers_tier, target_cost
from llmmanager.bedrock.tokens.cache_prefixes import CACHE_SECONDS, CachedPrefix, cached_prefixes
from llmmanager.bedrock.tokens.typical_tokens import request_tokens
from llmmanager.bedrock.validation.request import ValidRequest

UNPRICED = "the price of the model is unknown"
_PROMPT = "the text of a managed prompt is unknown"


def request_cost(
    resources: ManagerResources,
    count: Callable[..., InputTokenCount],
    request: ValidRequest,
    *,
    output_tokens: int | None,
) -> CostEstimate:
    """Return the cost of a request on the targets of a manager.

    Args:
        count: counts the input tokens of a request as `TokenCounter.count` does.
        output_tokens: the expected output tokens; None for `maxTokens`, or the maximum of the model.

    Raises:
        ConfigurationError: `output_tokens` is invalid.
    """
    check_output_tokens(output_tokens)
    tokens: dict[str, _InputTokens] = {}
    found = []
    for target in (target for group in resources.targets.required() for target in group):
        model_id = target.model_id
        reason = _uncounted(request, model_id)
        if reason is None and model_id not in tokens:
            counted = _count(resources, count, request.fields, model_id=model_id)
            prefixes = cached_prefixes(request.fields, model_id, auto=request.prompt_cache)
            tokens[model_id] = _InputTokens.of(request.fields, counted, prefixes)
        output = expected_output_tokens(request.fields, model_id, output_tokens)
        found.append(_target_cost(target, request.fields, tokens.get(model_id), output=output, reason=reason))
    return CostEstimate(tuple(found))


def check_output_tokens(output_tokens: int | None) -> None:
    """Raise ConfigurationError unless the value is None or an integer of at least 0."""
    if output_tokens is None:
        return
    if isinstance(output_tokens, bool) or not isinstance(output_tokens, int) or output_tokens < 0:
        raise ConfigurationError(
            f"output_tokens must be an integer of at least 0 or None (got {output_tokens!r})",
            {"output_tokens": output_tokens},
        )


def price(target: ModelAccess, usage: Mapping[str, Any], *, service_tier: str | None = None) -> float | None:
    """Return the price of tokens on a target in USD, or None if it is unknown.

    Args:
        service_tier: the tier of the request. If the model does not offer it, the request is sent without it.
    """
    if service_tier is not None and not offers_tier(
        target.model_id, service_tier, inference_profile_id=target.priced_profile_id
    ):
        service_tier = None
    return target_cost(target, usage, service_tier=service_tier)


def _uncounted(request: ValidRequest, model_id: str) -> str | None:
    """Return why the input tokens for a model cannot be counted, or None."""
    if model_id in request.skipped_models:
        return f"the model does not accept the request: {'; '.join(request.skipped_models[model_id])}"
    return _PROMPT if is_managed_prompt(model_id) else None


def _count(
    resources: ManagerResources,
    count: Callable[..., InputTokenCount],
    request: Mapping[str, Any],
    *,
    model_id: str,
) -> InputTokenCount:
    """Return the counted tokens, or the typical number, since an upper estimate would be too expensive."""
    counted = count(request, model_id=model_id, regions=resources.targets.regions_of(model_id))
    if not counted.is_estimate:
        return counted
    return InputTokenCount(math.ceil(request_tokens(request)), True, model_id, counted.reason)


@dataclass(frozen=True, slots=True)
class _InputTokens:
    """The input tokens of a request, and those of them that a model caches."""

    count: InputTokenCount
    cached: int
    cached_for_an_hour: int

    @classmethod
    def of(
        cls, request: Mapping[str, Any], count: InputTokenCount, prefixes: Sequence[CachedPrefix]
    ) -> _InputTokens:
        """Return the tokens of a request. The share of the cached ones is estimated."""
        if not prefixes:
            return cls(count, 0, 0)
        scale = count.input_tokens / request_tokens(request)
        long = [prefix.tokens for prefix in prefixes if prefix.seconds > CACHE_SECONDS]
        longest = max(long, default=0.0)
        return cls(count, math.floor(prefixes[-1].tokens * scale), math.floor(longest * scale))

    def written(self, output_tokens: int) -> dict[str, Any]:
        """Return the usage of a request that writes the cache."""
        details = [{"ttl": "1h", "inputTokens": self.cached_for_an_hour}]
        return {**self._usage(output_tokens), "cacheWriteInputTokens": self.cached, "cacheDetails": details}

    def read(self, output_tokens: int) -> dict[str, Any]:
        """Return the usage of a request that reads the cache."""
        return {**self._usage(output_tokens), "cacheReadInputTokens": self.cached}

    def _usage(self, output_tokens: int) -> dict[str, Any]:
        return {"inputTokens": self.count.input_tokens - self.cached, "outputTokens": output_tokens}


def _target_cost(
    target: ModelAccess,
    request: Mapping[str, Any],
    tokens: _InputTokens | None,
    *,
    output: int,
    reason: str | None,
) -> TargetCost:
    usd = usd_from_cache = None
    if tokens is not None:
        tier = (request.get("serviceTier") or {}).get("type")
        usd = price(target, tokens.written(output), service_tier=tier)
        if tokens.cached:
            usd_from_cache = price(target, tokens.read(output), service_tier=tier)
    return TargetCost(
        model=target.model_id,
        region=target.region,
        access_method=None if target.access_method is None else str(target.access_method),
        inference_profile_id=target.inference_profile_id,
        input_tokens=tokens.count.input_tokens if tokens else None,
        is_estimate=tokens is None or tokens.count.is_estimate,
        output_tokens=output,
        usd=usd,
        reason=reason or (UNPRICED if usd is None else None),
        cached_tokens=tokens.cached if tokens else 0,
        usd_from_cache=usd_from_cache,
    )
