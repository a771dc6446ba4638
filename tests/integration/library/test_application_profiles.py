"""Managers with application inference profiles, against FakeBedrock."""

from __future__ import annotations

import pytest

from llmmanager import ModelQuota, UnifiedModelManager, estimate_cost
from llmmanager.bedrock.catalog.stores import MemoryStore
from llmmanager.testing import FakeBedrock, Fault
from tests.integration.library.conftest import MakeManager

ARN = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/team"
HAIKU, NOVA = "anthropic.claude-haiku-4-5-20251001-v1:0", "amazon.nova-lite-v1:0"
EU = "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/team"
RULES = [{"text": "The rules are as follows. " * 800}]


@pytest.fixture(autouse=True)
def profiles(fake_bedrock: FakeBedrock) -> None:
    """Create a copy of a geographic profile, and one in another region that copies a dearer one."""
    fake_bedrock.add_resource(ARN, model=f"us.{HAIKU}")
    fake_bedrock.add_resource(EU, model=f"eu.{NOVA}")


def operations(bedrock: FakeBedrock) -> list[str]:
    return [call.operation for call in bedrock.calls]


def test_an_answer_has_the_model_access_method_and_price_of_the_profile(
    make_manager: MakeManager, fake_bedrock: FakeBedrock
) -> None:
    response = make_manager((ARN,)).converse("Hello")
    assert operations(fake_bedrock) == ["GetInferenceProfile", "Converse"]
    assert fake_bedrock.calls[1].invoked_id == ARN
    assert (response.model_used, response.access_method) == (HAIKU, "geographic_profile")
    assert (response.inference_profile_id, response.warnings) == (ARN, [])
    usage = response.get_usage() or {}
    assert response.estimated_cost_usd == estimate_cost(HAIKU, usage, inference_profile_id=f"us.{HAIKU}")


def test_the_price_is_that_of_the_profile_that_is_copied(make_manager: MakeManager) -> None:
    response = make_manager((EU,), ("eu-west-1",)).converse("Hello")
    usage = response.get_usage() or {}
    cost = estimate_cost(NOVA, usage, inference_profile_id=f"eu.{NOVA}")
    assert response.estimated_cost_usd == cost
    assert cost != estimate_cost(NOVA, usage)


def test_caching_limits_and_token_counts_apply(make_manager: MakeManager, fake_bedrock: FakeBedrock) -> None:
    manager = make_manager((ARN,))
    for expected in ("cache_write_tokens", "cache_read_tokens"):
        response = manager.converse("Hello", RULES, prompt_cache="auto")
        assert (response.get_usage() or {})[expected] > 4096
    counted = manager.count_tokens("Hello", model=ARN)
    assert (counted.model, counted.is_estimate) == (HAIKU, False)
    assert fake_bedrock.calls[-1].invoked_id == HAIKU


def test_a_profile_shares_the_quota_of_its_access_method(
    make_manager: MakeManager, fake_bedrock: FakeBedrock
) -> None:
    quota = ModelQuota("Claude Haiku 4.5", tokens_per_minute=1000, access_method="geographic_profile")
    manager = make_manager((ARN,), quotas=[quota])
    with pytest.raises(Exception, match="more than the quota of 1,000 tokens per minute"):
        manager.converse("Hello", inference_config={"maxTokens": 2000})
    assert "Converse" not in operations(fake_bedrock)


def test_bedrock_is_asked_once_for_all_managers_of_a_catalog(
    make_manager: MakeManager, fake_bedrock: FakeBedrock
) -> None:
    catalog = UnifiedModelManager()
    for _ in range(3):
        make_manager((ARN, "Nova Lite"), unified_model_manager=catalog).converse("Hello")
    assert operations(fake_bedrock).count("GetInferenceProfile") == 1


def test_a_refresh_stores_the_profile_for_other_processes(
    make_manager: MakeManager, fake_bedrock: FakeBedrock
) -> None:
    store = MemoryStore()
    first = make_manager((ARN,), unified_model_manager=UnifiedModelManager(store=store))
    first.refresh_model_data()
    fake_bedrock.reset()
    second = make_manager((ARN,), unified_model_manager=UnifiedModelManager(store=store))
    assert second.converse("Hello").model_used == HAIKU
    assert operations(fake_bedrock) == ["Converse"]


@pytest.mark.parametrize("error", ["AccessDeniedException", "ResourceNotFoundException"])
def test_without_the_permission_the_arn_is_used_unchanged_with_a_warning(
    make_manager: MakeManager, fake_bedrock: FakeBedrock, error: str
) -> None:
    fake_bedrock.add_fault(Fault(error=error, operation="GetInferenceProfile"))
    manager = make_manager((ARN,))
    response = manager.converse("Hello")
    assert (response.model_used, response.access_method) == (ARN, None)
    assert response.estimated_cost_usd is None
    (warning,) = response.warnings
    assert f'The model of "{ARN}" is unknown (An error occurred ({error})' in warning
    assert "allow bedrock:GetInferenceProfile" in warning
    assert manager.count_tokens("Hello").is_estimate


def test_after_an_error_bedrock_is_not_asked_again_at_once(
    make_manager: MakeManager, fake_bedrock: FakeBedrock
) -> None:
    fake_bedrock.add_fault(Fault(error="AccessDeniedException", operation="GetInferenceProfile"))
    catalog = UnifiedModelManager()
    for _ in range(2):
        make_manager((ARN,), unified_model_manager=catalog)
    assert operations(fake_bedrock) == ["GetInferenceProfile"]


def test_a_rejected_profile_does_not_change_the_order_of_the_models_own_access_methods(
    make_manager: MakeManager, fake_bedrock: FakeBedrock
) -> None:
    fake_bedrock.add_fault(
        Fault(
            error="ValidationException",
            message="Invocation of model ID with on-demand throughput isn’t supported.",
            operation="Converse",
            count=1,
        )
    )
    manager = make_manager((ARN, "Claude Haiku 4.5"), ("us-east-1",))
    before = manager.get_model_access_info("Claude Haiku 4.5", "us-east-1")
    manager.converse("Hello")
    assert manager.get_model_access_info("Claude Haiku 4.5", "us-east-1") == before
    assert [call.invoked_id for call in fake_bedrock.calls if call.operation == "Converse"] == [
        ARN,
        f"us.{HAIKU}",
    ]


def test_a_profile_that_is_rejected_beside_its_model_is_followed_by_the_models_access_methods(
    make_manager: MakeManager, fake_bedrock: FakeBedrock
) -> None:
    rejection = "Invocation of model ID with on-demand throughput isn’t supported."
    fake_bedrock.add_fault(Fault(error="ValidationException", message=rejection, access="geo"))
    manager = make_manager((f"us.{HAIKU}", "Claude Haiku 4.5"), ("us-east-1",))
    assert manager.converse("Hello").access_method == "global_profile"
