"""A rejected feature is left out where its class allows it, and only the part that was rejected."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from llmmanager import RetryExhaustedError
from llmmanager.testing import FakeBedrock, Fault

LITE, PRO, MICRO = "amazon.nova-lite-v1:0", "amazon.nova-pro-v1:0", "amazon.nova-micro-v1:0"
LITE_2 = "amazon.nova-2-lite-v1:0"
LLAMA = "meta.llama3-3-70b-instruct-v1:0"
EAST, WEST = "us-east-1", "us-west-2"
PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 32
TOOLS = {"tools": [{"toolSpec": {"name": "clock", "inputSchema": {"json": {"type": "object"}}}}]}
TEXT = {"text": "What do you see?"}
IMAGE = {"image": {"format": "png", "source": {"bytes": PNG}}}
DOCUMENT = {"document": {"name": "notes", "format": "txt", "source": {"bytes": b"notes"}}}
VIDEO = {"video": {"format": "mp4", "source": {"bytes": b"video"}}}
CACHE_POINT = {"cachePoint": {"type": "default"}}
GUARDRAIL = {"guardrailIdentifier": "abc123", "guardrailVersion": "1"}
SYSTEM = [{"text": "Answer in French."}]

NO_TOOLS = "This model doesn't support tool use."
NO_TOOLS_IN_STREAMS = "This model doesn't support tool use in streaming mode."
NO_SYSTEM = "This model doesn't support system messages. Try again without a system message."
NO_IMAGES = "This model doesn't support the image field for user messages. Remove image and try again."
NO_DOCUMENTS = "This model doesn't support documents."
NO_VIDEO = "This model doesn't support the video field for user messages. Remove video and try again."
NO_REASONING = (
    "User messages cannot contain reasoning content. Please remove the reasoning content and try again."
)
NO_GUARDRAIL = "This model doesn't support the guardrailConfig field. Remove guardrailConfig and try again."
NO_STOP_SEQUENCES = "This model doesn't support the stopSequences field. Remove stopSequences and try again."
NO_CACHE_POINT_IN_TOOLS = (
    "The model returned the following errors: Malformed input request: #/toolConfig/tools/1: extraneous key "
    "[cachePoint] is not permitted, please reformat your input and try again."
)


def reject(bedrock: FakeBedrock, message: str, count: int | None = 1, model: str = "", **scope: Any) -> None:
    bedrock.add_fault(Fault(error="ValidationException", message=message, count=count, model=model, **scope))


def user(*content: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": list(content) or [TEXT]}


def tool_turns(*result: dict[str, Any]) -> list[dict[str, Any]]:
    """A conversation whose last message is a tool's result."""
    use = {"toolUse": {"toolUseId": "t1", "name": "clock", "input": {"zone": "CET"}}}
    answered = {"toolResult": {"toolUseId": "t1", "content": list(result)}}
    return [user(), {"role": "assistant", "content": [use]}, user(answered)]


def reasoned() -> list[dict[str, Any]]:
    """A conversation in which the assistant has reasoned."""
    thought = {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "AAA"}}}
    return [user(), {"role": "assistant", "content": [thought, {"text": "Paris."}]}, user()]


def models_called(bedrock: FakeBedrock) -> list[str]:
    return [call.model_id for call in bedrock.calls]


# Tuning


