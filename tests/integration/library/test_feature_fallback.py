"""One refused feature is dropped, told, and remembered for that model alone."""

from __future__ import annotations

from typing import Any

import pytest

from llmmanager import RetryExhaustedError
from llmmanager.testing import FakeBedrock, Fault

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 32
TOOLS = {"tools": [{"toolSpec": {"name": "clock", "inputSchema": {"json": {"type": "object"}}}}]}
TEXT = {"text": "What do you see?"}
IMAGE = {"image": {"format": "png", "source": {"bytes": PNG}}}
DOCUMENT = {"document": {"name": "notes", "format": "txt", "source": {"bytes": b"notes"}}}
CACHE_POINT = {"cachePoint": {"type": "default"}}


def refuse(bedrock: FakeBedrock, message: str, count: int | None = 1, model: str = "") -> None:
    bedrock.add_fault(Fault(error="ValidationException", message=message, count=count, model=model))


@pytest.mark.parametrize(
    ("message", "feature", "arguments", "gone"),
    [
        ("This model doesn't support tool use.", "tools", {"tool_config": TOOLS}, "toolConfig"),
        ("This model doesn't support system messages.", "system", {"system": [{"text": "Hm"}]}, "system"),
        ("This model doesn't support the image content block", "images", {"content": [TEXT, IMAGE]}, "image"),
        ("This model doesn't support documents.", "documents", {"content": [TEXT, DOCUMENT]}, "document"),
        (
            "This model doesn't support guardrails.",
            "guardrail",
            {"guardrail_config": {"guardrailIdentifier": "abc123", "guardrailVersion": "1"}},
            "guardrailConfig",
        ),
        (
            "You invoked an unsupported model or your request did not allow prompt caching.",
            "cache_points",
            {"content": [TEXT, CACHE_POINT]},
            "cachePoint",
        ),
        (
            "The model returned: `temperature` and `top_p` cannot both be specified for this model.",
            "top_p",
            {"inference_config": {"temperature": 0.5, "topP": 0.5}},
            "topP",
        ),
        (
            "`temperature` is deprecated for this model.",
            "sampling",
            {"inference_config": {"temperature": 0.5}},
            "temperature",
        ),
        (
            "The maximum tokens you requested exceeds the model limit of 10.",
            "max_tokens",
            {"inference_config": {"maxTokens": 99}},
            "maxTokens",
        ),
        (
            "Malformed input request: #: extraneous key [top_k] is not permitted",
            "additional_fields",
            {"additional_model_request_fields": {"top_k": 5}},
            "additionalModelRequestFields",
        ),
    ],
)
def test_the_refused_feature_is_dropped_and_told(
    fake_bedrock: FakeBedrock,
    make_manager,
    message: str,
    feature: str,
    arguments: dict[str, Any],
    gone: str,
) -> None:
    refuse(fake_bedrock, message)
    arguments = dict(arguments)
    content = arguments.pop("content", [TEXT])
    response = make_manager().converse([{"role": "user", "content": content}], **arguments)
    first, second = fake_bedrock.calls
    assert response.success
    assert response.features_disabled == [feature]
    assert any(feature in warning for warning in response.get_warnings())
    assert response.attempts[0].decision == "drop_feature"
    assert gone in str(first.body)
    assert gone not in str(second.body).replace(message, "")
    assert (first.invoked_id, first.region) == (second.invoked_id, second.region)


def test_the_system_prompt_is_folded_into_the_first_message(fake_bedrock: FakeBedrock, make_manager) -> None:
    refuse(fake_bedrock, "This model doesn't support system messages.")
    make_manager().converse([{"role": "user", "content": [TEXT]}], system=[{"text": "Answer in French."}])
    assert fake_bedrock.calls[1].body["messages"][0]["content"] == [{"text": "Answer in French."}, TEXT]


def test_tool_turns_stay_as_text_without_tools(fake_bedrock: FakeBedrock, make_manager) -> None:
    refuse(fake_bedrock, "This model doesn't support tool use.")
    use = {"toolUse": {"toolUseId": "t1", "name": "clock", "input": {"zone": "CET"}}}
    result = {"toolResult": {"toolUseId": "t1", "content": [{"text": "12:00"}]}}
    make_manager().converse(
        [
            {"role": "user", "content": [{"text": "What time is it?"}]},
            {"role": "assistant", "content": [use]},
            {"role": "user", "content": [result]},
        ],
        tool_config=TOOLS,
    )
    texts = [message["content"][0]["text"] for message in fake_bedrock.calls[1].body["messages"]]
    assert "CET" in texts[1]
    assert "12:00" in texts[2]


