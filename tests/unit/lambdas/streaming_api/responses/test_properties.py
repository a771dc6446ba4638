"""Generated requests: each is mapped, or rejected with the path of one of its fields."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.streaming_api.mapping_error import MappingError
from lambdas.streaming_api.reasoning_effort import EFFORTS
from lambdas.streaming_api.responses.reasoning_items import encrypted_content
from lambdas.streaming_api.responses.request import ResponsesRequest, read_responses_request
from lambdas.streaming_api.responses.request_fields import RESPONSES_FIELDS
from tests.unit.lambdas.streaming_api.generated_requests import (
    ANY_JSON,
    TEXTS,
    check_mapping,
    check_valid,
    member,
)
from tests.unit.lambdas.streaming_api.responses.bodies import (
    CLAUDE,
    FORMAT,
    NOVA,
    PNG_URL,
    TIME,
    WEATHER,
    call,
    message,
    output,
    text,
)

VALID_PARTS = st.one_of(
    st.builds(text, TEXTS),
    st.builds(lambda content: text(content, cache_control={"type": "ephemeral"}), TEXTS),
    st.just({"type": "input_image", "image_url": PNG_URL}),
    st.just({"type": "input_file", "file_data": "aGVsbG8=", "filename": "a?.txt"}),
)
PARTS = st.one_of(
    VALID_PARTS,
    st.just({"type": "input_image", "image_url": "https://a.example/b.png"}),
    st.builds(lambda refusal: {"type": "refusal", "refusal": refusal}, TEXTS),
    ANY_JSON,
)
CONTENT = TEXTS | st.lists(PARTS, max_size=3) | ANY_JSON
IDS = st.sampled_from(["call_1", "call_2", "a b", "x" * 80])
NAMES = st.sampled_from(["weather", "a.b", "n" * 90])
REASONING = st.builds(
    lambda thought, signature: {
        "type": "reasoning",
        "summary": [],
        "encrypted_content": encrypted_content(thought, signature, b""),
    },
    TEXTS,
    st.sampled_from(["", "c2ln"]),
)
ITEMS = st.one_of(
    st.builds(message, st.sampled_from(["system", "developer", "user", "assistant", "tool"]), CONTENT),
    st.builds(call, IDS, NAMES, TEXTS | st.just('{"a": 1}')),
    st.builds(output, IDS, CONTENT),
    REASONING,
    st.builds(lambda type_: {"type": type_, "id": "a"}, st.sampled_from(["item_reference", "mcp_call"])),
    ANY_JSON,
)
LOOPS = st.builds(
    lambda ids, content, thought: [thought, *map(call, ids), *(output(id_, content) for id_ in ids)],
    st.lists(IDS, min_size=1, max_size=2, unique=True),
    TEXTS,
    REASONING,
)
CONVERSATIONS = st.lists(st.one_of(ITEMS.map(lambda item: [item]), LOOPS), max_size=6).map(
    lambda groups: [item for group in groups for item in group]
)
NAMESPACE = {"type": "namespace", "name": "mcp__a", "description": "", "tools": [WEATHER, TIME]}
TOOLS = st.sampled_from(
    [[], [WEATHER], [WEATHER, {"type": "function", "name": "a.b"}], [NAMESPACE, {"type": "web_search"}]]
)
FORMATS = st.sampled_from([{"type": "text"}, {"type": "json_object"}, FORMAT])
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "instructions": TEXTS,
    "tools": TOOLS | st.just([{"type": "web_search"}]),
    "tool_choice": st.sampled_from(["none", "auto", "required", {"type": "function", "name": "weather"}]),
    "text": st.builds(lambda found: {"format": found}, FORMATS) | ANY_JSON,
    "max_output_tokens": st.integers(-1, 5000),
    "temperature": st.floats(-0.5, 2.5),
    "top_p": st.floats(-0.5, 2.5),
    "reasoning": st.builds(lambda effort: {"effort": effort}, st.sampled_from(["none", "high", "much"])),
    "parallel_tool_calls": st.booleans(),
    "metadata": st.dictionaries(TEXTS, TEXTS, max_size=2),
    "user": TEXTS,
    "service_tier": st.sampled_from(["auto", "flex", "scale"]),
    "include": st.lists(st.sampled_from(["reasoning.encrypted_content", "new"]), max_size=2) | ANY_JSON,
    "stream": st.booleans(),
}
KNOWN = sorted({*RESPONSES_FIELDS.mapped, *RESPONSES_FIELDS.ignored, *RESPONSES_FIELDS.unsupported})
BODIES = st.builds(
    lambda items, fields, others: {
        "model": "Nova Lite",
        "input": items,
        **others,
        **{name: value for name, value in fields.items() if value is not None},
    },
    CONVERSATIONS | TEXTS,
    st.fixed_dictionaries({name: st.none() | values for name, values in FIELDS.items()}),
    st.just({}) | st.dictionaries(st.sampled_from(KNOWN) | st.text(max_size=8), ANY_JSON, max_size=2),
)
VALID_MESSAGES = st.one_of(
    st.builds(message, st.sampled_from(["system", "developer", "assistant"]), TEXTS),
    st.builds(lambda content: message("user", content), TEXTS | st.lists(VALID_PARTS, max_size=3)),
)
VALID_FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "instructions": TEXTS,
    "tools": TOOLS,
    "tool_choice": st.sampled_from(["none", "auto"]),
    "text": st.builds(lambda found: {"format": found, "verbosity": "low"}, FORMATS),
    "max_output_tokens": st.integers(1, 5000),
    "temperature": st.floats(0, 1),
    "top_p": st.floats(0, 1),
    "reasoning": st.builds(lambda effort: {"effort": effort, "summary": "auto"}, st.sampled_from(EFFORTS)),
    "user": TEXTS,
    "service_tier": st.sampled_from(["auto", "flex"]),
    "store": st.booleans(),
}
VALID_BODIES = st.builds(
    lambda groups, fields: {
        "model": "Nova Lite",
        "input": [*(item for group in groups for item in group), message("user", "Go")],
        **fields,
    },
    st.lists(st.one_of(VALID_MESSAGES.map(lambda item: [item]), LOOPS), max_size=5),
    st.fixed_dictionaries({name: st.none() | values for name, values in VALID_FIELDS.items()}),
)
MODELS = st.sampled_from([(NOVA,), (CLAUDE,), (CLAUDE, NOVA), ("amazon.nova-2-lite-v1:0",), ("My model",)])


def outcome(body: dict[str, Any], models: tuple[str, ...]) -> ResponsesRequest | MappingError:
    try:
        return read_responses_request(body, model_ids=models)
    except MappingError as error:
        return error


@settings(max_examples=4 * settings().max_examples)
@given(BODIES, MODELS)
def test_a_request_is_mapped_or_rejected_with_the_path_of_one_of_its_fields(
    body: dict[str, Any], models: tuple[str, ...]
) -> None:
    check_mapping(outcome(body, models), body, models)


@settings(max_examples=3 * settings().max_examples)
@given(VALID_BODIES, MODELS)
def test_a_valid_request_is_valid_for_the_library(body: dict[str, Any], models: tuple[str, ...]) -> None:
    request = outcome(body, models)
    assert isinstance(request, ResponsesRequest), request
    check_valid(request, models)


@settings(max_examples=3 * settings().max_examples)
@given(ANY_JSON.filter(lambda value: not isinstance(value, str)))
def test_any_other_json_as_input_is_rejected(value: Any) -> None:
    request = outcome({"model": "Nova Lite", "input": value}, (NOVA,))
    assert isinstance(request, MappingError)
    assert member(request.param) == "input"
