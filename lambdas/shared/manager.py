"""Managers for a request's models and regions, made once and kept as long as the function's process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Literal

from lambdas.shared import clients
from lambdas.shared.codec import InvalidRequest
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
from llmmanager.bedrock.catalog.dynamodb_store import DynamoDBStore

if TYPE_CHECKING:
    from llmmanager import ParallelLLMManager

# One for each order of the regions is the usual need.
_KEPT = 8
# A batch has time: throttling is waited out where a single request would be given up.
_BATCH_RETRIES = RetryConfig(max_retries=10, max_retry_delay=20)
REQUEST_SECONDS = 240
"""How long a record of a batch is tried, without waits for quota."""
# A record of a batch waits for quota as long as its invocation lasts.
_LONGEST_INVOCATION_SECONDS = 900


@dataclass(frozen=True)
class Targets:
    """The models and regions that a request may use, in order of preference."""

    models: tuple[str, ...]
    regions: tuple[str, ...]


def choose_targets(models: Any, regions: Any) -> Targets:
    """What a caller asked for, out of what is configured; None leaves a choice as it is configured.

    Raises:
        InvalidRequest: not lists, something in them is not configured, or no model of these can be called in
            any region of these.
        ConfigurationError: what is configured cannot work.
    """
    settings = model_settings()
    problems: list[str] = []
    targets = Targets(
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


def check_price(targets: Targets, max_cost_multiple: float | None) -> None:
    """Raise InvalidRequest when the cost is limited and the price of the first model is unknown."""
    if max_cost_multiple is None:
        return
    try:
        llm_manager(targets, feature_fallback=True, max_cost_multiple=max_cost_multiple)
    except ConfigurationError as error:
        raise InvalidRequest([f"maxCostMultiple: {error.message}"]) from None


@cache
def catalog() -> UnifiedModelManager:
    """The catalog of model access, backed by the table; Bedrock is asked by the scheduled refresh."""
    settings = model_settings()
    # There is a layer below the table.
    client = clients.new_short_timeout_dynamodb(read_timeout=2, attempts=2)
    return UnifiedModelManager(
        regions=list(settings.regions), store=DynamoDBStore(settings.table, client=client), ask_api=False
    )


@lru_cache(_KEPT)
def model_ids(targets: Targets) -> tuple[str, ...]:
    """Return the ids of the models that a request may use."""
    return tuple(catalog().resolve(name).model_id for name in targets.models)


@lru_cache(_KEPT)
def llm_manager(
    targets: Targets, *, feature_fallback: bool, max_cost_multiple: float | None = None
) -> LLMManager:
    """Return the manager for single requests.

    Args:
        feature_fallback: whether it leaves out content and tuning parameters that a model refuses.
        max_cost_multiple: as in `RetryConfig`.

    Raises:
        ConfigurationError: the models and regions cannot work, or the cost is limited and the first model has
            no known price.
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


@lru_cache(_KEPT)
def parallel_manager(
    targets: Targets,
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
    # Only workers need it.
    from llmmanager import ParallelLLMManager

    return ParallelLLMManager(
        list(targets.models),
        list(targets.regions),
        retry_config=replace(
            _BATCH_RETRIES,
            retry_strategy=RetryStrategy(retry_strategy),
            enable_feature_fallback=feature_fallback,
            on_throttle=on_throttle,
            max_cost_multiple=max_cost_multiple,
        ),
        parallel_config=ParallelProcessingConfig(
            max_concurrent_requests=calls_at_once,
            request_timeout_seconds=_LONGEST_INVOCATION_SECONDS,
        ),
        timeout=REQUEST_SECONDS,
        unified_model_manager=catalog(),
        cooldowns=cooldowns(),
        quota_share=quota_share,
        quota_reserve=quota_reserve,
    )


def _choose(name: str, wanted: Any, configured: Sequence[str], problems: list[str]) -> tuple[str, ...]:
    if wanted is None:
        return tuple(configured)
    if not isinstance(wanted, list) or not wanted or not all(isinstance(item, str) for item in wanted):
        problems.append(f"{name}: must be a list of at least one string")
        return ()
    problems += [
        f"{name}: {item!r:.100} is not configured; {', '.join(configured)} are"
        for item in wanted
        if item not in configured
    ]
    return tuple(dict.fromkeys(wanted))
