"""What a model refused is remembered for its condition."""

from __future__ import annotations

from llmmanager.bedrock.invocation.feature_memory import FeatureMemory, Refusal


def refusal(feature: str, operation: str = "Converse", condition: object = None) -> Refusal:
    return Refusal(operation, feature, condition)  # type: ignore[arg-type]


def test_refusals_are_remembered_in_order_and_once_and_for_their_model() -> None:
    memory = FeatureMemory()
    for feature in ("tools", "images", "tools"):
        memory.remember("a", refusal(feature))
    assert memory.refused_by("a") == (refusal("tools"), refusal("images"))
    assert memory.refused_by("b") == ()


def test_the_same_feature_is_remembered_for_each_operation_and_condition() -> None:
    memory = FeatureMemory()
    refusals = (refusal("tools"), refusal("tools", "ConverseStream"), refusal("tools", condition="any"))
    for one in refusals:
        memory.remember("a", one)
    assert memory.refused_by("a") == refusals


def test_only_the_refusals_that_are_named_are_forgotten() -> None:
    memory = FeatureMemory()
    memory.remember("a", refusal("tools"))
    memory.remember("a", refusal("images"))
    memory.forget("b", [refusal("tools")])
    memory.forget("a", [refusal("tools")])
    assert memory.refused_by("a") == (refusal("images"),)
