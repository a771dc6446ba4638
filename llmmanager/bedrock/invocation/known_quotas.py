"""The known quotas of targets: from the manager's `quotas`, or else from the catalog."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import replace

from llmmanager.bedrock.catalog.unified_model_manager import UnifiedModelManager
from llmmanager.bedrock.exceptions.llm_manager_exceptions import ConfigurationError
from llmmanager.bedrock.forks import after_fork, new_lock
from llmmanager.bedrock.models.model_quota import ModelQuota
from llmmanager.bedrock.routing.keys import Target
from llmmanager.bedrock.routing.quota_pacing import TargetQuota

# Minimum interval at which the catalog store is read for changed quotas.
FOLLOW_INTERVAL_SECONDS = 300.0


class KnownQuotas:
    """A `QuotaSource` for the quotas of a manager and of its catalog.

    If several quotas of the manager match a target, the last one with an amount decides. A missing amount is
    taken from the catalog.

    Raises:
        ConfigurationError: `quotas` is not a sequence of ModelQuota, or a model is unknown.
    """

    def __init__(self, quotas: Sequence[ModelQuota], catalog: UnifiedModelManager) -> None:
        if isinstance(quotas, str) or not isinstance(quotas, Sequence):
            raise ConfigurationError(f"quotas must be a sequence of ModelQuota (got {quotas!r})")
        for quota in quotas:
            if not isinstance(quota, ModelQuota):
                raise ConfigurationError(f"quotas must contain ModelQuota only (got {quota!r})")
        self._quotas = [(catalog.resolve(quota.model).model_id, quota) for quota in quotas]
        self._catalog = catalog
        self._follow_at = 0.0
        self._lock = threading.Lock()
        after_fork(self, new_lock)

    def quota(self, target: Target) -> TargetQuota:
        """See `QuotaSource`."""
        passed = self._passed(target)
        region = self._catalog.ensure_data_available().region(target.region)
        listed = region.quota(target.model_id, target.access_method) if region else None
        tokens = passed.tokens_per_minute if passed else None
        requests = passed.requests_per_minute if passed else None
        if listed is None:
            return TargetQuota(tokens, requests)
        return TargetQuota(tokens or listed.tokens_per_minute, requests, listed.requests_per_minute)

    def revision(self) -> object:
        """See `QuotaSource`."""
        return self._catalog.ensure_data_available()

    def follow(self) -> None:
        """See `QuotaSource`. Read the catalog store, at most every five minutes."""
        now = time.monotonic()
        if now < self._follow_at or not self._lock.acquire(blocking=False):
            return
        try:
            self._follow_at = now + FOLLOW_INTERVAL_SECONDS
            self._catalog.load_cached_data()
        finally:
            self._lock.release()

    def _passed(self, target: Target) -> ModelQuota | None:
        found: ModelQuota | None = None
        for model_id, quota in self._quotas:
            if (
                model_id == target.model_id
                and quota.region in (None, target.region)
                and quota.access_method in (None, target.access_method)
            ):
                found = _merged(found, quota)
        return found


def check_share(share: float) -> float:
    """Return the share of a quota that a manager may use.

    Raises:
        ConfigurationError: the share is not a number above 0 and at most 1.
    """
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 1:
        raise ConfigurationError(f"quota_share must be above 0 and at most 1 (got {share!r})")
    return share


def check_reserve(reserve: float) -> float:
    """Return the share of a quota that a manager leaves to others.

    Raises:
        ConfigurationError: the share is not a number from 0 to below 1.
    """
    if isinstance(reserve, bool) or not isinstance(reserve, int | float) or not 0 <= reserve < 1:
        raise ConfigurationError(f"quota_reserve must be at least 0 and below 1 (got {reserve!r})")
    return reserve


def _merged(earlier: ModelQuota | None, later: ModelQuota) -> ModelQuota:
    if earlier is None:
        return later
    return replace(
        later,
        tokens_per_minute=later.tokens_per_minute or earlier.tokens_per_minute,
        requests_per_minute=later.requests_per_minute or earlier.requests_per_minute,
    )
