"""Direct invocations of the events function with a request."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lambdas.events import handler
from llmmanager.testing import FakeBedrock, Fault


def question(**more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [{"text": "What is a queue?"}]}], **more}


def test_an_invocation_returns_the_outcome_of_its_request(deployed: Any, fake_bedrock: FakeBedrock) -> None:
    outcome = deployed.invoke(question(requestId="mine"))
    assert (outcome["requestId"], outcome["status"]) == ("mine", "answered")
    assert outcome["answer"]["text"]
    assert deployed.published() == []


def test_a_repeated_request_is_answered_again_unless_it_has_a_key(
    deployed: Any, fake_bedrock: FakeBedrock
) -> None:
    for _ in range(2):
        deployed.invoke(question())
    assert len(fake_bedrock.calls) == 2
    first, second = (deployed.invoke(question(idempotencyKey="k")) for _ in range(2))
    assert first == second
    assert len(fake_bedrock.calls) == 3


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ({}, "messages"),
        ([], "message: must be a JSON object"),
        (None, "message: must be a JSON object"),
        ("text", "message: must be a JSON object"),
        (question(replyTo="queue"), "replyTo: not supported for invocations"),
        ({"requestId": "x", "requestKey": "requests/x/request.json"}, "an invocation takes a request"),
        (question(models=["Nova Imaginary"]), "Nova Imaginary"),
    ],
)
def test_an_invalid_payload_returns_the_reasons(
    deployed: Any, fake_bedrock: FakeBedrock, event: Any, reason: str
) -> None:
    outcome = deployed.invoke(event)
    assert outcome["status"] == "failed"
    assert any(reason in error for error in outcome["error"]["errors"])
    assert fake_bedrock.calls == ()


def test_a_key_that_cannot_be_looked_up_returns_a_temporary_problem(
    deployed: Any, fake_bedrock: FakeBedrock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMMANAGER_REQUEST_TABLE", "table-that-is-not-there")
    deployed.cold_start()
    error = deployed.invoke(question(idempotencyKey="k"))["error"]
    assert (error["status"], error["type"]) == (503, "urn:llmmanager:problem:store-unavailable")
    assert fake_bedrock.calls == ()


@pytest.mark.parametrize("more", [{}, {"\ud800": 1}], ids=["answered", "rejected"])
def test_the_returned_outcome_can_be_encoded_as_utf_8(
    deployed: Any, fake_bedrock: FakeBedrock, more: dict[str, Any]
) -> None:
    outcome = deployed.invoke(question(requestId="r\ud800", **more))
    json.dumps(outcome, ensure_ascii=False).encode("utf-8")
    assert outcome["requestId"] == "r?"


def test_a_failed_invocation_is_logged(deployed: Any, caplog: pytest.LogCaptureFixture) -> None:
    deployed.invoke({})
    (record,) = [record for record in caplog.records if record.message == "invocation failed"]
    assert record.problem == "invalid-request"


def test_an_outage_of_bedrock_returns_a_problem_with_every_attempt(
    deployed: Any, fake_bedrock: FakeBedrock
) -> None:
    fake_bedrock.add_fault(Fault(error="ServiceUnavailableException"))
    error = deployed.invoke(question())["error"]
    assert (error["status"], error["type"]) == (503, "urn:llmmanager:problem:all-targets-failed")
    assert error["attempts"]


def test_an_answer_above_the_limit_of_lambda_is_stored_in_the_bucket(
    deployed: Any, fake_bedrock: FakeBedrock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handler, "_MAX_RETURNED_BYTES", 300)
    outcome = deployed.invoke(question())
    key = outcome["resultS3Uri"].removeprefix(f"s3://{deployed.bucket}/")
    assert deployed.read(key)["answer"]["text"]
