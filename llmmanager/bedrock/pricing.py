"""What a request costs, from the tokens that Bedrock counted and the way in that was used."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from llmmanager.bedrock.catalog.catalog_entries import AccessMethod
from llmmanager.bedrock.catalog.model_table import ModelData, Prices, model_data

_PER_MILLION = 1_000_000
# A cache entry kept for an hour costs twice the input price to write, with every model that offers it.
_HOUR_CACHE_WRITE = 2.0
_TIERS = {"flex": 0.5, "priority": 1.75}


def estimate_cost(
    model_id: str,
    usage: Mapping[str, Any],
    *,
    access_method: str | None = None,
    inference_profile_id: str | None = None,
    region: str | None = None,
    service_tier: str | None = None,
) -> float | None:
    """The price of a request in USD, before taxes and discounts; None when no price is known.

    Cached tokens are counted apart from input tokens, as Bedrock does. Without a published cache price
    they cost what input costs.

    Args:
        model_id: the model's id; a profile's id does as well.
        usage: token counts under Bedrock's keys (`inputTokens`, `cacheDetails`, ...) or the snake_case
            ones (`input_tokens`, ...); what is missing counts as zero.
        access_method: the way in, as in `BedrockResponse.access_method`.
        inference_profile_id: the profile (id or ARN) that was invoked; geographic profiles of many
            models cost more than global ones.
        region: the region called; some models' on-demand price depends on it.
        service_tier: "priority" and "flex" change the price.
    """
    prices = _prices_of(model_id, inference_profile_id, access_method, region)
    if prices is None:
        return None
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
    return total / _PER_MILLION * _TIERS.get(service_tier or "", 1.0)


@lru_cache
def _prices_of(
    model_id: str, profile_id: str | None, access_method: str | None, region: str | None
) -> Prices | None:
    data, profile = _identify(model_id, profile_id)
    return _prices(data, access_method=access_method, profile=profile, region=region) if data else None


def _identify(model_id: str, profile_id: str | None) -> tuple[ModelData | None, str | None]:
    """Return the model's data, and the prefix of the profile that was invoked."""
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
    """The price of every geography, when they agree: it then holds for one that the table lacks."""
    distinct = {prices for prefix, prices in profile_prices.items() if prefix != "global"}
    return distinct.pop() if len(distinct) == 1 else None


def _tokens(usage: Mapping[str, Any], key: str, alias: str) -> int:
    return int(usage.get(key) or usage.get(alias) or 0)


def _hour_cache_tokens(details: Any) -> int:
    """The tokens written for an hour; what has not the form of Bedrock's `cacheDetails` counts as none."""
    entries = [entry for entry in details if isinstance(entry, Mapping)] if isinstance(details, list) else []
    counts = [entry.get("inputTokens") for entry in entries if entry.get("ttl") == "1h"]
    return sum(count for count in counts if isinstance(count, int))
