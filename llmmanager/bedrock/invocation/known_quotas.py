"""The quotas that a caller passes to a manager, found by target."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from llmmanager.bedrock.exceptions.llm_manager_exceptions import ConfigurationError
from llmmanager.bedrock.models.model_quota import ModelQuota
from llmmanager.bedrock.routing.keys import Target


class KnownQuotas:
    """Finds the quota of a target. Of several that cover it, the last one given decides for each amount.

    Args:
        model_id_of: returns the id of a model by its name; raises ConfigurationError for an unknown one.

    Raises:
        ConfigurationError: `quotas` is not a sequence of ModelQuota, or a model is unknown.
    """

    def __init__(self, quotas: Sequence[ModelQuota], model_id_of: Callable[[str], str]) -> None:
        if isinstance(quotas, str) or not isinstance(quotas, Sequence):
            raise ConfigurationError(f"quotas must be a sequence of ModelQuota (got {quotas!r})")
        for quota in quotas:
            if not isinstance(quota, ModelQuota):
                raise ConfigurationError(f"quotas must contain ModelQuota only (got {quota!r})")
        self._quotas = [(model_id_of(quota.model), quota) for quota in quotas]

    def __call__(self, target: Target) -> ModelQuota | None:
        """Return the quota of a target, or None when it is unknown."""
        found: ModelQuota | None = None
        for model_id, quota in self._quotas:
            if (
                model_id == target.model_id
                and quota.region in (None, target.region)
                and quota.access_method in (None, target.access_method)
            ):
                found = _over(found, quota)
        return found


def check_share(share: float) -> float:
    """Return the share of a quota that a manager may use.

    Raises:
        ConfigurationError: not a number above 0 and at most 1.
    """
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 1:
        raise ConfigurationError(f"quota_share must be above 0 and at most 1 (got {share!r})")
    return share


def check_reserve(reserve: float) -> float:
    """Return the part of a quota that a manager leaves to others.

    Raises:
        ConfigurationError: not a number from 0 to below 1.
    """
    if isinstance(reserve, bool) or not isinstance(reserve, int | float) or not 0 <= reserve < 1:
        raise ConfigurationError(f"quota_reserve must be at least 0 and below 1 (got {reserve!r})")
    return reserve


def _over(earlier: ModelQuota | None, later: ModelQuota) -> ModelQuota:
    if earlier is None:
        return later
    return replace(
        later,
        tokens_per_minute=later.tokens_per_minute or earlier.tokens_per_minute,
        requests_per_minute=later.requests_per_minute or earlier.requests_per_minute,
    )
