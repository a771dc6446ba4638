"""The typed accessors of a response read an answer with every kind of content."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from llmmanager import BedrockResponse, RequestAttempt
from llmmanager.bedrock.models.answer_parts import (
    CacheDetail,
    Citation,
    ReasoningContent,
    ResponseContentType,
    ToolUse,
    get_block_type,
)
from llmmanager.bedrock.models.stop_reasons import StopReasonCategory, StopReasonClassifier, StopReasonEnum
from llmmanager.bedrock.validation.request_validation import validate_request

REASONING = {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "AAA"}}}
IMAGE = {"image": {"format": "png", "source": {"bytes": b"png"}}}
CALL = {"toolUse": {"toolUseId": "t1", "name": "get_weather", "input": {"city": "Lima"}}}
LOCATION = {"documentPage": {"documentIndex": 0, "start": 1, "end": 2}}
CITED = {
    "citationsContent": {
        "content": [{"text": "It is warm."}],
        "citations": [
            {"title": "Report", "source": "r", "sourceContent": [{"text": "19 °C"}], "location": LOCATION},
            {"title": "Other"},
        ],
    }
}
HOLOGRAM = {"hologram": {"depth": 3}}
BLOCKS = [REASONING, {"text": "Look."}, IMAGE, CALL, CITED, HOLOGRAM]
USAGE = {
    "inputTokens": 100,
    "outputTokens": 10,
    "totalTokens": 510,
    "cacheReadInputTokens": 300,
    "cacheWriteInputTokens": 100,
    "cacheDetails": [{"inputTokens": 100, "ttl": "1h"}, "odd"],
}


def answered(*blocks: Any, **members: Any) -> BedrockResponse:
    message = {"role": "assistant", "content": list(blocks)}
    return BedrockResponse(True, {"output": {"message": message}, **members}, "amazon.nova-lite-v1:0")


def test_the_parts_of_an_answer_are_read_with_their_types() -> None:
    response = answered(*BLOCKS)
    assert response.get_text_blocks() == ["Look."]
    assert response.get_image_blocks() == [IMAGE["image"]]
    assert response.has_tool_use()
    assert response.get_tool_uses() == [ToolUse("t1", "get_weather", {"city": "Lima"})]
    assert response.get_reasoning() == ReasoningContent("Hm.", "AAA")
    assert response.get_citations() == [
        Citation("Report", "r", ("19 °C",), LOCATION),
        Citation("Other"),
    ]


@pytest.mark.parametrize(
    ("content_type", "found"),
    [
        (ResponseContentType.TOOL_USE, [CALL]),
        ("toolUse", [CALL]),
        ("hologram", [HOLOGRAM]),
        (ResponseContentType.UNKNOWN, [HOLOGRAM]),
        ("video", []),
    ],
)
def test_blocks_are_found_by_their_type(content_type: str, found: list[Any]) -> None:
    assert answered(*BLOCKS).get_content_blocks_by_type(content_type) == found


def test_the_type_of_a_block_is_its_member() -> None:
    assert [get_block_type(block).value for block in BLOCKS] == [
        *("reasoningContent", "text", "image", "toolUse", "citationsContent", "unknown")
    ]
    assert get_block_type("odd") is ResponseContentType.UNKNOWN


def test_the_message_can_be_sent_back() -> None:
    message = answered(REASONING, {"text": "Look."}).get_message()
    question = {"role": "user", "content": [{"text": "What?"}]}
    assert validate_request({"messages": [question, message, question]}) == []
    assert BedrockResponse(False).get_message() is None


@pytest.mark.parametrize(
    "block",
    [
        REASONING,
        {"reasoningContent": {"reasoningText": {"text": "Hm."}}},
        {"reasoningContent": {"redactedContent": b"secret"}},
    ],
)
def test_reasoning_returns_to_the_block_that_it_came_from(block: dict[str, Any]) -> None:
    reasoning = answered(block).get_reasoning()
    assert reasoning is not None
    assert reasoning.to_content_block() == block


def test_reasoning_without_content_has_no_block() -> None:
    with pytest.raises(ValueError, match="must have text or redacted_content"):
        ReasoningContent().to_content_block()


@pytest.mark.parametrize(
    ("text", "value"), [('{"a": 1}', {"a": 1}), ("[1]", [1]), ("7", None), ("No.", None), ("", None)]
)
def test_structured_output_is_a_json_object_or_array(text: str, value: Any) -> None:
    assert answered({"text": text}).get_structured_output() == value


def test_tokens_are_counts_and_zero_without_usage() -> None:
    response = answered(usage=USAGE)
    assert (response.get_input_tokens(), response.get_output_tokens()) == (100, 10)
    assert (response.get_total_tokens(), response.get_cache_read_tokens()) == (510, 300)
    assert response.get_cache_write_tokens() == 100
    assert response.get_cache_details() == [CacheDetail(100, "1h")]
    assert response.get_cached_tokens_info() == {
        "cache_read_tokens": 300,
        "cache_write_tokens": 100,
        "cache_hit": True,
        "cache_write": True,
    }
    empty = BedrockResponse(success=False)
    assert empty.get_input_tokens() == empty.get_cache_read_tokens() == empty.get_total_tokens() == 0
    assert empty.get_cached_tokens_info() is empty.get_cache_efficiency() is None


def test_the_savings_of_the_cache_are_the_difference_of_two_prices() -> None:
    read = answered(usage={"inputTokens": 0, "outputTokens": 5, "cacheReadInputTokens": 1_000_000})
    found = read.get_cache_efficiency()
    assert found is not None
    # Nova Lite: 0.06 USD per million input tokens, 0.015 USD read from the cache.
    assert found["cache_savings_usd"] == pytest.approx(0.06 - 0.015)
    assert (found["cache_hit_ratio"], found["cache_read_tokens"]) == (1.0, 1_000_000)
    written = answered(usage=USAGE).get_cache_efficiency()
    assert written is not None
    assert written["cache_hit_ratio"] == 0.6
    unknown = BedrockResponse(True, {"usage": USAGE}).get_cache_efficiency()
    assert unknown is not None
    assert unknown["cache_savings_usd"] is None


def test_every_stop_reason_of_the_service_has_a_category() -> None:
    categories = {reason.value: StopReasonClassifier.categorize(reason).value for reason in StopReasonEnum}
    assert categories == {
        "end_turn": "terminal",
        "tool_use": "terminal",
        "max_tokens": "terminal",
        "stop_sequence": "terminal",
        "guardrail_intervened": "retry_different_target",
        "content_filtered": "retry_different_target",
        "model_context_window_exceeded": "retry_different_target",
        "malformed_model_output": "retryable",
        "malformed_tool_use": "retryable",
    }
    assert answered(stopReason="malformed_tool_use").get_stop_reason_category() == "retryable"
    assert answered(stopReason="new").get_stop_reason_category() is StopReasonCategory.UNKNOWN
    assert answered().get_stop_reason_category() is StopReasonCategory.UNKNOWN


def test_settings_that_bedrock_reports_are_returned() -> None:
    trace = {"actionReason": "No action."}
    response = answered(
        additionalModelResponseFields={"stop_sequence": "x"},
        performanceConfig={"latency": "standard"},
        serviceTier={"type": "flex"},
        trace={"guardrail": trace},
    )
    assert response.get_additional_model_response_fields() == {"stop_sequence": "x"}
    assert response.get_performance_config() == {"latency": "standard"}
    assert response.get_service_tier() == {"type": "flex"}
    assert response.get_guardrail_trace() == trace
    assert answered().get_service_tier() is answered().get_guardrail_trace() is None


def test_the_attempt_that_answered_and_its_access_are_returned() -> None:
    now = datetime(2026, 12, 1, tzinfo=UTC)
    failed = RequestAttempt("m", "r", None, 1, now, now, success=False)
    good = RequestAttempt("m", "r", "global_profile", 2, now, now, success=True)
    response = BedrockResponse(
        True, access_method="global_profile", inference_profile_id="global.m", attempts=[failed, good]
    )
    assert response.was_successful()
    assert response.was_profile_used()
    assert (response.get_attempt_count(), response.get_successful_attempt()) == (2, good)
    assert (response.get_access_method(), response.get_profile_id()) == ("global_profile", "global.m")
    assert BedrockResponse(False, attempts=[failed]).get_successful_attempt() is None
    assert not BedrockResponse(False).was_profile_used()


@pytest.mark.parametrize(
    ("success", "errors", "count", "valid"), [(True, 2, 3, 3), (False, 2, 2, None), (True, 0, 0, None)]
)
def test_validations_are_counted(success: bool, errors: int, count: int, valid: int | None) -> None:
    found = [{"error_message": f"no {number}"} for number in range(errors)]
    response = BedrockResponse(success, validation_errors=found)
    assert response.get_validation_attempt_count() == count
    assert response.get_last_validation_error() == (found[-1] if found else None)
    metrics = response.get_validation_metrics()
    assert metrics.pop("successful_validation_attempt", None) == valid
    assert metrics == {
        "validation_attempts": count,
        "validation_errors": errors,
        "had_validation_failures": errors > 0,
    }
