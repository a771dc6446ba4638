"""Generated requests: each is mapped, or rejected with the path of one of its fields."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.streaming_api.chat_completions.request import ChatRequest, read_chat_request
from lambdas.streaming_api.chat_completions.request_fields import CHAT_FIELDS
from lambdas.streaming_api.mapping_error import MappingError
from lambdas.streaming_api.reasoning_effort import EFFORTS
from tests.unit.lambdas.streaming_api.chat_completions.chat import (
    CLAUDE,
    NOVA,
    PNG_URL,
    WEATHER,
    assistant,
    call,
    result,
    text,
)
from tests.unit.lambdas.streaming_api.generated_requests import (
    ANY_JSON,
    TEXTS,
    check_mapping,
    check_valid,
    member,
)

PARTS = st.one_of(
    st.builds(text, TEXTS),
    st.builds(lambda content: text(content, cache_control={"type": "ephemeral"}), TEXTS),
    st.just({"type": "image_url", "image_url": {"url": PNG_URL}}),
    st.just({"type": "image_url", "image_url": {"url": "https://a.example/b.png"}}),
    st.just({"type": "file", "file": {"file_data": "aGVsbG8=", "filename": "a?.txt"}}),
    st.just({"type": "input_audio", "input_audio": {"data": "aGVsbG8=", "format": "wav"}}),
    st.builds(lambda refusal: {"type": "refusal", "refusal": refusal}, TEXTS),
    ANY_JSON,
)
CONTENT = TEXTS | st.lists(PARTS, max_size=3) | ANY_JSON
IDS = st.sampled_from(["call_1", "call_2", "a b", "x" * 80])
CALLS = st.lists(
    st.builds(call, IDS, st.sampled_from(["weather", "a.b", "n" * 90]), TEXTS | st.just('{"a": 1}')),
    max_size=2,
)
DETAILS = st.none() | st.lists(
    st.builds(
        lambda index, signature: {
            "type": "reasoning.text",
            "index": index,
            "text": "Hm",
            "signature": signature,
        },
        st.none() | st.integers(0, 2),
        st.none() | st.just("c2ln"),
    )
    | ANY_JSON,
    max_size=3,
)
MESSAGES = st.one_of(
    st.builds(
        lambda role, content: {"role": role, "content": content},
        st.sampled_from(["system", "developer", "user", "assistant", "function"]),
        CONTENT,
    ),
    st.builds(
        lambda content, calls, details: assistant(content, *calls, reasoning_details=details),
        TEXTS | st.none(),
        CALLS,
        DETAILS,
    ),
    st.builds(result, IDS, CONTENT),
)
LOOPS = st.builds(
    lambda ids, content: [assistant("", *map(call, ids)), *(result(id_, content) for id_ in ids)],
    st.lists(IDS, min_size=1, max_size=2, unique=True),
    TEXTS,
)
CONVERSATIONS = st.lists(st.one_of(MESSAGES.map(lambda message: [message]), LOOPS), max_size=6).map(
    lambda groups: [message for group in groups for message in group]
)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "tools": st.sampled_from([[WEATHER], [], [WEATHER, {"type": "function", "function": {"name": "a.b"}}]]),
    "tool_choice": st.sampled_from(
        ["none", "auto", "required", {"type": "function", "function": {"name": "weather"}}]
    ),
    "response_format": st.sampled_from(
        [
            {"type": "text"},
            {"type": "json_object"},
            {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}},
        ]
    ),
    "max_tokens": st.integers(-1, 5000),
    "temperature": st.floats(-0.5, 2.5),
    "top_p": st.floats(-0.5, 2.5),
    "stop": TEXTS | st.lists(TEXTS, max_size=3),
    "reasoning_effort": st.sampled_from(["none", "minimal", "high", "max", "much"]),
    "parallel_tool_calls": st.booleans(),
    "metadata": st.dictionaries(TEXTS, TEXTS, max_size=2),
    "user": TEXTS,
    "service_tier": st.sampled_from(["auto", "flex", "scale"]),
    "stream": st.booleans(),
}
VALID_PARTS = st.one_of(
    st.builds(text, TEXTS),
    st.builds(lambda content: text(content, cache_control={"type": "ephemeral"}), TEXTS),
    st.just({"type": "image_url", "image_url": {"url": PNG_URL}}),
    st.just({"type": "file", "file": {"file_data": "aGVsbG8=", "filename": "a?.txt"}}),
    st.just({"type": "input_audio", "input_audio": {"data": "aGVsbG8=", "format": "wav"}}),
)
VALID_MESSAGES = st.one_of(
    st.builds(
        lambda role, content: {"role": role, "content": content},
        st.sampled_from(["system", "developer", "assistant"]),
        TEXTS | st.lists(st.builds(text, TEXTS), max_size=2),
    ),
    st.builds(
        lambda content: {"role": "user", "content": content}, TEXTS | st.lists(VALID_PARTS, max_size=3)
    ),
)
VALID_FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "tools": FIELDS["tools"],
    "tool_choice": st.sampled_from(["none", "auto"]),
    "response_format": FIELDS["response_format"],
    "max_tokens": st.integers(1, 5000),
    "temperature": st.floats(0, 1),
    "top_p": st.floats(0, 1),
    "stop": st.sampled_from(["END", "\n", ["a", "b"], []]),
    "reasoning_effort": st.sampled_from(EFFORTS),
    "user": TEXTS,
    "service_tier": st.sampled_from(["auto", "flex"]),
    "seed": st.integers(),
}
VALID_BODIES = st.builds(
    lambda groups, fields: {
        "model": "Nova Lite",
        "messages": [*(message for group in groups for message in group), {"role": "user", "content": "Go"}],
        **fields,
    },
    st.lists(st.one_of(VALID_MESSAGES.map(lambda message: [message]), LOOPS), max_size=5),
    st.fixed_dictionaries({name: st.none() | values for name, values in VALID_FIELDS.items()}),
)
KNOWN = sorted(set(CHAT_FIELDS.mapped) | set(CHAT_FIELDS.ignored) | set(CHAT_FIELDS.unsupported))
BODIES = st.builds(
    lambda messages, fields, others: {
        "model": "Nova Lite",
        "messages": messages,
        **others,
        **{name: value for name, value in fields.items() if value is not None},
    },
    CONVERSATIONS,
    st.fixed_dictionaries({name: st.none() | values for name, values in FIELDS.items()}),
    st.just({}) | st.dictionaries(st.sampled_from(KNOWN) | st.text(max_size=8), ANY_JSON, max_size=2),
)
MODELS = st.sampled_from([(NOVA,), (CLAUDE,), (CLAUDE, NOVA), ("amazon.nova-2-lite-v1:0",), ("My model",)])


def outcome(body: dict[str, Any], models: tuple[str, ...]) -> ChatRequest | MappingError:
    try:
        return read_chat_request(body, model_ids=models)
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
    assert isinstance(request, ChatRequest), request
    check_valid(request, models)


@settings(max_examples=3 * settings().max_examples)
@given(ANY_JSON)
def test_any_other_json_as_messages_is_rejected(value: Any) -> None:
    request = outcome({"model": "Nova Lite", "messages": value}, (NOVA,))
    assert isinstance(request, MappingError)
    assert member(request.param) == "messages"
