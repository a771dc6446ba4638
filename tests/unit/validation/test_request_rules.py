"""One example for each validation rule of Converse requests."""

from __future__ import annotations

from typing import Any

import pytest

from llmmanager.bedrock.validation.request_problems import MAX_PROBLEMS
from llmmanager.bedrock.validation.request_validation import validate_request

Json = dict[str, Any]


def user(*blocks: Json) -> Json:
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks: Json) -> Json:
    return {"role": "assistant", "content": list(blocks)}


def with_blocks(*blocks: Json, **fields: Any) -> Json:
    return {"messages": [user(*(blocks or ({"text": "Hello"},)))], **fields}


def image(data: Any = b"png", format_: Any = "png") -> Json:
    return {"image": {"format": format_, "source": {"bytes": data}}}


def document(data: Any = b"pdf", **members: Any) -> Json:
    return {"document": {"name": "document.pdf", "format": "pdf", "source": {"bytes": data}, **members}}


def video(data: Any = b"mp4") -> Json:
    return {"video": {"format": "mp4", "source": {"bytes": data}}}


def tool_use(id_: Any = "call-1") -> Json:
    return {"toolUse": {"toolUseId": id_, "name": "get_weather", "input": {"city": "Rome"}}}


def server_tool_use(id_: Any = "call-1") -> Json:
    return {"toolUse": {**tool_use(id_)["toolUse"], "type": "server_tool_use"}}


def tool_result(id_: Any = "call-1", *content: Json, **members: Any) -> Json:
    return {"toolResult": {"toolUseId": id_, "content": list(content or ({"text": "sunny"},)), **members}}


def tool(**members: Any) -> Json:
    spec = {"name": "get_weather", "inputSchema": {"json": {"type": "object"}}, **members}
    return {"tools": [{"toolSpec": spec}]}


def with_results(*results: Json, uses: tuple[Json, ...] = (), **fields: Any) -> Json:
    """Return a conversation with tool uses of the assistant and these results of the user."""
    turns = [user({"text": "?"}), assistant(*(uses or (tool_use(),))), user(*results)]
    return {"messages": turns, "toolConfig": tool(), **fields}


def only_problem(request: Any, *, stream: bool = False) -> str:
    problems = validate_request(request, stream=stream)
    assert len(problems) == 1, problems
    return problems[0]


