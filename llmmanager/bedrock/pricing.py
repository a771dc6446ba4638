"""Estimates the cost of a request from its token counts, model and access method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypedDict, Unpack

from llmmanager.bedrock.catalog.catalog_entries import AccessMethod, ModelAccess
from llmmanager.bedrock.catalog.model_table import ModelData, Prices, model_data

_PER_MILLION = 1_000_000
# A one-hour cache write costs twice the input price for every model that supports it.
_HOUR_CACHE_WRITE = 2.0
# Usual prices in a tier, as a share of the on-demand price: for an answer that Bedrock served in a tier where
# the model has no published price.
_USUAL_SHARES = {"flex": 0.5, "batch": 0.5, "priority": 1.75}


def estimate_cost(
    model_id: str,
    usage: Mapping[str, Any],
    *,
    access_method: str | None = None,
    inference_profile_id: str | None = None,
    region: str | None = None,
    service_tier: str | None = None,
) -> float | None:
    """Return the price of a request in USD, before taxes and discounts, or None if it is unknown.

    Like in Bedrock, input tokens do not include cached tokens. Cached tokens without a published price have
    the price of input tokens.

    Args:
        model_id: the id of a model or inference profile.
        usage: token counts with Bedrock's keys (`inputTokens`, `cacheDetails`, ...) or snake_case keys
            (`input_tokens`, ...). Missing counts are 0.
        access_method: as in `BedrockResponse.access_method`.
        inference_profile_id: the invoked profile (id or ARN). Geographic profiles of many models cost more
            than global ones.
        region: the region called. The on-demand price of some models depends on it.
        service_tier: "flex", "priority" or "batch" (managed batch jobs). The price is None if the model has
            none in that tier. Where profiles and regions have prices of their own, a tier has the same
            discount or surcharge as for the model. Other tiers have the on-demand price.
    """
    prices = _prices_of(
        model_id, access_method=access_method, inference_profile_id=inference_profile_id, region=region
    )
    if prices is None:
        return None
    if service_tier in _USUAL_SHARES:
        tier_prices = _in_tier(prices, identified_model(model_id, inference_profile_id), service_tier)
        return None if tier_prices is None else _cost(usage, tier_prices)
    return _cost(usage, prices)


@dataclass(frozen=True, slots=True)
class AnswerCost:
    """The cost of an answer in USD, with and without the prompt cache.

    Attributes:
        usd: the cost in the tier that served the answer.
        uncached_usd: the cost in the same tier if no token had been read from or written to the cache.
    """

    usd: float
    uncached_usd: float

    @property
    def saved_by_cache_usd(self) -> float:
        """What the prompt cache saved. Negative if writing cost more than reading saved."""
        return self.uncached_usd - self.usd


class PriceAccess(TypedDict, total=False):
    """The keyword arguments of `estimate_cost` that say how a model was called."""

    access_method: str | None
    inference_profile_id: str | None
    region: str | None


def answer_cost(
    model_id: str,
    usage: Mapping[str, Any],
    *,
    service_tier: str | None = None,
    **access: Unpack[PriceAccess],
) -> AnswerCost | None:
    """Return the cost of an answer, or None if the model has no known price.

    Args:
        model_id, usage, access: as for `estimate_cost`.
        service_tier: the tier that served the answer; None if Bedrock did not report one, which has the
            on-demand price. Without a published price of the model in the tier, the usual one applies: half
            the on-demand price in "flex" and "batch", 1.75 times as much in "priority".
    """
    standard = _prices_of(model_id, **access)
    if standard is None:
        return None
    served = standard
    if service_tier in _USUAL_SHARES:
        share = _USUAL_SHARES[service_tier]
        model = identified_model(model_id, access.get("inference_profile_id"))
        served = _in_tier(standard, model, service_tier) or standard.scaled(input=share, output=share)
    return AnswerCost(_cost(usage, served), _uncached_cost(usage, served))


def target_cost(
    target: ModelAccess, usage: Mapping[str, Any], *, service_tier: str | None = None
) -> float | None:
    """Return `estimate_cost` of tokens on a target."""
    return estimate_cost(target.model_id, usage, service_tier=service_tier, **_access(target))


def target_answer_cost(
    target: ModelAccess, usage: Mapping[str, Any], *, service_tier: str | None
) -> float | None:
    """Return the `usd` of `answer_cost` of an answer of a target."""
    cost = answer_cost(target.model_id, usage, service_tier=service_tier, **_access(target))
    return None if cost is None else cost.usd


def offers_tier(model_id: str, service_tier: str | None, *, inference_profile_id: str | None = None) -> bool:
    """Whether a model has a price in "flex", "priority" or "batch" (managed batch jobs)."""
    model = identified_model(model_id, inference_profile_id)
    return model is not None and _tier_prices(model, service_tier) is not None


def identified_model(model_id: str, profile_id: str | None) -> ModelData | None:
    """Return the data of the model whose price applies, or None if it is unknown."""
    return _identify(model_id, profile_id)[0]


def _access(target: ModelAccess) -> PriceAccess:
    return {
        "access_method": target.access_method,
        "inference_profile_id": target.priced_profile_id,
        "region": target.region,
    }


def _cost(usage: Mapping[str, Any], prices: Prices) -> float:
    written = _tokens(usage, "cacheWriteInputTokens", "cache_write_tokens")
    written_for_an_hour = min(written, _hour_cache_tokens(usage.get("cacheDetails")))
    cache_read = prices.input if prices.cache_read is None else prices.cache_read
    cache_write = prices.input if prices.cache_write is None else prices.cache_write
    total = (
        _tokens(usage, "inputTokens", "input_tokens") * prices.input
        + _tokens(usage, "outputTokens", "output_tokens") * prices.output
        + _tokens(usage, "cacheReadInputTokens", "cache_read_tokens") * cache_read
        + (written - written_for_an_hour) * cache_write
        + written_for_an_hour * prices.input * _HOUR_CACHE_WRITE
    )
    return total / _PER_MILLION


def _uncached_cost(usage: Mapping[str, Any], prices: Prices) -> float:
    input_tokens = (
        _tokens(usage, "inputTokens", "input_tokens")
        + _tokens(usage, "cacheReadInputTokens", "cache_read_tokens")
        + _tokens(usage, "cacheWriteInputTokens", "cache_write_tokens")
    )
    output_tokens = _tokens(usage, "outputTokens", "output_tokens")
    return (input_tokens * prices.input + output_tokens * prices.output) / _PER_MILLION


def _in_tier(prices: Prices, model: ModelData | None, service_tier: str) -> Prices | None:
    """Return the prices in a tier, where `prices` apply on demand; None if the model has none there.

    The published prices of profiles and regions in a tier (litellm 1.106.2) are in the same proportion.
    """
    in_tier = _tier_prices(model, service_tier) if model else None
    standard = model.prices if model else None
    if in_tier is None or standard is None or prices is standard:
        return in_tier
    return prices.scaled(input=in_tier.input / standard.input, output=in_tier.output / standard.output)


def _tier_prices(model: ModelData, service_tier: str | None) -> Prices | None:
    match service_tier:
        case "flex":
            return model.flex_prices
        case "batch":
            return model.batch_prices
        case "priority":
            return model.priority_prices
    return None


@lru_cache
def _prices_of(
    model_id: str,
    *,
    access_method: str | None = None,
    inference_profile_id: str | None = None,
    region: str | None = None,
) -> Prices | None:
    data, profile = _identify(model_id, inference_profile_id)
    return _prices(data, access_method=access_method, profile=profile, region=region) if data else None


def _identify(model_id: str, profile_id: str | None) -> tuple[ModelData | None, str | None]:
    """Return the model's data, and the prefix of the invoked profile."""
    tail = model_id.rpartition("/")[2]
    if data := model_data(tail):
        profile = profile_id.rpartition("/")[2] if profile_id else ""
        prefix, _, rest = profile.partition(".")
        return data, prefix if rest == tail else None
    prefix, _, rest = tail.partition(".")
    return model_data(rest), prefix