@pytest.mark.parametrize(
    ("message", "feature", "arguments", "left"),
    [
        (
            "This model doesn't support the toolConfig.toolChoice.any field. Remove "
            "toolConfig.toolChoice.any and try again.",
            "forced_tool_choice",
            {"tool_config": {**TOOLS, "toolChoice": {"any": {}}}},
            {"toolConfig": {**TOOLS, "toolChoice": {"auto": {}}}},
        ),
        (
            "This model doesn't support the toolConfig.toolChoice.tool field. Remove "
            "toolConfig.toolChoice.tool and try again.",
            "forced_tool_choice",
            {"tool_config": {**TOOLS, "toolChoice": {"tool": {"name": "clock"}}}},
            {"toolConfig": {**TOOLS, "toolChoice": {"auto": {}}}},
        ),
        (
            NO_CACHE_POINT_IN_TOOLS,
            "cache_points_in_tools",
            {
                "tool_config": {"tools": [*TOOLS["tools"], CACHE_POINT]},
                "system": [*SYSTEM, CACHE_POINT],
                "additional_model_request_fields": {"top_k": 5},
            },
            {
                "toolConfig": TOOLS,
                "system": [*SYSTEM, CACHE_POINT],
                "additionalModelRequestFields": {"top_k": 5},
            },
        ),
        (
            "You invoked an unsupported model or your request did not allow prompt caching.",
            "cache_points",
            {"system": [*SYSTEM, CACHE_POINT], "tool_config": {"tools": [*TOOLS["tools"], CACHE_POINT]}},
            {"system": SYSTEM, "toolConfig": TOOLS},
        ),
        (
            NO_STOP_SEQUENCES,
            "stop_sequences",
            {"inference_config": {"stopSequences": ["END"], "temperature": 0.5}},
            {"inferenceConfig": {"temperature": 0.5}},
        ),
        (
            "This model doesn't support the temperature field. Remove temperature and try again.",
            "temperature",
            {"inference_config": {"temperature": 0.5, "topP": 0.5}},
            {"inferenceConfig": {"topP": 0.5}},
        ),
        (
            "This model doesn't support the topP field. Remove topP and try again.",
            "top_p",
            {"inference_config": {"temperature": 0.5, "topP": 0.5}},
            {"inferenceConfig": {"temperature": 0.5}},
        ),
        (
            "The model returned the following errors: `temperature` and `top_p` cannot both be specified for "
            "this model. Please use only one.",
            "top_p",
            {"inference_config": {"temperature": 0.5, "topP": 0.5}},
            {"inferenceConfig": {"temperature": 0.5}},
        ),
        (
            "The model returned the following errors: `temperature` is deprecated for this model.",
            "temperature",
            {"inference_config": {"temperature": 0.5, "maxTokens": 9}},
            {"inferenceConfig": {"maxTokens": 9}},
        ),
        (
            "The maximum tokens you requested exceeds the model limit of 10. Try again with a maximum tokens "
            "value that is lower than 10.",
            "max_tokens",
            {"inference_config": {"maxTokens": 99}},
            {},
        ),
        (
            "Malformed input request: #: extraneous key [top_k] is not permitted, please reformat.",
            "additional_fields.top_k",
            {"additional_model_request_fields": {"top_k": 5, "seed": 7}},
            {"additionalModelRequestFields": {"seed": 7}},
        ),
        (
            "The model returned the following errors: stop_sequences: each stop sequence must contain "
            "non-whitespace",
            "stop_sequences",
            {"inference_config": {"stopSequences": ["\n", "END"]}},
            {"inferenceConfig": {"stopSequences": ["END"]}},
        ),
    ],
)
def test_a_rejected_tuning_parameter_is_left_out_at_once_for_the_same_target(
    fake_bedrock: FakeBedrock,
    make_manager,
    message: str,
    feature: str,
    arguments: dict[str, Any],
    left: dict[str, Any],
) -> None:
    reject(fake_bedrock, message)
    response = make_manager(("Nova Lite", "Nova Pro")).converse([user()], **arguments)
    first, second = fake_bedrock.calls[:2]
    assert (first.invoked_id, first.region) == (second.invoked_id, second.region)
    assert {key: value for key, value in second.body.items() if key != "messages"} == left
    assert response.attempts[0].decision == "drop_feature"
    assert feature in response.features_disabled
    assert any(f"{LITE} does not accept {feature}:" in warning for warning in response.get_warnings())


