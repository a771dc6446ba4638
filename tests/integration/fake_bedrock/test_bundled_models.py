"""Requests that the bundled models accept and reject, model by model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from llmmanager.testing import FakeBedrock

HAIKU = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
SONNET_4_6 = "us.anthropic.claude-sonnet-4-6"
SONNET_5 = "us.anthropic.claude-sonnet-5"
LLAMA = "us.meta.llama3-3-70b-instruct-v1:0"
NOVA = "amazon.nova-lite-v1:0"
NOVA_2 = "us.amazon.nova-2-lite-v1:0"
GPT = "openai.gpt-oss-120b-1:0"
CLAUDE_SAYS = "The model returned the following errors: "

TEXT = {"text": "What is this?"}
POINT = {"cachePoint": {"type": "default"}}
TOOL = {"toolSpec": {"name": "look", "inputSchema": {"json": {"type": "object"}}}}
TOOL_2 = {"toolSpec": {"name": "hear", "inputSchema": {"json": {"type": "object"}}}}
CALL = {"toolUse": {"toolUseId": "one", "name": "look", "input": {}}}
RESULT = {"toolResult": {"toolUseId": "one", "content": [{"text": "seen"}]}}
SIGNED = {"reasoningContent": {"reasoningText": {"text": "Hm", "signature": "AAAA"}}}
UNSIGNED = {"reasoningContent": {"reasoningText": {"text": "Hm"}}}
ENCRYPTED = {"reasoningContent": {"redactedContent": b"secret"}}


def user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def image(size: int = 3) -> dict[str, Any]:
    return {"image": {"format": "png", "source": {"bytes": b"x" * size}}}


def document(form: str, size: int, name: str = "notes") -> dict[str, Any]:
    return {"document": {"format": form, "name": name, "source": {"bytes": b"x" * size}}}


def video(size: int = 3) -> dict[str, Any]:
    return {"video": {"format": "mp4", "source": {"bytes": b"x" * size}}}


def thinking(**fields: Any) -> dict[str, Any]:
    return {"additionalModelRequestFields": {"thinking": fields}}


ENABLED = thinking(type="enabled", budget_tokens=1024)
IN_S3 = {"image": {"format": "png", "source": {"s3Location": {"uri": "s3://pictures/one.png"}}}}


@pytest.fixture
def send_prompt(fake_bedrock: FakeBedrock) -> Callable[..., Any]:
    def send(model: str, *blocks: Any, **request: Any) -> Any:
        request.setdefault("messages", [user(*(blocks or (TEXT,)))])
        return fake_bedrock.client(region="us-east-1").converse(modelId=model, **request)

    return send


ACCEPTED = {
    "29 images for Claude": (SONNET_5, [TEXT, *[image()] * 29], {}),
    "an image of 3.93 MB for Claude": (HAIKU, [TEXT, image(3_932_160)], {}),
    "25 images in S3 for Nova": (NOVA_2, [TEXT, *[IN_S3] * 25], {}),
    "a large image for Nova": (NOVA, [TEXT, image(6_000_000)], {}),
    "a PDF of 6 MB for Claude": (HAIKU, [TEXT, document("pdf", 6_000_000)], {}),
    "a PDF of 6 MB for Nova": (NOVA, [TEXT, document("pdf", 6_000_000)], {}),
    "a DOCX of 6 MB for Nova": (NOVA, [TEXT, document("docx", 6_000_000)], {}),
    "a text of 4.5 MB": (NOVA, [TEXT, document("txt", 4_500_000)], {}),
    "an underscore in a document's name": (NOVA, [TEXT, document("txt", 3, "test_name")], {}),
    "spaces around a document's name": (NOVA, [TEXT, document("txt", 3, " my notes ")], {}),
    "signed reasoning for Claude": (
        HAIKU,
        [],
        {"messages": [user(TEXT), assistant(SIGNED, TEXT), user(TEXT)]},
    ),
    "encrypted reasoning for Claude": (
        HAIKU,
        [],
        {"messages": [user(TEXT), assistant(ENCRYPTED, TEXT), user(TEXT)]},
    ),
    "reasoning for Nova 2": (NOVA_2, [], {"messages": [user(TEXT), assistant(UNSIGNED, TEXT), user(TEXT)]}),
    "thinking within maxTokens": (HAIKU, [], {**ENABLED, "inferenceConfig": {"maxTokens": 1025}}),
    "thinking at temperature 1": (HAIKU, [], {**ENABLED, "inferenceConfig": {"temperature": 1}}),
    "thinking with a chosen tool": (
        HAIKU,
        [],
        {**ENABLED, "toolConfig": {"tools": [TOOL], "toolChoice": {"auto": {}}}},
    ),
    "thinking switched off": (
        HAIKU,
        [],
        {**thinking(type="disabled"), "toolConfig": {"tools": [TOOL], "toolChoice": {"any": {}}}},
    ),
    "adaptive thinking": (SONNET_5, [], thinking(type="adaptive")),
    "both kinds of thinking": (SONNET_4_6, [], ENABLED),
    "top_k for Claude": (HAIKU, [], {"additionalModelRequestFields": {"top_k": 5}}),
    "topK for Nova": (NOVA, [], {"additionalModelRequestFields": {"inferenceConfig": {"topK": 5}}}),
    "reasoningConfig for Nova 2": (
        NOVA_2,
        [],
        {"additionalModelRequestFields": {"reasoningConfig": {"type": "enabled"}}},
    ),
    "anything for a model whose fields are unknown": (
        GPT,
        [],
        {"additionalModelRequestFields": {"reasoning_effort": "low"}},
    ),
    "cache points in the messages of Nova": (NOVA, [TEXT, POINT], {"system": [TEXT, POINT]}),
    "cache points in the tools of Claude": (HAIKU, [], {"toolConfig": {"tools": [TOOL, POINT]}}),
    "text beside tool blocks for Claude": (
        HAIKU,
        [],
        {
            "toolConfig": {"tools": [TOOL]},
            "messages": [user(TEXT), assistant(TEXT, CALL), user(RESULT, TEXT)],
        },
    ),
}


@pytest.mark.parametrize(("model", "blocks", "request_"), ACCEPTED.values(), ids=ACCEPTED)
def test_requests_that_aws_accepts_are_answered(
    send_prompt: Any, model: str, blocks: Any, request_: Any
) -> None:
    assert send_prompt(model, *blocks, **request_)["output"]["message"]["content"]


REJECTED = {
    "101 images for a Claude of 200,000 tokens": (
        HAIKU,
        [TEXT, *[image()] * 101],
        {},
        CLAUDE_SAYS + "too many images and documents: 101 + 0 > 100",
    ),
    "601 images for a Claude of a million tokens": (
        SONNET_5,
        [TEXT, *[image()] * 600, image()],
        {},
        CLAUDE_SAYS + "too many images and documents: 601 + 0 > 600",
    ),
    "an image of more than 5 MB in base64 for Claude": (
        HAIKU,
        [TEXT, image(3_932_161)],
        {},
        CLAUDE_SAYS
        + "messages.0.content.1.image.source.base64.data: image exceeds 5 MB maximum: 5242884 bytes",
    ),
    "a DOCX of more than 4.5 MB for Claude": (
        HAIKU,
        [TEXT, document("docx", 4_500_001)],
        {},
        "The maximum document size is 4.5 MB. Reduce the size of your document and retry your request.",
    ),
    "a text of more than 4.5 MB for Nova": (
        NOVA,
        [TEXT, document("txt", 4_500_001)],
        {},
        "The maximum document size is 4.5 MB.",
    ),
    "two videos for Nova": (NOVA, [TEXT, video(), video()], {}, "too many videos: 2 > 1"),
    "a video of more than 25 MB in base64": (
        NOVA,
        [TEXT, video(18_750_001)],
        {},
        "Malformed input request: #/messages/0/content/1/video/source/bytes: expected maxLength: 25000000",
    ),
    "reasoning for Nova": (
        NOVA,
        [],
        {"messages": [user(TEXT), assistant(SIGNED, TEXT), user(TEXT)]},
        "User messages cannot contain reasoning content. Please remove the reasoning content and try again.",
    ),
    "unsigned reasoning for Claude": (
        HAIKU,
        [],
        {"messages": [user(TEXT), assistant(UNSIGNED, TEXT), user(TEXT)]},
        CLAUDE_SAYS + "messages.1.content.0.thinking.signature: Field required",
    ),
    "thinking with a forced tool": (
        HAIKU,
        [],
        {**ENABLED, "toolConfig": {"tools": [TOOL], "toolChoice": {"any": {}}}},
        CLAUDE_SAYS + "Thinking may not be enabled when tool_choice forces tool use.",
    ),
    "thinking at another temperature": (
        HAIKU,
        [],
        {**ENABLED, "inferenceConfig": {"temperature": 0.5}},
        CLAUDE_SAYS + "`temperature` may only be set to 1 when thinking is enabled.",
    ),
    "adaptive thinking at another temperature": (
        SONNET_4_6,
        [],
        {**thinking(type="adaptive"), "inferenceConfig": {"temperature": 0.5}},
        "`temperature` may only be set to 1 when thinking is enabled or in adaptive mode.",
    ),
    "thinking with a low topP": (
        HAIKU,
        [],
        {**ENABLED, "inferenceConfig": {"topP": 0.9}},
        CLAUDE_SAYS + "`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled.",
    ),
    "thinking with top_k": (
        HAIKU,
        [],
        {
            "additionalModelRequestFields": {
                **ENABLED["additionalModelRequestFields"],
                "top_k": 5,
            }
        },
        CLAUDE_SAYS + "`top_k` must be unset when thinking is enabled.",
    ),
    "maxTokens that the thinking takes up": (
        HAIKU,
        [],
        {**ENABLED, "inferenceConfig": {"maxTokens": 1024}},
        CLAUDE_SAYS + "`max_tokens` must be greater than `thinking.budget_tokens`.",
    ),
    "a small budget for thinking": (
        HAIKU,
        [],
        thinking(type="enabled", budget_tokens=1023),
        CLAUDE_SAYS + "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024",
    ),
    "thinking without a budget": (
        HAIKU,
        [],
        thinking(type="enabled"),
        CLAUDE_SAYS + "thinking.enabled.budget_tokens: Field required",
    ),
    "a tool's result after an answer without its thinking": (
        HAIKU,
        [],
        {
            **ENABLED,
            "toolConfig": {"tools": [TOOL]},
            "messages": [user(TEXT), assistant(CALL), user(RESULT)],
        },
        "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`.",
    ),
    "thinking of a kind that is unknown": (HAIKU, [], thinking(type="deep"), "thinking: Input tag 'deep'"),
    "adaptive thinking of an older model": (
        HAIKU,
        [],
        thinking(type="adaptive"),
        CLAUDE_SAYS + "adaptive thinking is not supported on this model",
    ),
    "a budget for a model that thinks adaptively": (
        SONNET_5,
        [],
        ENABLED,
        CLAUDE_SAYS + '"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive"',
    ),
    "an unknown field for Claude": (
        HAIKU,
        [],
        {"additionalModelRequestFields": {"colour": "red"}},
        CLAUDE_SAYS + "colour: Extra inputs are not permitted",
    ),
    "top_k for Nova": (
        NOVA,
        [],
        {"additionalModelRequestFields": {"top_k": 5}},
        "Malformed input request: #: extraneous key [top_k] is not permitted, please reformat your input",
    ),
    "reasoningConfig for an older Nova": (
        NOVA,
        [],
        {"additionalModelRequestFields": {"reasoningConfig": {"type": "enabled"}}},
        "extraneous key [reasoningConfig] is not permitted",
    ),
    "a cache point in the tools of Nova": (
        NOVA,
        [],
        {"toolConfig": {"tools": [TOOL, POINT]}},
        "Malformed input request: #/toolConfig/tools/1: extraneous key [cachePoint] is not permitted, please "
        "reformat your input and try again.",
    ),
    "a cache point after a tool's result for Nova": (
        NOVA,
        [],
        {
            "toolConfig": {"tools": [TOOL]},
            "messages": [user(TEXT), assistant(CALL), user(RESULT, POINT)],
        },
        "Malformed input request: #/messages/2/content/1: extraneous key [cachePoint] is not permitted",
    ),
    "text beside a tool's result for Llama": (
        LLAMA,
        [],
        {"toolConfig": {"tools": [TOOL]}, "messages": [user(TEXT), assistant(CALL), user(RESULT, TEXT)]},
        "messages.2.content: Conversation blocks and tool result blocks cannot be provided in the same turn.",
    ),
    "one id for two tool calls of Claude": (
        HAIKU,
        [],
        {
            "toolConfig": {"tools": [TOOL]},
            "messages": [user(TEXT), assistant(CALL), user(RESULT), assistant(CALL), user(RESULT)],
        },
        CLAUDE_SAYS + "messages.3.content.0: `tool_use` ids must be unique",
    ),
    "a forced tool for Llama": (
        LLAMA,
        [],
        {"toolConfig": {"tools": [TOOL], "toolChoice": {"any": {}}}},
        "This model doesn't support the toolConfig.toolChoice.any field. Remove toolConfig.toolChoice.any",
    ),
    "stop sequences for a model of OpenAI": (
        GPT,
        [],
        {"inferenceConfig": {"stopSequences": ["x"]}},
        "This model doesn't support the stopSequences field. Remove stopSequences and try again.",
    ),
}


@pytest.mark.parametrize(("model", "blocks", "request_", "message"), REJECTED.values(), ids=REJECTED)
def test_requests_that_aws_rejects_are_rejected_with_its_message(
    send_prompt: Any, error_of: Any, model: str, blocks: Any, request_: Any, message: str
) -> None:
    code, status, message = error_of(send_prompt, model, *blocks, **request_)
    assert (code, status) == ("ValidationException", 400)
    assert message.startswith(message) or message in message


def test_an_openai_model_accepts_only_encrypted_reasoning_in_the_history(
    fake_bedrock: FakeBedrock, error_of: Any
) -> None:
    models = fake_bedrock.client("bedrock").list_foundation_models()["modelSummaries"]
    gpt = next(model["modelId"] for model in models if model["modelId"].startswith("openai.gpt-5"))
    client = fake_bedrock.client()

    def send_prompt(block: Any) -> Any:
        return client.converse(modelId=gpt, messages=[user(TEXT), assistant(block, TEXT), user(TEXT)])

    assert error_of(send_prompt, SIGNED)[2] == (
        "This model doesn't support the reasoningContent.reasoningText.text field for assistant messages. "
        "Remove reasoningContent.reasoningText.text and try again."
    )
    send_prompt(ENCRYPTED)


@pytest.mark.parametrize("name", ["tools", "system"])
def test_a_one_hour_cache_point_after_a_five_minute_one_is_rejected_with_its_path(
    send_prompt: Any, error_of: Any, name: str
) -> None:
    hour = {"cachePoint": {"type": "default", "ttl": "1h"}}
    places = {
        "tools": {"toolConfig": {"tools": [TOOL, POINT, TOOL_2, hour]}},
        "system": {"system": [TEXT, POINT, TEXT, hour]},
    }
    message = error_of(send_prompt, HAIKU, **places[name])[2]
    assert message.startswith(
        f"{CLAUDE_SAYS}{name}.1.cache_control.ttl: a ttl='1h' cache_control block must not"
    )
    send_prompt(HAIKU, TEXT, hour, TEXT, POINT)


@pytest.mark.parametrize(
    "model",
    [HAIKU, "us.anthropic.claude-sonnet-5", "anthropic.claude-sonnet-5", NOVA, "cohere.rerank-v3-5:0"],
)
def test_count_tokens_rejects_profiles_and_models_without_support(
    fake_bedrock: FakeBedrock, error_of: Any, model: str
) -> None:
    message = error_of(
        fake_bedrock.client().count_tokens, modelId=model, input={"converse": {"messages": [user(TEXT)]}}
    )[2]
    assert message == "The provided model doesn't support counting tokens."


def test_count_tokens_accepts_a_model_that_only_profiles_serve(fake_bedrock: FakeBedrock) -> None:
    model = HAIKU.removeprefix("us.")
    answer = fake_bedrock.client().count_tokens(modelId=model, input={"converse": {"messages": [user(TEXT)]}})
    assert answer["inputTokens"] == 4