VALID: dict[str, Json] = {
    "a plain question": with_blocks(),
    "every configuration": with_blocks(
        modelId="amazon.nova-lite-v1:0",
        system=[{"text": "Be brief."}, {"cachePoint": {"type": "default", "ttl": "1h"}}],
        inferenceConfig={"maxTokens": 1, "temperature": 0, "topP": 1.0, "stopSequences": ["Human:"]},
        toolConfig={**tool(description="Weather", strict=True), "toolChoice": {"auto": {}}},
        guardrailConfig={"guardrailIdentifier": "gr1", "guardrailVersion": "DRAFT", "trace": "enabled"},
        additionalModelRequestFields={"top_k": 5, "nested": [{"a": None}, 1.5, True]},
        additionalModelResponseFieldPaths=["/stop_sequence"],
        promptVariables={"any name": {"text": "value"}},
        requestMetadata={"cost:center": "team a/b"},
        performanceConfig={"latency": "optimized"},
        serviceTier={"type": "flex"},
        outputConfig={
            "textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": "{}"}}},
            "effort": "low",
        },
    ),
    "nothing in lists that may be empty": with_blocks(
        system=[], additionalModelResponseFieldPaths=[], inferenceConfig={}, promptVariables={}
    ),
    "an image": with_blocks({"text": "What is this?"}, image()),
    "an image without text": with_blocks(image()),
    "an image in S3": with_blocks(
        {
            "image": {
                "format": "webp",
                "source": {"s3Location": {"uri": "s3://bucket/key", "bucketOwner": "1" * 12}},
            }
        }
    ),
    "a bytearray": with_blocks(image(bytearray(b"png"))),
    "a memoryview": with_blocks(image(memoryview(b"png"))),
    "a document named like a file": with_blocks({"text": "Sum up"}, document()),
    "a document beside guarded text": with_blocks({"guardContent": {"text": {"text": "Sum up"}}}, document()),
    "a document as text": with_blocks({"text": "x"}, {"document": {"name": "n", "source": {"text": "long"}}}),
    "files as large and as many as a model may accept": with_blocks(
        {"text": "x"}, *[image(bytes(4_000_000))] * 29, document(bytes(6_000_000)), video(bytes(25_000_001))
    ),
    "five documents": with_blocks({"text": "Compare"}, *[document()] * 5),
    "a tool that was used": with_results(
        tool_result("call-2", {"json": {"sky": "blue"}}, image()),
        tool_result("call-1"),
        uses=(tool_use("call-1"), tool_use("call-2")),
    ),
    "a tool that is used again under the same id": with_results(tool_result())
    | {
        "messages": [
            *with_results(tool_result())["messages"],
            *[assistant(tool_use()), user(tool_result())],
        ]
    },
    "tool uses without results yet": {
        "messages": [user({"text": "?"}), assistant(tool_use())],
        "toolConfig": tool(),
    },
    "a system message before a tool result": with_results(tool_result())
    | {
        "messages": [
            *with_results()["messages"][:2],
            {"role": "system", "content": [{"text": "Be brief."}]},
            user(tool_result()),
        ]
    },
    "an empty tool result": with_results({"toolResult": {"toolUseId": "call-1", "content": []}}),
    "a document in a tool result": with_results(tool_result("call-1", document())),
    "a server tool's result in the assistant's turn": {
        "messages": [
            user({"text": "?"}),
            assistant(server_tool_use(), tool_result("call-1", image()), {"text": "Done."}),
            user({"text": "Thanks. And now?"}),
        ],
        "toolConfig": {"tools": [{"systemTool": {"name": "nova_grounding"}}]},
    },
    "five cache points": with_blocks({"text": "x"}, *[{"cachePoint": {"type": "default"}}] * 5),
    "an assistant's prefill": {"messages": [user({"text": "a"}), assistant({"text": "{"})]},
    "an empty message of the assistant": {
        "messages": [user({"text": "a"}), assistant(), user({"text": "b"})]
    },
    "a blank text of the assistant": {"messages": [user({"text": "a"}), assistant({"text": ""})]},
    "a system message first": {
        "messages": [{"role": "system", "content": [{"text": "x"}]}, user({"text": "a"})]
    },
    "tuples for lists": {"messages": ({"role": "user", "content": ({"text": "Hello"},)},)},
    "a content block AWS may add": with_blocks({"text": "x"}, {"hologram": {"any": ["thing"]}}),
    "a request field AWS may add": with_blocks(newField={"any": "thing"}),
    "a member AWS may add": with_blocks(inferenceConfig={"topK": 5}),
    "a service tier AWS may add": with_blocks(serviceTier={"type": "overnight"}),
}


@pytest.mark.parametrize("request_", VALID.values(), ids=VALID.keys())
def test_a_valid_request_has_no_problems(request_: Json) -> None:
    assert validate_request(request_) == []
    assert validate_request(request_, stream=True) == []


METADATA = "letters, digits, spaces and : _ @ $ # = / + , - ."
BLOCKS = (
    "text, image, document, video, audio, toolUse, toolResult, guardContent, cachePoint, reasoningContent, "
    "citationsContent, searchResult, toolAddition, toolRemoval"
)
FIRST = "messages[0].content[0]"
RESULT = "messages[2].content[0].toolResult"

