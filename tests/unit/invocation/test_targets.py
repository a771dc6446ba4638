"""The targets of a manager, and changes during a call."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import pytest

from llmmanager.bedrock.catalog.catalog_entries import AccessMethod, ModelAccess
from llmmanager.bedrock.catalog.names import ResolvedModel
from llmmanager.bedrock.catalog.unified_model_manager import UnifiedModelManager
from llmmanager.bedrock.exceptions.llm_manager_exceptions import ConfigurationError
from llmmanager.bedrock.invocation.targets import Targets
from llmmanager.bedrock.models.llm_manager_structures import RetryConfig

EAST, WEST = "us-east-1", "us-west-2"
ZURICH, CAPE_TOWN = "eu-central-2", "af-south-1"


class Catalog(UnifiedModelManager):
    """A catalog with the bundled snapshot that never calls Bedrock and records its calls."""

    def __init__(self) -> None:
        super().__init__(ask_api=False)
        self.timeouts: list[float | None] = []

    def record_rejection(
        self,
        model: str | ResolvedModel,
        region: str,
        *,
        denied_method: Any,
        timeout: float | None = None,
    ) -> tuple[ModelAccess, ...]:
        self.timeouts.append(timeout)
        return super().record_rejection(model, region, denied_method=denied_method, timeout=timeout)

    def refresh_catalog(self, *, timeout: float | None = None) -> None:
        self.timeouts.append(timeout)


def targets(*models: str, regions: tuple[str, ...] = (EAST, WEST), catalog: Catalog | None = None) -> Targets:
    return Targets(catalog or Catalog(), list(models), list(regions), RetryConfig())


@pytest.mark.parametrize(("left", "timeout"), [(2.5, 2.5), (math.inf, None)])
def test_bedrock_is_called_with_the_remaining_time_as_timeout(left: float, timeout: float | None) -> None:
    catalog = Catalog()
    found = targets("Nova Lite", "Nova Pro", catalog=catalog)
    found.access_method_rejected(found.groups()[0][0], left)
    found.refresh_catalog(left)
    assert catalog.timeouts == [timeout, timeout]


def test_a_rejected_access_method_is_last_and_the_others_are_returned() -> None:
    found = targets("Nova Lite", regions=(EAST,))
    rejected = found.groups()[0][0]
    assert rejected.access_method is AccessMethod.ON_DEMAND
    others = found.access_method_rejected(rejected, math.inf)
    assert others
    assert rejected.invoke_id not in {other.invoke_id for other in others}
    assert found.groups()[0] == (*others, rejected)


def test_a_rejection_applies_to_a_model_named_by_its_profile() -> None:
    found = targets("Nova Lite", "us.amazon.nova-lite-v1:0", regions=(EAST,))
    rejected = found.groups()[1][0]
    assert found.access_method_rejected(rejected, math.inf)


def test_an_error_for_a_missing_target_names_the_regions_of_the_model() -> None:
    gaps = targets("Nova Lite", "Claude Haiku 4.5", regions=(EAST, ZURICH, CAPE_TOWN)).gaps([ZURICH])
    assert len(gaps) == 1
    assert gaps[0].startswith(f"'Nova Lite' cannot be called in {ZURICH} (Nova Lite (amazon.nova-lite-v1:0) ")
    assert EAST in gaps[0]


def test_a_warning_names_every_region_without_the_model() -> None:
    with pytest.raises(ConfigurationError) as raised:
        targets("Nova Lite", regions=(CAPE_TOWN, ZURICH))
    lacking = f"{CAPE_TOWN}, {ZURICH}"
    assert f"called in {lacking}: 'Nova Lite' cannot be called in {lacking} (" in raised.value.message


def regions_of(places: tuple[tuple[ModelAccess, ...], ...]) -> list[str]:
    return [place[0].region for place in places]


def test_a_call_can_use_some_regions_in_another_order() -> None:
    found = targets("Nova Lite")
    assert regions_of(found.groups()) == regions_of(found.required()) == [EAST, WEST]
    assert regions_of(found.groups([WEST])) == [WEST]
    assert regions_of(found.required([WEST, EAST])) == [WEST, EAST]
    assert found.groups([WEST]) is found.groups([WEST])


@pytest.mark.parametrize("regions", [["eu-west-1"], [WEST, "eu-west-1"], [], WEST])
def test_a_call_uses_only_regions_of_its_manager(regions: Any) -> None:
    with pytest.raises(ConfigurationError, match="regions must be some of us-east-1, us-west-2"):
        targets("Nova Lite").required(regions)


class Forgetful(Catalog):
    """A catalog without targets before the first call to Bedrock. Records the requested regions."""

    def __init__(self) -> None:
        super().__init__()
        self.knows = False
        self.requested: list[list[str]] = []

    def access(self, *arguments: Any, **options: Any) -> tuple[ModelAccess, ...]:
        return super().access(*arguments, **options) if self.knows else ()

    def ensure_access(
        self, models: Any, regions: Iterable[str] | None = None, *, timeout: float | None = None
    ) -> bool:
        self.requested.append(list(regions or ()))
        self.knows = True
        return True


def test_bedrock_is_called_for_the_requested_regions_without_known_targets() -> None:
    catalog = Forgetful()
    found = targets("Nova Lite", catalog=catalog)
    catalog.knows = False
    found.forget()
    assert regions_of(found.required([WEST])) == [WEST]
    assert catalog.requested == [[EAST, WEST], [WEST]]
    found.required([WEST])
    assert len(catalog.requested) == 2
