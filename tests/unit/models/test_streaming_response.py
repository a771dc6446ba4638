"""StreamingResponse: iteration and accessors."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from llmmanager.bedrock.models.bedrock_response import BedrockResponse
from llmmanager.bedrock.models.llm_manager_structures import RequestAttempt
from llmmanager.bedrock.models.streaming_response import StreamingResponse

EVENTS: list[dict[str, Any]] = [
    {"messageStart": {"role": "assistant"}},
    {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "Hm."}}}},
    {"contentBlockDelta": {"contentBlockIndex": 1, "delta": {"text": "Pa"}}},
    {"contentBlockDelta": {"contentBlockIndex": 1, "delta": {"text": ""}}},
    {"contentBlockDelta": {"contentBlockIndex": 1, "delta": {"text": "ris"}}},
    {"messageStop": {"stopReason": "end_turn"}},
]


class Source:
    """A stream of these events, and the response of a call with one failed attempt."""

    time_to_first_token_ms = 12.5

    def __init__(self) -> None:
        self.closed = 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        yield from EVENTS

    def close(self) -> None:
        self.closed += 1

    def response(self) -> BedrockResponse:
        moment = datetime.now(UTC)
        attempt = RequestAttempt("m", "r", "on_demand", 1, moment, moment, False, ValueError("broken"))
        return BedrockResponse(
            success=True,
            response_data={"stopReason": "end_turn", "usage": {"inputTokens": 3, "outputTokens": 2}},
            model_used="m",
            region_used="r",
            access_method="global_profile",
            inference_profile_id="global.m",
            attempts=[attempt],
            total_duration_ms=40.0,
            warnings=["careful"],
            features_disabled=["tools"],
            validation_errors=[{"error_message": "too short"}],
        )


def test_iterating_yields_only_text() -> None:
    source = Source()
    stream = StreamingResponse(source)
    assert list(stream) == stream.get_content_parts() == ["Pa", "ris"]
    assert stream.get_content() == stream.get_full_content() == "Paris"
    assert source.closed


def test_events_are_those_of_bedrock_and_can_be_iterated_once() -> None:
    stream = StreamingResponse(Source())
    assert list(stream.events()) == EVENTS
    assert list(stream.events()) == []
    assert stream.get_content() == "Paris"


def test_the_returned_parts_are_a_copy() -> None:
    stream = StreamingResponse(Source())
    stream.get_full_content()
    stream.get_content_parts().clear()
    assert stream.get_content() == "Paris"


def test_a_with_block_closes_the_stream_when_it_fails() -> None:
    source = Source()

    def use() -> None:
        with StreamingResponse(source) as stream:
            next(stream.events())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        use()
    assert source.closed


def test_the_accessors_return_the_values_of_the_response() -> None:
    stream, response = StreamingResponse(Source()), Source().response()
    for name in (
        "success",
        "response_data",
        "model_used",
        "region_used",
        "access_method",
        "inference_profile_id",
        "total_duration_ms",
        "warnings",
        "features_disabled",
    ):
        assert getattr(stream, name) == getattr(response, name), name
    for name in (
        "get_usage",
        "get_stop_reason",
        "get_warnings",
        "had_validation_failures",
        "get_validation_errors",
    ):
        assert getattr(stream, name)() == getattr(response, name)(), name
    assert stream.get_metrics() == {**response.get_metrics(), "time_to_first_token_ms": 12.5}
    assert [attempt.model_id for attempt in stream.attempts] == ["m"]
    assert str(stream.get_last_error()) == "broken"
    assert [str(error) for error in stream.get_all_errors()] == ["broken"]
