"""Streamed answers: failover before the first content, continuation after it."""

from __future__ import annotations

import gc
from datetime import UTC, datetime
from typing import Any

import pytest

from llmmanager import (
    AuthenticationError,
    BedrockConverseRequest,
    ConfigurationError,
    RequestValidationError,
    ResponseValidationConfig,
    RetryExhaustedError,
    ValidationResult,
)
from llmmanager.bedrock.exceptions.llm_manager_exceptions import DeadlineExceededError
from llmmanager.bedrock.models.deadline import Deadline
from llmmanager.testing import FakeBedrock, Fault
from tests.waiting import PATIENCE_SECONDS, SILENCE_SECONDS, wait_until

TOOLS = {
    "tools": [{"toolSpec": {"name": "clock", "inputSchema": {"json": {"type": "object"}}}}],
    "toolChoice": {"any": {}},
}


@pytest.fixture
def whole(fake_bedrock: FakeBedrock, make_manager, ask) -> str:
    """The answer that nothing disturbs."""
    text = make_manager().converse(ask).get_content()
    fake_bedrock.reset()
    return text


def test_the_chunks_make_up_the_answer_of_converse(make_manager, ask, whole: str) -> None:
    stream = make_manager().converse_stream(ask)
    chunks = list(stream)
    assert len(chunks) > 1
    assert "".join(chunks) == stream.get_content() == whole
    assert stream.success
    assert stream.get_stop_reason() == "end_turn"
    assert stream.get_usage()["output_tokens"] > 0
    assert (stream.model_used, stream.region_used) == ("amazon.nova-lite-v1:0", "us-east-1")


def test_a_request_object_is_streamed_like_its_parameters(make_manager, ask, whole: str) -> None:
    stream = make_manager().converse_stream_with_request(BedrockConverseRequest(messages=ask))
    assert "".join(stream) == whole
    assert stream.success


def test_what_is_no_request_object_is_rejected(make_manager, ask) -> None:
    manager = make_manager()
    for send in (manager.converse_with_request, manager.converse_stream_with_request):
        with pytest.raises(ConfigurationError, match=r"must be a BedrockConverseRequest \(got list\)"):
            send(ask)


def test_the_events_are_bedrocks_own(make_manager, ask) -> None:
    kinds = [next(iter(event)) for event in make_manager().converse_stream(ask).events()]
    assert kinds[0] == "messageStart"
    assert kinds[-2:] == ["messageStop", "metadata"]


def test_nothing_is_a_success_before_the_end(make_manager, ask) -> None:
    stream = make_manager().converse_stream(ask)
    assert not stream.success
    next(iter(stream))
    assert not stream.success


def test_the_time_to_the_first_token_is_measured(fake_bedrock: FakeBedrock, make_manager, ask) -> None:
    fake_bedrock.set_latency(0.0, first_token=0.1, per_chunk=0.001)
    stream = make_manager().converse_stream(ask)
    stream.get_full_content()
    metrics = stream.get_metrics()
    assert 90 < metrics["time_to_first_token_ms"] < metrics["total_duration_ms"]


@pytest.mark.parametrize(
    "fault",
    [
        Fault(error="ThrottlingException", region="us-east-1"),
        Fault(error="throttlingException", region="us-east-1", after_chunks=0),
        Fault(error="modelStreamErrorException", region="us-east-1", after_chunks=0),
        Fault(reset=True, region="us-east-1"),
        Fault(reset=True, region="us-east-1", after_chunks=0),
        Fault(stream_fault="early_end", region="us-east-1", after_chunks=0),
        Fault(stream_fault="garbled_event", region="us-east-1", after_chunks=0),
    ],
)
def test_a_failure_before_the_first_content_moves_on_unseen(
    fake_bedrock: FakeBedrock, make_manager, ask, whole: str, fault: Fault
) -> None:
    fake_bedrock.add_fault(fault)
    stream = make_manager().converse_stream(ask)
    assert stream.region_used == "us-west-2"
    assert stream.get_full_content() == whole
    assert stream.success
    assert stream.get_warnings() == []