def test_a_forced_tool_choice_becomes_auto_and_later_calls_keep_their_tools(
    fake_bedrock: FakeBedrock, make_manager
) -> None:
    manager = make_manager(("Llama 3.3 70B Instruct",), (EAST,))
    forced = manager.converse([user()], tool_config={**TOOLS, "toolChoice": {"any": {}}})
    free = manager.converse([user()], tool_config=TOOLS)
    again = manager.converse([user()], tool_config={**TOOLS, "toolChoice": {"any": {}}})
    assert [forced.features_disabled, free.features_disabled] == [["forced_tool_choice"], []]
    assert (len(free.attempts), len(again.attempts)) == (1, 1)
    rejected, *sent = [call.body["toolConfig"] for call in fake_bedrock.calls]
    assert rejected["toolChoice"] == {"any": {}}
    auto = {**TOOLS, "toolChoice": {"auto": {}}}
    assert sent == [auto, TOOLS, auto]


def test_one_kind_of_forced_tool_choice_is_not_held_against_another(
    fake_bedrock: FakeBedrock, make_manager
) -> None:
    reject(fake_bedrock, "This model doesn't support the toolConfig.toolChoice.any field.")
    manager = make_manager()
    manager.converse([user()], tool_config={**TOOLS, "toolChoice": {"any": {}}})
    named = {**TOOLS, "toolChoice": {"tool": {"name": "clock"}}}
    assert manager.converse([user()], tool_config=named).features_disabled == []
    assert fake_bedrock.calls[-1].body["toolConfig"] == named


def test_a_parameter_rejected_while_thinking_is_sent_again_without_thinking(
    fake_bedrock: FakeBedrock, make_manager
) -> None:
    reject(fake_bedrock, "`temperature` may only be set to 1 when thinking is enabled.")
    manager = make_manager()
    thinking = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
    config = {"inference_config": {"temperature": 0.5}}
    first = manager.converse([user()], additional_model_request_fields=thinking, **config)
    assert first.features_disabled[0] == "temperature"
    assert manager.converse([user()], **config).features_disabled == []
    assert fake_bedrock.calls[-1].body["inferenceConfig"] == {"temperature": 0.5}


def test_a_rejected_cache_point_is_remembered_for_its_place(fake_bedrock: FakeBedrock, make_manager) -> None:
    reject(
        fake_bedrock,
        "Malformed input request: #/messages/2/content/1: extraneous key [cachePoint] is not permitted",
    )
    manager = make_manager(("Claude Haiku 4.5",))
    after_result = tool_turns({"text": "12:00"})
    after_result[-1]["content"].append(CACHE_POINT)
    first = manager.converse(after_result, tool_config=TOOLS)
    second = manager.converse([user(TEXT, CACHE_POINT)])
    assert first.features_disabled == ["cache_points_in_messages"]
    assert second.features_disabled == []
    assert fake_bedrock.calls[-1].body["messages"][0]["content"] == [TEXT, CACHE_POINT]


def test_a_value_rejected_once_is_not_remembered_for_other_values(
    fake_bedrock: FakeBedrock, make_manager
) -> None:
    reject(fake_bedrock, "The maximum tokens you requested exceeds the model limit of 10.")
    manager = make_manager()
    manager.converse([user()], inference_config={"maxTokens": 5000})
    manager.converse([user()], inference_config={"maxTokens": 5})
    assert fake_bedrock.calls[-1].body["inferenceConfig"] == {"maxTokens": 5}


def test_either_sampling_parameter_alone_is_left_alone(fake_bedrock: FakeBedrock, make_manager) -> None:
    manager = make_manager(("Claude Haiku 4.5",))
    both = manager.converse([user()], inference_config={"temperature": 0.7, "topP": 0.9})
    alone = manager.converse([user()], inference_config={"topP": 0.9})
    assert both.features_disabled == ["top_p"]
    assert alone.features_disabled == []
    assert fake_bedrock.calls[-1].body["inferenceConfig"] == {"topP": 0.9}


# Content


