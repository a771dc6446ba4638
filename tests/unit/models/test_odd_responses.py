"""Every accessor of a response returns, for any value of its fields."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmmanager import BedrockResponse, RequestAttempt
from llmmanager.bedrock.models.parallel_structures import ParallelExecutionStats, ParallelResponse
from llmmanager.bedrock.models.streaming_response import StreamingResponse

MOMENT = datetime(2026, 11, 22, tzinfo=UTC)
KEYS = st.sampled_from(
    (
        *("output", "message", "content", "text", "usage", "inputTokens", "metrics", "latencyMs"),
        *("stopReason", "citationsContent", "toolUse", "bytes", "source", "redactedContent", "cacheDetails"),
        *("toolUseId", "name", "input", "reasoningContent", "reasoningText", "citations", "sourceContent"),
        *("trace", "guardrail", "serviceTier", "image"),
    )
)
ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.binary(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(KEYS, inner, max_size=3)
        | st.dictionaries(st.integers() | st.tuples(st.integers()), inner, max_size=1)
        | st.sets(st.integers(), max_size=2)
    ),
    max_leaves=12,
)
ATTEMPTS = st.builds(
    RequestAttempt,
    model_id=st.just("m"),
    region=st.just("r"),
    access_method=st.none(),
    attempt_number=st.integers(1, 9),
    start_time=st.just(MOMENT),
    end_time=st.just(MOMENT),
    success=st.booleans(),
    error=st.none() | st.just(ValueError("x")),
)
RESPONSES = st.builds(
    BedrockResponse,
    success=st.booleans(),
    response_data=ODD,
    model_used=st.none() | st.just("amazon.nova-lite-v1:0") | ODD,
    region_used=ODD,
    access_method=ODD,
    inference_profile_id=ODD,
    attempts=st.lists(ATTEMPTS, max_size=2) | ODD,
    total_duration_ms=st.none() | st.floats(),
    warnings=ODD,
    features_disabled=ODD,
    validation_errors=ODD,
    error=st.none() | st.just(KeyError("x")),
)


ARGUMENTS = {
    "get_response_by_id": ("a",),
    "get_content_blocks_by_type": ("image",),
    "get_failed_by_exception_type": ("ValueError",),
    "get_requests_by_access_method": ("on_demand",),
}


def read_everything(thing: object) -> dict[str, Any]:
    """Return the value of every property and the result of every method."""
    found = {}
    for name in dir(type(thing)):
        if name.startswith("_") or name in ("from_dict", "close", "events"):
            continue
        value = getattr(thing, name)
        if callable(value):
            value = value(*ARGUMENTS.get(name, ()))
        found[name] = value
    return found


@given(RESPONSES)
def test_every_accessor_of_a_response_returns_for_any_data(response: BedrockResponse) -> None:
    found = read_everything(response)
    assert {"get_usage", "get_total_usage", "estimated_cost_usd", "get_metrics", "to_json"} <= set(found)
    json.loads(found["to_json"], parse_constant=pytest.fail)
    read_everything(BedrockResponse.from_dict(json.loads(found["to_json"])))


@given(st.dictionaries(st.sampled_from("ab"), RESPONSES | ODD) | ODD, ODD, ODD)
def test_every_accessor_of_a_parallel_response_returns_for_any_data(
    responses: Any, stats: Any, failed: Any
) -> None:
    found = read_everything(ParallelResponse(True, responses, None, stats, failed))
    assert {"get_success_rate", "get_total_tokens_used"} <= set(found)


class Source:
    """The events and the response of a stream."""

    time_to_first_token_ms = None

    def __init__(self, events: list[Any], response: BedrockResponse) -> None:
        self._events, self._response = events, response

    def __iter__(self) -> Iterator[Any]:
        yield from self._events

    def close(self) -> None:
        """There is nothing to close."""

    def response(self) -> BedrockResponse:
        return self._response


@given(st.lists(ODD | st.fixed_dictionaries({"contentBlockDelta": ODD}), max_size=3), RESPONSES)
def test_every_accessor_of_a_stream_returns_for_any_data(
    events: list[Any], response: BedrockResponse
) -> None:
    stream = StreamingResponse(Source(events, response))
    assert all(isinstance(text, str) for text in stream)
    assert {"get_usage", "get_total_usage", "get_metrics", "success"} <= set(read_everything(stream))


def test_a_response_without_fields_returns_none_for_unknown_values() -> None:
    response = BedrockResponse(success=False)
    assert response.get_usage() is response.get_total_usage() is None
    assert response.estimated_cost_usd is response.get_metrics() is response.get_content() is None
    assert response.api_latency_ms is response.get_stop_reason() is response.get_last_error() is None
    assert response.attempts_with_unknown_usage == response.answers_without_price == 0


@pytest.mark.parametrize(
    "data", [{"output": "odd"}, {"output": {"message": ["odd"]}}, {"usage": 3}, {"usage": {}}, "odd", []]
)
def test_data_of_an_unexpected_form_has_no_content_and_no_usage(data: Any) -> None:
    response = BedrockResponse(success=True, response_data=data)
    assert response.get_content() is response.get_usage() is None
    assert response.get_content_blocks() == []


def test_an_answer_without_attempts_is_priced_by_its_model_and_usage() -> None:
    usage = {"inputTokens": 1_000_000, "outputTokens": 0, "totalTokens": 1_000_000}
    priced = BedrockResponse(True, {"usage": usage}, "amazon.nova-lite-v1:0", "us-east-1")
    unpriced = BedrockResponse(True, {"usage": usage})
    assert (priced.estimated_cost_usd, priced.answers_without_price) == (0.06, 0)
    assert (unpriced.estimated_cost_usd, unpriced.answers_without_price) == (None, 1)
    assert priced.get_total_usage() == unpriced.get_total_usage() == priced.get_usage()


def test_a_parallel_response_without_statistics_counts_its_responses() -> None:
    empty = ParallelResponse(success=True)
    assert empty.parallel_execution_stats == ParallelExecutionStats()
    assert (empty.get_success_rate(), empty.get_total_tokens_used()) == (0.0, {})
    assert empty.get_total_usage() is empty.estimated_cost_usd is empty.total_duration_ms is None
    one_of_two = ParallelResponse(True, {"a": BedrockResponse(True), "b": BedrockResponse(False)})
    assert one_of_two.get_success_rate() == 0.5
    assert one_of_two.parallel_execution_stats.failed_requests_count == 1
