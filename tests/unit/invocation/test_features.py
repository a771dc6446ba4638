"""What is left of a request without one of its features."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from llmmanager.bedrock.invocation.features import FeatureMemory, first_held, holds, without

TEXT = {"text": "What is this?"}
IMAGE = {"image": {"format": "png", "source": {"bytes": b"x"}}}
DOCUMENT = {"document": {"name": "notes", "format": "txt", "source": {"bytes": b"x"}}}
GUARDED = {"guardContent": {"text": {"text": "Be brief."}}}
POINT = {"cachePoint": {"type": "default"}}
TOOL = {"toolSpec": {"name": "clock", "inputSchema": {"json": {}}}}


def asking(*content: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(content) or [TEXT]}], **fields}


def result(*content: dict[str, Any]) -> dict[str, Any]:
    return {"toolResult": {"toolUseId": "t1", "content": list(content)}}


def content_without(feature: str, request: dict[str, Any]) -> list[dict[str, Any]]:
    return list(without(request, [feature])["messages"][0]["content"])


@pytest.mark.parametrize(
    ("feature", "request_", "left"),
    [
        ("guardrail", asking(guardrailConfig={"x": 1}), asking()),
        ("additional_fields", asking(additionalModelRequestFields={"x": 1}), asking()),
        ("images", asking(TEXT, IMAGE), asking(TEXT)),
        ("documents", asking(TEXT, DOCUMENT), asking(TEXT)),
        ("cache_points", asking(TEXT, POINT), asking(TEXT)),
        ("cache_points", asking(system=[TEXT, POINT]), asking(system=[TEXT])),
        ("cache_points", asking(system=[POINT]), asking()),
        ("cache_points", asking(toolConfig={"tools": [TOOL, POINT]}), asking(toolConfig={"tools": [TOOL]})),
        (
            "cache_points",
            asking(POINT, TEXT, system=[TEXT], toolConfig={"tools": [TOOL], "toolChoice": {"any": {}}}),
            asking(TEXT, system=[TEXT], toolConfig={"tools": [TOOL], "toolChoice": {"any": {}}}),
        ),
        ("tools", asking(toolConfig={"tools": [TOOL]}), asking()),
        ("system", asking(system=[{"text": "Be brief."}, POINT]), asking({"text": "Be brief."}, TEXT)),
        ("system", asking(system=[GUARDED, POINT]), asking(GUARDED, TEXT)),
        (
            "top_p",
            asking(inferenceConfig={"temperature": 0.1, "topP": 0.2, "maxTokens": 5}),
            asking(inferenceConfig={"temperature": 0.1, "maxTokens": 5}),
        ),
        ("sampling", asking(inferenceConfig={"temperature": 0.1, "topP": 0.2}), asking()),
        (
            "sampling",
            asking(inferenceConfig={"topP": 0.2, "maxTokens": 5}),
            asking(inferenceConfig={"maxTokens": 5}),
        ),
        ("sampling", asking(inferenceConfig={"temperature": 0.1}), asking()),
        ("sampling", asking(additionalModelRequestFields={"top_k": 5}), asking()),
        (
            "sampling",
            asking(
                inferenceConfig={"maxTokens": 5, "topP": 0.2},
                additionalModelRequestFields={"top_k": 5, "thinking": {"type": "enabled"}},
            ),
            asking(
                inferenceConfig={"maxTokens": 5},
                additionalModelRequestFields={"thinking": {"type": "enabled"}},
            ),
        ),
        (
            "max_tokens",
            asking(inferenceConfig={"maxTokens": 5, "topP": 0.2}),
            asking(inferenceConfig={"topP": 0.2}),
        ),
    ],
)
def test_only_the_feature_is_gone(feature: str, request_: dict[str, Any], left: dict[str, Any]) -> None:
    before = copy.deepcopy(request_)
    assert holds(request_, feature)
    assert without(request_, [feature]) == left
    assert not holds(left, feature)
    assert request_ == before


@pytest.mark.parametrize(
    ("feature", "request_"),
    [
        ("top_p", asking(inferenceConfig={"topP": 0.2})),
        ("top_p", asking(inferenceConfig={"temperature": 0.2})),
        ("sampling", asking(inferenceConfig={"maxTokens": 5}, additionalModelRequestFields={"seed": 7})),
        ("max_tokens", asking()),
        ("tools", asking()),
        ("system", asking()),
        ("images", asking(TEXT, result(TEXT))),
        ("cache_points", asking(system=[TEXT], toolConfig={"tools": [TOOL]})),
        ("guardrail", asking()),
    ],
)
def test_a_request_without_the_feature_stays_the_same_object(feature: str, request_: dict[str, Any]) -> None:
    assert not holds(request_, feature)
    assert without(request_, [feature]) is request_


def test_what_a_tool_brought_counts_too() -> None:
    request = asking(result(TEXT, IMAGE))
    assert holds(request, "images")
    assert content_without("images", request) == [result(TEXT)]
    only_image = content_without("images", asking(result(IMAGE)))[0]["toolResult"]["content"]
    assert [set(block) for block in only_image] == [{"text"}]


def test_without_tools_their_turns_say_as_text_what_happened() -> None:
    use = {"toolUse": {"toolUseId": "t1", "name": "clock", "input": {"zone": "CET"}}}
    request = asking(use, result({"text": "12:00"}, {"json": {"c": 21}}, IMAGE), TEXT)
    assert holds(request, "tools")
    called, answered, rest = content_without("tools", request)
    assert called == {"text": '[called clock with {"zone": "CET"}]'}
    assert answered["text"].startswith('[tool result: 12:00 {"c": 21} ')
    assert "omitted" in answered["text"]
    assert rest == TEXT
    assert holds(asking(use), "tools")
    assert holds(asking(result(TEXT)), "tools")


def test_a_tool_turn_that_is_not_plain_json_is_told_all_the_same() -> None:
    use = {"toolUse": {"toolUseId": "t1", "name": "clock", "input": {"raw": b"x"}}}
    told = content_without("tools", asking(use, result({"json": {"raw": b"y"}})))
    assert "b'x'" in told[0]["text"]
    assert "b'y'" in told[1]["text"]


def test_the_system_prompt_comes_before_the_first_message_only() -> None:
    request = asking(TEXT, system=[{"text": "Be brief."}])
    request["messages"] += [{"role": "assistant", "content": [TEXT]}, {"role": "user", "content": [TEXT]}]
    folded = without(request, ["system"])["messages"]
    assert [len(message["content"]) for message in folded] == [2, 1, 1]


def test_several_features_go_one_after_the_other() -> None:
    request = asking(TEXT, IMAGE, system=[{"text": "Hm"}], guardrailConfig={"x": 1})
    assert without(request, ["system", "images", "guardrail"]) == asking({"text": "Hm"}, TEXT)


def test_the_first_feature_that_is_there_is_the_one_to_drop() -> None:
    request = asking(TEXT, IMAGE, guardrailConfig={"x": 1})
    assert first_held(request, ("tools", "images", "guardrail")) == "images"
    assert first_held(request, ("never heard of", "guardrail")) == "guardrail"
    assert first_held(request, ("tools",)) is None


def test_refused_features_are_remembered_in_order_and_once_and_for_their_model() -> None:
    memory = FeatureMemory()
    for feature in ("tools", "images", "tools"):
        memory.remember("a", feature)
    assert memory.refused_by("a") == ("tools", "images")
    assert memory.refused_by("b") == ()
    memory.forget("b")
    memory.forget("a")
    assert memory.refused_by("a") == ()


@pytest.mark.parametrize("feature", ["max_tokens", "additional_fields"])
def test_a_refused_value_is_not_remembered(feature: str) -> None:
    memory = FeatureMemory()
    memory.remember("a", feature)
    assert memory.refused_by("a") == ()