INVALID: dict[str, tuple[Any, str]] = {
    # The request and its messages
    "no request": (None, "request: must be a dict with messages (got None)"),
    "no messages": ({}, "messages: is required"),
    "messages that are None": (
        {"messages": None},
        "messages: must be a list of 1 or more messages (got None)",
    ),
    "an empty conversation": ({"messages": []}, "messages: must be a list of 1 or more messages (got 0)"),
    "a bare question": ({"messages": "Hello"}, "messages: must be a list of 1 or more messages (got str)"),
    "a message that is a string": (
        {"messages": ["Hello"]},
        "messages[0]: must be a dict with role and content (got str)",
    ),
    "no role": ({"messages": [{"content": [{"text": "a"}]}]}, "messages[0].role: is required"),
    "an unknown role": (
        {"messages": [{"role": "bot", "content": [{"text": "a"}]}]},
        'messages[0].role: must be one of user, assistant, system (got "bot")',
    ),
    "a role that is a list": (
        {"messages": [{"role": ["user"], "content": [{"text": "a"}]}]},
        "messages[0].role: must be one of user, assistant, system (got list)",
    ),
    "no content": ({"messages": [{"role": "user"}]}, "messages[0].content: is required"),
    "content that is a string": (
        {"messages": [{"role": "user", "content": "Hello"}]},
        'messages[0].content: must be a list of 1 or more content blocks (got str: use [{"text": "..."}])',
    ),
    "empty content": (
        {"messages": [user()]},
        "messages[0].content: must be a list of 1 or more content blocks (got 0)",
    ),
    "the assistant first": (
        {"messages": [assistant({"text": "a"})]},
        'messages[0].role: must be "user" in the first message (got "assistant")',
    ),
    "the assistant first after the system": (
        {"messages": [{"role": "system", "content": [{"text": "x"}]}, assistant({"text": "a"})]},
        'messages[1].role: must be "user" in the first message (got "assistant")',
    ),
    "only a system message": (
        {"messages": [{"role": "system", "content": [{"text": "x"}]}]},
        "messages: must contain a user message",
    ),
    "a known field misspelled": (
        with_blocks(inference_config={}),
        'inference_config: must be spelled "inferenceConfig"',
    ),
    "a field that is None": (with_blocks(system=None), "system: must be a list of system blocks (got None)"),
    "a name that is not a string": (with_blocks() | {1: 2}, "request: member names must be strings (got 1)"),
    "a name further in that is not a string": (
        with_blocks(inferenceConfig={1: 2}),
        "inferenceConfig: member names must be strings (got 1)",
    ),
    # Content blocks
    "a block that is a string": (
        {"messages": [{"role": "user", "content": ["Hello"]}]},
        f"{FIRST}: must be a dict with exactly one of {BLOCKS} (got str)",
    ),
    "an empty block": (with_blocks({}), f"{FIRST}: must contain exactly one of {BLOCKS} (got none)"),
    "a block with two members": (
        with_blocks({"type": "text", "text": "a"}),
        f'{FIRST}: must contain exactly one of {BLOCKS} (got "type", "text")',
    ),
    "a block misspelled": (with_blocks({"tool_use": {}}), f'{FIRST}.tool_use: must be spelled "toolUse"'),
    "text that is a number": (with_blocks({"text": 5}), f"{FIRST}.text: must be a string (got 5)"),
    "empty text": (with_blocks({"text": ""}), f"{FIRST}.text: must not be blank"),
    "blank text": (with_blocks({"text": " \n\t "}), f"{FIRST}.text: must not be blank"),
    "an unknown image format": (
        with_blocks({"text": "a"}, image(format_="bmp")),
        'messages[0].content[1].image.format: must be one of png, jpeg, gif, webp (got "bmp")',
    ),
    "an image without source": (
        with_blocks({"image": {"format": "png"}}),
        f"{FIRST}.image.source: is required",
    ),
    "an image in base64": (
        with_blocks(image("iVBORw0KGgo=")),
        f"{FIRST}.image.source.bytes: must be 1 or more raw bytes, as bytes, bytearray or memoryview "
        "(got str: if it is base64, decode it first)",
    ),
    "an image that is empty": (
        with_blocks(image(b"")),
        f"{FIRST}.image.source.bytes: must be 1 or more raw bytes, as bytes, bytearray or memoryview "
        "(got 0 bytes)",
    ),
    "a wrong S3 address": (
        with_blocks({"image": {"format": "png", "source": {"s3Location": {"uri": "https://bucket/key"}}}}),
        f"{FIRST}.image.source.s3Location.uri: must be a string of 1 to 1024 characters (s3://bucket/key) "
        '(got "https://bucket/key")',
    ),
    "a document without a name": (
        with_blocks({"text": "a"}, {"document": {"source": {"text": "x"}}}),
        "messages[0].content[1].document.name: is required",
    ),
    "a document with too long a name": (
        with_blocks({"text": "a"}, document(name="n" * 201)),
        "messages[0].content[1].document.name: must be a string of 1 to 200 characters (got 201 characters)",
    ),
    "a document without text": (
        with_blocks(document()),
        "messages[0].content: must contain a text block in addition to the document",
    ),
    "an image of the assistant": (
        {"messages": [user({"text": "a"}), assistant(image())]},
        'messages[1].content[0].image: must be in a user message (got role "assistant")',
    ),
    "a document of the assistant": (
        {"messages": [user({"text": "a"}), assistant({"text": "b"}, document())]},
        'messages[1].content[1].document: must be in a user message (got role "assistant")',
    ),
    "an image of the system": (
        {"messages": [{"role": "system", "content": [image()]}, user({"text": "a"})]},
        'messages[0].content[0].image: must be in a user message (got role "system")',
    ),
    "documents beyond five": (
        with_blocks({"text": "a"}, *[document()] * 6),
        "messages: must contain at most 5 documents, including tool results (got 6)",
    ),
    "a tool use id with a space": (
        {"messages": [user({"text": "?"}), assistant(tool_use("call 1"))], "toolConfig": tool()},
        "messages[1].content[0].toolUse.toolUseId: must be a string of 1 to 64 characters "
        '(letters, digits, _, ., : and -) (got "call 1")',
    ),
    "a tool input that is a string": (
        {
            "messages": [
                user({"text": "a"}),
                assistant({"toolUse": {"toolUseId": "1", "name": "n", "input": "{}"}}),
            ],
            "toolConfig": tool(),
        },
        "messages[1].content[0].toolUse.input: must be a JSON object (a dict) (got str)",
    ),
    "a tool result in JSON that is a list": (
        with_results(tool_result("call-1", {"json": [1]})),
        f"{RESULT}.content[0].json: must be a JSON object (a dict) (got list)",
    ),
    "a tool result with an unknown status": (
        with_results(tool_result(status="failed")),
        f'{RESULT}.status: must be one of success, error (got "failed")',
    ),
    "a tool result beyond the tool uses": (
        with_results(tool_result("call-1"), tool_result("call-2")),
        "messages[2].content[1].toolResult.toolUseId: must be the id of a toolUse in the previous assistant "
        "message",
    ),
    "a tool result of an earlier turn": (
        {
            "messages": [
                *with_results(tool_result("call-1"))["messages"],
                assistant({"text": "b"}),
                user(tool_result("call-1")),
            ],
            "toolConfig": tool(),
        },
        "messages[4].content[0].toolResult.toolUseId: must be the id of a toolUse in the previous assistant "
        "message",
    ),
    "a tool result in the first message": (
        with_blocks(tool_result("call-9"), toolConfig=tool()),
        f"{FIRST}.toolResult.toolUseId: must be the id of a toolUse in the previous assistant message",
    ),
    "a tool use without result": (
        with_results(tool_result("call-2"), uses=(tool_use("call-1"), tool_use("call-2"))),
        "messages[2].content: must contain a toolResult for each toolUse of the previous message "
        '(missing: "call-1")',
    ),
    "a tool use that is passed over": (
        with_results({"text": "Never mind."}),
        "messages[2].content: must contain a toolResult for each toolUse of the previous message "
        '(missing: "call-1")',
    ),
    "two tool uses with one id": (
        {
            "messages": [user({"text": "?"}), assistant(tool_use(), tool_use())],
            "toolConfig": tool(),
        },
        "messages[1].content[1].toolUse.toolUseId: must not repeat the id of an earlier toolUse in the "
        "message",
    ),
    "two tool results with one id": (
        with_results(tool_result(), tool_result()),
        "messages[2].content[1].toolResult.toolUseId: must not repeat the id of an earlier toolResult in the "
        "message",
    ),
    "tool blocks without toolConfig": (
        {"messages": with_results(tool_result())["messages"]},
        "toolConfig: is required when messages contain toolUse or toolResult blocks",
    ),
    "two messages of the user in a row": (
        {"messages": [user({"text": "a"}), user({"text": "b"})]},
        "messages[1].role: must differ from the role of the previous message: user and assistant alternate "
        '(got "user" twice)',
    ),
    "two messages of the assistant in a row": (
        {"messages": [user({"text": "a"}), assistant({"text": "b"}), assistant({"text": "c"})]},
        "messages[2].role: must differ from the role of the previous message: user and assistant alternate "
        '(got "assistant" twice)',
    ),
    "a cache point without type": (with_blocks({"cachePoint": {}}), f"{FIRST}.cachePoint.type: is required"),
    # Configuration
    "a system prompt in its short form": (
        with_blocks(system="Be brief."),
        "system: must be a list of system blocks (got str)",
    ),
    "an empty system prompt": (
        with_blocks(system=[{"text": ""}]),
        "system[0].text: must be a string of 1 or more characters (got 0 characters)",
    ),
    "no tokens": (
        with_blocks(inferenceConfig={"maxTokens": 0}),
        "inferenceConfig.maxTokens: must be an integer from 1 to 2147483647 (got 0)",
    ),
    "tokens as a float": (
        with_blocks(inferenceConfig={"maxTokens": 10.0}),
        "inferenceConfig.maxTokens: must be an integer from 1 to 2147483647 (got 10.0)",
    ),
    "tokens as a bool": (
        with_blocks(inferenceConfig={"maxTokens": True}),
        "inferenceConfig.maxTokens: must be an integer from 1 to 2147483647 (got True)",
    ),
    "a temperature too high": (
        with_blocks(inferenceConfig={"temperature": 1.5}),
        "inferenceConfig.temperature: must be a number from 0 to 1 (got 1.5)",
    ),
    "a temperature that is a string": (
        with_blocks(inferenceConfig={"temperature": "0.5"}),
        "inferenceConfig.temperature: must be a number from 0 to 1 (got str)",
    ),
    "a temperature that is NaN": (
        with_blocks(inferenceConfig={"temperature": float("nan")}),
        "inferenceConfig.temperature: must be a number from 0 to 1 (got nan)",
    ),
    "a negative topP": (
        with_blocks(inferenceConfig={"topP": -0.1}),
        "inferenceConfig.topP: must be a number from 0 to 1 (got -0.1)",
    ),
    "an empty stop sequence": (
        with_blocks(inferenceConfig={"stopSequences": ["a", ""]}),
        "inferenceConfig.stopSequences[1]: must be a string of 1 or more characters (got 0 characters)",
    ),
    "too many stop sequences": (
        with_blocks(inferenceConfig={"stopSequences": ["a"] * 2501}),
        "inferenceConfig.stopSequences: must be a list of at most 2500 stop sequences (got 2501)",
    ),
    "a parameter misspelled": (
        with_blocks(inferenceConfig={"max_tokens": 5}),
        'inferenceConfig.max_tokens: must be spelled "maxTokens"',
    ),
    "no tools": (
        with_blocks(toolConfig={"tools": []}),
        "toolConfig.tools: must be a list of 1 or more tools (got 0)",
    ),
    "a tool name with a space": (
        with_blocks(toolConfig=tool(name="get weather")),
        "toolConfig.tools[0].toolSpec.name: must be a string of 1 to 64 characters "
        '(letters, digits, _ and -) (got "get weather")',
    ),
    "a tool without schema": (
        with_blocks(toolConfig={"tools": [{"toolSpec": {"name": "a"}}]}),
        "toolConfig.tools[0].toolSpec.inputSchema: is required",
    ),
    "a tool schema with a set": (
        with_blocks(toolConfig=tool(inputSchema={"json": {"required": [{"a"}]}})),
        "toolConfig.tools[0].toolSpec.inputSchema.json.required[0]: must be a JSON value: dict, list, str, "
        "int, float, bool or None (got set)",
    ),
    "an unknown tool choice spelling": (
        with_blocks(toolConfig={**tool(), "toolChoice": {"Any": {}}}),
        'toolConfig.toolChoice.Any: must be spelled "any"',
    ),
    "a guardrail version in words": (
        with_blocks(guardrailConfig={"guardrailVersion": "latest"}),
        'guardrailConfig.guardrailVersion: must be a string (a number or DRAFT) (got "latest")',
    ),
    "an infinite model field": (
        with_blocks(additionalModelRequestFields={"a b": [float("inf")]}),
        'additionalModelRequestFields["a b"][0]: must be a finite number (got inf)',
    ),
    "a model field with a number for a key": (
        with_blocks(additionalModelRequestFields={"a": {1: 2}}),
        "additionalModelRequestFields.a: keys must be strings (got 1)",
    ),
    "a model field with an integer that is too large": (
        with_blocks(additionalModelRequestFields={"a": 10**5000}),
        "additionalModelRequestFields.a: must be an integer of at most 1024 bits",
    ),
    "too many response paths": (
        with_blocks(additionalModelResponseFieldPaths=["/a"] * 11),
        "additionalModelResponseFieldPaths: must be a list of at most 10 paths (got 11)",
    ),
    "an empty response path": (
        with_blocks(additionalModelResponseFieldPaths=[""]),
        "additionalModelResponseFieldPaths[0]: must be a string of 1 to 256 characters (got 0 characters)",
    ),
    "a response path too long": (
        with_blocks(additionalModelResponseFieldPaths=["p" * 257]),
        "additionalModelResponseFieldPaths[0]: must be a string of 1 to 256 characters (got 257 characters)",
    ),
    "metadata of no entries": (
        with_blocks(requestMetadata={}),
        "requestMetadata: must be a dict of 1 to 16 entries (got 0)",
    ),
    "metadata of too many entries": (
        with_blocks(requestMetadata={str(number): "" for number in range(17)}),
        "requestMetadata: must be a dict of 1 to 16 entries (got 17)",
    ),
    "metadata that is a number": (
        with_blocks(requestMetadata={"run": 5}),
        f"requestMetadata.run: must be a string of at most 256 characters ({METADATA}) (got 5)",
    ),
    "metadata with a character that is not accepted": (
        with_blocks(requestMetadata={"who": "Zoë"}),
        f"requestMetadata.who: must be a string of at most 256 characters ({METADATA}) (got 3 characters)",
    ),
    "metadata with a key that is not accepted": (
        with_blocks(requestMetadata={"": "x"}),
        f"requestMetadata: each key must be a string of 1 to 256 characters ({METADATA}) (got 0 characters)",
    ),
    "a prompt variable that is a string": (
        with_blocks(promptVariables={"name": "value"}),
        "promptVariables.name: must be a dict with text (got str)",
    ),
    "an unknown latency": (
        with_blocks(performanceConfig={"latency": "turbo"}),
        'performanceConfig.latency: must be one of standard, optimized (got "turbo")',
    ),
    "a service tier misspelled": (
        with_blocks(serviceTier={"type": "Flex"}),
        'serviceTier.type: must be one of priority, default, flex, reserved (got "Flex")',
    ),
    "a configuration that is a number": (
        with_blocks(inferenceConfig=5),
        "inferenceConfig: must be a dict (got 5)",
    ),
    "an image that is a number": (
        with_blocks({"text": "a"}, {"image": {"format": 5, "source": {"bytes": b"png"}}}),
        "messages[0].content[1].image.format: must be one of png, jpeg, gif, webp (got 5)",
    ),
    "bytes that are a number": (
        with_blocks({"text": "a"}, image(5)),
        "messages[0].content[1].image.source.bytes: must be 1 or more raw bytes, as bytes, "
        "bytearray or memoryview (got 5)",
    ),
    "a source that is a number": (
        with_blocks({"text": "a"}, {"video": {"format": "mp4", "source": 5}}),
        "messages[0].content[1].video.source: must be a dict with exactly one of bytes, s3Location (got 5)",
    ),
    "metadata that are a number": (
        with_blocks(requestMetadata=5),
        "requestMetadata: must be a dict of 1 to 16 entries (got 5)",
    ),
    "metadata with white space beyond ASCII": (
        with_blocks(requestMetadata={"run": "a\u2003b"}),
        f"requestMetadata.run: must be a string of at most 256 characters ({METADATA}) (got 3 characters)",
    ),
    "a field spelled with a dash": (
        with_blocks(inferenceConfig={"max-tokens": 5}),
        'inferenceConfig["max-tokens"]: must be spelled "maxTokens"',
    ),
    "an effort too long": (
        with_blocks(outputConfig={"effort": "e" * 17}),
        "outputConfig.effort: must be a string of at most 16 characters (got 17 characters)",
    ),
}


