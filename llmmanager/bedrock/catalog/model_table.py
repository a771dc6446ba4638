"""The library's table of model data: names, prices, limits and features.

Bedrock's API and the bundled snapshot do not contain this data.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

_TABLE = os.path.join(os.path.dirname(__file__), "model_table.json")


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices in USD per million tokens. A cache price is None if AWS publishes none."""

    input: float
    output: float
    cache_read: float | None = None
    cache_write: float | None = None

    def scaled(self, *, input: float, output: float) -> Prices:
        """Return the prices multiplied by factors. That of the input applies to cached tokens too."""
        read, write = self.cache_read, self.cache_write
        return Prices(
            self.input * input,
            self.output * output,
            None if read is None else read * input,
            None if write is None else write * input,
        )


@dataclass(frozen=True, slots=True)
class ModelData:
    """The data of one model, without its regions. Unknown values are None.

    Attributes:
        lifecycle: "ACTIVE", "LEGACY", or "EOL" for a model that no region offers any more.
        eol_date: announced end of life, ISO date.
        prices: on-demand prices, also for profiles without prices of their own.
        profile_prices: prices of profiles that differ from `prices`, by profile prefix ("us", "eu", ...).
        region_prices: on-demand prices that differ from `prices`, by region.
        flex_prices, batch_prices, priority_prices: prices in the flex tier, in managed batch jobs and in the
            priority tier, where `prices` apply on demand. None if the model is not offered there.
        max_context_tokens, max_output_tokens: the model's limits.
        output_burndown: quota tokens that one output token uses.
        min_cached_tokens: the shortest prefix that a cache point caches; None without prompt caching.
        supports: supported (True) and unsupported (False) features; unknown ones are missing.
    """

    model_id: str
    model_name: str
    provider: str
    lifecycle: str
    eol_date: str | None
    prices: Prices | None
    profile_prices: Mapping[str, Prices]
    region_prices: Mapping[str, Prices]
    flex_prices: Prices | None
    batch_prices: Prices | None
    priority_prices: Prices | None
    max_context_tokens: int | None
    max_output_tokens: int | None
    output_burndown: int | None
    min_cached_tokens: int | None
    supports: Mapping[str, bool]


def known_names() -> Mapping[str, str]:
    """Return the display names by model id, including retired models."""
    return _names()


def aliases() -> Mapping[str, str]:
    """Return model ids by alias."""
    table: Mapping[str, str] = _table()["aliases"]
    return table


@cache
def model_data(model_id: str) -> ModelData | None:
    """Return the data of a model, or None if it is not in the table."""
    row = _table()["models"].get(model_id)
    if row is None:
        return None
    prices = Prices(*row["price"]) if "price" in row else None
    return ModelData(
        model_id=model_id,
        model_name=row["name"],
        provider=row["provider"],
        lifecycle=row.get("lifecycle", "ACTIVE"),
        eol_date=row.get("eol"),
        prices=prices,
        profile_prices=_prices(row.get("profile_price", {})),
        region_prices=_prices(row.get("region_price", {})),
        flex_prices=_tier_prices(row.get("flex"), prices),
        batch_prices=_tier_prices(row.get("batch"), prices),
        priority_prices=_tier_prices(row.get("priority"), prices),
        max_context_tokens=row.get("max_context"),
        max_output_tokens=row.get("max_output"),
        output_burndown=row.get("burndown"),
        min_cached_tokens=row.get("cache_min"),
        supports={**dict.fromkeys(row.get("can", ()), True), **dict.fromkeys(row.get("cannot", ()), False)},
    )


def is_conversational(model_id: str, *, inputs: Sequence[str], outputs: Sequence[str]) -> bool:
    """Whether Converse supports the model: text input, text output, no speech, no reranker."""
    speaks = "SPEECH" in outputs
    return (
        "TEXT" in inputs
        and "TEXT" in outputs
        and not speaks
        and not model_id.startswith(tuple(_table()["not_converse"]))
    )


def _prices(rows: Mapping[str, Sequence[float | None]]) -> Mapping[str, Prices]:
    return {key: Prices(*row) for key, row in rows.items()}  # type: ignore[arg-type]


def _tier_prices(row: Sequence[float] | None, standard: Prices | None) -> Prices | None:
    """Return the prices in a tier. Cached tokens have the discount or surcharge of the input.

    The source has prices of cached tokens in a tier for few models, all of them in that proportion.
    """
    if row is None or standard is None:
        return None
    input_price, output_price = row
    cached = standard.scaled(input=input_price / standard.input, output=1)
    return Prices(input_price, output_price, cached.cache_read, cached.cache_write)


@cache
def _names() -> Mapping[str, str]:
    return {model_id: row["name"] for model_id, row in _table()["models"].items()}


@cache
def _table() -> dict[str, Any]:
    with open(_TABLE, "rb") as file:
        table: dict[str, Any] = json.load(file)
    return table
