"""One example for each rule that a Converse request is held to."""

from __future__ import annotations

from typing import Any

import pytest

from llmmanager.bedrock.invocation.request_problems import MAX_PROBLEMS
from llmmanager.bedrock.invocation.request_validation import validate_request

Json = dict[str, Any]


def user(*blocks: Json) -> Json:
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks: Json) -> Json:
    return {"role": "assistant", "content": list(blocks)}


def asking(*blocks: Json, **fields: Any) -> Json:
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


def answering(*results: Json, uses: tuple[Json, ...] = (), **fields: Any) -> Json:
    """A conversation in which the user answers the assistant's tool uses with these results."""
    turns = [user({"text": "?"}), assistant(*(uses or (tool_use(),))), user(*results)]
    return {"messages": turns, "toolConfig": tool(), **fields}


def only_problem(request: Any, *, stream: bool = False) -> str:
    problems = validate_request(request, stream=stream)
    assert len(problems) == 1, problems
    return problems[0]


SOUND: dict[str, Json] = {
    "a plain question": asking(),
    "every configuration": asking(
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
    "nothing in lists that may be empty": asking(
        system=[], additionalModelResponseFieldPaths=[], inferenceConfig={}, promptVariables={}
    ),
    "an image": asking({"text": "What is this?"}, image()),
    "an image without text": asking(image()),
    "an image in S3": asking(
        {
            "image": {
                "format": "webp",
                "source": {"s3Location": {"uri": "s3://bucket/key", "bucketOwner": "1" * 12}},
            }
        }
    ),
    "a bytearray": asking(image(bytearray(b"png"))),
    "a memoryview": asking(image(memoryview(b"png"))),
    "a document named like a file": asking({"text": "Sum up"}, document()),
    "a document beside guarded text": asking({"guardContent": {"text": {"text": "Sum up"}}}, document()),
    "a document as text": asking({"text": "x"}, {"document": {"name": "n", "source": {"text": "long"}}}),
    "files as large and as many as a model may accept": asking(
        {"text": "x"}, *[image(bytes(4_000_000))] * 29, document(bytes(6_000_000)), video(bytes(25_000_001))
    ),
    "five documents": asking({"text": "Compare"}, *[document()] * 5),
    "a tool that was used": answering(
        tool_result("call-2", {"json": {"sky": "blue"}}, image()),
        tool_result("call-1"),
        uses=(tool_use("call-1"), tool_use("call-2")),
    ),
    "a tool that is used again under the same id": answering(tool_result())
    | {
        "messages": [
            *answering(tool_result())["messages"],
            *[assistant(tool_use()), user(tool_result())],
        ]
    },
    "tool uses that nobody answers yet": {
        "messages": [user({"text": "?"}), assistant(tool_use())],
        "toolConfig": tool(),
    },
    "a system message before a tool result": answering(tool_result())
    | {
        "messages": [
            *answering()["messages"][:2],
            {"role": "system", "content": [{"text": "Be brief."}]},
            user(tool_result()),
        ]
    },
    "an empty tool result": answering({"toolResult": {"toolUseId": "call-1", "content": []}}),
    "a document in a tool result": answering(tool_result("call-1", document())),
    "a server tool's result in the assistant's turn": {
        "messages": [
            user({"text": "?"}),
            assistant(server_tool_use(), tool_result("call-1", image()), {"text": "Done."}),
            user({"text": "Thanks. And now?"}),
        ],
        "toolConfig": {"tools": [{"systemTool": {"name": "nova_grounding"}}]},
    },
    "five cache points": asking({"text": "x"}, *[{"cachePoint": {"type": "default"}}] * 5),
    "an assistant's prefill": {"messages": [user({"text": "a"}), assistant({"text": "{"})]},
    "an empty message of the assistant": {
        "messages": [user({"text": "a"}), assistant(), user({"text": "b"})]
    },
    "a blank text of the assistant": {"messages": [user({"text": "a"}), assistant({"text": ""})]},
    "a system message first": {
        "messages": [{"role": "system", "content": [{"text": "x"}]}, user({"text": "a"})]
    },
    "tuples for lists": {"messages": ({"role": "user", "content": ({"text": "Hello"},)},)},
    "a content block AWS may add": asking({"text": "x"}, {"hologram": {"any": ["thing"]}}),
    "a request field AWS may add": asking(newField={"any": "thing"}),
    "a member AWS may add": asking(inferenceConfig={"topK": 5}),
    "a service tier AWS may add": asking(serviceTier={"type": "overnight"}),
}


@pytest.mark.parametrize("request_", SOUND.values(), ids=SOUND.keys())
def test_a_sound_request_has_no_problems(request_: Json) -> None:
    assert validate_request(request_) == []
    assert validate_request(request_, stream=True) == []


TAKEN = "letters, digits, spaces and : _ @ $ # = / + , - ."
BLOCKS = (
    "text, image, document, video, audio, toolUse, toolResult, guardContent, cachePoint, reasoningContent, "
    "citationsContent, searchResult, toolAddition, toolRemoval"
)
FIRST = "messages[0].content[0]"
RESULT = "messages[2].content[0].toolResult"

REFUSED: dict[str, tuple[Any, str]] = {
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
        "messages[0].content: must be a list of 1 or more content blocks (got str)",
    ),
    "empty content": (
        {"messages": [user()]},
        "messages[0].content: must be a list of 1 or more content blocks (got 0)",
    ),
    "the assistant first": (
        {"messages": [assistant({"text": "a"})]},
        'messages[0].role: must be "user", which begins a conversation (got "assistant")',
    ),
    "the assistant first after the system": (
        {"messages": [{"role": "system", "content": [{"text": "x"}]}, assistant({"text": "a"})]},
        'messages[1].role: must be "user", which begins a conversation (got "assistant")',
    ),
    "nobody but the system": (
        {"messages": [{"role": "system", "content": [{"text": "x"}]}]},
        "messages: must hold a message of the user",
    ),
    "a known field misspelt": (
        asking(inference_config={}),
        'inference_config: must be spelled "inferenceConfig"',
    ),
    "a field that is None": (asking(system=None), "system: must be a list of system blocks (got None)"),
    "a name that is no string": (asking() | {1: 2}, "request: takes only strings as member names (got 1)"),
    "a name further in that is no string": (
        asking(inferenceConfig={1: 2}),
        "inferenceConfig: takes only strings as member names (got 1)",
    ),
    # Content blocks
    "a block that is a string": (
        {"messages": [{"role": "user", "content": ["Hello"]}]},
        f"{FIRST}: must be a dict with exactly one of {BLOCKS} (got str)",
    ),
    "a block of nothing": (asking({}), f"{FIRST}: must hold exactly one of {BLOCKS} (got none)"),
    "a block of two": (
        asking({"type": "text", "text": "a"}),
        f'{FIRST}: must hold exactly one of {BLOCKS} (got "type", "text")',
    ),
    "a block misspelt": (asking({"tool_use": {}}), f'{FIRST}.tool_use: must be spelled "toolUse"'),
    "text that is a number": (asking({"text": 5}), f"{FIRST}.text: must be a string (got 5)"),
    "empty text": (asking({"text": ""}), f"{FIRST}.text: must not be blank"),
    "blank text": (asking({"text": " \n\t "}), f"{FIRST}.text: must not be blank"),
    "an unknown image format": (
        asking({"text": "a"}, image(format_="bmp")),
        'messages[0].content[1].image.format: must be one of png, jpeg, gif, webp (got "bmp")',
    ),
    "an image without source": (asking({"image": {"format": "png"}}), f"{FIRST}.image.source: is required"),
    "an image in base64": (
        asking(image("iVBORw0KGgo=")),
        f"{FIRST}.image.source.bytes: must be 1 or more raw bytes, as bytes, bytearray or memoryview "
        "(got str: if it is base64, decode it first)",
    ),
    "an image that is empty": (
        asking(image(b"")),
        f"{FIRST}.image.source.bytes: must be 1 or more raw bytes, as bytes, bytearray or memoryview "
        "(got 0 bytes)",
    ),
    "a wrong S3 address": (
        asking({"image": {"format": "png", "source": {"s3Location": {"uri": "https://bucket/key"}}}}),
        f"{FIRST}.image.source.s3Location.uri: must be a string of 1 to 1024 characters (s3://bucket/key) "
        '(got "https://bucket/key")',
    ),
    "a document without a name": (
        asking({"text": "a"}, {"document": {"source": {"text": "x"}}}),
        "messages[0].content[1].document.name: is required",
    ),
    "a document with too long a name": (
        asking({"text": "a"}, document(name="n" * 201)),
        "messages[0].content[1].document.name: must be a string of 1 to 200 characters (got 201 characters)",
    ),
    "a document without text": (
        asking(document()),
        "messages[0].content: must hold a text block beside its document",
    ),
    "an image of the assistant": (
        {"messages": [user({"text": "a"}), assistant(image())]},
        'messages[1].content[0].image: must be in a message of the user (got role "assistant")',
    ),
    "a document of the assistant": (
        {"messages": [user({"text": "a"}), assistant({"text": "b"}, document())]},
        'messages[1].content[1].document: must be in a message of the user (got role "assistant")',
    ),
    "an image of the system": (
        {"messages": [{"role": "system", "content": [image()]}, user({"text": "a"})]},
        'messages[0].content[0].image: must be in a message of the user (got role "system")',
    ),
    "documents beyond five": (
        asking({"text": "a"}, *[document()] * 6),
        "messages: must hold at most 5 documents, tool results included (got 6)",
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
        "messages[1].content[0].toolUse.input: must be a JSON object, a dict (got str)",
    ),
    "a tool result in JSON that is a list": (
        answering(tool_result("call-1", {"json": [1]})),
        f"{RESULT}.content[0].json: must be a JSON object, a dict (got list)",
    ),
    "a tool result with an unknown status": (
        answering(tool_result(status="failed")),
        f'{RESULT}.status: must be one of success, error (got "failed")',
    ),
    "a tool result beyond the tool uses": (
        answering(tool_result("call-1"), tool_result("call-2")),
        "messages[2].content[1].toolResult.toolUseId: must be the id of a toolUse in the assistant message "
        "before it",
    ),
    "a tool result of an earlier turn": (
        {
            "messages": [
                *answering(tool_result("call-1"))["messages"],
                assistant({"text": "b"}),
                user(tool_result("call-1")),
            ],
            "toolConfig": tool(),
        },
        "messages[4].content[0].toolResult.toolUseId: must be the id of a toolUse in the assistant message "
        "before it",
    ),
    "a tool result in the first message": (
        asking(tool_result("call-9"), toolConfig=tool()),
        f"{FIRST}.toolResult.toolUseId: must be the id of a toolUse in the assistant message before it",
    ),
    "a tool use without result": (
        answering(tool_result("call-2"), uses=(tool_use("call-1"), tool_use("call-2"))),
        "messages[2].content: must hold a toolResult for each toolUse of the message before it "
        '(missing: "call-1")',
    ),
    "a tool use that is passed over": (
        answering({"text": "Never mind."}),
        "messages[2].content: must hold a toolResult for each toolUse of the message before it "
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
        answering(tool_result(), tool_result()),
        "messages[2].content[1].toolResult.toolUseId: must not repeat the id of an earlier toolResult in the "
        "message",
    ),
    "tool blocks without toolConfig": (
        {"messages": answering(tool_result())["messages"]},
        "toolConfig: is required when messages hold toolUse or toolResult blocks",
    ),
    "two messages of the user in a row": (
        {"messages": [user({"text": "a"}), user({"text": "b"})]},
        "messages[1].role: must differ from the role of the message before it: user and assistant alternate "
        '(got "user" twice)',
    ),
    "two messages of the assistant in a row": (
        {"messages": [user({"text": "a"}), assistant({"text": "b"}), assistant({"text": "c"})]},
        "messages[2].role: must differ from the role of the message before it: user and assistant alternate "
        '(got "assistant" twice)',
    ),
    "a cache point without type": (asking({"cachePoint": {}}), f"{FIRST}.cachePoint.type: is required"),
    # Configuration
    "a system prompt that is a string": (
        asking(system="Be brief."),
        "system: must be a list of system blocks (got str)",
    ),
    "an empty system prompt": (
        asking(system=[{"text": ""}]),
        "system[0].text: must be a string of 1 or more characters (got 0 characters)",
    ),
    "no tokens": (
        asking(inferenceConfig={"maxTokens": 0}),
        "inferenceConfig.maxTokens: must be an integer from 1 to 2147483647 (got 0)",
    ),
    "tokens as a float": (
        asking(inferenceConfig={"maxTokens": 10.0}),
        "inferenceConfig.maxTokens: must be an integer from 1 to 2147483647 (got 10.0)",
    ),
    "tokens as a bool": (
        asking(inferenceConfig={"maxTokens": True}),
        "inferenceConfig.maxTokens: must be an integer from 1 to 2147483647 (got True)",
    ),
    "a temperature too high": (
        asking(inferenceConfig={"temperature": 1.5}),
        "inferenceConfig.temperature: must be a number from 0 to 1 (got 1.5)",
    ),
    "a temperature that is a string": (
        asking(inferenceConfig={"temperature": "0.5"}),
        "inferenceConfig.temperature: must be a number from 0 to 1 (got str)",
    ),
    "a temperature that is no number": (
        asking(inferenceConfig={"temperature": float("nan")}),
        "inferenceConfig.temperature: must be a number from 0 to 1 (got nan)",
    ),
    "a negative topP": (
        asking(inferenceConfig={"topP": -0.1}),
        "inferenceConfig.topP: must be a number from 0 to 1 (got -0.1)",
    ),
    "an empty stop sequence": (
        asking(inferenceConfig={"stopSequences": ["a", ""]}),
        "inferenceConfig.stopSequences[1]: must be a string of 1 or more characters (got 0 characters)",
    ),
    "too many stop sequences": (
        asking(inferenceConfig={"stopSequences": ["a"] * 2501}),
        "inferenceConfig.stopSequences: must be a list of at most 2500 stop sequences (got 2501)",
    ),
    "a parameter misspelt": (
        asking(inferenceConfig={"max_tokens": 5}),
        'inferenceConfig.max_tokens: must be spelled "maxTokens"',
    ),
    "no tools": (
        asking(toolConfig={"tools": []}),
        "toolConfig.tools: must be a list of 1 or more tools (got 0)",
    ),
    "a tool name with a space": (
        asking(toolConfig=tool(name="get weather")),
        "toolConfig.tools[0].toolSpec.name: must be a string of 1 to 64 characters "
        '(letters, digits, _ and -) (got "get weather")',
    ),
    "a tool without schema": (
        asking(toolConfig={"tools": [{"toolSpec": {"name": "a"}}]}),
        "toolConfig.tools[0].toolSpec.inputSchema: is required",
    ),
    "a tool schema with a set": (
        asking(toolConfig=tool(inputSchema={"json": {"required": [{"a"}]}})),
        "toolConfig.tools[0].toolSpec.inputSchema.json.required[0]: must be a JSON value: dict, list, str, "
        "int, float, bool or None (got set)",
    ),
    "an unknown tool choice spelling": (
        asking(toolConfig={**tool(), "toolChoice": {"Any": {}}}),
        'toolConfig.toolChoice.Any: must be spelled "any"',
    ),
    "a guardrail version in words": (
        asking(guardrailConfig={"guardrailVersion": "latest"}),
        'guardrailConfig.guardrailVersion: must be a string (a number or DRAFT) (got "latest")',
    ),
    "an infinite model field": (
        asking(additionalModelRequestFields={"a b": [float("inf")]}),
        'additionalModelRequestFields["a b"][0]: must be a finite number (got inf)',
    ),
    "a model field with a number for a key": (
        asking(additionalModelRequestFields={"a": {1: 2}}),
        "additionalModelRequestFields.a: takes only strings as keys (got 1)",
    ),
    "a model field with an integer no JSON reader takes": (
        asking(additionalModelRequestFields={"a": 10**5000}),
        "additionalModelRequestFields.a: must be an integer of at most 1024 bits",
    ),
    "too many response paths": (
        asking(additionalModelResponseFieldPaths=["/a"] * 11),
        "additionalModelResponseFieldPaths: must be a list of at most 10 paths (got 11)",
    ),
    "an empty response path": (
        asking(additionalModelResponseFieldPaths=[""]),
        "additionalModelResponseFieldPaths[0]: must be a string of 1 to 256 characters (got 0 characters)",
    ),
    "a response path too long": (
        asking(additionalModelResponseFieldPaths=["p" * 257]),
        "additionalModelResponseFieldPaths[0]: must be a string of 1 to 256 characters (got 257 characters)",
    ),
    "metadata of no entries": (
        asking(requestMetadata={}),
        "requestMetadata: must be a dict of 1 to 16 entries (got 0)",
    ),
    "metadata of too many entries": (
        asking(requestMetadata={str(number): "" for number in range(17)}),
        "requestMetadata: must be a dict of 1 to 16 entries (got 17)",
    ),
    "metadata that is a number": (
        asking(requestMetadata={"run": 5}),
        f"requestMetadata.run: must be a string of at most 256 characters ({TAKEN}) (got 5)",
    ),
    "metadata with a character that is not taken": (
        asking(requestMetadata={"who": "Zoë"}),
        f"requestMetadata.who: must be a string of at most 256 characters ({TAKEN}) (got 3 characters)",
    ),
    "metadata with a key that is not taken": (
        asking(requestMetadata={"": "x"}),
        f"requestMetadata: each key must be a string of 1 to 256 characters ({TAKEN}) (got 0 characters)",
    ),
    "a prompt variable that is a string": (
        asking(promptVariables={"name": "value"}),
        "promptVariables.name: must be a dict with text (got str)",
    ),
    "an unknown latency": (
        asking(performanceConfig={"latency": "turbo"}),
        'performanceConfig.latency: must be one of standard, optimized (got "turbo")',
    ),
    "a service tier misspelt": (
        asking(serviceTier={"type": "Flex"}),
        'serviceTier.type: must be one of priority, default, flex, reserved (got "Flex")',
    ),
    "a configuration that is a number": (
        asking(inferenceConfig=5),
        "inferenceConfig: must be a dict (got 5)",
    ),
    "an image that is a number": (
        asking({"text": "a"}, {"image": {"format": 5, "source": {"bytes": b"png"}}}),
        "messages[0].content[1].image.format: must be one of png, jpeg, gif, webp (got 5)",
    ),
    "bytes that are a number": (
        asking({"text": "a"}, image(5)),
        "messages[0].content[1].image.source.bytes: must be 1 or more raw bytes, as bytes, "
        "bytearray or memoryview (got 5)",
    ),
    "a source that is a number": (
        asking({"text": "a"}, {"video": {"format": "mp4", "source": 5}}),
        "messages[0].content[1].video.source: must be a dict with exactly one of bytes, s3Location (got 5)",
    ),
    "metadata that are a number": (
        asking(requestMetadata=5),
        "requestMetadata: must be a dict of 1 to 16 entries (got 5)",
    ),
    "metadata with white space beyond ASCII": (
        asking(requestMetadata={"run": "a\u2003b"}),
        f"requestMetadata.run: must be a string of at most 256 characters ({TAKEN}) (got 3 characters)",
    ),
    "a field spelled with a dash": (
        asking(inferenceConfig={"max-tokens": 5}),
        'inferenceConfig["max-tokens"]: must be spelled "maxTokens"',
    ),
    "an effort too long": (
        asking(outputConfig={"effort": "e" * 17}),
        "outputConfig.effort: must be a string of at most 16 characters (got 17 characters)",
    ),
}