def _prices(
    data: ModelData, *, access_method: str | None, profile: str | None, region: str | None
) -> Prices | None:
    if profile is not None and profile in data.profile_prices:
        return data.profile_prices[profile]
    geographic = access_method == AccessMethod.GEOGRAPHIC_PROFILE if profile is None else profile != "global"
    if geographic:
        return _only(data.profile_prices) or data.prices
    on_demand = profile is None and access_method != AccessMethod.GLOBAL_PROFILE
    return data.region_prices.get(region or "", data.prices) if on_demand else data.prices


def _only(profile_prices: Mapping[str, Prices]) -> Prices | None:
    """Return the common price of all geographies, used for one without a price; None if they differ."""
    distinct = {prices for prefix, prices in profile_prices.items() if prefix != "global"}
    return distinct.pop() if len(distinct) == 1 else None


def _tokens(usage: Mapping[str, Any], key: str, alias: str) -> int:
    return int(usage.get(key) or usage.get(alias) or 0)


def _hour_cache_tokens(details: Any) -> int:
    """Return the tokens of one-hour cache writes; 0 if `details` is not in the form of `cacheDetails`."""
    entries = [entry for entry in details if isinstance(entry, Mapping)] if isinstance(details, list) else []
    counts = [entry.get("inputTokens") for entry in entries if entry.get("ttl") == "1h"]
    return sum(count for count in counts if isinstance(count, int))
