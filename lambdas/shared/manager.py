"""The catalog, and the managers for the models and regions of requests, cached in each process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Literal

from lambdas.shared import clients
from lambdas.shared.settings import model_settings
from lambdas.shared.shared_cooldowns import cooldowns
from llmmanager import (
    ConfigurationError,
    LLMManager,
    ParallelProcessingConfig,
    RetryConfig,
    RetryStrategy,
    UnifiedModelManager,
)
from llmmanager.batch_files.record_retries import RECORD_RETRIES, RECORD_SECONDS
from llmmanager.bedrock.catalog.dynamodb_store import DynamoDBStore
from llmmanager.json_format.codec import InvalidRequest

if TYPE_CHECKING:
    from llmmanager import ParallelLLMManager

# Usually there is one manager for each order of the regions.
_MAX_CACHED = 8
# A record of a batch waits for quota as long as its invocation lasts.
_LONGEST_INVOCATION_SECONDS = 900


@dataclass(frozen=True)
class RequestTargets:
    """The models and regions that a request may use, in order of preference."""

    models: tuple[str, ...]
    regions: tuple[str, ...]


def choose_targets(models: Any, regions: Any) -> RequestTargets:
    """Return the requested models and regions; None means all configured ones.

    Raises:
        InvalidRequest: a list is invalid, a name is not configured, or none of these models can be called in
            any of these regions.
        ConfigurationError: none of the configured models can be called in any configured region.
    """
    settings = model_settings()
    problems: list[str] = []
    targets = RequestTargets(
        _choose("models", models, settings.models, problems),
        _choose("regions", regions, settings.regions, problems),
    )
    if problems:
        raise InvalidRequest(problems)
    try:
        llm_manager(targets, feature_fallback=True)
    except ConfigurationError as error:
        if models is None and regions is None:
            raise
        raise InvalidRequest([f"models, regions: {error.message}"]) from None
    return targets


def check_price(targets: RequestTargets, max_cost_multiple: float | None) -> None:
    """Raise InvalidRequest if the cost is limited and the price of the first model is unknown."""
    if max_cost_multiple is None:
        return
    try:
        llm_manager(targets, feature_fallback=True, max_cost_multiple=max_cost_multiple)
    except ConfigurationError as error:
        raise InvalidRequest([f"maxCostMultiple: {error.message}"]) from None


@cache
def catalog() -> UnifiedModelManager:
    """Return the model catalog from the table. Only the scheduled refresh calls Bedrock."""
    settings = model_settings()
    # Short timeouts, because the catalog falls back to its bundled data.
    store = DynamoDBStore(settings.table, client=clients.dynamodb_with_short_timeouts())
    return UnifiedModelManager(regions=list(settings.regions), store=store, ask_api=False)


@lru_cache(_MAX_CACHED)
def model_ids(targets: RequestTargets) -> tuple[str, ...]:
    """Return the ids of the models that a request may use."""
    return tuple(catalog().resolve(name).model_id for name in targets.models)


@lru_cache(_MAX_CACHED)
def llm_manager(
    targets: RequestTargets, *, feature_fallback: bool, max_cost_multiple: float | None = None
) -> LLMManager:
    """Return the manager for single requests.

    Args:
        feature_fallback: whether it removes content and tuning parameters that a model does not support.
        max_cost_multiple: as in `RetryConfig`.

    Raises:
        ConfigurationError: no model can be called in any of the regions, or the cost is limited and the price
            of the first model is unknown.
    """
    return LLMManager(
        list(targets.models),
        list(targets.regions),
        retry_config=RetryConfig(
            enable_feature_fallback=feature_fallback, max_cost_multiple=max_cost_multiple
        ),
        unified_model_manager=catalog(),
        cooldowns=cooldowns(),
    )


@lru_cache(_MAX_CACHED)
def parallel_manager(
    targets: RequestTargets,
    retry_strategy: str,
    *,
    calls_at_once: int,
    feature_fallback: bool,
    on_throttle: Literal["wait", "failover"],
    max_cost_multiple: float | None,
    quota_share: float,
    quota_reserve: float,
) -> ParallelLLMManager:
    """Return the manager for a worker's requests.

    Args:
        retry_strategy: a value of `RetryStrategy`.
        feature_fallback: as for `llm_manager`.
        on_throttle: as in `RetryConfig`.
        max_cost_multiple: as in `RetryConfig`.
        quota_share: the part of each known quota that this worker may use.
        quota_reserve: the part of each quota that is left to single requests.
    """
    # Imported here, because only workers need it.
    from llmmanager import ParallelLLMManager

    return ParallelLLMManager(
        list(targets.models),
        list(targets.regions),
        retry_config=replace(
            RECORD_RETRIES,
            retry_strategy=RetryStrategy(retry_strategy),
            enable_feature_fallback=feature_fallback,
            on_throttle=on_throttle,
            max_cost_multiple=max_cost_multiple,
        ),
        parallel_config=ParallelProcessingConfig(
            max_concurrent_requests=calls_at_once,
            request_timeout_seconds=_LONGEST_INVOCATION_SECONDS,
        ),
        timeout=RECORD_SECONDS,
        unified_model_manager=catalog(),
        cooldowns=cooldowns(),
        quota_share=quota_share,
        quota_reserve=quota_reserve,
    )


def _choose(name: str, requested: Any, configured: Sequence[str], problems: list[str]) -> tuple[str, ...]:
    if requested is None:
        return tuple(configured)
    if (
        not isinstance(requested, list)
        or not requested
        or not all(isinstance(item, str) for item in requested)
    ):
        problems.append(f"{name}: must be a list of at least one string")
        return ()
    problems += [
        f"{name}: {item!r:.100} is not configured; configured: {', '.join(configured)}"
        for item in requested
        if item not in configured
    ]
    return tuple(dict.fromkeys(requested))
