"""What Bedrock refuses about a request, and its words for it."""

from __future__ import annotations

import http.client
import json
from typing import Any

import pytest

from llmmanager.testing import FakeBedrock

TEXT = {"text": "What is this?"}
IMAGE = {"image": {"format": "png", "source": {"bytes": b"png"}}}
VIDEO = {"video": {"format": "mp4", "source": {"bytes": b"mp4"}}}
AUDIO = {"audio": {"format": "mp3", "source": {"bytes": b"mp3"}}}
DOCUMENT = {"document": {"format": "txt", "name": "notes", "source": {"bytes": b"text"}}}
SCHEMA = {"json": {"type": "object", "properties": {}}}
TOOLS = {"tools": [{"toolSpec": {"name": "look", "inputSchema": SCHEMA}}]}
FORMAT = {
    "textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": '{"type": "object"}'}}}
}
CALLED = {"role": "assistant", "content": [{"toolUse": {"toolUseId": "one", "name": "look", "input": {}}}]}
RESULT = {"toolResult": {"toolUseId": "one", "content": [{"text": "seen"}]}}


def user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def assistant(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": [{"text": text}]}


REFUSED = {
    "an embedding model": (
        {"modelId": "acme.embed"},
        "This action doesn't support the model that you provided",
    ),
    "an image": (
        {"modelId": "acme.bare", "messages": [user(TEXT, IMAGE)]},
        "This model doesn't support the image field for user messages.",
    ),
    "a video": ({"modelId": "acme.bare", "messages": [user(TEXT, VIDEO)]}, "doesn't support the video"),
    "audio": ({"modelId": "acme.bare", "messages": [user(TEXT, AUDIO)]}, "doesn't support the audio"),
    "a document": ({"modelId": "acme.bare", "messages": [user(TEXT, DOCUMENT)]}, "doesn't support documents"),
    "a system prompt": (
        {"modelId": "acme.bare", "system": [{"text": "Be brief."}]},
        "This model doesn't support system messages.",
    ),
    "tools": ({"modelId": "acme.bare", "toolConfig": TOOLS}, "This model doesn't support tool use."),
    "a forced tool": (
        {"modelId": "acme.fixed", "toolConfig": {**TOOLS, "toolChoice": {"any": {}}}},
        "doesn't support the toolConfig.toolChoice.any field",
    ),
    "a tool that is not there": (
        {"toolConfig": {**TOOLS, "toolChoice": {"tool": {"name": "hear"}}}},
        "names no tool",
    ),
    "structured output": ({"modelId": "acme.bare", "outputConfig": FORMAT}, "outputConfig.textFormat"),
    "temperature with topP": (
        {"modelId": "acme.either", "inferenceConfig": {"temperature": 0.5, "topP": 0.9}},
        "`temperature` and `top_p` cannot both be specified for this model. Please use only one.",
    ),
    "temperature with a native top_p": (
        {
            "modelId": "acme.either",
            "inferenceConfig": {"temperature": 0.5},
            "additionalModelRequestFields": {"top_p": 0.9},
        },
        "cannot both be specified",
    ),
    "temperature": (
        {"modelId": "acme.fixed", "inferenceConfig": {"temperature": 0.5}},
        "`temperature` is deprecated for this model.",
    ),
    "topP": (
        {"modelId": "acme.fixed", "inferenceConfig": {"topP": 0.5}},
        "`top_p` is deprecated for this model.",
    ),
    "a native top_k": (
        {"modelId": "acme.fixed", "additionalModelRequestFields": {"top_k": 5}},
        "`top_k` is deprecated for this model.",
    ),
    "more output than there is": (
        {"inferenceConfig": {"maxTokens": 1001}},
        "The maximum tokens you requested exceeds the model limit of 1000.",
    ),
    "too long an input": (
        {"messages": [user({"text": "x" * 90_000})]},
        "Input is too long for requested model.",
    ),
    "too long an input for Claude": (
        {"modelId": "anthropic.narrow", "messages": [user({"text": "x" * 400})]},
        "prompt is too long: 100 tokens > 50 maximum",
    ),
    "no message": ({"messages": []}, "A conversation must start with a user message"),
    "an assistant's first word": (
        {"messages": [assistant("Hi")]},
        "A conversation must start with a user message",
    ),
    "two user turns": (
        {"messages": [user(TEXT), user(TEXT)]},
        "must alternate between user and assistant roles",
    ),
    "an empty turn": (
        {"messages": [user()]},
        "The content field in the Message object at messages.0 is empty",
    ),
    "a blank text": (
        {"messages": [user({"text": " \n"})]},
        "The text field in the ContentBlock object at messages.0.content.0 is blank",
    ),
    "a document without text": ({"messages": [user(DOCUMENT)]}, "A text block must be included"),
    "a document's odd name": (
        {"messages": [user(TEXT, {"document": {**DOCUMENT["document"], "name": "a_b.pdf"}})]},
        "The document file name can only contain",
    ),
    "too many images": ({"messages": [user(TEXT, *[IMAGE] * 21)]}, "too many images: 21 > 20 maximum"),
    "a document's name given twice": (
        {"messages": [user(TEXT, DOCUMENT, DOCUMENT)]},
        "Messages can't contain duplicate document names",
    ),
    "too many documents": ({"messages": [user(TEXT, *[DOCUMENT] * 6)]}, "too many documents: 6 > 5 maximum"),
    "a tool's result without tools": (
        {"messages": [user(TEXT), CALLED, user(RESULT)]},
        "The toolConfig field must be defined",
    ),
    "a tool call without result": (
        {"toolConfig": TOOLS, "messages": [user(TEXT), CALLED, user(TEXT)]},
        "Expected toolResult blocks at messages.2.content for the following Ids: one",
    ),
    "a result that nobody asked for": (
        {"toolConfig": TOOLS, "messages": [user(TEXT), assistant("Well"), user(RESULT)]},
        "The number of toolResult blocks at messages.2.content exceeds",
    ),
    "prefill": (
        {"modelId": "acme.bare", "messages": [user(TEXT), assistant("It is")]},
        "does not support assistant message prefill",
    ),
    "Claude's prefill with a blank at its end": (
        {"modelId": "anthropic.narrow", "messages": [user({"text": "Hi"}), assistant("It is ")]},
        "final assistant content cannot end with trailing whitespace",
    ),
}


@pytest.mark.parametrize(("request_", "message"), REFUSED.values(), ids=REFUSED)
def test_what_the_model_cannot_serve_is_refused(ask: Any, refusal: Any, request_: Any, message: str) -> None:
    code, status, said = refusal(ask, **request_)
    assert (code, status) == ("ValidationException", 400)
    assert message in said


@pytest.mark.parametrize(
    "model", ["cohere.rerank-v3-5:0", "amazon.titan-embed-text-v2:0", "amazon.nova-2-sonic-v1:0"]
)
def test_what_is_no_chat_model_is_refused(fake_bedrock: FakeBedrock, refusal: Any, model: str) -> None:
    said = refusal(fake_bedrock.client().converse, modelId=model, messages=[user(TEXT)])[2]
    assert said.startswith("This action doesn't support the model that you provided.")


def test_an_image_in_a_tools_result_needs_a_model_that_reads_it(ask: Any, refusal: Any) -> None:
    result = {"toolResult": {"toolUseId": "one", "content": [IMAGE]}}
    request = {"toolConfig": TOOLS, "messages": [user(TEXT), CALLED, user(result)]}
    ask(**request)
    ask(modelId="acme.sighted", messages=[user(TEXT, IMAGE)])
    said = refusal(ask, modelId="acme.sighted", **request)[2]
    assert said == (
        "This model doesn't support the image field for user messages. Remove image and try again."
    )


def test_the_same_is_served_by_a_model_that_can(ask: Any) -> None:
    ask(
        messages=[user(TEXT, IMAGE, VIDEO, AUDIO, DOCUMENT)],
        system=[{"text": "Be brief."}],
        toolConfig={**TOOLS, "toolChoice": {"any": {}}},
        inferenceConfig={"temperature": 0.5, "topP": 0.9, "maxTokens": 1000},
    )


def test_a_cache_point_needs_a_model_that_caches(ask: Any, refusal: Any) -> None:
    messages = [user(TEXT, {"cachePoint": {"type": "default"}})]
    ask(messages=messages)
    code, status, said = refusal(ask, modelId="acme.plain", messages=messages)
    assert (code, status) == ("AccessDeniedException", 403)
    assert "did not allow prompt caching" in said


@pytest.mark.parametrize(
    "scope", [{}, {"region": "us-east-1"}, {"region": "us-east-1", "access": "on_demand"}]
)
def test_a_model_can_be_denied_in_a_region(bedrock: FakeBedrock, ask: Any, refusal: Any, scope: Any) -> None:
    bedrock.deny("acme.talk-v1:0", **scope)
    assert refusal(ask) == (
        "AccessDeniedException",
        403,
        "You don't have access to the model with the specified model ID.",
    )
    ask(modelId="acme.plain")
    if scope:
        ask(region="us-west-2")


def test_a_region_can_be_closed(bedrock: FakeBedrock, ask: Any, refusal: Any) -> None:
    bedrock.close_region("us-east-1")
    assert refusal(ask)[:2] == ("OptInRequired", 403)
    assert refusal(bedrock.client("bedrock").list_foundation_models)[0] == "OptInRequired"
    ask(region="us-west-2")


@pytest.mark.parametrize(
    ("error", "status"), [("ExpiredTokenException", 403), ("UnrecognizedClientException", 403)]
)
def test_credentials_can_be_rejected(
    bedrock: FakeBedrock, ask: Any, refusal: Any, error: str, status: int
) -> None:
    bedrock.reject_credentials("testing", error=error)
    assert refusal(ask)[:2] == (error, status)


MISSHAPEN = {
    "a string for a list": (
        {"messages": "hi"},
        "SerializationException",
        "STRING_VALUE can not be converted to a List",
    ),
    "a number for text": (
        {"messages": [{"role": "user", "content": [{"text": 7}]}]},
        "SerializationException",
        "NUMBER_VALUE can not be converted to a String at messages.1.member.content.1.member.text",
    ),
    "null for a list": ({"messages": [None]}, "SerializationException", "NULL_VALUE"),
    "true for a number": (
        {"messages": [user(TEXT)], "inferenceConfig": {"maxTokens": True}},
        "SerializationException",
        "TRUE_VALUE can not be converted to an Integer",
    ),
    "a role that is none": (
        {"messages": [{"role": "robot", "content": [TEXT]}]},
        "ValidationException",
        "Value 'robot' at 'messages.1.member.role' failed to satisfy constraint: Member must satisfy enum",
    ),
    "no role": (
        {"messages": [{"content": [TEXT]}]},
        "ValidationException",
        "Value null at 'messages.1.member.role' failed to satisfy constraint: Member must not be null",
    ),
    "a block of two kinds": (
        {"messages": [user({**TEXT, "cachePoint": {"type": "default"}})]},
        "ValidationException",
        "must set exactly one of the following keys: text, image",
    ),
    "a block of an unknown kind": (
        {"messages": [user({"smell": "roses"})]},
        "ValidationException",
        "The object at messages.1.member.content.1.member must set exactly one",
    ),
    "too warm": (
        {"messages": [user(TEXT)], "inferenceConfig": {"temperature": 1.5}},
        "ValidationException",
        "'inferenceConfig.temperature' failed to satisfy constraint: Member must have value less",
    ),
    "a tool's odd name": (
        {
            "messages": [user(TEXT)],
            "toolConfig": {"tools": [{"toolSpec": {"name": "a b", "inputSchema": SCHEMA}}]},
        },
        "ValidationException",
        "Member must satisfy regular expression pattern: [a-zA-Z0-9_-]+",
    ),
    "two faults at once": (
        {"messages": [{"role": "robot", "content": [TEXT]}], "inferenceConfig": {"maxTokens": 0}},
        "ValidationException",
        "2 validation errors detected",
    ),
}


@pytest.mark.parametrize(("body", "code", "message"), MISSHAPEN.values(), ids=MISSHAPEN)
def test_a_body_of_the_wrong_shape_is_refused_in_awss_words(
    bedrock: FakeBedrock, body: Any, code: str, message: str
) -> None:
    link = http.client.HTTPConnection(bedrock.endpoint_url.removeprefix("http://"), timeout=10)
    link.request(
        "POST", "/model/acme.talk-v1:0/converse", json.dumps(body), {"Authorization": "Bearer anyone"}
    )
    response = link.getresponse()
    answer = json.loads(response.read())
    link.close()
    assert (response.status, response.headers["x-amzn-ErrorType"]) == (400, code)
    assert message in answer["message"]
