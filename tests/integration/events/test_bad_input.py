"""Anything at all sent to the events door: answered, or refused with a reason, and never lost."""

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

from lambdas.events.envelopes import Dropped, read_text
from lambdas.events.inbox import batch_id
from llmmanager.testing import FakeBedrock

# Every way in sees this many bodies. Nothing here depends on what an earlier body left behind.
fuzzed = settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

numbers = itertools.count()
# A reason starts with the field it is about, whose name is the sender's where it is unknown: even "".
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


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all that is in a value, itself included."""
    yield path
    for key, item in (
        value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else ())
    ):
        yield from places(item, (*path, key))


@st.composite
def mutated(draw: st.DrawFn, valid: Any) -> Any:
    """Something valid with one to three things changed, taken out or added in it."""
    value = copy.deepcopy(valid)
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(list(places(value))))
        if not path:
            continue
        holder = value
        for key in path[:-1]:
            holder = holder[key]
        match draw(st.sampled_from(["change", "take out", "add", "twice"])):
            case "change":
                holder[path[-1]] = draw(values)
            case "take out":
                del holder[path[-1]]
            case "add" if isinstance(holder, dict):
                holder[draw(names)] = draw(values)
            case "twice" if isinstance(holder, list):
                holder.append(copy.deepcopy(holder[path[-1]]))
    return value


def as_text(value: Any) -> str:
    return json.dumps(value)


# What a queue's message may hold: SQS refuses the other characters, and nothing at all.
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


def renamed(envelope: Any) -> str:
    """What comes with the name of something earlier is that, and nothing happens."""
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

WAYS_IN: dict[str, st.SearchStrategy[str]] = {
    "the queue": bodies,
    "the topic": bodies.map(in_sns).map(as_text) | mutated(in_sns(as_text(VALID))).map(renamed),
    "the bus": (requests | values).map(in_event).map(as_text) | mutated(in_event(VALID)).map(renamed),
    "the bucket": mutated(file_event()).map(as_text),
    "the HTTP API": mutated(stored).map(as_text),
}


@pytest.fixture
def door(deployed: Any, fake_bedrock: FakeBedrock) -> Any:
    deployed.put("requests/r-1/request.json", VALID)
    return deployed


def assert_refused_with_a_reason(told: dict[str, Any]) -> None:
    error = told["error"]
    reasons = error["errors"] or [error["detail"]]
    assert error["status"] < 500, told
    assert error["type"].startswith("urn:llmmanager:problem:")
    for reason in reasons:
        assert FIELD.match(reason) or error["type"].endswith(("key-reused", "refused")), reason


@pytest.mark.parametrize("way_in", WAYS_IN)
def test_whatever_comes_by_a_way_in_is_answered_or_buried_with_a_reason(door: Any, way_in: str) -> None:
    @fuzzed
    @given(WAYS_IN[way_in])
    def check(body: str) -> None:
        delivery = door.receive(body)
        (record,) = delivery["Records"]
        # Bedrock is well, so nothing is worth another delivery.
        assert door.deliver(delivery) == []
        told = [event["detail"] for event in door.published()]
        dead = door.messages("dead")
        door.sqs.delete_message(QueueUrl=door.urls["requests"], ReceiptHandle=record["receiptHandle"])
        if [one["status"] for one in told] == ["failed"]:
            assert_refused_with_a_reason(told[0])
            (message,) = dead
            assert message["Body"] == body
            assert message["MessageAttributes"]["messageId"]["StringValue"] == record["messageId"]
            assert message["MessageAttributes"]["reason"]["StringValue"]
        else:
            assert dead == []
            if not told:
                assert way_in in ("the bucket", "the HTTP API") or "idempotencyKey" in body
            assert len(told) <= 1
            job = read_text(body, message_id="any")
            if isinstance(job, Dropped):
                door.batch(batch_id(job))

    check()


@fuzzed
@given(requests | values | st.integers(0, 900).map(lambda depth: json.loads("[" * depth + "1" + "]" * depth)))
@example({"Records": 1})
@example({"Records": [1]})
@example({"Records": [{"eventSource": "aws:s3", "s3": {}}]})
@example(float("nan"))
@example({"messages": float("inf")})
def test_whatever_the_function_is_invoked_with_is_answered_or_refused(door: Any, event: Any) -> None:
    outcome = door.invoke(event)
    json.dumps(outcome, allow_nan=False)
    if outcome["status"] == "failed":
        assert_refused_with_a_reason(outcome)
    else:
        assert outcome["answer"]["text"]
