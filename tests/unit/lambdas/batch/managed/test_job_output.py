"""Lines of the output of a job, in every form in which Bedrock may write them."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from moto import mock_aws

from lambdas.batch.managed import job_output
from lambdas.batch.managed.job_output import parse_line, read_lines
from lambdas.shared import clients

ANSWER: dict[str, Any] = {
    "output": {"message": {"role": "assistant", "content": [{"text": "yes"}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 3, "outputTokens": 1, "totalTokens": 4},
}


def line_of(**members: Any) -> bytes:
    return json.dumps({"recordId": "1", "modelInput": {"messages": []}, **members}).encode()


def test_explicit_nulls_are_left_out_except_in_data_of_the_model() -> None:
    output = {
        **ANSWER,
        "trace": None,
        "output": {
            "message": {
                "role": "assistant",
                "content": [
                    {"text": "yes", "image": None, "toolUse": None},
                    {"text": " "},
                    {"text": None, "toolUse": {"name": "f", "input": {"a": None}}},
                ],
            }
        },
        "additionalModelResponseFields": {"stop": None},
    }

    found = parse_line(line_of(modelOutput=output, error=None))

    assert found is not None
    assert found.answer == {
        **ANSWER,
        "output": {
            "message": {
                "role": "assistant",
                "content": [{"text": "yes"}, {"toolUse": {"name": "f", "input": {"a": None}}}],
            }
        },
        "additionalModelResponseFields": {"stop": None},
    }


@pytest.mark.parametrize(
    ("error", "code"),
    [({"errorCode": 400, "errorMessage": "no"}, "400"), ({"x": 1}, "Error"), ("no", "Error")],
)
def test_a_failed_record_has_the_code_of_its_error(error: Any, code: str) -> None:
    found = parse_line(line_of(error=error, modelOutput=None))

    assert found is not None
    assert (found.answer, found.error_code) == (None, code)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"not JSON",
        b"[1]",
        b"5",
        b"{}",
        b'{"recordId": 5, "modelOutput": {}}',
        line_of(),
        line_of(modelOutput="text"),
        line_of(modelOutput={"output": "text"}),
        line_of(modelOutput={"output": {"message": None}}),
        line_of(modelOutput={"output": {"message": {"content": {"text": "a"}}}}),
        line_of(modelOutput=ANSWER)[:-5],
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_a_line_in_another_form_is_no_answer(line: bytes) -> None:
    assert parse_line(line) is None


@pytest.mark.parametrize("chunk", [1, 2, 3, 1000])
def test_lines_are_read_from_any_offset_in_chunks_of_any_size(
    chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_output, "_CHUNK_BYTES", chunk)
    monkeypatch.setattr(job_output, "MAX_LINE_BYTES", 5)
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        monkeypatch.setattr(clients, "s3", lambda: s3)
        s3.create_bucket(Bucket="outputs")
        s3.put_object(Bucket="outputs", Key="file", Body=b"one\n\ntwo\ntoo long\nlast")
        lines = list(read_lines("outputs", "file", offset=0))
        rest = [list(read_lines("outputs", "file", offset=offset)) for _, offset in lines]

    assert lines == [(b"one", 4), (b"", 5), (b"two", 9), (b"", 18), (b"last", 22)]
    assert rest == [lines[number:] for number in range(1, 6)]
