"""Decoding JSON to requests, and encoding responses."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmmanager import BedrockConverseRequest, BedrockResponse
from llmmanager.json_format.codec import (
    InvalidRequest,
    decode_record,
    decode_request,
    encode_record,
    encode_response,
    last_error,
    record_id,
)
from llmmanager.json_format.json_text import dump, parse

# Without limits of time, for busy machines.
PATIENTLY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
MESSAGES = [{"role": "user", "content": [{"text": "What is the capital of France?"}]}]
PICTURE = b"\x89PNG and more"
BLOCKS = st.one_of(
    st.builds(lambda text: {"text": f"Say {text}"}, st.text()),
    st.builds(
        lambda data: {"image": {"format": "png", "source": {"bytes": data}}},
        st.binary(min_size=1, max_size=30),
    ),
)
REQUESTS = st.builds(
    BedrockConverseRequest,
    request_id=st.text(min_size=1, max_size=20),
    messages=st.builds(
        lambda texts: [{"role": "user", "content": texts}], st.lists(BLOCKS, min_size=1, max_size=3)
    ),
    system=st.none() | st.just([{"text": "Be brief."}]),
    inference_config=st.none() | st.fixed_dictionaries({"maxTokens": st.integers(1, 1000)}),
    request_metadata=st.none() | st.just({"bytes": "not base64", "team": "a"}),
    additional_model_request_fields=st.none() | st.just({"bytes": "not base64 either", "top_k": 5}),
    priority=st.integers(0, 5),
    service_tier=st.none() | st.just({"type": "flex"}),
    prompt_cache=st.sampled_from([None, "auto"]),
)


def content_of(request):
    return {"request_id": request.request_id, "priority": request.priority, **request.to_converse_args()}


def reasons_of(data, *, record=True):
    with pytest.raises(InvalidRequest) as rejected:
        decode_record(data, default_id="line-1") if record else decode_request(data)
    return rejected.value.reasons


@PATIENTLY
@given(REQUESTS)
def test_an_encoded_request_is_decoded_to_the_same_request(request_):
    data = parse(dump(encode_record(request_)))

    assert content_of(decode_record(data, default_id="line-1")) == content_of(request_)


@pytest.mark.parametrize(
    "data",
    [
        {"recordId": "a", "modelInput": {"messages": MESSAGES, "inferenceConfig": {"maxTokens": 9}}},
        {"recordId": "a", "modelInput": {"messages": MESSAGES, "inference_config": {"maxTokens": 9}}},
        {"recordId": "a", "messages": MESSAGES, "inferenceConfig": {"maxTokens": 9}},
        {"request_id": "a", "messages": MESSAGES, "inference_config": {"maxTokens": 9}},
        {"requestId": "a", "messages": MESSAGES, "inference_config": {"maxTokens": 9}, "system": None},
    ],
)
def test_every_form_of_a_record_is_the_same_request(data):
    request = decode_record(data, default_id="line-1")

    assert content_of(request) == content_of(
        BedrockConverseRequest(request_id="a", messages=MESSAGES, inference_config={"maxTokens": 9})
    )


def test_base64_is_decoded_only_where_converse_has_bytes():
    text = base64.b64encode(PICTURE).decode()
    content = [
        {"text": "Compare"},
        {"image": {"format": "png", "source": {"bytes": text}}},
    ]
    request = decode_request(
        {"messages": [{"role": "user", "content": content}], "requestMetadata": {"bytes": "plain"}}
    )

    assert request.messages[0]["content"][1]["image"]["source"]["bytes"] == PICTURE
    assert request.request_metadata == {"bytes": "plain"}


def test_a_record_without_an_id_gets_the_default_id():
    assert decode_record({"messages": MESSAGES}, default_id="line-7").request_id == "line-7"


def test_all_problems_are_listed_with_their_fields():
    content = [{"image": {"format": "bmp", "source": {"bytes": "no base64!"}}}]
    reasons = reasons_of(
        {
            "recordId": 7,
            "messages": [{"role": "user", "content": content}],
            "temprature": 1,
            "inference_config": {"maxTokens": 0},
            "priority": -1,
        }
    )

    for field in (
        "recordId",
        "temprature",
        "messages[0].content[0].image.source.bytes",
        "messages[0].content[0].image.format",
        "inferenceConfig.maxTokens",
        "priority",
    ):
        assert [reason for reason in reasons if reason.startswith(f"{field}: ")], (field, reasons)
    assert len([reason for reason in reasons if "source.bytes" in reason]) == 1


@pytest.mark.parametrize(
    ("member", "got"),
    [
        ({"recordId": "x" * 513}, "a string of 513 characters"),
        ({"recordId": ""}, "a string of 0 characters"),
        ({"recordId": 7}, "7"),
        ({"priority": -1}, "-1"),
        ({"priority": 1.5}, "1.5"),
        ({"priority": True}, "a boolean"),
    ],
)
def test_a_problem_shows_what_makes_the_value_invalid(member, got):
    assert reasons_of({"messages": MESSAGES, **member})[0].endswith(f"(got {got})")


@pytest.mark.parametrize("data", [None, 3, "text", [], [MESSAGES], True])
def test_a_record_that_is_not_an_object_is_rejected(data):
    assert reasons_of(data)[0].startswith("record: must be a JSON object")


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": MESSAGES, "modelId": "amazon.nova-lite-v1:0"}, "modelId"),
        ({"messages": MESSAGES, "inferenceConfig": {}, "inference_config": {}}, "inference_config"),
        ({"modelInput": []}, "modelInput"),
        ({"modelInput": {"messages": MESSAGES}, "messages": MESSAGES}, "messages"),
        ({"modelInput": {"messages": MESSAGES}, "models": ["Nova Lite"]}, "models"),
        ({"modelInput": {"messages": MESSAGES}, "regions": ["us-east-1"]}, "regions"),
        ({"modelInput": {"messages": MESSAGES}, "responseValidation": {}}, "responseValidation"),
        ({"modelInput": {"messages": MESSAGES}, "featureFallback": False}, "featureFallback"),
        ({"modelInput": {"messages": MESSAGES}, "outputSchema": {}}, "outputSchema"),
        ({"recordId": "", "messages": MESSAGES}, "recordId"),
        ({"recordId": "a" * 513, "messages": MESSAGES}, "recordId"),
        ({"recordId": "a", "request_id": "b", "messages": MESSAGES}, "request_id"),
        ({"messages": MESSAGES, "extraRequestFields": []}, "extraRequestFields"),
        ({"messages": MESSAGES, "priority": True}, "priority"),
        ({"messages": MESSAGES, "promptCache": "on"}, "promptCache"),
    ],
)
def test_an_invalid_field_is_named(data, field):
    assert any(reason.startswith(f"{field}: ") for reason in reasons_of(data)), reasons_of(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["messages", "role", "content", "text", "modelInput", "recordId", "system", "bytes", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)


@PATIENTLY
@given(JSON)
def test_any_json_is_a_request_or_is_rejected_with_reasons(data):
    reasons = []
    try:
        request = decode_record(data, default_id="line-1")
    except InvalidRequest as error:
        request, reasons = None, error.reasons

    assert all(isinstance(reason, str) for reason in reasons)
    assert reasons if request is None else decode_record(encode_record(request), default_id="a") == request


@pytest.mark.parametrize(("length", "listed"), [(20, 1000), (5_000, 40)])
def test_the_first_problems_are_listed_if_there_are_too_many(length, listed):
    reasons = [f"{number}".zfill(length) for number in range(3_000)]

    found = InvalidRequest(reasons).reasons

    assert found == [*reasons[:listed], f"request: has more problems than the {listed} listed"]


def test_the_id_of_an_invalid_record_can_be_read():
    assert record_id({"recordId": "a", "messages": 3}) == "a"
    assert record_id({"recordId": 3}) is None
    assert record_id([1]) is None


def test_a_response_is_encoded_with_its_usage_and_cost():
    usage = {"inputTokens": 1000, "outputTokens": 1000, "totalTokens": 2000}
    content = [{"text": "Paris"}, {"image": {"format": "png", "source": {"bytes": PICTURE}}}]
    response = BedrockResponse(
        success=True,
        response_data={"output": {"message": {"role": "assistant", "content": content}}, "usage": usage},
        model_used="amazon.nova-lite-v1:0",
        region_used="us-east-1",
        access_method="on_demand",
        total_duration_ms=12.5,
    )

    encoded = json.loads(json.dumps(encode_response(response)))

    assert encoded["usage"] == usage
    assert encoded["estimatedCostUsd"] > 0
    assert (encoded["model"], encoded["region"]) == ("amazon.nova-lite-v1:0", "us-east-1")
    blocks = encoded["modelOutput"]["output"]["message"]["content"]
    assert base64.b64decode(blocks[1]["image"]["source"]["bytes"]) == PICTURE


def test_a_failure_without_attempts_has_its_own_error():
    response = BedrockResponse(success=False, error=ValueError("no time"))

    assert last_error(response) == {"type": "ValueError", "code": None, "message": "no time"}
    assert encode_response(response)["estimatedCostUsd"] is None


def test_a_string_for_messages_is_one_user_message():
    data = {"recordId": "a", "modelInput": {"messages": "What is the capital of France?"}}

    request = decode_record(data, default_id="line-1")
    assert content_of(request) == content_of(BedrockConverseRequest("a", MESSAGES))
    assert decode_request({"messages": "What is the capital of France?"}).messages == MESSAGES


def test_a_string_for_the_system_prompt_is_one_block():
    decoded = decode_request({"messages": MESSAGES, "system": "Be brief."})

    assert decoded.system == [{"text": "Be brief."}]
    assert encode_record(decoded)["modelInput"]["system"] == decoded.system
    assert decode_request({"messages": MESSAGES, "system": ""}).system == []
    assert reasons_of({"messages": MESSAGES, "system": 5}) == [
        "system: must be a list of system blocks (got 5)"
    ]


@pytest.mark.parametrize("blank", ["", " \n"])
def test_a_blank_string_for_messages_is_rejected(blank):
    assert reasons_of({"messages": blank}) == ["messages[0].content[0].text: must not be blank"]


def test_a_request_is_validated_with_its_extra_fields():
    tools = {"tools": [{"toolSpec": {"name": "now", "inputSchema": {"json": {"type": "object"}}}}]}
    use = {"toolUse": {"toolUseId": "t1", "name": "now", "input": {}}}
    history = [*MESSAGES, {"role": "assistant", "content": [use]}]

    request = decode_request({"messages": history, "extraRequestFields": {"toolConfig": tools}})

    assert request.extra_request_fields == {"toolConfig": tools}
    assert reasons_of({"messages": history, "extraRequestFields": {"toolConfig": {}}}) == [
        "toolConfig.tools: is required"
    ]


PROMPT = "arn:aws:bedrock:us-east-1:111122223333:prompt/ABCDEFGHIJ:1"


def test_a_record_for_a_managed_prompt_needs_no_messages():
    data = {"recordId": "a", "modelInput": {"promptVariables": {"city": {"text": "Lima"}}}}

    request = decode_record(data, default_id="line-1", model_ids=[PROMPT])

    expected = BedrockConverseRequest("a", None, prompt_variables={"city": {"text": "Lima"}})
    assert content_of(request) == content_of(expected)
    assert decode_record(encode_record(request), default_id="line-1", model_ids=[PROMPT]) == request
    assert reasons_of(data) == ["messages: is required"]


def test_a_file_that_exceeds_the_limit_of_every_model_is_rejected():
    source = {"bytes": base64.b64encode(bytes(3_750_001)).decode()}
    content = [{"text": "What is this?"}, {"image": {"format": "png", "source": source}}]
    data = {"messages": [{"role": "user", "content": content}]}
    claude_3, nova = "anthropic.claude-3-haiku-20240307-v1:0", "amazon.nova-lite-v1:0"

    assert decode_request(data, model_ids=[claude_3, nova]).messages
    with pytest.raises(InvalidRequest) as rejected:
        decode_request(data, model_ids=[claude_3])
    assert rejected.value.reasons == [
        "messages[0].content[1].image.source.bytes: must be at most 3750000 bytes (got 3750001 bytes), "
        f"a limit of {claude_3}"
    ]
