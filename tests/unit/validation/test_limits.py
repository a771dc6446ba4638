"""A limit is the last accepted value."""

from __future__ import annotations

from typing import Any

import pytest

from llmmanager.bedrock.validation.request_validation import validate_request


def request(**fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [{"text": "Why?"}]}], **fields}


def tool(name: str) -> dict[str, Any]:
    return {"tools": [{"toolSpec": {"name": name, "inputSchema": {"json": {"type": "object"}}}}]}


@pytest.mark.parametrize(
    ("within", "beyond"),
    [
        (
            {"inferenceConfig": {"stopSequences": ["x"] * 2500}},
            {"inferenceConfig": {"stopSequences": ["x"] * 2501}},
        ),
        ({"inferenceConfig": {"temperature": 1}}, {"inferenceConfig": {"temperature": 1.01}}),
        ({"inferenceConfig": {"temperature": 0}}, {"inferenceConfig": {"temperature": -0.01}}),
        (
            {"additionalModelResponseFieldPaths": ["/a"] * 10},
            {"additionalModelResponseFieldPaths": ["/a"] * 11},
        ),
        (
            {"additionalModelResponseFieldPaths": ["/" + "a" * 255]},
            {"additionalModelResponseFieldPaths": ["/" + "a" * 256]},
        ),
        (
            {"additionalModelRequestFields": {"n": 2**1024 - 1}},
            {"additionalModelRequestFields": {"n": 2**1024}},
        ),
        ({"toolConfig": tool("t" * 64)}, {"toolConfig": tool("t" * 65)}),
    ],
)
def test_a_limit_is_accepted_and_a_larger_value_is_rejected(
    within: dict[str, Any], beyond: dict[str, Any]
) -> None:
    assert validate_request(request(**within)) == []
    assert len(validate_request(request(**beyond))) == 1


@pytest.mark.parametrize("members", [{"type": "default", "ttl": "2h"}, {"type": "persistent"}])
def test_a_new_cache_type_is_accepted(members: dict[str, str]) -> None:
    point = {"cachePoint": members}
    assert validate_request(request(system=[{"text": "Be brief."}, point])) == []


def test_the_stream_mode_is_accepted_for_streams_only() -> None:
    guardrail = {"guardrailIdentifier": "abc", "guardrailVersion": "1", "streamProcessingMode": "sync"}
    assert len(validate_request(request(guardrailConfig=guardrail))) == 1
    assert validate_request(request(guardrailConfig=guardrail), stream=True) == []


def test_a_long_value_is_not_repeated_in_full() -> None:
    (problem,) = validate_request({"messages": [{"role": "x" * 5000, "content": [{"text": "Why?"}]}]})
    assert len(problem) < 200
    assert "x" * 40 + "..." in problem


def test_at_most_a_thousand_problems_are_listed() -> None:
    invalid = [{"text": 3}] * 1500
    problems = validate_request({"messages": [{"role": "user", "content": invalid}]})
    assert len(problems) == 1001
    assert "1000" in problems[-1]


def test_a_long_number_is_described_by_its_type() -> None:
    (short,) = validate_request(request(inferenceConfig={"maxTokens": -3}))
    (long,) = validate_request(request(inferenceConfig={"maxTokens": -(2**5000)}))
    assert "(got -3)" in short
    assert "(got int)" in long