@pytest.mark.parametrize("chunks", [1, 2, 3, 5, 8])
@pytest.mark.parametrize(
    "how",
    [
        {"reset": True},
        {"error": "internalServerException"},
        {"stream_fault": "early_end"},
        {"stream_fault": "garbled_event"},
    ],
)
def test_a_stream_lost_later_is_continued_without_repeating_anything(
    fake_bedrock: FakeBedrock, make_manager, ask, whole: str, how: dict[str, Any], chunks: int
) -> None:
    fake_bedrock.add_fault(Fault(region="us-east-1", after_chunks=chunks, **how))
    stream = make_manager().converse_stream(ask)
    assert "".join(stream) == whole
    assert stream.success
    assert [(attempt.region, attempt.success) for attempt in stream.attempts] == [
        ("us-east-1", False),
        ("us-west-2", True),
    ]
    assert any("continued in us-west-2" in warning for warning in stream.get_warnings())
    assert fake_bedrock.calls[1].body["messages"][-1]["role"] == "assistant"
    blocks = stream.response_data["output"]["message"]["content"]
    assert "".join(block["text"] for block in blocks) == whole


def test_a_stream_without_metadata_is_a_whole_answer_without_usage(
    fake_bedrock: FakeBedrock, make_manager, ask, whole: str
) -> None:
    fake_bedrock.add_fault(Fault(stream_fault="no_metadata"))
    stream = make_manager().converse_stream(ask)
    assert "".join(stream) == whole
    assert stream.success
    assert stream.get_usage() is None
    assert len(fake_bedrock.calls) == 1


def test_an_attempt_lasts_until_its_stream_is_lost(fake_bedrock: FakeBedrock, make_manager, ask) -> None:
    fake_bedrock.add_fault(Fault(reset=True, region="us-east-1", after_chunks=2))
    stream = make_manager().converse_stream(ask)
    begun = datetime.now(UTC)
    list(stream)
    lost, answered = stream.attempts
    assert begun <= lost.end_time <= answered.start_time


def test_a_continuation_keeps_to_max_tokens(fake_bedrock: FakeBedrock, make_manager, ask) -> None:
    plain = make_manager().converse_stream(ask, inference_config={"maxTokens": 30}).get_full_content()
    fake_bedrock.add_fault(Fault(reset=True, region="us-east-1", after_chunks=4))
    stream = make_manager().converse_stream(ask, inference_config={"maxTokens": 30})
    assert abs(len(stream.get_full_content()) - len(plain)) <= 8
    assert fake_bedrock.calls[-1].body["inferenceConfig"]["maxTokens"] < 30


def test_a_model_that_takes_no_beginning_is_not_requested_to_continue(
    fake_bedrock: FakeBedrock, make_manager, ask
) -> None:
    fake_bedrock.add_fault(Fault(reset=True, after_chunks=3))
    stream = make_manager(("Claude Sonnet 4.6",)).converse_stream(ask)
    assert stream.get_full_content()
    assert not stream.success
    assert stream.get_last_error() is not None
    assert len(fake_bedrock.calls) == 1


def test_a_tool_call_cannot_be_continued(fake_bedrock: FakeBedrock, make_manager, ask) -> None:
    fake_bedrock.add_fault(Fault(reset=True, after_chunks=1))
    stream = make_manager().converse_stream(ask, tool_config=TOOLS)
    list(stream)
    assert not stream.success
    assert len(fake_bedrock.calls) == 1


def test_a_tool_call_that_was_only_announced_is_requested_elsewhere(
    fake_bedrock: FakeBedrock, make_manager, ask
) -> None:
    fake_bedrock.add_fault(Fault(reset=True, after_chunks=0, count=1))
    stream = make_manager().converse_stream(ask, tool_config=TOOLS)
    kinds = [kind for event in stream.events() for kind in event]
    assert stream.success
    assert stream.get_stop_reason() == "tool_use"
    assert kinds.count("contentBlockStart") == 1