def test_a_message_left_empty_still_says_something(fake_bedrock: FakeBedrock, make_manager) -> None:
    refuse(fake_bedrock, "This model doesn't support the image content block")
    make_manager().converse([{"role": "user", "content": [IMAGE]}])
    assert fake_bedrock.calls[1].body["messages"][0]["content"][0]["text"]


def test_what_a_model_refused_is_remembered_for_it_alone(fake_bedrock: FakeBedrock, make_manager) -> None:
    refuse(fake_bedrock, "This model doesn't support tool use.", 1, "amazon.nova-lite-v1:0")
    manager = make_manager(("Nova Lite", "Nova Micro"), ("us-east-1",))
    messages = [{"role": "user", "content": [TEXT]}]
    manager.converse(messages, tool_config=TOOLS)
    second = manager.converse(messages, tool_config=TOOLS)
    assert len(second.attempts) == 1
    assert second.features_disabled == ["tools"]
    fake_bedrock.add_fault(Fault(error="ThrottlingException", model="amazon.nova-lite-v1:0"))
    third = manager.converse(messages, tool_config=TOOLS)
    assert third.model_used == "amazon.nova-micro-v1:0"
    assert third.features_disabled == []
    assert "toolConfig" in fake_bedrock.calls[-1].body


def test_a_call_without_the_feature_is_not_told_of_it(fake_bedrock: FakeBedrock, make_manager) -> None:
    refuse(fake_bedrock, "This model doesn't support tool use.")
    manager = make_manager()
    manager.converse([{"role": "user", "content": [TEXT]}], tool_config=TOOLS)
    response = manager.converse([{"role": "user", "content": [TEXT]}])
    assert response.features_disabled == []
    assert response.get_warnings() == []


def test_memory_never_makes_a_later_call_fail(fake_bedrock: FakeBedrock, make_manager) -> None:
    refuse(fake_bedrock, "This model doesn't support tool use.")
    manager = make_manager(regions=("us-east-1",))
    messages = [{"role": "user", "content": [TEXT]}]
    manager.converse(messages, tool_config=TOOLS)
    refuse(fake_bedrock, "The toolConfig field must be defined.")
    response = manager.converse(messages, tool_config=TOOLS)
    assert response.success
    assert response.features_disabled == []
    assert "toolConfig" in fake_bedrock.calls[-1].body


def test_a_value_refused_once_is_not_held_against_other_values(
    fake_bedrock: FakeBedrock, make_manager
) -> None:
    refuse(fake_bedrock, "The maximum tokens you requested exceeds the model limit of 10.")
    manager = make_manager()
    messages = [{"role": "user", "content": [TEXT]}]
    manager.converse(messages, inference_config={"maxTokens": 5000})
    manager.converse(messages, inference_config={"maxTokens": 5})
    assert fake_bedrock.calls[-1].body["inferenceConfig"] == {"maxTokens": 5}


def test_either_sampling_parameter_alone_is_left_alone(fake_bedrock: FakeBedrock, make_manager) -> None:
    manager = make_manager(("Claude Haiku 4.5",))
    messages = [{"role": "user", "content": [TEXT]}]
    both = manager.converse(messages, inference_config={"temperature": 0.7, "topP": 0.9})
    alone = manager.converse(messages, inference_config={"topP": 0.9})
    assert both.features_disabled == ["top_p"]
    assert alone.features_disabled == []
    assert fake_bedrock.calls[-1].body["inferenceConfig"] == {"topP": 0.9}


def test_without_fallback_the_next_model_is_asked(fake_bedrock: FakeBedrock, make_manager) -> None:
    refuse(fake_bedrock, "This model doesn't support tool use.", None, "amazon.nova-lite-v1:0")
    manager = make_manager(("Nova Lite", "Nova Micro"), retry={"enable_feature_fallback": False})
    response = manager.converse([{"role": "user", "content": [TEXT]}], tool_config=TOOLS)
    assert response.model_used == "amazon.nova-micro-v1:0"
    assert len(fake_bedrock.calls) == 2


def test_a_feature_refused_that_is_not_there_is_no_endless_loop(
    fake_bedrock: FakeBedrock, make_manager
) -> None:
    refuse(fake_bedrock, "This model doesn't support tool use.", None)
    with pytest.raises(RetryExhaustedError):
        make_manager().converse([{"role": "user", "content": [TEXT]}])
    assert len(fake_bedrock.calls) == 1


def test_a_model_that_goes_on_refusing_what_it_no_longer_gets_is_left(
    fake_bedrock: FakeBedrock, make_manager
) -> None:
    refuse(fake_bedrock, "This model doesn't support tool use.", None)
    with pytest.raises(RetryExhaustedError) as raised:
        make_manager().converse([{"role": "user", "content": [TEXT]}], tool_config=TOOLS)
    assert [attempt.decision for attempt in raised.value.attempts] == ["drop_feature", "other_model"]
    assert raised.value.response.success is False
