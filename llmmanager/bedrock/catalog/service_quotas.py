"""Tokens and requests per minute by model and access method, read from the names of Service Quotas.

Service Quotas identifies a quota by a code and a name in free text, such as "Cross-region model inference
tokens per minute for Anthropic Claude Sonnet 4.5 V1". A quota whose name does not match exactly one model of
the region is unknown.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from llmmanager.bedrock.catalog.catalog_entries import (
    AccessMethod,
    AccessQuota,
    Catalog,
    Quotas,
    RegionCatalog,
)
from llmmanager.bedrock.catalog.names import NameResolver

SERVICE_CODE = "bedrock"
PAGE_SIZE = 100

# Names of other quotas are similar: daily quotas, latency-optimized inference, another endpoint
# ("[bedrock-mantle endpoint] ..."), input or output tokens only.
_NAME = re.compile(
    r"(?P<scope>on-demand|cross-region|global cross-region) (?:model inference|invokemodel) "
    r"(?P<unit>tokens|requests) per minute for (?P<model>.+)",
    re.IGNORECASE,
)
_ACCESS_METHODS = {
    "on-demand": AccessMethod.ON_DEMAND,
    "cross-region": AccessMethod.GEOGRAPHIC_PROFILE,
    "global cross-region": AccessMethod.GLOBAL_PROFILE,
}
# Suffix of many models without another version.
_FIRST_VERSION = re.compile(r" v1$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class QuotaName:
    """The parsed name of a quota.

    Attributes:
        unit: "tokens" or "requests", per minute.
        model: the model's name in Service Quotas.
    """

    access_method: AccessMethod
    unit: str
    model: str


def list_quotas(client: Any, with_retries: Callable[[Callable[[], Any]], Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the quotas of Bedrock from all pages.

    Args:
        client: a boto3 client of Service Quotas.
        with_retries: runs a call and retries it after a transient error.
    """
    arguments = {"ServiceCode": SERVICE_CODE, "MaxResults": PAGE_SIZE}
    while True:
        page = with_retries(partial(client.list_service_quotas, **arguments))
        yield from page.get("Quotas", ())
        if not page.get("NextToken"):
            return
        arguments["NextToken"] = page["NextToken"]


def parse_quota_name(name: str) -> QuotaName | None:
    """Return the parsed name, or None unless it is a quota of tokens or requests per minute."""
    match = _NAME.fullmatch(" ".join(name.split()))
    if match is None:
        return None
    return QuotaName(_ACCESS_METHODS[match["scope"].lower()], match["unit"].lower(), match["model"])


def read_quotas(rows: Iterable[Mapping[str, Any]], offered: RegionCatalog) -> Quotas:
    """Return the quotas of a region's models by model id and access method.

    If two quotas for the same limit have different values, the limit is unknown. A value of 0 is ignored:
    accounts have such quotas for models that they can call.

    Args:
        rows: `Quotas` of ListServiceQuotas.
        offered: the models of the region.
    """
    resolver = NameResolver(Catalog({offered.region: offered}))
    values: dict[tuple[str, AccessMethod, str], set[float]] = {}
    for row in rows:
        parsed, value = parse_quota_name(str(row.get("QuotaName"))), row.get("Value")
        if parsed is None or not isinstance(value, int | float) or not 0 < value < math.inf:
            continue
        model_id = _model_id(parsed.model, offered, resolver)
        if model_id is not None:
            values.setdefault((model_id, parsed.access_method, parsed.unit), set()).add(value)
    known = {key: next(iter(found)) for key, found in values.items() if len(found) == 1}
    quotas: dict[str, dict[str, AccessQuota]] = {}
    for model_id, method in dict.fromkeys(key[:2] for key in known):
        quotas.setdefault(model_id, {})[method] = AccessQuota(
            known.get((model_id, method, "tokens")), known.get((model_id, method, "requests"))
        )
    return quotas


def _model_id(model: str, offered: RegionCatalog, resolver: NameResolver) -> str | None:
    for spelling, provider in _spellings(model, offered):
        found = offered.entries.get(resolver.find(spelling) or "")
        if found is not None and provider in (None, found.provider):
            return found.model_id
    return None


def _spellings(model: str, offered: RegionCatalog) -> Iterator[tuple[str, str | None]]:
    """Yield spellings of a model's name, each with the provider removed from it, or None."""
    providers = {entry.provider for entry in offered.entries.values()}
    for name in dict.fromkeys((model, _FIRST_VERSION.sub("", model))):
        yield name, None
        for provider in providers:
            if name.lower().startswith(f"{provider.lower()} "):
                yield name[len(provider) + 1 :], provider
