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


@dataclass(frozen=True, slots=True)
class ModelData:
    """The data of one model, without its regions. Unknown values are None.

    Attributes:
        lifecycle: "ACTIVE", "LEGACY", or "EOL" for a model that no region offers any more.
        eol_date: announced end of life, ISO date.
        prices: on-demand prices, also for profiles without prices of their own.
        profile_prices: prices of profiles that differ from `prices`, by profile prefix ("us", "eu", ...).
        region_prices: on-demand prices that differ from `prices`, by region.
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
    return ModelData(
        model_id=model_id,
        model_name=row["name"],
        provider=row["provider"],
        lifecycle=row.get("lifecycle", "ACTIVE"),
        eol_date=row.get("eol"),
        prices=Prices(*row["price"]) if "price" in row else None,
        profile_prices=_prices(row.get("profile_price", {})),
        region_prices=_prices(row.get("region_price", {})),
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


@cache
def _names() -> Mapping[str, str]:
    return {model_id: row["name"] for model_id, row in _table()["models"].items()}


@cache
def _table() -> dict[str, Any]:
    with open(_TABLE, "rb") as file:
        table: dict[str, Any] = json.load(file)
    return table
