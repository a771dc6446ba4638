"""AnswerStream: the events of one answer from one or more connections."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from llmmanager.bedrock.catalog.catalog_entries import AccessMethod, ModelAccess
from llmmanager.bedrock.exceptions.llm_manager_exceptions import DeadlineExceededError, RetryExhaustedError
from llmmanager.bedrock.invocation.attempt_loop import TargetAnswer
from llmmanager.bedrock.invocation.call_record import CallRecord
from llmmanager.bedrock.invocation.stream import AnswerStream, OpenStream
from llmmanager.bedrock.models.bedrock_response import BedrockResponse
from llmmanager.bedrock.models.deadline import NEVER, Deadline
from llmmanager.bedrock.routing.classification import StreamLostError
from llmmanager.bedrock.routing.decision import Next

Events = list[Any]
MODEL = "amazon.nova-lite-v1:0"
QUESTION = {"messages": [{"role": "user", "content": [{"text": "Tell me."}]}]}
START = {"messageStart": {"role": "assistant"}}
STOP = {"messageStop": {"stopReason": "end_turn"}}
USAGE = {"metadata": {"usage": {"inputTokens": 1, "outputTokens": 2}}}
LOST = OSError("cable cut")


def text(said: str, index: int = 0) -> dict[str, Any]:
    return {"contentBlockDelta": {"contentBlockIndex": index, "delta": {"text": said}}}


def stop(index: int = 0) -> dict[str, Any]:
    return {"contentBlockStop": {"contentBlockIndex": index}}


class Connection:
    """Yields events, raises the exceptions among them, and records calls of its methods."""

    def __init__(self, events: Iterable[Any]) -> None:
        self._events = iter(events)
        self.closed = 0

    def __iter__(self) -> Iterator[Any]:
        for event in self._events:
            if isinstance(event, Exception):
                raise event
            yield event

    def close(self) -> None:
        self.closed += 1


class Call:
    """Replaces the attempt loop: each connection is the answer of the next region."""

    def __init__(self, connections: list[Events], next_: Next = Next.OTHER_REGION) -> None:
        self.connections = [Connection(events) for events in connections]
        self._waiting = list(self.connections)
        self._next = next_
        self.record = CallRecord()
        self.requests: list[Mapping[str, Any]] = []
        self.lost: list[Exception] = []
        self.counted = 0
        self.is_interrupted = False

    def answer(self) -> TargetAnswer[OpenStream]:
        if not self._waiting:
            raise RetryExhaustedError("no answer")
        number = len(self.connections) - len(self._waiting) + 1
        target = ModelAccess(MODEL, "Nova Lite", f"region-{number}", AccessMethod.ON_DEMAND, MODEL, None)
        self.record.add_success(target, datetime.now(UTC), answer=None)
        return TargetAnswer(target, OpenStream(self._waiting.pop(0)))

    def stream_interrupted(self, target: ModelAccess, error: Exception) -> Next:
        self.lost.append(error)
        return self._next

    def continue_with(
        self, request: Mapping[str, Any], *, supported_by: Callable[[ModelAccess], bool]
    ) -> None:
        self.requests.append(request)

    def response(self, target: ModelAccess, data: dict[str, Any] | None, *, success: bool) -> BedrockResponse:
        return BedrockResponse(
            success=success,
            response_data=data,
            region_used=target.region,
            warnings=list(self.record.warnings),
        )

    def add_usage(self, target: ModelAccess, metadata: Mapping[str, Any]) -> None:
        self.record.add_usage(target, metadata)

    def count(self) -> None:
        self.counted += 1


def answer_of(
    call: Call,
    deadline: Deadline = NEVER,
    validate: Callable[[BedrockResponse], BedrockResponse] | None = None,
) -> AnswerStream:
    return AnswerStream(call, QUESTION, deadline=deadline, validate=validate)  # type: ignore[arg-type]


def texts(events: Iterable[Mapping[str, Any]]) -> str:
    deltas = [event["contentBlockDelta"]["delta"] for event in events if "contentBlockDelta" in event]
    return "".join(delta["text"] for delta in deltas if "text" in delta)


def said_by(stream: AnswerStream) -> str:
    response = stream.response()
    assert response.response_data is not None
    return "".join(block["text"] for block in response.response_data["output"]["message"]["content"])


def test_a_stream_is_open_after_its_first_content() -> None:
    connection = Connection([START, text("a"), LOST])
    stream = OpenStream(connection)
    events = iter(stream)
    assert [next(events), next(events)] == [START, text("a")]
    with pytest.raises(OSError, match="cable cut"):
        next(events)
    assert not connection.closed


def test_a_frame_with_invalid_lengths_breaks_the_stream() -> None:
    with pytest.raises(StreamLostError, match="a frame of Bedrock's stream is invalid"):
        OpenStream(Connection([START, struct.error("unpack requires a buffer of 4 bytes")]))


ANNOUNCED = {"contentBlockStart": {"contentBlockIndex": 0, "start": {"toolUse": {"name": "t"}}}}


@pytest.mark.parametrize("events", [[], [START], [START, ANNOUNCED]])
def test_a_stream_without_content_is_an_error(events: Events) -> None:
    connection = Connection(events)
    with pytest.raises(StreamLostError):
        OpenStream(connection)
    assert connection.closed


def test_a_stream_closed_by_another_thread_ends_without_an_error() -> None:
    call = Call([[START, text("a"), AttributeError("nothing to read from any more")], [START, text("b")]])
    stream = answer_of(call)
    events = iter(stream)
    assert [next(events), next(events)] == [START, text("a")]
    stream.close()
    assert list(events) == []
    assert (call.lost, call.counted) == ([], 1)


def test_a_stream_closed_during_a_failover_ends() -> None:
    call = Call([[START, text("a"), LOST], [START, text("b"), stop(), STOP]])
    stream = answer_of(call)
    moving_on = call.continue_with

    def closed_meanwhile(*arguments: Any, **keywords: Any) -> None:
        moving_on(*arguments, **keywords)
        stream.close()

    call.continue_with = closed_meanwhile  # type: ignore[method-assign]
    assert list(stream) == [START, text("a")]
    assert [connection.closed for connection in call.connections] == [2, 1]
    assert not stream.response().success


@pytest.mark.parametrize(("blank", "rest"), [("", "Lakes"), ("\n\n", "\n\nLakes"), ("\n", "Lakes")])
def test_a_stream_without_text_is_requested_again_unchanged(blank: str, rest: str) -> None:
    call = Call([[START, text(blank), LOST], [START, text(rest), stop(), STOP]])
    stream = answer_of(call)
    assert texts(stream) == blank + "Lakes"
    stream.close()
    assert stream.response().success
    assert call.requests == []


def test_a_connection_that_fails_before_its_content_is_closed() -> None:
    connection = Connection([START, LOST])
    with pytest.raises(OSError, match="cable cut"):
        OpenStream(connection)
    assert connection.closed


def test_an_uninterrupted_answer_is_not_changed() -> None:
    events = [START, text("Once "), text("upon"), stop(), STOP, USAGE]
    call = Call([events])
    stream = answer_of(call)
    assert list(stream) == events
    assert not stream.response().success
    stream.close()
    stream.close()
    assert (call.counted, call.connections[0].closed) == (1, 1)
    assert stream.response().success
    assert call.lost == []


@pytest.mark.parametrize("how", [[LOST], []])
def test_the_next_target_continues_the_same_message(how: Events) -> None:
    call = Call([[START, text("Once "), *how], [START, text(" upon"), text(" a time"), stop(), STOP, USAGE]])
    stream = answer_of(call)
    events = list(stream)
    stream.close()
    assert [next(iter(event)) for event in events].count("messageStart") == 1
    assert texts(events) == said_by(stream) == "Once upon a time"
    assert stream.response().success
    assert stream.response().region_used == "region-2"
    assert call.requests[0]["messages"][-1] == {"role": "assistant", "content": [{"text": "Once"}]}
    assert "continued in region-2" in call.record.warnings[0]
    assert "5 characters" in call.record.warnings[0]
    assert [connection.closed for connection in call.connections] == [1, 1]


def test_a_stream_can_be_interrupted_more_than_once() -> None:
    call = Call([[START, text("a "), LOST], [START, text("b "), LOST], [START, text("c"), STOP]])
    stream = answer_of(call)
    assert texts(stream) == "a b c"
    assert [request["messages"][-1]["content"][0]["text"] for request in call.requests] == ["a", "a b"]


def test_blocks_of_a_continuation_follow_the_previous_blocks() -> None:
    call = Call(
        [
            [START, text("one", 0), stop(0), text("two", 1), LOST],
            [START, text(" more", 0), stop(0), text("three", 1), stop(1), STOP],
        ]
    )
    stream = answer_of(call)
    list(stream)
    data = stream.response().response_data
    assert data is not None
    assert data["output"]["message"]["content"] == [{"text": "one"}, {"text": "two more"}, {"text": "three"}]


@pytest.mark.parametrize("end", [[stop(), STOP], [STOP]])
def test_buffered_text_is_returned_before_the_end(end: Events) -> None:
    beginning = "Once upon a time there was"
    call = Call([[START, text(beginning), LOST], [START, text("Once upon"), *end]])
    events = list(answer_of(call))
    assert texts(events) == beginning + "Once upon"
    assert events[-len(end) :] == end
    assert text("") not in events


def test_content_that_is_not_text_is_returned_in_a_continuation() -> None:
    tool = {
        "contentBlockStart": {"contentBlockIndex": 1, "start": {"toolUse": {"name": "t", "toolUseId": "1"}}}
    }
    called = {"contentBlockDelta": {"contentBlockIndex": 1, "delta": {"toolUse": {"input": "{}"}}}}
    call = Call([[START, text("Let me see"), LOST], [START, text("."), stop(), tool, called, stop(1), STOP]])
    events = list(answer_of(call))
    assert tool in events
    assert called in events


def test_a_failure_after_the_end_of_the_answer_loses_only_the_usage() -> None:
    call = Call([[START, text("Paris"), stop(), STOP, LOST]])
    stream = answer_of(call)
    assert texts(stream) == "Paris"
    stream.close()
    assert stream.response().success
    assert call.lost == []
    assert "after the end of the answer" in call.record.warnings[0]


@pytest.mark.parametrize(
    "came",
    [
        [{"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "Hm"}}}}],
        [text("a"), {"contentBlockStart": {"contentBlockIndex": 1, "start": {"toolUse": {"name": "t"}}}}],
    ],
)
def test_content_that_cannot_be_sent_back_is_not_continued(came: Events) -> None:
    call = Call([[START, *came, LOST], [START, text("never"), STOP]])
    stream = answer_of(call)
    assert "never" not in texts(stream)
    stream.close()
    assert not stream.response().success
    assert (call.lost, call.requests) == ([LOST], [])


def test_an_error_that_ends_the_call_is_not_continued() -> None:
    call = Call([[START, text("Once"), LOST], [START, text("never"), STOP]], Next.GIVE_UP)
    assert texts(answer_of(call)) == "Once"
    assert call.requests == []


def test_without_another_target_the_answer_ends_with_the_error_of_the_call() -> None:
    call = Call([[START, text("Once"), LOST]])
    stream = answer_of(call)
    assert texts(stream) == "Once"
    stream.close()
    assert not stream.response().success
    assert isinstance(stream.response().error, RetryExhaustedError)
    assert said_by(stream) == "Once"


def test_the_answer_ends_at_the_deadline() -> None:
    call = Call([[START, text("Once"), text("never"), STOP]], Next.GIVE_UP)
    stream = answer_of(call, Deadline.after(-1))
    assert "never" not in texts(stream)
    assert isinstance(call.lost[0], DeadlineExceededError)


def test_an_answer_that_ended_before_the_deadline_is_complete() -> None:
    call = Call([[STOP, USAGE]])
    stream = answer_of(call, Deadline.after(-1))
    assert list(stream) == [STOP, USAGE]
    stream.close()
    assert stream.response().success


def test_only_complete_answers_are_validated_and_once() -> None:
    seen: list[BedrockResponse] = []

    def validate(response: BedrockResponse) -> BedrockResponse:
        seen.append(response)
        return response

    whole = answer_of(Call([[START, text("Paris"), STOP]]), validate=validate)
    list(whole)
    whole.close()
    whole.close()
    assert [response.get_content() for response in seen] == ["Paris"]
    broken = answer_of(Call([[START, text("Pa"), LOST]]), validate=validate)
    list(broken)
    broken.close()
    assert len(seen) == 1


class Left(Deadline):
    """A deadline with constant remaining time."""

    def remaining(self) -> float:
        return self.at


@pytest.mark.parametrize(
    ("left", "expected"),
    [(0.0, (DeadlineExceededError, "closed by the client")), (0.9, (OSError, "cable cut"))],
)
def test_an_interruption_after_the_deadline_is_a_deadline_error(
    left: float, expected: tuple[type[Exception], str]
) -> None:
    call = Call([[START, text("Once"), LOST]], Next.GIVE_UP)
    list(answer_of(call, Left(left)))
    kind, message = expected
    assert type(call.lost[0]) is kind
    assert message in str(call.lost[0])
