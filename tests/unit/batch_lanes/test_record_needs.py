"""Which records can run in a managed batch job, and which in the flex tier."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llmmanager.batch_lanes.record_needs import flex_obstacle, managed_obstacle
from llmmanager.json_format.codec import decode_record, encode_record

TEXT = {"text": "Hello"}
TOOL = {"toolSpec": {"name": "search", "inputSchema": {"json": {"type": "object"}}}}


def model_input(*blocks: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [TEXT, *blocks]}], **fields}


PLAIN = model_input(
    {"image": {"format": "png", "source": {"bytes": "aGVsbG8="}}},
    system=[TEXT],
    inferenceConfig={"maxTokens": 10, "temperature": 0.5},
    additionalModelRequestFields={"top_k": 5, "serviceTier": "of the model, not of Bedrock"},
    additionalModelResponseFieldPaths=["/stop_sequence"],
    requestMetadata={"cachePoint": "a free text"},
    priority=3,
    toolConfig=None,
)


@pytest.mark.parametrize(
    ("request_", "obstacle"),
    [
        (PLAIN, None),
        (model_input(toolConfig={"tools": [TOOL]}), "toolConfig"),
        (model_input(outputConfig={"effort": "low"}), "outputConfig"),
        (
            model_input(guardrailConfig={"guardrailIdentifier": "a", "guardrailVersion": "1"}),
            "guardrailConfig",
        ),
        (model_input({"guardContent": {"text": TEXT}}), "guardContent"),
        (model_input({"cachePoint": {"type": "default"}}), "cachePoint"),
        (model_input(system=[TEXT, {"cachePoint": {"type": "default"}}]), "cachePoint"),
        (model_input(promptCache="auto"), "promptCache"),
        (
            model_input(
                {"document": {"name": "a", "format": "pdf", "source": {"s3Location": {"uri": "s3://a/b"}}}}
            ),
            "s3Location",
        ),
        (model_input({"toolResult": {"toolUseId": "a", "content": [TEXT]}}), "toolResult"),
        (model_input(serviceTier={"type": "default"}), "serviceTier"),
        (model_input(performanceConfig={"latency": "optimized"}), "performanceConfig"),
        (model_input(promptVariables={"name": {"text": "Ada"}}), "promptVariables"),
        (model_input(extraRequestFields={"newField": 1}), "extraRequestFields"),
        (model_input(fieldOfALaterVersion={}), "fieldOfALaterVersion"),
        ({"promptVariables": None}, "messages"),
    ],
)
def test_a_record_is_kept_out_of_jobs_by_the_first_thing_that_they_do_not_support(
    request_: dict[str, Any], obstacle: str | None
) -> None:
    assert managed_obstacle(request_) == obstacle


@pytest.mark.parametrize(
    ("request_", "obstacle"),
    [
        (PLAIN, None),
        (model_input(toolConfig={"tools": [TOOL]}, promptCache="auto"), None),
        (model_input(serviceTier={"type": "priority"}), "serviceTier"),
        (model_input(performanceConfig={"latency": "optimized"}), "performanceConfig"),
        (model_input(extraRequestFields={"serviceTier": {"type": "flex"}}), "serviceTier"),
        (model_input(extraRequestFields={"newField": 1}), None),
    ],
)
def test_only_a_service_tier_or_latency_of_its_own_keeps_a_record_out_of_the_flex_tier(
    request_: dict[str, Any], obstacle: str | None
) -> None:
    assert flex_obstacle(request_) == obstacle


def test_a_line_of_a_shard_and_the_record_that_it_came_from_have_the_same_obstacles() -> None:
    record = {"recordId": "a", "modelInput": PLAIN}
    line = json.loads(json.dumps(encode_record(decode_record(record, default_id="b"))))["modelInput"]
    assert managed_obstacle(line) is managed_obstacle(PLAIN) is None
