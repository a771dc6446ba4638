"""FeatureMemory: unsupported features by model and condition."""

from __future__ import annotations

from llmmanager.bedrock.invocation.feature_memory import FeatureMemory, UnsupportedFeature


def unsupported(feature: str, operation: str = "Converse", condition: object = None) -> UnsupportedFeature:
    return UnsupportedFeature(operation, feature, condition)  # type: ignore[arg-type]


def test_features_are_stored_once_in_order_for_their_model() -> None:
    memory = FeatureMemory()
    for feature in ("tools", "images", "tools"):
        memory.add("a", unsupported(feature))
    assert memory.unsupported_by("a") == (unsupported("tools"), unsupported("images"))
    assert memory.unsupported_by("b") == ()


def test_the_same_feature_is_remembered_for_each_operation_and_condition() -> None:
    memory = FeatureMemory()
    features = (
        unsupported("tools"),
        unsupported("tools", "ConverseStream"),
        unsupported("tools", condition="any"),
    )
    for one in features:
        memory.add("a", one)
    assert memory.unsupported_by("a") == features


def test_only_the_given_features_are_removed() -> None:
    memory = FeatureMemory()
    memory.add("a", unsupported("tools"))
    memory.add("a", unsupported("images"))
    memory.remove("b", [unsupported("tools")])
    memory.remove("a", [unsupported("tools")])
    assert memory.unsupported_by("a") == (unsupported("images"),)