@pytest.mark.parametrize(("request_", "problem"), REFUSED.values(), ids=REFUSED.keys())
def test_a_wrong_request_gets_one_sentence_that_names_the_field_and_what_it_takes(
    request_: Any, problem: str
) -> None:
    assert only_problem(request_) == problem


def test_a_document_that_holds_itself_is_refused_where_it_does() -> None:
    endless: Json = {"a": [1]}
    endless["a"].append(endless)
    problem = only_problem(asking(additionalModelRequestFields=endless))
    assert problem == "additionalModelRequestFields.a[1]: must not contain itself"


def test_the_largest_number_of_tokens_is_taken() -> None:
    assert validate_request(asking(inferenceConfig={"maxTokens": 2**31 - 1})) == []
    assert validate_request(asking(inferenceConfig={"maxTokens": 2**31})) != []


def test_the_stream_mode_of_a_guardrail_is_for_streams_only() -> None:
    request = asking(guardrailConfig={"streamProcessingMode": "async"})
    assert validate_request(request, stream=True) == []
    assert only_problem(request) == (
        "guardrailConfig.streamProcessingMode: must be left out: it is for streamed requests (got str)"
    )


def test_all_problems_are_told_at_once() -> None:
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


def test_a_flood_of_problems_is_cut_and_says_so() -> None:
    problems = validate_request({"messages": [None] * (MAX_PROBLEMS + 5)})
    assert len(problems) == MAX_PROBLEMS + 1
    assert problems[-1] == f"request: has more problems than the {MAX_PROBLEMS} listed"


def test_as_many_problems_as_fit_are_all_there() -> None:
    problems = validate_request({"messages": [user({"text": "a"}), *[None] * MAX_PROBLEMS]})
    assert len(problems) == MAX_PROBLEMS
    assert problems[-1].startswith(f"messages[{MAX_PROBLEMS}]")


def test_a_prompt_or_a_value_of_metadata_is_never_repeated_in_a_problem() -> None:
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


def test_a_block_with_a_name_that_is_no_string_is_told_with_that_name() -> None:
    problems = validate_request(asking({"text": "a", 5: "b"}))  # type: ignore[dict-item]
    assert problems[0].endswith('(got "text", 5)')
