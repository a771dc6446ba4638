"""What all calls of a manager share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from llmmanager.bedrock.exceptions.llm_manager_exceptions import LLMManagerError
from llmmanager.bedrock.invocation.feature_memory import FeatureMemory
from llmmanager.bedrock.invocation.stats import CallStats
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
        timeout: read timeout of an attempt in seconds.
        features: the features that models do not support, from earlier calls.
    """

    targets: Targets
    clients: ClientPool
    retry_config: RetryConfig
    timeout: float
    features: FeatureMemory = field(default_factory=FeatureMemory)
    cooldowns: Cooldowns = field(default_factory=Cooldowns)
    quotas: ManagerQuotas = field(default_factory=ManagerQuotas)
    stats: CallStats = field(default_factory=CallStats)

    def check_configuration(self) -> dict[str, Any]:
        """Return the result of `LLMManager.validate_configuration`."""
        errors = []
        combinations = len(self.targets.groups())
        if not combinations:
            errors.append(f"no model can be called in {', '.join(self.targets.regions)}")
        auth_status = "configured"
        try:
            if not self.clients.has_credentials():
                errors.append(NO_CREDENTIALS)
                auth_status = "missing"
        except LLMManagerError as error:
            errors.append(str(error))
            auth_status = "missing"
        return {
            "valid": not errors,
            "errors": errors,
            "warnings": [*self.targets.warnings, *self.targets.gaps()],
            "model_region_combinations": combinations,
            "auth_status": auth_status,
        }