def test_a_streamed_tool_call_comes_together(make_manager, ask) -> None:
    manager = make_manager()
    stream = manager.converse_stream(ask, tool_config=TOOLS)
    list(stream.events())
    assert stream.get_stop_reason() == "tool_use"
    expected = manager.converse(ask, tool_config=TOOLS).response_data["output"]["message"]["content"]
    blocks = stream.response_data["output"]["message"]["content"]
    assert [block["toolUse"]["input"] for block in blocks if "toolUse" in block] == [
        block["toolUse"]["input"] for block in expected if "toolUse" in block
    ]


def test_a_stream_lost_everywhere_ends_with_its_error(fake_bedrock: FakeBedrock, make_manager, ask) -> None:
    fake_bedrock.add_fault(Fault(reset=True, after_chunks=2))
    stream = make_manager().converse_stream(ask)
    text = stream.get_full_content()
    assert text
    assert not stream.success
    assert isinstance(stream.get_last_error(), RetryExhaustedError)
    assert len(stream.attempts) == 4
    assert stream.response_data["output"]["message"]["content"][0]["text"]


def test_all_targets_failing_raises_at_creation(fake_bedrock: FakeBedrock, make_manager, ask) -> None:
    fake_bedrock.add_fault(Fault(error="ThrottlingException"))
    with pytest.raises(RetryExhaustedError) as raised:
        make_manager().converse_stream(ask)
    assert len(raised.value.attempts) == 4


def test_bad_credentials_and_bad_requests_raise_at_creation(
    fake_bedrock: FakeBedrock, make_manager, ask
) -> None:
    with pytest.raises(RequestValidationError):
        make_manager().converse_stream([])
    fake_bedrock.add_fault(Fault(error="UnrecognizedClientException"))
    with pytest.raises(AuthenticationError):
        make_manager().converse_stream(ask)


def test_features_fall_back_in_streams_too(make_manager, ask) -> None:
    manager = make_manager(("Claude Haiku 4.5",))
    stream = manager.converse_stream(ask, inference_config={"temperature": 0.5, "topP": 0.5})
    assert stream.get_full_content()
    assert stream.features_disabled == ["top_p"]


def test_a_caller_who_stops_closes_the_connection(fake_bedrock: FakeBedrock, make_manager, ask) -> None:
    fake_bedrock.set_latency(0.0, per_chunk=PATIENCE_SECONDS)
    stream = make_manager().converse_stream(ask)
    for _ in stream:
        break
    gc.collect()
    wait_until(lambda: not fake_bedrock.in_flight)
    assert fake_bedrock.calls[0].error_code == "disconnected"
    assert not stream.success
    assert stream.get_content()


def test_closing_ends_the_stream(fake_bedrock: FakeBedrock, make_manager, ask) -> None:
    manager = make_manager()
    with manager.converse_stream(ask) as stream:
        next(iter(stream))
    assert not stream.success
    assert manager.get_retry_stats()["requests"] == 1


def test_the_deadline_ends_a_stream_that_continues(
    fake_bedrock: FakeBedrock, make_manager, ask, clock, whole: str
) -> None:
    stream = make_manager().converse_stream(ask, deadline=10)
    chunks = []
    for chunk in stream:
        chunks.append(chunk)
        clock.now += 4
    assert len(chunks) == 3
    assert whole.startswith("".join(chunks))
    assert not stream.success
    assert isinstance(stream.get_last_error(), DeadlineExceededError)
    assert stream.attempts[-1].decision == "give_up"
    assert len(fake_bedrock.calls) == 1


class StartedLater(Deadline):
    """A deadline that is far away until it is started."""

    def __init__(self) -> None:
        super().__init__(Deadline.after(PATIENCE_SECONDS).at)

    def start(self, seconds: float) -> None:
        object.__setattr__(self, "at", Deadline.after(seconds).at)