CONTENT = [
    pytest.param(NO_TOOLS, "tools", {"tool_config": TOOLS}, "toolConfig", id="tools"),
    pytest.param(NO_SYSTEM, "system", {"system": SYSTEM}, '"system"', id="system"),
    pytest.param(NO_IMAGES, "images", {"messages": [user(TEXT, IMAGE)]}, '"image"', id="images"),
    pytest.param(
        NO_DOCUMENTS, "documents", {"messages": [user(TEXT, DOCUMENT)]}, '"document"', id="documents"
    ),
    pytest.param(NO_VIDEO, "video", {"messages": [user(TEXT, VIDEO)]}, '"video"', id="video"),
    pytest.param(NO_REASONING, "reasoning", {"messages": reasoned()}, "reasoningContent", id="reasoning"),
]


@pytest.mark.parametrize(("message", "feature", "arguments", "gone"), CONTENT)
def test_rejected_content_moves_to_the_next_model_in_full(
    fake_bedrock: FakeBedrock, make_manager, message: str, feature: str, arguments: dict[str, Any], gone: str
) -> None:
    reject(fake_bedrock, message, None, LITE)
    response = make_manager(("Nova Lite", "Nova 2 Lite")).converse(**{"messages": [user()]} | arguments)
    first, second = fake_bedrock.calls[:2]
    assert [first.model_id, second.model_id] == [LITE, LITE_2]
    assert second.body == first.body
    assert response.attempts[0].decision == "other_model_first"
    assert feature not in response.features_disabled


@pytest.mark.parametrize(("message", "feature", "arguments", "gone"), CONTENT)
def test_content_that_no_model_accepts_is_left_out_for_the_first_one(
    fake_bedrock: FakeBedrock, make_manager, message: str, feature: str, arguments: dict[str, Any], gone: str
) -> None:
    for model in (LITE, PRO):
        reject(fake_bedrock, message, 1, model)
    response = make_manager(("Nova Lite", "Nova Pro")).converse(**{"messages": [user()]} | arguments)
    assert models_called(fake_bedrock) == [LITE, PRO, LITE]
    assert gone in json.dumps(fake_bedrock.calls[0].body)
    assert gone not in json.dumps(fake_bedrock.calls[2].body)
    assert response.model_used == LITE
    assert response.features_disabled == [feature]
    assert [feature in warning for warning in response.get_warnings()] == [True]


def test_content_is_left_out_at_once_where_only_one_model_is_configured(
    fake_bedrock: FakeBedrock, make_manager
) -> None:
    reject(fake_bedrock, NO_TOOLS)
    response = make_manager().converse([user()], tool_config=TOOLS)
    assert [attempt.decision for attempt in response.attempts] == ["drop_feature", None]
    assert {attempt.region for attempt in response.attempts} == {EAST}
    assert response.features_disabled == ["tools"]


def test_the_model_that_loses_the_least_content_is_preferred(fake_bedrock: FakeBedrock, make_manager) -> None:
    reject(fake_bedrock, NO_IMAGES, 1, LITE)
    reject(fake_bedrock, NO_DOCUMENTS, 1, LITE)
    reject(fake_bedrock, NO_DOCUMENTS, 1, PRO)
    response = make_manager(("Nova Lite", "Nova Pro"), (EAST,)).converse([user(TEXT, IMAGE, DOCUMENT)])
    assert models_called(fake_bedrock) == [LITE, PRO, LITE, PRO]
    assert response.features_disabled == ["documents"]


def test_a_model_that_takes_the_content_is_retried_before_content_is_left_out(
    fake_bedrock: FakeBedrock, make_manager
) -> None:
    reject(fake_bedrock, NO_IMAGES, None, PRO)
    fake_bedrock.add_fault(Fault(error="ThrottlingException", model=LITE, count=1))
    response = make_manager(("Nova Lite", "Nova Pro"), (EAST,)).converse([user(TEXT, IMAGE)])
    assert models_called(fake_bedrock) == [LITE, PRO, LITE]
    assert response.features_disabled == []


