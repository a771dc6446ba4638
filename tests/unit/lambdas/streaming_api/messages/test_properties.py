"""Generated requests: each is mapped, or rejected with the path of one of its fields."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.streaming_api.mapping_error import MappingError
from lambdas.streaming_api.messages.request import MessagesRequest, read_messages_request
from lambdas.streaming_api.messages.request_fields import MESSAGES_FIELDS
from llmmanager.bedrock.tokens.token_estimate import estimate_tokens
from tests.unit.lambdas.streaming_api.generated_requests import (
    ANY_JSON,
    TEXTS,
    check_mapping,
    check_valid,
    converse_fields,
    member,
)
from tests.unit.lambdas.streaming_api.messages.anthropic_messages import (
    EPHEMERAL,
    GPT,
    HAIKU_4_5,
    NOVA,
    NOVA_2,
    OPUS_5_5,
    WEATHER,
    assistant,
    call,
    document,
    encoded,
    image,
    pdf,
    plain,
    result,
    text,
    user,
)

POINTS = st.sampled_from([{}, {"cache_control": EPHEMERAL}, {"cache_control": {**EPHEMERAL, "ttl": "1h"}}])
SEARCH_RESULT = {"type": "search_result", "source": "a", "title": "b", "content": [text("c")]}
VALID_BLOCKS = st.one_of(
    st.builds(lambda content, point: text(content, **point), TEXTS, POINTS),
    st.builds(lambda point: image(**point), POINTS),
    st.builds(lambda point: document(pdf(), title="a?.pdf", **point), POINTS),
    st.builds(lambda cited: document(plain("a b"), citations={"enabled": cited}), st.booleans()),
    st.just(document({"type": "content", "content": [text("a"), text("b")]}, citations={"enabled": True})),
    st.just(SEARCH_RESULT),
)
THINKING = st.sampled_from(
    [
        {"type": "thinking", "thinking": "Hm", "signature": "c2ln"},
        {"type": "thinking", "thinking": "Hm", "signature": ""},
        {"type": "redacted_thinking", "data": encoded(b"secret")},
    ]
)
BLOCKS = st.one_of(
    VALID_BLOCKS,
    THINKING,
    st.just({"type": "image", "source": {"type": "url", "url": "https://a.example/b.png"}}),
    st.just({"type": "server_tool_use", "id": "a", "name": "web_search", "input": {}}),
    ANY_JSON,
)
IDS = st.sampled_from(["toolu_1", "toolu_2", "a b", "x" * 80])
NAMES = st.sampled_from(["weather", "a.b", "n" * 90])
CONTENT = TEXTS | st.lists(BLOCKS, max_size=3) | ANY_JSON
LOOPS = st.builds(
    lambda ids, name, content, is_error, thinking: [
        assistant(*thinking, *(call(id_, name) for id_ in ids)),
        user(*(result(id_, content, is_error=is_error) for id_ in ids)),
    ],
    st.lists(IDS, min_size=1, max_size=2, unique=True),
    NAMES,
    TEXTS | st.lists(st.builds(text, TEXTS) | st.just(image()), max_size=2),
    st.booleans(),
    st.lists(THINKING, max_size=1),
)
MESSAGES = st.one_of(
    st.builds(
        lambda role, content: {"role": role, "content": content},
        st.sampled_from(["system", "user", "assistant", "tool"]),
        CONTENT,
    ),
    st.builds(lambda id_, name: assistant(call(id_, name)), IDS, NAMES),
    st.builds(lambda id_, content: user(result(id_, content)), IDS, CONTENT),
)
VALID_MESSAGES = st.one_of(
    st.builds(
        lambda role, content: {"role": role, "content": content},
        st.sampled_from(["system", "assistant"]),
        TEXTS | st.lists(st.builds(text, TEXTS), max_size=2),
    ),
    st.builds(lambda blocks: user(*blocks), st.lists(VALID_BLOCKS, max_size=3)),
)
VALID_FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "system": TEXTS | st.lists(st.builds(lambda content, point: text(content, **point), TEXTS, POINTS)),
    "tools": st.sampled_from([[WEATHER], [], [WEATHER, {"name": "a.b", "input_schema": {}}]]),
    "tool_choice": st.sampled_from([{"type": "none"}, {"type": "auto"}]),
    "thinking": st.sampled_from(
        [
            {"type": "enabled", "budget_tokens": 1024},
            {"type": "adaptive", "display": "omitted"},
            {"type": "between_tools"},
            {"type": "disabled"},
        ]
    ),
    "output_config": st.sampled_from(
        [
            {"effort": "max"},
            {"format": {"type": "json_schema", "schema": {"type": "object"}}},
            {"effort": "low", "format": None},
        ]
    ),
    "cache_control": st.just(EPHEMERAL),
    "temperature": st.floats(0, 1),
    "top_p": st.floats(0, 1),
    "top_k": st.integers(0, 500),
    "stop_sequences": st.sampled_from([["END"], ["a", "b"], []]),
    "metadata": st.builds(lambda user_id: {"user_id": user_id}, TEXTS),
    "service_tier": st.sampled_from(["auto", "standard_only"]),
    "stream": st.booleans(),
    "seed": st.integers(),
}
FIELDS_OF_BODIES: dict[str, st.SearchStrategy[Any]] = {
    **VALID_FIELDS,
    "system": VALID_FIELDS["system"] | CONTENT,
    "tools": VALID_FIELDS["tools"] | st.just([{"type": "web_search_20260318", "name": "web_search"}]),
    "tool_choice": st.sampled_from(
        [
            {"type": "none"},
            {"type": "any"},
            {"type": "tool", "name": "weather"},
            {"type": "auto", "disable_parallel_tool_use": True},
        ]
    ),
    "max_tokens": st.integers(-1, 5000),
    "temperature": st.floats(-0.5, 2.5),
    "stop_sequences": TEXTS | st.lists(TEXTS, max_size=3),
    "metadata": st.dictionaries(TEXTS, TEXTS, max_size=2),
    "service_tier": st.sampled_from(["auto", "flex", "batch"]),
}
KNOWN = sorted(set(MESSAGES_FIELDS.mapped) | set(MESSAGES_FIELDS.ignored) | set(MESSAGES_FIELDS.unsupported))


def chosen(strategies: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({name: st.none() | values for name, values in strategies.items()})


BODIES = st.builds(
    lambda groups, fields, others: {
        "model": "Nova Lite",
        "max_tokens": 4096,
        "messages": [message for group in groups for message in group],
        **others,
        **{name: value for name, value in fields.items() if value is not None},
    },
    st.lists(st.one_of(MESSAGES.map(lambda message: [message]), LOOPS), max_size=6),
    chosen(FIELDS_OF_BODIES),
    st.just({}) | st.dictionaries(st.sampled_from(KNOWN) | st.text(max_size=8), ANY_JSON, max_size=2),
)
VALID_BODIES = st.builds(
    lambda groups, fields: {
        "model": "Nova Lite",
        "max_tokens": 4096,
        "messages": [*(message for group in groups for message in group), user(text("Go"))],
        **fields,
    },
    st.lists(st.one_of(VALID_MESSAGES.map(lambda message: [message]), LOOPS), max_size=5),
    chosen(VALID_FIELDS),
)
MODELS = st.sampled_from([(NOVA,), (HAIKU_4_5,), (OPUS_5_5, NOVA), (NOVA_2,), (GPT,), ("My model",)])
BETAS = st.sampled_from([(), ("interleaved-thinking-2025-05-14", "oauth-2025-04-20")])


def outcome(
    body: dict[str, Any], models: tuple[str, ...], betas: tuple[str, ...] = ()
) -> MessagesRequest | MappingError:
    try:
        return read_messages_request(body, model_ids=models, betas=betas)
    except MappingError as error:
        return error


@settings(max_examples=4 * settings().max_examples)
@given(BODIES, MODELS, BETAS)
def test_a_request_is_mapped_or_rejected_with_the_path_of_one_of_its_fields(
    body: dict[str, Any], models: tuple[str, ...], betas: tuple[str, ...]
) -> None:
    request = outcome(body, models, betas)
    check_mapping(request, body, models)
    if isinstance(request, MessagesRequest):
        assert estimate_tokens(converse_fields(request)) > 0


@settings(max_examples=3 * settings().max_examples)
@given(VALID_BODIES, MODELS)
def test_a_valid_request_is_valid_for_the_library(body: dict[str, Any], models: tuple[str, ...]) -> None:
    request = outcome(body, models)
    assert isinstance(request, MessagesRequest), request
    check_valid(request, models)


@settings(max_examples=3 * settings().max_examples)
@given(ANY_JSON)
def test_any_other_json_as_messages_is_rejected(value: Any) -> None:
    request = outcome({"model": "Nova Lite", "max_tokens": 5, "messages": value}, (NOVA,))
    assert isinstance(request, MappingError)
    assert member(request.param) == "messages"
