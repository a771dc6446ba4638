"""What all calls of a manager share."""

from __future__ import annotations

from dataclasses import dataclass, field

from llmmanager.bedrock.invocation.feature_memory import FeatureMemory
from llmmanager.bedrock.invocation.stats import CallStats
from llmmanager.bedrock.invocation.targets import Targets
from llmmanager.bedrock.models.llm_manager_structures import RetryConfig
from llmmanager.bedrock.routing.cooldown import Cooldowns
from llmmanager.bedrock.routing.quota_pacing import ManagerQuotas
from llmmanager.bedrock.transport.clients import ClientPool


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
