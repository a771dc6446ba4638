"""Which quota gate a manager uses for a target."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from llmmanager.bedrock.routing.keys import Target
from llmmanager.bedrock.routing.quota_pacing import ManagerQuotas, TargetQuota


@dataclass(frozen=True)
class Way:
    model_id: str = "model"
    region: str = "us-east-1"
    access_method: str = "on_demand"
    invoke_id: str = "model"


@dataclass
class Source:
    known: TargetQuota

    def quota(self, target: Target) -> TargetQuota:
        return self.known

    def revision(self) -> object:
        return None

    def follow(self) -> None:
        return None


def test_each_service_tier_has_its_own_gate():
    quotas = ManagerQuotas("account", Source(TargetQuota(tokens=1_000)))

    assert quotas.gate(Way(), "flex") is quotas.gate(Way(), "flex")
    assert quotas.gate(Way(), "flex") is not quotas.gate(Way())
    assert quotas.gate(Way(), "flex").has_limit


def test_managers_with_different_shares_use_one_gate_while_the_quota_is_unknown():
    small, large = (ManagerQuotas("account", Source(TargetQuota()), share=share) for share in (0.1, 0.9))

    assert small.gate(Way()) is large.gate(Way())


@pytest.mark.parametrize(
    "known", [TargetQuota(tokens=9), TargetQuota(requests=9), TargetQuota(None, None, 9)]
)
def test_managers_with_different_shares_of_a_known_quota_use_separate_gates(known: TargetQuota):
    small, large = (ManagerQuotas("account", Source(known), share=share) for share in (0.1, 0.9))

    assert small.gate(Way()) is not large.gate(Way())
    assert small.gate(Way()) is ManagerQuotas("account", Source(known), share=0.1).gate(Way())
