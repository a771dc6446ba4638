"""The request without one of its features."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from llmmanager.bedrock.invocation.feature_table import FEATURES, FeatureClass, find_feature, without_features
from llmmanager.bedrock.routing.unsupported_features import NAMED_FIELDS, UNSUPPORTED_FEATURE_RULES

TEXT = {"text": "What is this?"}
IMAGE = {"image": {"format": "png", "source": {"bytes": b"x"}}}
DOCUMENT = {"document": {"name": "notes", "format": "txt", "source": {"bytes": b"x"}}}
CITED = {"document": {**DOCUMENT["document"], "citations": {"enabled": True}}}
VIDEO = {"video": {"format": "mp4", "source": {"bytes": b"x"}}}
AUDIO = {"audio": {"format": "mp3", "source": {"bytes": b"x"}}}
GUARDED = {"guardContent": {"text": {"text": "Be brief."}}}
POINT = {"cachePoint": {"type": "default"}}
SPEC = {"name": "clock", "inputSchema": {"json": {}}}
TOOL = {"toolSpec": SPEC}
USE = {"toolUse": {"toolUseId": "t1", "name": "clock", "input": {"zone": "CET"}}}
SIGNED = {"reasoningContent": {"reasoningText": {"text": "Hm", "signature": "AAA"}}}
UNSIGNED = {"reasoningContent": {"reasoningText": {"text": "Hm"}}}
REDACTED = {"reasoningContent": {"redactedContent": b"x"}}
THINKING = {"thinking": {"type": "enabled", "budget_tokens": 1024}}


def asking(*content: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(content) or [TEXT]}], **fields}


def talking(*turns: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    """Return a conversation with alternating turns of user and assistant."""
    roles = ("user", "assistant")
    messages = [{"role": roles[turn % 2], "content": content} for turn, content in enumerate(turns)]
    return {"messages": messages, **fields}


def result(*content: dict[str, Any]) -> dict[str, Any]:
    return {"toolResult": {"toolUseId": "t1", "content": list(content)}}


def tools(*entries: dict[str, Any], **choice: Any) -> dict[str, Any]:
    return {"tools": list(entries) or [TOOL], **choice}


def content_without(feature: str, request: dict[str, Any]) -> list[dict[str, Any]]:
    return list(without_features(request, [feature])[0]["messages"][0]["content"])


@pytest.mark.parametrize(
    ("feature", "request_", "left"),
    [
        ("guardrail", asking(guardrailConfig={"x": 1}), asking()),
        ("images", asking(TEXT, IMAGE), asking(TEXT)),
        ("documents", asking(TEXT, DOCUMENT), asking(TEXT)),
        ("video", asking(TEXT, VIDEO), asking(TEXT)),
        ("audio", asking(TEXT, AUDIO), asking(TEXT)),
        ("citations", asking(TEXT, CITED), asking(TEXT, DOCUMENT)),
        (
            "images_in_assistant_messages",
            talking([TEXT, IMAGE], [TEXT, IMAGE]),
            talking([TEXT, IMAGE], [TEXT]),
        ),
        ("cache_points", asking(TEXT, POINT), asking(TEXT)),
        ("cache_points", asking(system=[TEXT, POINT]), asking(system=[TEXT])),
        ("cache_points", asking(system=[POINT]), asking()),
        ("cache_points", asking(toolConfig=tools(TOOL, POINT)), asking(toolConfig=tools())),
        (
            "cache_points",
            asking(POINT, TEXT, system=[TEXT], toolConfig=tools(TOOL, toolChoice={"any": {}})),
            asking(TEXT, system=[TEXT], toolConfig=tools(TOOL, toolChoice={"any": {}})),
        ),
        (
            "cache_points_in_tools",
            asking(TEXT, POINT, system=[TEXT, POINT], toolConfig=tools(TOOL, POINT)),
            asking(TEXT, POINT, system=[TEXT, POINT], toolConfig=tools(TOOL)),
        ),
        (
            "cache_points_in_system",
            asking(TEXT, POINT, system=[TEXT, POINT], toolConfig=tools(TOOL, POINT)),
            asking(TEXT, POINT, system=[TEXT], toolConfig=tools(TOOL, POINT)),
        ),
        (
            "cache_points_in_messages",
            asking(TEXT, POINT, system=[TEXT, POINT], toolConfig=tools(TOOL, POINT)),
            asking(TEXT, system=[TEXT, POINT], toolConfig=tools(TOOL, POINT)),
        ),
        ("tools", asking(toolConfig=tools()), asking()),
        (
            "forced_tool_choice",
            asking(toolConfig=tools(toolChoice={"any": {}})),
            asking(toolConfig=tools(toolChoice={"auto": {}})),
        ),
        (
            "forced_tool_choice",
            asking(toolConfig=tools(toolChoice={"tool": {"name": "clock"}})),
            asking(toolConfig=tools(toolChoice={"auto": {}})),
        ),
        ("tool_choice", asking(toolConfig=tools(toolChoice={"auto": {}})), asking(toolConfig=tools())),
        (
            "strict_tools",
            asking(toolConfig=tools({"toolSpec": {**SPEC, "strict": True}}, POINT)),
            asking(toolConfig=tools(TOOL, POINT)),
        ),
        ("system", asking(system=[{"text": "Be brief."}, POINT]), asking({"text": "Be brief."}, POINT, TEXT)),
        ("system", asking(system=[GUARDED]), asking(GUARDED, TEXT)),
        ("reasoning", talking([TEXT], [SIGNED, TEXT], [TEXT]), talking([TEXT], [TEXT], [TEXT])),
        (
            "reasoning_in_user_messages",
            talking([UNSIGNED, TEXT], [SIGNED, TEXT]),
            talking([TEXT], [SIGNED, TEXT]),
        ),
        (
            "reasoning_signatures",
            talking([TEXT], [SIGNED, UNSIGNED, REDACTED]),
            talking([TEXT], [UNSIGNED, UNSIGNED, REDACTED]),
        ),
        (
            "unsigned_reasoning",
            talking([TEXT], [SIGNED, UNSIGNED, REDACTED, TEXT]),
            talking([TEXT], [SIGNED, REDACTED, TEXT]),
        ),
        (
            "top_p",
            asking(inferenceConfig={"temperature": 0.1, "topP": 0.2, "maxTokens": 5}),
            asking(inferenceConfig={"temperature": 0.1, "maxTokens": 5}),
        ),
        (
            "top_p/with_temperature",
            asking(inferenceConfig={"temperature": 0.1, "topP": 0.2}),
            asking(inferenceConfig={"temperature": 0.1}),
        ),
        (
            "temperature",
            asking(inferenceConfig={"temperature": 0.1, "topP": 0.2}),
            asking(inferenceConfig={"topP": 0.2}),
        ),
        ("temperature", asking(inferenceConfig={"temperature": 0.1}), asking()),
        ("temperature", asking(additionalModelRequestFields={"temperature": 0.1}), asking()),
        ("top_k", asking(additionalModelRequestFields={"top_k": 5}), asking()),
        (
            "top_k",
            asking(inferenceConfig={"topP": 0.2}, additionalModelRequestFields={"top_k": 5, **THINKING}),
            asking(inferenceConfig={"topP": 0.2}, additionalModelRequestFields=THINKING),
        ),
        (
            "stop_sequences",
            asking(inferenceConfig={"stopSequences": ["\n", "END"], "maxTokens": 5}),
            asking(inferenceConfig={"maxTokens": 5}),
        ),
        (
            "stop_sequences/blank",
            asking(inferenceConfig={"stopSequences": ["\n", "END"]}),
            asking(inferenceConfig={"stopSequences": ["END"]}),
        ),
        ("stop_sequences/blank", asking(inferenceConfig={"stopSequences": ["\n", " "]}), asking()),
        (
            "max_tokens",
            asking(inferenceConfig={"maxTokens": 5, "topP": 0.2}),
            asking(inferenceConfig={"topP": 0.2}),
        ),
        (
            "additional_fields.thinking/type",
            asking(additionalModelRequestFields={**THINKING, "top_k": 5}),
            asking(additionalModelRequestFields={"top_k": 5}),
        ),
        (
            "additional_fields.inferenceConfig.topK",
            asking(additionalModelRequestFields={"inferenceConfig": {"topK": 20, "x": 1}, "y": 2}),
            asking(additionalModelRequestFields={"inferenceConfig": {"x": 1}, "y": 2}),
        ),
        (
            "additional_fields.inferenceConfig.topK",
            asking(additionalModelRequestFields={"inferenceConfig": {"topK": 20}}),
            asking(),
        ),
    ],
)
def test_only_the_feature_is_removed(feature: str, request_: dict[str, Any], left: dict[str, Any]) -> None:
    before = copy.deepcopy(request_)
    assert without_features(request_, [feature]) == (left, (feature,))
    assert without_features(left, [feature]) == (left, ())
    assert request_ == before


@pytest.mark.parametrize(
    ("feature", "request_"),
    [
        ("top_p/with_temperature", asking(inferenceConfig={"topP": 0.2})),
        ("top_p/with_temperature", asking(inferenceConfig={"temperature": 0.2})),
        ("temperature", asking(inferenceConfig={"maxTokens": 5}, additionalModelRequestFields={"seed": 7})),
        ("top_k", asking(additionalModelRequestFields=["top_k"])),
        ("stop_sequences/blank", asking(inferenceConfig={"stopSequences": ["END"]})),
        ("max_tokens", asking()),
        ("tools", asking()),
        ("forced_tool_choice", asking(toolConfig=tools(toolChoice={"auto": {}}))),
        ("forced_tool_choice", asking(toolConfig=tools())),
        ("system", asking()),
        ("system", {"system": [TEXT]}),
        ("images", asking(TEXT, result(TEXT))),
        ("images", {"promptVariables": {}}),
        ("images_in_tool_results", asking(IMAGE, result(TEXT))),
        ("images_in_assistant_messages", talking([IMAGE], [TEXT])),
        ("media_in_tool_results", asking(IMAGE, result(TEXT))),
        ("reasoning_signatures", talking([TEXT], [UNSIGNED])),
        ("unsigned_reasoning", talking([TEXT], [SIGNED])),
        ("cache_points", asking(system=[TEXT], toolConfig=tools())),
        ("guardrail", asking()),
        ("additional_fields.thinking.x", asking(additionalModelRequestFields={"thinking": "x"})),
        ("a feature of a later version", asking()),
    ],
)
def test_a_request_without_the_feature_is_returned_unchanged(feature: str, request_: dict[str, Any]) -> None:
    left, left_out = without_features(request_, [feature])
    assert left is request_
    assert left_out == ()


def test_an_image_in_a_tool_result_moves_after_the_results() -> None:
    request = asking(result(TEXT, IMAGE), result(TEXT), TEXT)
    first, second, text, introduction, image = content_without("images_in_tool_results", request)
    assert first["toolResult"]["content"][0] == TEXT
    assert set(first["toolResult"]["content"][1]) == {"text"}
    assert (second, text, image) == (result(TEXT), TEXT, IMAGE)
    assert "t1" in introduction["text"]


def test_rejected_moved_media_are_removed_alone() -> None:
    request = asking(result(IMAGE, DOCUMENT), TEXT, IMAGE)
    keys = ["images_in_tool_results", "documents_in_tool_results", "media_in_tool_results"]
    left, left_out = without_features(request, keys)
    inside, *beside = left["messages"][0]["content"]
    assert [set(block) for block in inside["toolResult"]["content"]] == [{"text"}, {"text"}]
    assert beside == [TEXT, IMAGE]
    assert left_out == tuple(keys)


def test_content_of_tool_results_is_found() -> None:
    request = asking(result(TEXT, IMAGE))
    assert content_without("images", request) == [result(TEXT)]
    only_image = content_without("images", asking(result(IMAGE)))[0]["toolResult"]["content"]
    assert [set(block) for block in only_image] == [{"text"}]


def test_tool_turns_become_text_and_keep_their_images_without_tools() -> None:
    request = asking(USE, result({"text": "12:00"}, {"json": {"c": 21}}, IMAGE), TEXT)
    assert content_without("tools", request) == [
        {"text": '[called clock with {"zone": "CET"}]'},
        {"text": '[tool result: 12:00 {"c": 21}]'},
        IMAGE,
        TEXT,
    ]
    assert without_features(asking(USE), ["tools"])[1] == ("tools",)
    assert without_features(asking(result(TEXT)), ["tools"])[1] == ("tools",)


def test_a_tool_turn_that_is_not_plain_json_becomes_text() -> None:
    use = {"toolUse": {"toolUseId": "t1", "name": "clock", "input": {"raw": b"x"}}}
    left = content_without("tools", asking(use, result({"json": {"raw": b"y"}})))
    assert "b'x'" in left[0]["text"]
    assert "b'y'" in left[1]["text"]


def test_the_system_prompt_moves_to_the_first_user_message() -> None:
    request = talking([TEXT], [TEXT], [TEXT], system=[{"text": "Be brief."}])
    folded = without_features(request, ["system"])[0]["messages"]
    assert [len(message["content"]) for message in folded] == [2, 1, 1]


def test_an_empty_message_gets_a_text_block() -> None:
    (block,) = content_without("images", asking(IMAGE))
    assert block["text"]


def test_several_features_are_removed_in_order() -> None:
    request = asking(TEXT, IMAGE, system=[{"text": "Hm"}], inferenceConfig={"topP": 0.5})
    left, left_out = without_features(request, ["top_p", "images", "system", "images"])
    assert left == asking({"text": "Hm"}, TEXT)
    assert left_out == ("system", "images", "top_p")


def test_a_feature_removed_with_another_is_not_reported() -> None:
    request = asking(TEXT, toolConfig=tools(TOOL, POINT, toolChoice={"any": {}}))
    keys = ["cache_points_in_tools", "forced_tool_choice", "tools"]
    assert without_features(request, keys) == (asking(TEXT), ("tools",))


@pytest.mark.parametrize("key", ["additional_fields.guardrails", "additional_fields.x.Guardrail_id"])
def test_a_guardrail_in_the_additional_fields_is_a_safety_feature(key: str) -> None:
    feature = find_feature(key)
    assert feature is not None
    assert feature.feature_class is FeatureClass.SAFETY


def test_the_features_of_error_messages_are_those_of_the_table() -> None:
    keys = {key for rule in UNSUPPORTED_FEATURE_RULES for key in rule.decision.features} - {NAMED_FIELDS}
    assert all(find_feature(key) for key in keys)
    assert set(FEATURES) <= keys
