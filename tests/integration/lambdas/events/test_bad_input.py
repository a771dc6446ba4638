"""Any message or payload is answered or rejected with a reason, and is never lost."""

from __future__ import annotations

import copy
import itertools
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lambdas.events.inbox import batch_id
from lambdas.events.message_formats import BatchFile, read_text
from llmmanager.testing import FakeBedrock

# No example depends on the state that an earlier one has left.
fuzzed = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
# Other sources only add an envelope: its content is read as that of a message in the queue is.
fuzzed_envelopes = settings(fuzzed, max_examples=50)

numbers = itertools.count()
# A reason starts with the path of a field. The name of an unknown field may be anything, even "".
FIELD = re.compile(r".{0,200}?: \S", re.DOTALL)

VALID: dict[str, Any] = {
    "requestId": "mine",
    "messages": [
        {"role": "user", "content": [{"text": "What is a queue?"}]},
        {"role": "assistant", "content": [{"text": "A line."}]},
        {
            "role": "user",
            "content": [
                {"text": "And this?"},
                {"image": {"format": "png", "source": {"bytes": "iVBORw0KGgo="}}},
                {"document": {"name": "notes", "format": "txt", "source": {"bytes": "bm90ZXM="}}},
            ],
        },
    ],
    "system": [{"text": "Be brief."}],
    "inferenceConfig": {"maxTokens": 50, "temperature": 0.5, "stopSequences": ["END"]},
    "toolConfig": {
        "tools": [{"toolSpec": {"name": "look", "inputSchema": {"json": {"type": "object"}}}}],
        "toolChoice": {"auto": {}},
    },
    "requestMetadata": {"team": "blue"},
    "additionalModelRequestFields": {"top_k": 5},
    "models": ["Nova Lite"],
    "regions": ["us-west-2"],
    "responseValidation": {"minLength": 1, "mustNotContain": ["never"], "pattern": "[a-z]", "retries": 1},
    "featureFallback": False,
    "maxCostMultiple": 2.5,
}

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["", "\ud800", "\x00", "x" * 600, "Nova Lite", "us-east-1", "s3://b/k", "0" * 5000])
)
names = st.text(max_size=10) | st.sampled_from(
    [*VALID, "replyTo", "idempotencyKey", "request_id", "detail", "detail-type", "Type", "Message", "Records"]
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the paths of a value and of everything in it."""
    yield path
    for key, item in (
        value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else ())
    ):
        yield from paths(item, (*path, key))


@st.composite
def mutated(draw: st.DrawFn, valid: Any) -> Any:
    """A valid value with one to three parts changed, removed, added or repeated."""
    value = copy.deepcopy(valid)
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(list(paths(value))))
        if not path:
            continue
        holder = value
        for key in path[:-1]:
            holder = holder[key]
        match draw(st.sampled_from(["change", "remove", "add", "repeat"])):
            case "change":
                holder[path[-1]] = draw(values)
            case "remove":
                del holder[path[-1]]
            case "add" if isinstance(holder, dict):
                holder[draw(names)] = draw(values)
            case "repeat" if isinstance(holder, list):
                holder.append(copy.deepcopy(holder[path[-1]]))
    return value


def as_text(value: Any) -> str:
    return json.dumps(value)


# Valid texts of SQS messages: SQS rejects the other characters, and an empty text.
texts = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")
    | st.sampled_from("\t\r\n"),
    min_size=1,
    max_size=40,
)
requests = mutated(VALID)
bodies = (
    requests.map(as_text)
    | values.map(as_text)
    | texts
    | requests.map(as_text).flatmap(lambda text: st.integers(1, len(text)).map(lambda end: text[:end]))
    | st.integers(0, 3000).map(lambda depth: "[" * depth + "1" + "]" * depth)
)


def in_sns(text: str) -> dict[str, Any]:
    return {
        "Type": "Notification",
        "MessageId": f"notification-{next(numbers)}",
        "TopicArn": "arn:aws:sns:us-east-1:123456789012:topic",
        "Message": text,
    }


def in_event(detail: Any) -> dict[str, Any]:
    return {"id": f"event-{next(numbers)}", "source": "test", "detail-type": "LLM Request", "detail": detail}


def with_new_ids(envelope: Any) -> str:
    """Return the text of an envelope with new ids: one with an earlier id would be a repeated delivery."""
    return re.sub(r"(event|notification)-\d+", lambda match: f"{match[1]}-{next(numbers)}", as_text(envelope))


def file_event() -> dict[str, Any]:
    return {
        "version": "0",
        "id": "event",
        "source": "aws.s3",
        "detail-type": "Object Created",
        "detail": {
            "bucket": {"name": "bucket-of-the-test"},
            "object": {
                "key": "inbox/file.jsonl",
                "size": 3,
                "etag": "abc",
                "version-id": "1",
                "sequencer": "1",
            },
        },
    }


stored = {"requestId": "r-1", "requestKey": "requests/r-1/request.json", "caller": "someone"}

SOURCES: dict[str, st.SearchStrategy[str]] = {
    "the queue": bodies,
    "the topic": bodies.map(in_sns).map(as_text) | mutated(in_sns(as_text(VALID))).map(with_new_ids),
    "the bus": (requests | values).map(in_event).map(as_text) | mutated(in_event(VALID)).map(with_new_ids),
    "the bucket": mutated(file_event()).map(as_text),
    "the HTTP API": mutated(stored).map(as_text),
}


@pytest.fixture
def function(deployed: Any, fake_bedrock: FakeBedrock) -> Any:
    deployed.put("requests/r-1/request.json", VALID)
    return deployed


def assert_rejected_with_a_reason(outcome: dict[str, Any]) -> None:
    error = outcome["error"]
    reasons = error["errors"] or [error["detail"]]
    assert error["status"] < 500, outcome
    assert error["type"].startswith("urn:llmmanager:problem:")
    for reason in reasons:
        assert FIELD.match(reason) or error["type"].endswith(("key-reused", "refused")), reason


@pytest.mark.parametrize("source", SOURCES)
def test_any_message_is_answered_or_moved_to_the_dead_letter_queue_with_a_reason(
    function: Any, source: str
) -> None:
    @(fuzzed if source == "the queue" else fuzzed_envelopes)
    @given(SOURCES[source])
    def check(body: str) -> None:
        number = next(numbers)
        record = function.record({"MessageId": f"m-{number}", "ReceiptHandle": f"r-{number}", "Body": body})
        # Bedrock answers every request, so no message needs another delivery.
        assert function.deliver({"Records": [record]}) == []
        outcomes = [event["detail"] for event in function.published()]
        dead = function.messages("dead")
        if [outcome["status"] for outcome in outcomes] == ["failed"]:
            assert_rejected_with_a_reason(outcomes[0])
            (message,) = dead
            assert message["Body"] == body
            assert message["MessageAttributes"]["messageId"]["StringValue"] == record["messageId"]
            assert message["MessageAttributes"]["reason"]["StringValue"]
        else:
            assert dead == []
            if not outcomes:
                assert source in ("the bucket", "the HTTP API") or "idempotencyKey" in body
            assert len(outcomes) <= 1
            job = read_text(body, message_id="any")
            if isinstance(job, BatchFile):
                function.batch(batch_id(job))

    check()


@fuzzed
@given(requests | values | st.integers(0, 900).map(lambda depth: json.loads("[" * depth + "1" + "]" * depth)))
@example({"Records": 1})
@example({"Records": [1]})
@example({"Records": [{"eventSource": "aws:s3", "s3": {}}]})
@example(float("nan"))
@example({"messages": float("inf")})
def test_any_payload_is_answered_or_rejected(function: Any, event: Any) -> None:
    outcome = function.invoke(event)
    json.dumps(outcome, allow_nan=False)
    if outcome["status"] == "failed":
        assert_rejected_with_a_reason(outcome)
    else:
        assert outcome["answer"]["text"]
