"""FeatureMemory: unsupported features by model and condition."""

from __future__ import annotations

from llmmanager.bedrock.invocation.feature_memory import FeatureMemory, UnsupportedFeature


def refusal(feature: str, operation: str = "Converse", condition: object = None) -> UnsupportedFeature:
    return UnsupportedFeature(operation, feature, condition)  # type: ignore[arg-type]


def test_features_are_stored_once_in_order_for_their_model() -> None:
    memory = FeatureMemory()
    for feature in ("tools", "images", "tools"):
        memory.add("a", refusal(feature))
    assert memory.unsupported_by("a") == (refusal("tools"), refusal("images"))
    assert memory.unsupported_by("b") == ()


def test_the_same_feature_is_remembered_for_each_operation_and_condition() -> None:
    memory = FeatureMemory()
    refusals = (refusal("tools"), refusal("tools", "ConverseStream"), refusal("tools", condition="any"))
    for one in refusals:
        memory.add("a", one)
    assert memory.unsupported_by("a") == refusals


def test_only_the_given_features_are_removed() -> None:
    memory = FeatureMemory()
    memory.add("a", refusal("tools"))
    memory.add("a", refusal("images"))
    memory.remove("b", [refusal("tools")])
    memory.remove("a", [refusal("tools")])
    assert memory.unsupported_by("a") == (refusal("images"),)