@pytest.mark.parametrize(("request_", "problem"), INVALID.values(), ids=INVALID.keys())
def test_an_invalid_request_gets_a_problem_with_field_and_accepted_values(
    request_: Any, problem: str
) -> None:
    assert only_problem(request_) == problem


def test_a_document_that_contains_itself_is_rejected_with_its_path() -> None:
    recursive: Json = {"a": [1]}
    recursive["a"].append(recursive)
    problem = only_problem(with_blocks(additionalModelRequestFields=recursive))
    assert problem == "additionalModelRequestFields.a[1]: must not contain itself"


def test_the_maximum_number_of_tokens_is_accepted() -> None:
    assert validate_request(with_blocks(inferenceConfig={"maxTokens": 2**31 - 1})) == []
    assert validate_request(with_blocks(inferenceConfig={"maxTokens": 2**31})) != []


def test_the_stream_mode_of_a_guardrail_is_accepted_for_streams_only() -> None:
    request = with_blocks(guardrailConfig={"streamProcessingMode": "async"})
    assert validate_request(request, stream=True) == []
    assert only_problem(request) == (
        "guardrailConfig.streamProcessingMode: must be omitted: it is for streamed requests (got str)"
    )


def test_all_problems_are_reported_together() -> None:
    request = {
        "messages": [assistant({"text": "a"}), user({"text": " "}, image(format_="bmp"), document(b""))],
        "inferenceConfig": {"temperature": 2, "maxTokens": 0},
        "toolConfig": {},
        "serviceTier": {},
    }
    fields = [problem.partition(":")[0] for problem in validate_request(request)]
    assert fields == [
        "messages[1].content[1].image.format",
        "messages[1].content[2].document.source.bytes",
        "inferenceConfig.temperature",
        "inferenceConfig.maxTokens",
        "toolConfig.tools",
        "serviceTier.type",
        "messages[0].role",
        "messages[1].content[0].text",
    ]


