"""Requests that Bedrock rejects, and its error messages."""

from __future__ import annotations

import http.client
import json
from typing import Any

import pytest

from llmmanager.testing import FakeBedrock
from tests.waiting import PATIENCE_SECONDS

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


def document(data: bytes, form: str = "txt") -> dict[str, Any]:
    return {"document": {"format": form, "name": "notes", "source": {"bytes": data}}}


def called(*ids: str, input: Any = None) -> dict[str, Any]:
    calls = [{"toolUse": {"toolUseId": one, "name": "look", "input": input or {}}} for one in ids]
    return {"role": "assistant", "content": calls}


def result(*content: Any) -> dict[str, Any]:
    return {"toolResult": {"toolUseId": "one", "content": list(content)}}


def reasoning(text: str, **more: str) -> dict[str, Any]:
    return {"reasoningContent": {"reasoningText": {"text": text, **more}}}


def cache_point(ttl: str = "") -> dict[str, Any]:
    return {"cachePoint": {"type": "default", **({"ttl": ttl} if ttl else {})}}


REJECTED = {
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
    "a document's name with a tab": (
        {"messages": [user(TEXT, {"document": {**DOCUMENT["document"], "name": "my\tnotes"}})]},
        "The document file name can only contain",
    ),
    "a document's name with an ideographic space": (
        {"messages": [user(TEXT, {"document": {**DOCUMENT["document"], "name": "my\u3000notes"}})]},
        "The document file name can only contain",
    ),
    "a document's name with two spaces in a row": (
        {"messages": [user(TEXT, {"document": {**DOCUMENT["document"], "name": "my  notes"}})]},
        "more than one consecutive whitespace character",
    ),
    "a document's name given twice": (
        {"messages": [user(TEXT, DOCUMENT, DOCUMENT)]},
        "Messages can't contain duplicate document names",
    ),
    "too many documents": (
        {"messages": [user(TEXT, *[DOCUMENT] * 6)]},
        "You can't include more than 5 documents in a request. Reduce the number of documents and retry",
    ),
    "a document of more than 4.5 MB": (
        {"messages": [user(TEXT, document(b"x" * 4_500_001))]},
        "The maximum document size is 4.5 MB. Reduce the size of your document and retry your request.",
    ),
    "a tool's input that is a string": (
        {"toolConfig": TOOLS, "messages": [user(TEXT), called("one", input="{}"), user(RESULT)]},
        "The format of the value at messages.1.content.0.toolUse.input is invalid. Provide a json object",
    ),
    "a tool's result in JSON that is a list": (
        {"toolConfig": TOOLS, "messages": [user(TEXT), CALLED, user(result({"json": [1]}))]},
        "The format of the value at messages.2.content.0.toolResult.content.0.json is invalid. Provide",
    ),
    "a tool's schema that is a string": (
        {"toolConfig": {"tools": [{"toolSpec": {"name": "look", "inputSchema": {"json": "{}"}}}]}},
        "The format of the value at toolConfig.tools.0.toolSpec.inputSchema.json is invalid.",
    ),
    "additional fields that are a list": (
        {"additionalModelRequestFields": ["top_k"]},
        "The format of the additionalModelRequestFields field is invalid.",
    ),
    "two calls of a tool with one id": (
        {"toolConfig": TOOLS, "messages": [user(TEXT), called("one", "one"), user(RESULT)]},
        "The toolUse blocks at messages.1.content contain duplicate Ids: one",
    ),
    "two results with one id": (
        {"toolConfig": TOOLS, "messages": [user(TEXT), CALLED, user(RESULT, RESULT)]},
        "The toolResult blocks at messages.2.content contain duplicate Ids: one",
    ),
    "an empty result of a tool that failed": (
        {
            "toolConfig": TOOLS,
            "messages": [
                user(TEXT),
                CALLED,
                user({"toolResult": {"toolUseId": "one", "content": [], "status": "error"}}),
            ],
        },
        "The content field at messages.2.content.0.toolResult cannot be empty when status value is error.",
    ),
    "an image of the assistant": (
        {"messages": [user(TEXT), {"role": "assistant", "content": [IMAGE]}, user(TEXT)]},
        "This model doesn't support the image field for assistant messages. Remove image and try again.",
    ),
    "a document of the assistant": (
        {"messages": [user(TEXT), {"role": "assistant", "content": [TEXT, DOCUMENT]}, user(TEXT)]},
        "This model doesn't support the document field for assistant messages.",
    ),
    "a tool call of the user": (
        {"toolConfig": TOOLS, "messages": [user(*CALLED["content"])]},
        "This model doesn't support the toolUse field for user messages.",
    ),
    "reasoning of the user": (
        {"messages": [user(TEXT, reasoning("Hm", signature="x"))]},
        "User messages cannot contain reasoning content.",
    ),
    "five cache points": (
        {"messages": [user(*[TEXT, cache_point()] * 5)]},
        "A maximum of 4 blocks with cache_control may be provided. Found 5.",
    ),
    "a cache point of an hour after one of five minutes": (
        {"system": [TEXT, cache_point()], "messages": [user(TEXT, TEXT, cache_point("1h"))]},
        "messages.0.content.1.cache_control.ttl: a ttl='1h' cache_control block must not come after a",
    ),
    "stop sequences": (
        {"modelId": "acme.bare", "inferenceConfig": {"stopSequences": ["x"]}},
        "This model doesn't support the stopSequences field. Remove stopSequences and try again.",
    ),
    "text beside a tool call": (
        {
            "modelId": "acme.strict",
            "toolConfig": TOOLS,
            "messages": [
                user(TEXT),
                {"role": "assistant", "content": [TEXT, *CALLED["content"]]},
                user(RESULT),
            ],
        },
        "messages.1.content: Conversation blocks and tool use blocks cannot be provided in the same turn.",
    ),
    "text beside a tool's result": (
        {"modelId": "acme.strict", "toolConfig": TOOLS, "messages": [user(TEXT), CALLED, user(RESULT, TEXT)]},
        "messages.2.content: Conversation blocks and tool result blocks cannot be provided in the same turn.",
    ),
    "an additional field that is unknown": (
        {"modelId": "acme.strict", "additionalModelRequestFields": {"top_k": 5, "colour": "red"}},
        "Malformed input request: #: extraneous key [colour] is not permitted, please reformat your input",
    ),
    "a tool's result without tools": (
        {"messages": [user(TEXT), CALLED, user(RESULT)]},
        "The toolConfig field must be defined",
    ),
    "a tool call without result": (
        {"toolConfig": TOOLS, "messages": [user(TEXT), CALLED, user(TEXT)]},
        "Expected toolResult blocks at messages.2.content for the following Ids: one",
    ),
    "a result without a tool call": (
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


@pytest.mark.parametrize(("request_", "message"), REJECTED.values(), ids=REJECTED)
def test_a_request_that_the_model_does_not_support_is_rejected(
    send_prompt: Any, error_of: Any, request_: Any, message: str
) -> None:
    code, status, message = error_of(send_prompt, **request_)
    assert (code, status) == ("ValidationException", 400)
    assert message in message


@pytest.mark.parametrize(
    "model", ["cohere.rerank-v3-5:0", "amazon.titan-embed-text-v2:0", "amazon.nova-2-sonic-v1:0"]
)
def test_a_model_without_converse_is_rejected(fake_bedrock: FakeBedrock, error_of: Any, model: str) -> None:
    message = error_of(fake_bedrock.client().converse, modelId=model, messages=[user(TEXT)])[2]
    assert message.startswith("This action doesn't support the model that you provided.")


def test_an_image_in_a_tool_result_requires_model_support(send_prompt: Any, error_of: Any) -> None:
    result = {"toolResult": {"toolUseId": "one", "content": [IMAGE]}}
    request = {"toolConfig": TOOLS, "messages": [user(TEXT), CALLED, user(result)]}
    send_prompt(**request)
    send_prompt(modelId="acme.sighted", messages=[user(TEXT, IMAGE)])
    message = error_of(send_prompt, modelId="acme.sighted", **request)[2]
    assert message == (
        "This model doesn't support the image field for user messages. Remove image and try again."
    )


def test_a_model_that_supports_the_request_answers_it(send_prompt: Any) -> None:
    send_prompt(
        messages=[user(TEXT, IMAGE, VIDEO, AUDIO, DOCUMENT)],
        system=[{"text": "Be brief."}],
        toolConfig={**TOOLS, "toolChoice": {"any": {}}},
        inferenceConfig={"temperature": 0.5, "topP": 0.9, "maxTokens": 1000},
    )


def test_a_cache_point_requires_a_model_with_prompt_caching(send_prompt: Any, error_of: Any) -> None:
    messages = [user(TEXT, {"cachePoint": {"type": "default"}})]
    send_prompt(messages=messages)
    code, status, message = error_of(send_prompt, modelId="acme.plain", messages=messages)
    assert (code, status) == ("AccessDeniedException", 403)
    assert "did not allow prompt caching" in message


@pytest.mark.parametrize(
    "scope", [{}, {"region": "us-east-1"}, {"region": "us-east-1", "access": "on_demand"}]
)
def test_a_model_can_be_denied_in_a_region(
    bedrock: FakeBedrock, send_prompt: Any, error_of: Any, scope: Any
) -> None:
    bedrock.deny("acme.talk-v1:0", **scope)
    assert error_of(send_prompt) == (
        "AccessDeniedException",
        403,
        "You don't have access to the model with the specified model ID.",
    )
    send_prompt(modelId="acme.plain")
    if scope:
        send_prompt(region="us-west-2")


NOT_ENABLED = (
    "UnrecognizedClientException",
    403,
    "The security token included in the request is invalid.",
)


def test_a_disabled_region_does_not_accept_the_credentials(
    bedrock: FakeBedrock, send_prompt: Any, error_of: Any
) -> None:
    bedrock.close_region("us-east-1")
    assert error_of(send_prompt) == NOT_ENABLED
    assert error_of(bedrock.client("bedrock").list_foundation_models) == NOT_ENABLED
    send_prompt(region="us-west-2")


def test_only_enabled_regions_accept_the_credentials(
    bedrock: FakeBedrock, send_prompt: Any, error_of: Any
) -> None:
    bedrock.enable_regions("us-west-2", "eu-west-1")
    assert error_of(send_prompt) == NOT_ENABLED
    send_prompt(region="us-west-2")
    bedrock.close_region("us-west-2")
    assert error_of(send_prompt, region="us-west-2") == NOT_ENABLED
    bedrock.reset()
    send_prompt()


@pytest.mark.parametrize(
    ("error", "status"), [("ExpiredTokenException", 403), ("UnrecognizedClientException", 403)]
)
def test_credentials_can_be_rejected(
    bedrock: FakeBedrock, send_prompt: Any, error_of: Any, error: str, status: int
) -> None:
    bedrock.reject_credentials("testing", error=error)
    assert error_of(send_prompt)[:2] == (error, status)


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
    "an invalid role": (
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
def test_a_body_of_an_invalid_shape_is_rejected_with_aws_messages(
    bedrock: FakeBedrock, body: Any, code: str, message: str
) -> None:
    link = http.client.HTTPConnection(bedrock.endpoint_url.removeprefix("http://"), timeout=PATIENCE_SECONDS)
    link.request(
        "POST", "/model/acme.talk-v1:0/converse", json.dumps(body), {"Authorization": "Bearer anyone"}
    )
    response = link.getresponse()
    answer = json.loads(response.read())
    link.close()
    assert (response.status, response.headers["x-amzn-ErrorType"]) == (400, code)
    assert message in answer["message"]
