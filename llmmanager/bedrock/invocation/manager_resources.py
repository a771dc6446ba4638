"""What all calls of a manager share, and the methods that describe a manager."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from llmmanager.bedrock.catalog.unified_model_manager import UnifiedModelManager
from llmmanager.bedrock.exceptions.llm_manager_exceptions import LLMManagerError
from llmmanager.bedrock.invocation.feature_memory import FeatureMemory
from llmmanager.bedrock.invocation.stats import CallStats, retry_settings
from llmmanager.bedrock.invocation.targets import Targets
from llmmanager.bedrock.models.llm_manager_structures import RetryConfig
from llmmanager.bedrock.routing.cooldown import Cooldowns
from llmmanager.bedrock.routing.quota_pacing import ManagerQuotas
from llmmanager.bedrock.transport.clients import ClientPool
from llmmanager.bedrock.transport.credentials import NO_CREDENTIALS


@dataclass(frozen=True)
class ManagerResources:
    """The settings, connections and state that all calls of a manager share.

    Attributes:
        models: the names of the models that the caller passed.
        timeout: read timeout of an attempt in seconds.
        features: the features that models do not support, from earlier calls.
    """

    catalog: UnifiedModelManager
    models: tuple[str, ...]
    targets: Targets
    clients: ClientPool
    retry_config: RetryConfig
    timeout: float
    features: FeatureMemory = field(default_factory=FeatureMemory)
    cooldowns: Cooldowns = field(default_factory=Cooldowns)
    quotas: ManagerQuotas = field(default_factory=ManagerQuotas)
    stats: CallStats = field(default_factory=CallStats)


class ManagerInformation:
    """The methods of `LLMManager` that describe its models, its configuration and its calls."""

    def __init__(self, resources: ManagerResources) -> None:
        self._resources = resources

    def get_available_models(self) -> list[str]:
        """Return the configured models."""
        return list(self._resources.models)

    def get_available_regions(self) -> list[str]:
        """Return the configured regions."""
        return list(self._resources.targets.regions)

    def get_model_access_info(self, model_name: str, region: str) -> dict[str, Any] | None:
        """Return how a model is called in a region, or None if it is unknown or cannot be called there.

        Returns:
            A dict with `model_id`, `region`, `access_method` (the preferred one), `access_methods` and
            `inference_profile_id`.
        """
        return self._resources.catalog.get_model_access_info(
            model_name, region, order=self._resources.retry_config.access_method_order
        )

    def validate_configuration(self) -> dict[str, Any]:
        """Check models, regions and credentials without calling a model.

        Returns:
            A dict with `valid` (bool), `errors` and `warnings` (lists of messages),
            `model_region_combinations` (number) and `auth_status` ("configured" or "missing").
        """
        errors = []
        combinations = len(self._resources.targets.groups())
        if not combinations:
            errors.append(f"no model can be called in {', '.join(self._resources.targets.regions)}")
        auth_status = "configured"
        try:
            if not self._resources.clients.has_credentials():
                errors.append(NO_CREDENTIALS)
                auth_status = "missing"
        except LLMManagerError as error:
            errors.append(str(error))
            auth_status = "missing"
        return {
            "valid": not errors,
            "errors": errors,
            "warnings": [*self._resources.targets.warnings, *self._resources.targets.gaps()],
            "model_region_combinations": combinations,
            "auth_status": auth_status,
        }

    def refresh_model_data(self) -> None:
        """Refresh the models of the configured regions from Bedrock.

        Raises:
            LLMManagerError: every region failed. The previous data stays in use.
        """
        self._resources.catalog.refresh_unified_data()
        self._resources.targets.forget()

    def get_retry_stats(self) -> dict[str, Any]:
        """Return the retry configuration, and counters since this manager was created.

        Returns:
            A dict with every field of `RetryConfig` (the strategy as its value), `models`, `regions`, and the
            counters `requests`, `attempts`, `retries`, `failovers`, `feature_fallbacks` and `throttles` (a
            dict by `id@region`).
        """
        return {
            **retry_settings(self._resources.retry_config),
            "models": self.get_available_models(),
            "regions": self.get_available_regions(),
            **self._resources.stats.snapshot(),
        }
