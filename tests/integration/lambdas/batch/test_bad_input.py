"""Any input of a batch is planned or rejected by field, and every line has a result."""

from __future__ import annotations

import itertools
import json
import re

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lambdas.batch.batch_input import InvalidBatch
from llmmanager.json_format.text_encoding import unsupported_format, without_byte_order_mark

# The batches of one test lie in one bucket, each under a name of its own.
MANY = settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
# Each file has several lines, and each line is a body.
SEVERAL = settings(MANY, max_examples=50)
NAMES = itertools.count()
# The value of an unknown key may be any text.
NAMES_A_FIELD = re.compile(r".*: \S", re.DOTALL)
KNOWN = (
    *("batchId", "inputS3Uri", "prefix", "requests", "models", "regions", "failureStrategy", "resultOrder"),
    *("deadlineSeconds", "retryStrategy", "responseValidation", "featureFallback", "priority"),
    *("messages", "modelInput"),
)

text = st.text(alphabet=st.characters(), max_size=30) | st.sampled_from(
    ["\x00", "\ud800", "é\U0001f600", "../"]
)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(text | st.sampled_from(KNOWN), inner, max_size=4)
    ),
    max_leaves=12,
)
MESSAGES = [{"role": "user", "content": [{"text": "Hello"}]}]
GOOD_START = {
    "requests": [{"recordId": "a", "modelInput": {"messages": MESSAGES}}, {"messages": MESSAGES}],
    "batchId": "mine",
    "models": ["Nova Lite"],
    "regions": ["us-east-1", "us-west-2"],
    "failureStrategy": {"stopOnThreshold": 0.5},
    "deadlineSeconds": 60,
    "retryStrategy": "model_first",
    "resultOrder": "input",
    "priority": 3,
    "featureFallback": False,
    "responseValidation": {"minLength": 1, "pattern": "a+", "jsonSchema": {"type": "object"}, "retries": 1},
}
PLACES = st.builds(
    lambda scheme, bucket, key: f"{scheme}{bucket}/{key}",
    st.sampled_from(["s3://", "S3://", "https://", ""]),
    st.sampled_from(["batches-of-the-test", "bucket-of-another-team", "someone-elses"]) | text,
    st.sampled_from(["in/", "a", "/", "//", "batches/", "x" * 1100]) | text,
)


@st.composite
def spoilt(draw, good):
    """A valid value with one member, at any depth, replaced or removed."""
    value = json.loads(json.dumps(good))
    at = value
    while True:
        keys = range(len(at)) if isinstance(at, list) else sorted(at)
        key = draw(st.sampled_from(keys))
        if isinstance(at[key], dict | list) and at[key] and draw(st.booleans()):
            at = at[key]
        elif draw(st.booleans()):
            at[key] = draw(anything)
            return value
        else:
            del at[key]
            return value


placed = st.builds(
    lambda member, place: {member: place}, st.sampled_from(["inputS3Uri", "prefix"]), PLACES | anything
)


@MANY
@example({"inputS3Uri": "s3://batches-of-the-test/\ud800"})
@example({"prefix": "s3://batches-of-the-test/\ud800/"})
@example({"inputS3Uri": "s3://batches-of-the-test/" + "x" * 1100})
@example({"inputS3Uri": "s3://batches-of-the-test/a\x00b"})
@example({"requests": [{"recordId": "\ud800", "messages": MESSAGES}]})
@example({"\ud800" * 200: 1})
@given(
    anything | spoilt(GOOD_START) | placed | st.builds(lambda a, b: {**GOOD_START, **a, **b}, placed, placed)
)
def test_any_input_is_planned_or_rejected_with_the_invalid_field(machine, data):
    rejection = None
    try:
        machine.plan(data, name=f"start-{next(NAMES)}")
    except InvalidBatch as error:
        rejection = str(error)

    if rejection is None:
        assert machine.planned["records"] > 0
    else:
        assert NAMES_A_FIELD.match(rejection), rejection
        assert len(rejection) < 20_000


RECORD = {
    "recordId": "a",
    "modelInput": {
        "messages": [
            {
                "role": "user",
                "content": [{"text": "Hello"}, {"image": {"format": "png", "source": {"bytes": "YQ=="}}}],
            },
            {"role": "assistant", "content": [{"text": "Yes?"}]},
            {"role": "user", "content": [{"text": "Why?"}]},
        ],
        "system": [{"text": "Be brief."}],
        "inferenceConfig": {"maxTokens": 10, "temperature": 0.5, "stopSequences": ["x"]},
        "requestMetadata": {"bytes": "no bytes"},
        "extraRequestFields": {"promptVariables": {"a": {"text": "b"}}},
        "priority": 1,
    },
}


def encoded(value):
    return json.dumps(value).encode()


LINES = st.one_of(
    st.binary(max_size=60),
    anything.map(encoded),
    spoilt(RECORD).map(encoded),
    spoilt({"request_id": "b", "messages": MESSAGES, "inference_config": {"maxTokens": 5}}).map(encoded),
    st.sampled_from(["a", "b", "line-2", "\ud800", "x" * 513]).map(
        lambda id_: encoded({"recordId": id_, "messages": MESSAGES})
    ),
    st.integers(50, 5_000).map(lambda depth: b"[" * depth + b"]" * depth),
    st.integers(1, 200).map(
        lambda depth: (
            encoded({"messages": MESSAGES})[:-1]
            + b', "system": '
            + b'{"a":' * depth
            + b"1"
            + b"}" * depth
            + b"}"
        )
    ),
    st.integers(1, 3).map(
        lambda size: encoded({"messages": [{"role": "user", "content": [{"text": "y" * size * 10**5}]}]})
    ),
    st.sampled_from(
        [
            b"",
            b" ",
            b"\xef\xbb\xbf",
            b"\xff\xfe{\x00",
            b"NaN",
            b'{"a": 1e999}',
            b'{"a": 1, "a": 2}',
            b"9" * 5000,
        ]
    ),
)


@SEVERAL
@given(
    st.lists(LINES, min_size=1, max_size=8),
    st.sampled_from([b"\n", b"\r\n"]),
    st.sampled_from([b"", b"\xef\xbb\xbf"]),
)
def test_every_line_of_any_file_is_answered_failed_or_rejected_with_reasons(machine, lines, ending, mark):
    body = mark + ending.join(lines)
    name = f"file-{next(NAMES)}"
    lines = [line for line in body.split(b"\n") if without_byte_order_mark(line).strip()]
    data = {"inputS3Uri": machine.put([body], key=f"input/{name}.jsonl")}
    if unsupported_format(body):
        with pytest.raises(InvalidBatch, match="must be UTF-8 text"):
            machine.plan(data, name=name)
        return
    if not lines:
        with pytest.raises(InvalidBatch, match="has no records"):
            machine.plan(data, name=name)
        return

    summary = machine.run(data, name=name)

    results, failed, rejected = (
        machine.lines(f"{kind}.jsonl", batch=name) for kind in ("results", "failed", "rejected")
    )
    assert len(results) + len(failed) + len(rejected) == summary["records"] == len(lines)
    assert len({line["recordId"] for line in [*results, *failed]}) == len(results) + len(failed)
    for line in rejected:
        assert line["reasons"]
        assert all(NAMES_A_FIELD.match(reason) for reason in line["reasons"]), line
    assert all(line["error"]["type"] and line["error"]["message"] for line in failed), failed