def test_reasoning_in_the_history_is_left_out_for_the_model_that_rejects_it_when_the_other_stays_throttled(
    fake_bedrock: FakeBedrock, make_manager
) -> None:
    fake_bedrock.add_fault(Fault(error="ThrottlingException", model="anthropic."))
    reject(fake_bedrock, NO_REASONING, 1, LITE)
    manager = make_manager(("Claude Haiku 4.5", "Nova Lite"), (EAST,))
    response = manager.converse(reasoned())
    assert response.model_used == LITE
    assert response.features_disabled == ["reasoning"]
    assert "reasoningContent" not in json.dumps(fake_bedrock.calls[-1].body)
    fake_bedrock.clear_faults()
    fake_bedrock.reset()
    assert manager.converse(reasoned()).features_disabled == []
    assert "reasoningContent" in json.dumps(fake_bedrock.calls[-1].body)


def test_a_model_set_aside_gets_its_attempt_when_the_retries_are_used_up(
    fake_bedrock: FakeBedrock, make_manager
) -> None:
    reject(fake_bedrock, NO_IMAGES, 1, LITE)
    fake_bedrock.add_fault(Fault(error="ThrottlingException", model=PRO))
    manager = make_manager(("Nova Lite", "Nova Pro"), retry={"max_retries": 0})
    response = manager.converse([user(TEXT, IMAGE)])
    assert models_called(fake_bedrock) == [LITE, PRO, LITE]
    assert response.features_disabled == ["images"]


def test_a_model_set_aside_is_used_before_the_deadline_passes(
    fake_bedrock: FakeBedrock, make_manager, clock
) -> None:
    reject(fake_bedrock, NO_IMAGES, 1, LITE)
    fake_bedrock.add_fault(Fault(error="ThrottlingException", model=PRO, retry_after=60))
    manager = make_manager(("Nova Lite", "Nova Pro"), (EAST,), retry={"max_retry_delay": 90})
    response = manager.converse([user(TEXT, IMAGE)], deadline=20)
    assert models_called(fake_bedrock) == [LITE, PRO, LITE]
    assert response.features_disabled == ["images"]


def test_a_model_known_to_reject_content_is_skipped_while_another_may_accept_it(
    fake_bedrock: FakeBedrock, make_manager
) -> None:
    reject(fake_bedrock, NO_IMAGES, 1, LITE)
    manager = make_manager(("Nova Lite", "Nova Pro"))
    manager.converse([user(TEXT, IMAGE)])
    second = manager.converse([user(TEXT, IMAGE)])
    without_image = manager.converse([user()])
    assert models_called(fake_bedrock) == [LITE, PRO, PRO, LITE]
    assert second.features_disabled == without_image.features_disabled == []


def test_content_known_to_be_rejected_by_every_model_is_left_out_for_the_first_one(
    fake_bedrock: FakeBedrock, make_manager
) -> None:
    for model in (LITE, PRO):
        reject(fake_bedrock, NO_IMAGES, 1, model)
    manager = make_manager(("Nova Lite", "Nova Pro"))
    manager.converse([user(TEXT, IMAGE)])
    response = manager.converse([user(TEXT, IMAGE)])
    assert (response.model_used, len(response.attempts)) == (LITE, 1)
    assert response.features_disabled == ["images"]


def test_what_a_model_rejected_is_remembered_for_that_model_only(
    fake_bedrock: FakeBedrock, make_manager
) -> None:
    reject(fake_bedrock, NO_TOOLS, 1, LITE)
    manager = make_manager(("Nova Lite", "Nova Micro"), (EAST,))
    manager.converse([user()], tool_config=TOOLS)
    fake_bedrock.add_fault(Fault(error="AccessDeniedException", model=MICRO))
    second = manager.converse([user()], tool_config=TOOLS)
    assert (second.model_used, second.features_disabled) == (LITE, ["tools"])
    assert "toolConfig" in fake_bedrock.calls[-2].body


