"""CallTargets: the regions of a call, and the models that do not accept its request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from llmmanager.bedrock.catalog.unified_model_manager import UnifiedModelManager
from llmmanager.bedrock.exceptions.llm_manager_exceptions import RequestValidationError
from llmmanager.bedrock.invocation.call_targets import CallTargets
from llmmanager.bedrock.invocation.targets import Targets
from llmmanager.bedrock.models.llm_manager_structures import RetryConfig
from llmmanager.bedrock.validation.request import ValidRequest

EAST, WEST = "us-east-1", "us-west-2"
LITE, PRO = "amazon.nova-lite-v1:0", "amazon.nova-pro-v1:0"


def call_targets(
    *, regions: Sequence[str] | None = None, skipped: Mapping[str, Sequence[str]] | None = None
) -> CallTargets:
    catalog = UnifiedModelManager(ask_api=False)
    targets = Targets(catalog, ["Nova Lite", "Nova Pro"], [EAST, WEST], RetryConfig())
    request = ValidRequest({}, skipped_models=skipped or {})
    return CallTargets(targets, request, regions=regions, max_cost_multiple=None)


def models_and_regions(targets: CallTargets) -> set[tuple[str, str]]:
    return {(group[0].model_id, group[0].region) for group in targets.groups()}


def test_a_call_uses_all_models_and_regions_of_its_manager() -> None:
    found = call_targets()
    assert models_and_regions(found) == {(LITE, EAST), (LITE, WEST), (PRO, EAST), (PRO, WEST)}
    assert found.too_expensive == ""


def test_a_call_may_be_limited_to_a_region() -> None:
    assert models_and_regions(call_targets(regions=[WEST])) == {(LITE, WEST), (PRO, WEST)}


def test_a_model_that_does_not_accept_the_request_is_left_out() -> None:
    found = call_targets(skipped={LITE: ["messages: too long"]})
    assert models_and_regions(found) == {(PRO, EAST), (PRO, WEST)}


def test_a_request_that_no_model_accepts_is_rejected_with_the_problems_of_each() -> None:
    with pytest.raises(RequestValidationError) as raised:
        call_targets(skipped={LITE: ["messages: too long"], PRO: ["messages: too wide"]})
    text = str(raised.value)
    assert f"too long, a limit of {LITE}" in text
    assert f"too wide, a limit of {PRO}" in text
