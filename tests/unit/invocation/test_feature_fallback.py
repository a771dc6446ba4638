"""FeatureFallback: removed and remembered features of one call."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmmanager.bedrock.invocation.feature_fallback import FeatureFallback
from llmmanager.bedrock.invocation.feature_memory import FeatureMemory
from llmmanager.bedrock.invocation.feature_table import FEATURES, FeatureClass, find_feature
from llmmanager.bedrock.transport.converse_api import encode

POINT = {"cachePoint": {"type": "default"}}
IMAGE = {"image": {"format": "png", "source": {"bytes": b"x"}}}
USE = {"toolUse": {"toolUseId": "t1", "name": "clock", "input": {}}}
REQUEST: dict[str, Any] = {
    "messages": [
        {"role": "user", "content": [{"text": "What is this?"}, IMAGE, POINT]},
        {
            "role": "assistant",
            "content": [{"reasoningContent": {"reasoningText": {"text": "Hm", "signature": "AAA"}}}, USE],
        },
        {
            "role": "user",
            "content": [{"toolResult": {"toolUseId": "t1", "content": [IMAGE, {"text": "12"}]}}],
        },
    ],
    "system": [{"text": "Be brief."}, POINT],
    "toolConfig": {
        "tools": [{"toolSpec": {"name": "clock", "inputSchema": {"json": {}}, "strict": True}}, POINT],
        "toolChoice": {"any": {}},
    },
    "guardrailConfig": {"guardrailIdentifier": "abc", "guardrailVersion": "1"},
    "inferenceConfig": {"temperature": 0.5, "topP": 0.5, "stopSequences": ["\n", "END"], "maxTokens": 9},
    "additionalModelRequestFields": {"top_k": 5, "guardrails": {"id": "abc"}},
}
KEYS = [*FEATURES, "additional_fields.top_k", "additional_fields.guardrails", "additional_fields.none"]
MODELS = ["a", "b"]


def fallback(
    memory: FeatureMemory | None = None,
    request: dict[str, Any] = REQUEST,
    *,
    operation: str = "Converse",
    enabled: bool = True,
) -> FeatureFallback:
    return FeatureFallback(memory or FeatureMemory(), request, operation=operation, enabled=enabled)


def sent(to_send: FeatureFallback, model: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(to_send.body(model))
    return body


def contained(body: dict[str, Any]) -> set[str]:
    """Return the features of the table that a body contains."""
    return {key for key in KEYS if (feature := find_feature(key)) is not None and feature.is_in(body)}


rejections = st.lists(st.tuples(st.sampled_from(MODELS), st.sampled_from(KEYS)), max_size=15)


@given(rejections)
def test_only_rejected_features_are_removed_and_the_guardrail_never(
    rejected: list[tuple[str, str]],
) -> None:
    before = copy.deepcopy(REQUEST)
    call = fallback()
    for model, key in rejected:
        call.feature_rejected(model, [key])
    for model in MODELS:
        keys = {key for name, key in rejected if name == model}
        body = sent(call, model)
        lost = contained(json.loads(encode(REQUEST))) - contained(body)
        for key in lost - keys:
            # Otherwise, only parts of a rejected feature are removed.
            assert _parts_of(keys) & {key}, (lost, keys)
        assert body["guardrailConfig"] == REQUEST["guardrailConfig"]
        assert body["additionalModelRequestFields"]["guardrails"] == {"id": "abc"}
        assert all(message["content"] for message in body["messages"])
    assert before == REQUEST


def _parts_of(keys: set[str]) -> set[str]:
    """Return the features that are removed together with the features of these keys."""
    parts = {
        "tools": {"forced_tool_choice", "tool_choice", "cache_points_in_tools", "strict_tools"},
        "system": {"cache_points_in_system"},
        "images": {"images_in_tool_results"},
        "reasoning": {"reasoning/invalid_signature", "reasoning_signatures"},
        "reasoning/invalid_signature": {"reasoning", "reasoning_signatures"},
        "cache_points": {"cache_points_in_tools", "cache_points_in_system", "cache_points_in_messages"},
        "temperature": {"top_p/with_temperature"},
        "top_p": {"top_p/with_temperature"},
        "top_p/with_temperature": {"top_p"},
        "top_k": {"additional_fields.top_k"},
        "additional_fields.top_k": {"top_k"},
        "stop_sequences": {"stop_sequences/blank"},
        "tool_choice": {"forced_tool_choice"},
    }
    found = {part for key in keys for part in parts.get(key, ())}
    # Without tools there are no tool results. Removing the cache points of all places removes every one.
    found |= {"images_in_tool_results"} if "tools" in keys else set()
    places = {"cache_points_in_tools", "cache_points_in_system", "cache_points_in_messages"}
    found |= {"cache_points"} if len((keys | found) & places) == len(places) else set()
    return found


@given(rejections)
def test_the_next_call_with_the_same_condition_starts_without_the_feature(
    rejected: list[tuple[str, str]],
) -> None:
    memory = FeatureMemory()
    first = fallback(memory)
    for model, key in rejected:
        first.feature_rejected(model, [key])
    for model in MODELS:
        first.answered(model)
    kept = {key for _, key in rejected if (feature := find_feature(key)) and not feature.is_remembered}
    for model in MODELS:
        again = fallback(memory)
        if not kept:
            assert sent(again, model) == sent(first, model)
        assert sent(fallback(memory, operation="ConverseStream"), model) == json.loads(encode(REQUEST))
        assert sent(fallback(memory, enabled=False), model) == json.loads(encode(REQUEST))


@pytest.mark.parametrize("key", [key for key in KEYS if "guardrail" in key])
def test_a_guardrail_is_not_removed(key: str) -> None:
    call = fallback()
    assert call.feature_rejected("a", [key, "tools"]) is None
    assert call.left_out("a") == ()


def test_the_first_feature_in_the_request_is_removed() -> None:
    call = fallback()
    keys = ["documents", "a feature of a later version", "images", "tools"]
    assert call.feature_rejected("a", keys) is FeatureClass.CONTENT
    assert call.left_out("a") == ("images",)
    assert call.feature_rejected("a", ["documents"]) is None


def test_content_is_remembered_at_once_and_tuning_after_an_answer() -> None:
    memory = FeatureMemory()
    call = fallback(memory)
    call.feature_rejected("a", ["tools"])
    call.feature_rejected("a", ["temperature"])
    assert fallback(memory).left_out("a") == ("tools",)
    call.answered("a")
    assert fallback(memory).left_out("a") == ("tools", "temperature")


def test_features_added_by_concurrent_calls_are_not_reported() -> None:
    memory = FeatureMemory()
    call = fallback(memory)
    assert call.left_out("a") == ()
    fallback(memory).feature_rejected("a", ["tools"])
    assert call.left_out("a") == ()


def test_only_removed_content_counts() -> None:
    call = fallback()
    for key in ("images", "reasoning", "temperature"):
        call.feature_rejected("a", [key])
    assert (call.content_left_out("a"), call.content_left_out("b")) == (2, 0)


def test_restored_features_are_sent_again_and_removed_from_the_memory() -> None:
    memory = FeatureMemory()
    fallback(memory).feature_rejected("a", ["images"])
    call = fallback(memory)
    assert call.restore("a")
    assert not call.restore("a")
    assert sent(call, "a") == json.loads(encode(REQUEST))
    assert fallback(memory).left_out("a") == ()


def test_a_replaced_request_is_sent_without_the_same_features() -> None:
    call = fallback()
    call.feature_rejected("a", ["stop_sequences"])
    call.replace_request({"messages": [], "inferenceConfig": {"stopSequences": ["X"], "maxTokens": 3}})
    assert sent(call, "a") == {"messages": [], "inferenceConfig": {"maxTokens": 3}}