def test_tools_rejected_in_a_stream_stay_in_other_calls(fake_bedrock: FakeBedrock, make_manager) -> None:
    reject(fake_bedrock, NO_TOOLS_IN_STREAMS, None, operation="ConverseStream")
    manager = make_manager(regions=(EAST,))
    with pytest.raises(RetryExhaustedError):
        manager.converse_stream([user()], tool_config=TOOLS)
    response = manager.converse([user()], tool_config=TOOLS)
    assert response.features_disabled == []
    assert "toolConfig" in fake_bedrock.calls[-1].body


def test_tools_rejected_in_a_stream_are_left_out_of_later_streams(
    fake_bedrock: FakeBedrock, make_manager
) -> None:
    reject(fake_bedrock, NO_TOOLS_IN_STREAMS, 1, operation="ConverseStream")
    manager = make_manager(regions=(EAST,))
    for attempts in (2, 1):
        stream = manager.converse_stream([user()], tool_config=TOOLS)
        assert stream.get_full_content()
        assert (len(stream.attempts), stream.features_disabled) == (attempts, ["tools"])


def test_an_image_rejected_in_a_tool_result_is_left_out_there_only(
    fake_bedrock: FakeBedrock, make_manager
) -> None:
    reject(fake_bedrock, NO_IMAGES)
    manager = make_manager()
    messages = tool_turns({"text": "12:00"}, IMAGE)
    messages[0]["content"].append(IMAGE)
    first = manager.converse(messages, tool_config=TOOLS)
    second = manager.converse([user(TEXT, IMAGE)])
    assert first.features_disabled == ["images_in_tool_results"]
    assert second.features_disabled == []
    asked, result = (fake_bedrock.calls[1].body["messages"][turn]["content"] for turn in (0, 2))
    assert [set(block) for block in asked] == [{"text"}, {"image"}]
    assert all("image" not in block for block in result[0]["toolResult"]["content"])
    assert "image" in fake_bedrock.calls[-1].body["messages"][0]["content"][1]


def test_an_image_of_a_tool_result_is_sent_beside_it_and_left_out_where_that_is_rejected_too(
    fake_bedrock: FakeBedrock, make_manager
) -> None:
    reject(fake_bedrock, NO_IMAGES)
    reject(fake_bedrock, "Conversation blocks and tool result blocks cannot be provided in the same turn.")
    response = make_manager().converse(tool_turns(IMAGE), tool_config=TOOLS)
    beside, gone = (call.body["messages"][2]["content"] for call in fake_bedrock.calls[1:])
    assert [set(block) for block in beside] == [{"toolResult"}, {"text"}, {"image"}]
    assert [set(block) for block in gone] == [{"toolResult"}]
    assert response.features_disabled == ["images_in_tool_results", "media_in_tool_results"]


def test_an_image_in_a_tool_result_moves_to_a_model_that_accepts_it_there(
    fake_bedrock: FakeBedrock, make_manager
) -> None:
    reject(fake_bedrock, NO_IMAGES, 1, LITE)
    response = make_manager(("Nova Lite", "Nova Pro")).converse(tool_turns(IMAGE), tool_config=TOOLS)
    assert (response.model_used, response.features_disabled) == (PRO, [])


def test_the_system_prompt_is_folded_into_the_first_message(fake_bedrock: FakeBedrock, make_manager) -> None:
    reject(fake_bedrock, NO_SYSTEM)
    make_manager().converse([user()], system=SYSTEM)
    assert fake_bedrock.calls[1].body["messages"][0]["content"] == [*SYSTEM, TEXT]


def test_tool_turns_stay_as_text_without_tools(fake_bedrock: FakeBedrock, make_manager) -> None:
    reject(fake_bedrock, NO_TOOLS)
    make_manager().converse(tool_turns({"text": "12:00"}), tool_config=TOOLS)
    texts = [message["content"][0]["text"] for message in fake_bedrock.calls[1].body["messages"]]
    assert "CET" in texts[1]
    assert "12:00" in texts[2]