def test_the_number_of_problems_is_limited_with_a_last_message() -> None:
    problems = validate_request({"messages": [None] * (MAX_PROBLEMS + 5)})
    assert len(problems) == MAX_PROBLEMS + 1
    assert problems[-1] == f"request: has more than the {MAX_PROBLEMS} problems listed"


def test_the_maximum_number_of_problems_is_reported() -> None:
    problems = validate_request({"messages": [user({"text": "a"}), *[None] * MAX_PROBLEMS]})
    assert len(problems) == MAX_PROBLEMS
    assert problems[-1].startswith(f"messages[{MAX_PROBLEMS}]")


def test_a_problem_does_not_show_prompts_or_metadata() -> None:
    secret = "my secret is ü"
    problems = validate_request(
        {
            "messages": [
                {"role": "user", "content": secret},
                secret,
                user({"text": "a"}, document(name=secret * 20)),
            ],
            "system": [{"text": [secret]}, {"guardContent": secret}],
            "requestMetadata": {"a": secret, secret: "a"},
            "promptVariables": {"a": secret},
        }
    )
    assert len(problems) == 8
    assert not any("secret" in problem for problem in problems)


def test_a_block_with_a_member_name_that_is_not_a_string_is_reported() -> None:
    problems = validate_request(with_blocks({"text": "a", 5: "b"}))  # type: ignore[dict-item]
    assert problems[0].endswith('(got "text", 5)')
