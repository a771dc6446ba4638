"""CostLimit: prices of access methods and regions, and models without a price."""

from __future__ import annotations

import pytest

from llmmanager.bedrock.catalog.catalog_entries import AccessMethod, ModelAccess
from llmmanager.bedrock.exceptions.llm_manager_exceptions import ConfigurationError
from llmmanager.bedrock.invocation.cost_limit import CostLimit, check_first_price, unpriced

SONNET = "anthropic.claude-sonnet-4-5-20250929-v1:0"  # geographic profiles cost 10 % more
LITE = "amazon.nova-lite-v1:0"  # its European profile costs 30 % more
QWEN = "qwen.qwen3-coder-next"  # 0.5 USD; 0.78 USD in eu-west-2
REQUEST = {
    "messages": [{"role": "user", "content": [{"text": "Hello"}]}],
    "inferenceConfig": {"maxTokens": 9},
}


def target(
    model: str,
    region: str = "us-east-1",
    method: AccessMethod = AccessMethod.ON_DEMAND,
    profile: str | None = None,
) -> ModelAccess:
    return ModelAccess(model, model, region, method, profile or model, profile)


def geographic(model: str, *, profile: str | None = None) -> ModelAccess:
    return target(model, method=AccessMethod.GEOGRAPHIC_PROFILE, profile=profile)


UNPRICED = target("acme.unpriced-v1:0")


@pytest.mark.parametrize(
    ("cheap", "dear"),
    [
        (geographic(LITE, profile=f"us.{LITE}"), geographic(LITE, profile=f"eu.{LITE}")),
        (target(SONNET), geographic(SONNET)),
        (target(QWEN), target(QWEN, "eu-west-2")),
    ],
    ids=["profile", "access method", "region"],
)
def test_a_target_has_the_price_of_its_profile_access_method_and_region(
    cheap: ModelAccess, dear: ModelAccess
) -> None:
    assert CostLimit(1, REQUEST, cheap).within([(cheap, dear)]) == [(cheap,)]
    assert CostLimit(1, REQUEST, dear).within([(dear, cheap)]) == [(dear, cheap)]


def test_an_excluded_target_is_named_with_the_reason() -> None:
    limit = CostLimit(1, REQUEST, target(QWEN))
    assert limit.left_out == ""
    assert limit.within([(target(QWEN, "eu-west-2"),), (UNPRICED,)]) == []
    assert limit.left_out == (
        f"{QWEN} (may cost 1.6 times as much as the first model), acme.unpriced-v1:0 (no known price)"
    )


def test_a_target_at_the_limit_is_used() -> None:
    first, other = target(QWEN), target(QWEN, "us-west-2")
    assert CostLimit(1, REQUEST, first).within([(other,)]) == [(other,)]


def test_only_a_model_without_a_price_gets_a_warning() -> None:
    assert unpriced([(target(QWEN), UNPRICED)]) == [
        "'acme.unpriced-v1:0' has no known price: max_cost_multiple leaves it out"
    ]


def test_the_first_model_needs_a_price() -> None:
    check_first_price(target(QWEN))
    with pytest.raises(ConfigurationError, match=r"'acme\.unpriced-v1:0' has no known price"):
        check_first_price(UNPRICED)