def test_content_is_logged_as_left_out_when_it_is_and_not_when_another_model_is_tried(
    fake_bedrock: FakeBedrock, make_manager, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="llmmanager")
    reject(fake_bedrock, NO_IMAGES, 1, LITE)
    make_manager(("Nova Lite", "Nova Pro")).converse([user(TEXT, IMAGE)])
    assert "without images" not in caplog.text
    for model in (LITE, PRO):
        reject(fake_bedrock, NO_IMAGES, 1, model)
    make_manager(("Nova Lite", "Nova Pro")).converse([user(TEXT, IMAGE)])
    (line,) = (record.getMessage() for record in caplog.records if "without images" in record.getMessage())
    assert LITE in line


# Safety


def test_a_rejected_guardrail_is_never_left_out_but_leads_to_the_next_model(
    fake_bedrock: FakeBedrock, make_manager
) -> None:
    reject(fake_bedrock, NO_GUARDRAIL, 1, LITE)
    response = make_manager(("Nova Lite", "Nova Pro")).converse([user()], guardrail_config=GUARDRAIL)
    assert [call.body["guardrailConfig"] for call in fake_bedrock.calls] == [GUARDRAIL, GUARDRAIL]
    assert response.model_used == PRO
    assert response.features_disabled == []


def test_a_guardrail_that_every_model_rejects_is_an_error(fake_bedrock: FakeBedrock, make_manager) -> None:
    reject(fake_bedrock, NO_GUARDRAIL, None)
    manager = make_manager(("Nova Lite", "Nova Pro"))
    with pytest.raises(RetryExhaustedError, match="guardrailConfig"):
        manager.converse([user()], guardrail_config=GUARDRAIL)
    assert [call.body["guardrailConfig"] for call in fake_bedrock.calls] == [GUARDRAIL, GUARDRAIL]
    fake_bedrock.clear_faults()
    assert manager.converse([user()], guardrail_config=GUARDRAIL).model_used == LITE


def test_a_guardrail_that_a_region_does_not_have_leads_to_the_next_region(
    fake_bedrock: FakeBedrock, make_manager
) -> None:
    reject(
        fake_bedrock,
        "The guardrail identifier or version provided in the request does not exist.",
        None,
        region=EAST,
    )
    response = make_manager().converse([user()], guardrail_config=GUARDRAIL)
    assert (response.model_used, response.region_used) == (LITE, WEST)


# Memory


def test_a_call_without_the_feature_gets_no_warning_about_it(fake_bedrock: FakeBedrock, make_manager) -> None:
    reject(fake_bedrock, NO_TOOLS)
    manager = make_manager()
    manager.converse([user()], tool_config=TOOLS)
    response = manager.converse([user()])
    assert response.features_disabled == []
    assert response.get_warnings() == []


def test_memory_never_makes_a_later_call_fail(fake_bedrock: FakeBedrock, make_manager) -> None:
    reject(fake_bedrock, NO_TOOLS)
    manager = make_manager(regions=(EAST,))
    manager.converse([user()], tool_config=TOOLS)
    reject(fake_bedrock, "The toolConfig field must be defined.")
    response = manager.converse([user()], tool_config=TOOLS)
    assert response.success
    assert response.features_disabled == []
    assert "toolConfig" in fake_bedrock.calls[-1].body


def test_only_what_was_left_out_is_forgotten_when_a_request_fails_without_it(
    fake_bedrock: FakeBedrock, make_manager
) -> None:
    manager = make_manager(regions=(EAST,))
    for message, arguments in ((NO_TOOLS, {"tool_config": TOOLS}), (NO_SYSTEM, {"system": SYSTEM})):
        reject(fake_bedrock, message)
        manager.converse([user()], **arguments)
    reject(fake_bedrock, "Something is missing.")
    manager.converse([user()], tool_config=TOOLS)
    response = manager.converse([user()], tool_config=TOOLS, system=SYSTEM)
    assert (len(response.attempts), response.features_disabled) == (1, ["system"])


