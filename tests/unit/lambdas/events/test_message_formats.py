"""The messages of each source are decoded, and any other text is rejected with reasons."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.events.inbox import batch_id
from lambdas.events.message_formats import BatchFile, InlineRequest, StoredRequest, read, read_text
from llmmanager.json_format.codec import InvalidRequest

GOLDEN = Path(__file__).parent / "golden"
RECORD = {
    "messages": [{"role": "user", "content": [{"text": "Is order 7 late?"}]}],
    "inferenceConfig": {"maxTokens": 50},
}
DECODED = {
    "sqs-request.json": InlineRequest(
        request_id="order-7",
        key=("message", "059f36b4-87a3-44ab-83d2-661975830a7d"),
        body={**RECORD, "models": ["Nova Lite"]},
        reply_to="arn:aws:sqs:us-east-1:123456789012:answers",
    ),
    "sqs-stored-request.json": StoredRequest("3f2a77", caller="arn:aws:iam::123456789012:user/someone"),
    "sqs-sns-notification.json": InlineRequest(
        request_id="22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        key=("message", "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324"),
        body=RECORD,
    ),
    "sqs-eventbridge-event.json": InlineRequest(
        request_id="17793124-05d4-b198-2fde-7ededc63b103",
        key=("event", "17793124-05d4-b198-2fde-7ededc63b103"),
        body={**RECORD, "regions": ["us-west-2"]},
    ),
    "sqs-s3-object-created.json": BatchFile(
        "bucket-of-the-stack", "inbox/monday/prompts.jsonl", "b1946ac92492d2347c6235b4d2611184"
    ),
}


@pytest.mark.parametrize("name", DECODED)
def test_a_message_of_each_source_is_decoded(name: str) -> None:
    (record,) = json.loads((GOLDEN / name).read_text())["Records"]
    assert read_text(record["body"], message_id=record["messageId"]) == DECODED[name]


def test_every_golden_event_is_decoded() -> None:
    assert {path.name for path in GOLDEN.iterdir()} == set(DECODED)


def test_the_senders_own_key_identifies_the_request_in_every_message() -> None:
    jobs = [read({"idempotencyKey": "k"}, message_id=id_) for id_ in ("one", "two")]
    assert [job.key for job in jobs if isinstance(job, InlineRequest)] == [("caller", "k")] * 2


# fmt: off
names = st.sampled_from([
    "Type", "TopicArn", "MessageId", "Message", "detail-type", "detail", "source", "id", "bucket", "object",
    "key", "name", "etag", "requestId", "requestKey", "idempotencyKey", "replyTo", "models", "record_id",
])
# fmt: on
values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.text(max_size=20),
    st.sampled_from(["Notification", "LLM Request", "aws.s3", "Object Created", "inbox/a.jsonl", "{}", "[]"]),
)
documents = st.recursive(
    values, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names | st.text(max_size=5), inner)
)


def reasons(text: str) -> list[str] | None:
    """Return why the text is rejected, or None if it is a job."""
    try:
        job = read_text(text, message_id="m")
    except InvalidRequest as error:
        return error.reasons
    return None if isinstance(job, InlineRequest | StoredRequest | BatchFile) else []


@given(documents)
def test_any_json_is_a_job_or_is_rejected_with_reasons(document: Any) -> None:
    assert reasons(json.dumps(document)) != []


@given(st.text())
def test_any_text_is_a_job_or_is_rejected_with_reasons(text: str) -> None:
    assert reasons(text) != []


@given(st.text(min_size=1), st.text(min_size=1), st.text())
def test_the_id_of_a_batch_is_a_valid_execution_name_and_depends_on_the_content(
    stem: str, version: str, other: str
) -> None:
    id_ = batch_id(BatchFile("b", f"inbox/{stem}.jsonl", version))
    assert len(id_) <= 80
    assert id_.isascii()
    assert id_.replace("-", "").isalnum()
    assert id_ == batch_id(BatchFile("b", f"inbox/{stem}.jsonl", version))
    assert (id_ == batch_id(BatchFile("b", f"inbox/{stem}.jsonl", other))) == (version == other)