def test_the_deadline_ends_a_stream_that_falls_silent(fake_bedrock: FakeBedrock, make_manager, ask) -> None:
    fake_bedrock.add_fault(Fault(hang=True, after_chunks=2))
    deadline = StartedLater()
    stream = make_manager().converse_stream(ask, deadline=deadline)
    chunks = []
    for chunk in stream:
        chunks.append(chunk)
        deadline.start(SILENCE_SECONDS)
    assert 1 <= len(chunks) <= 2
    assert isinstance(stream.get_last_error(), DeadlineExceededError)
    assert len(fake_bedrock.calls) == 1


def test_a_validation_judges_the_completed_text_and_requests_nothing_again(
    fake_bedrock: FakeBedrock, make_manager, ask
) -> None:
    seen = []

    def check(response: Any) -> ValidationResult:
        seen.append(response.get_content())
        return ValidationResult(success=False, error_message="too plain")

    stream = make_manager().converse_stream(ask, response_validation_config=ResponseValidationConfig(check))
    text = stream.get_full_content()
    assert seen == [text]
    assert not stream.success
    assert stream.get_validation_errors()[0]["error_message"] == "too plain"
    assert len(fake_bedrock.calls) == 1


def test_a_continued_stream_counts_in_the_statistics(fake_bedrock: FakeBedrock, make_manager, ask) -> None:
    fake_bedrock.add_fault(Fault(reset=True, region="us-east-1", after_chunks=2))
    manager = make_manager()
    manager.converse_stream(ask).get_full_content()
    stats = manager.get_retry_stats()
    assert (stats["requests"], stats["attempts"], stats["retries"], stats["failovers"]) == (1, 2, 1, 1)


def test_a_stream_that_was_left_gives_nothing_more(make_manager, ask) -> None:
    stream = make_manager().converse_stream(ask)
    for _ in stream:
        break
    assert list(stream) == []
    assert stream.get_full_content() == stream.get_content()
    assert not stream.success


def test_a_feature_rejected_in_the_middle_of_an_answer_leads_to_the_next_region(
    fake_bedrock: FakeBedrock, make_manager, ask, whole: str
) -> None:
    rejected = "This model doesn't support tool use in streaming mode."
    fake_bedrock.add_fault(
        Fault(error="validationException", message=rejected, region="us-east-1", after_chunks=2)
    )
    stream = make_manager().converse_stream(ask)
    assert stream.get_full_content() == whole
    assert [(attempt.region, attempt.decision) for attempt in stream.attempts] == [
        ("us-east-1", "other_region"),
        ("us-west-2", None),
    ]


def test_a_stream_lost_after_a_failover_counts_each_failure_for_itself(
    fake_bedrock: FakeBedrock, make_manager, ask, whole: str
) -> None:
    fake_bedrock.add_fault(Fault(error="ThrottlingException", region="us-east-1", count=1))
    fake_bedrock.add_fault(Fault(reset=True, region="us-west-2", after_chunks=2, count=1))
    manager = make_manager()
    assert manager.converse_stream(ask).get_full_content() == whole
    stats = manager.get_retry_stats()
    counters = ("requests", "attempts", "retries", "failovers")
    assert [stats[name] for name in counters] == [1, 3, 2, 2]
    assert stats["throttles"] == {"amazon.nova-lite-v1:0@us-east-1": 1}


def test_a_stream_tells_of_a_document_that_was_renamed(fake_bedrock: FakeBedrock, make_manager) -> None:
    document = {"name": "report.pdf", "format": "pdf", "source": {"bytes": b"%PDF-1.4"}}
    content = [{"text": "What does it say?"}, {"document": document}]
    stream = make_manager().converse_stream([{"role": "user", "content": content}])
    assert stream.get_full_content()
    assert stream.get_warnings() == ["the document 'report.pdf' was sent as 'report-pdf'"]
    assert fake_bedrock.calls[0].body["messages"][0]["content"][1]["document"]["name"] == "report-pdf"