# The loop


def test_the_callers_messages_and_settings_are_never_changed(fake_bedrock: FakeBedrock, make_manager) -> None:
    messages = tool_turns({"text": "12:00"}, IMAGE)
    messages[0]["content"] += [IMAGE, CACHE_POINT]
    arguments = {
        "messages": messages,
        "system": [*SYSTEM, CACHE_POINT],
        "tool_config": {"tools": [*TOOLS["tools"], CACHE_POINT], "toolChoice": {"any": {}}},
        "inference_config": {"temperature": 0.5, "topP": 0.5, "stopSequences": ["\n", "END"]},
        "additional_model_request_fields": {"top_k": 5, "inferenceConfig": {"topK": 5}},
    }
    before = copy.deepcopy(arguments)
    for message in (
        NO_CACHE_POINT_IN_TOOLS,
        "This model doesn't support the toolConfig.toolChoice.any field.",
        "stop_sequences: each stop sequence must contain non-whitespace",
        "#/inferenceConfig: extraneous key [topK] is not permitted",
        "`top_k` is deprecated for this model.",
        NO_IMAGES,
        NO_IMAGES,
        NO_SYSTEM,
        NO_TOOLS,
    ):
        reject(fake_bedrock, message)
    response = make_manager(retry={"max_retries": 9}).converse(**arguments)
    assert response.success
    assert len(response.attempts) == 10
    assert arguments == before


def test_without_fallback_the_next_model_is_asked(fake_bedrock: FakeBedrock, make_manager) -> None:
    reject(fake_bedrock, NO_STOP_SEQUENCES, None, LITE)
    manager = make_manager(("Nova Lite", "Nova Micro"), retry={"enable_feature_fallback": False})
    response = manager.converse([user()], inference_config={"stopSequences": ["END"]})
    assert response.model_used == MICRO
    assert len(fake_bedrock.calls) == 2


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        (NO_TOOLS, {"tool_config": TOOLS}),
        (NO_IMAGES, {"messages": [user(TEXT, IMAGE)]}),
        (NO_STOP_SEQUENCES, {"inference_config": {"stopSequences": ["END"]}}),
        (NO_GUARDRAIL, {"guardrail_config": GUARDRAIL}),
    ],
)
def test_without_fallback_nothing_is_left_out_in_any_call(
    fake_bedrock: FakeBedrock, make_manager, message: str, arguments: dict[str, Any]
) -> None:
    reject(fake_bedrock, message, None)
    manager = make_manager(("Nova Lite", "Nova Pro"), retry={"enable_feature_fallback": False})
    for _ in range(2):
        with pytest.raises(RetryExhaustedError):
            manager.converse(**{"messages": [user()]} | arguments)
    assert models_called(fake_bedrock) == [LITE, PRO, LITE, PRO]
    assert all(call.body == fake_bedrock.calls[0].body for call in fake_bedrock.calls)


def test_a_feature_rejected_that_is_not_there_is_no_endless_loop(
    fake_bedrock: FakeBedrock, make_manager
) -> None:
    reject(fake_bedrock, NO_TOOLS, None)
    with pytest.raises(RetryExhaustedError):
        make_manager().converse([user()])
    assert len(fake_bedrock.calls) == 1


def test_a_model_that_continues_rejecting_what_it_no_longer_gets_is_left(
    fake_bedrock: FakeBedrock, make_manager
) -> None:
    reject(fake_bedrock, NO_TOOLS, None)
    with pytest.raises(RetryExhaustedError) as raised:
        make_manager().converse([user()], tool_config=TOOLS)
    assert [attempt.decision for attempt in raised.value.attempts] == ["drop_feature", "other_model"]
    assert raised.value.response.success is False
