"""`featureFallback` in the HTTP API and in batches: whether an unsupported feature may be removed."""

from __future__ import annotations

import json
import os

import boto3
import pytest

from lambdas.http_api.handler import handler
from llmmanager.testing import Fault

TOOLS = {"tools": [{"toolSpec": {"name": "clock", "inputSchema": {"json": {"type": "object"}}}}]}
GUARDRAIL = {"guardrailIdentifier": "abc123", "guardrailVersion": "1"}
REQUEST = {"messages": [{"role": "user", "content": [{"text": "What time is it?"}]}]}
WITH_TOOLS = {**REQUEST, "toolConfig": TOOLS}
WITH_STOP = {**REQUEST, "inferenceConfig": {"stopSequences": ["END"]}}
NO_TOOLS = "This model doesn't support tool use."
NO_STOP = "This model doesn't support the stopSequences field. Remove stopSequences and try again."
NO_GUARDRAIL = "This model doesn't support the guardrailConfig field. Remove guardrailConfig and try again."
NOT_A_BOOLEAN = ["true", 1, 0, [], {}, "false"]


@pytest.fixture
def call(deployed, proxy_event, context):
    """Sends a POST and returns status and body."""

    def send(path, body):
        response = handler(proxy_event("POST", path, body), context)
        return response["statusCode"], json.loads(response["body"])

    return send


@pytest.fixture
def reject(deployed):
    """Lets a model, or all models, reject every request with this message."""

    def reject_with(message, *, model="", count=None):
        deployed.add_fault(Fault(error="ValidationException", message=message, model=model, count=count))

    return reject_with


@pytest.mark.parametrize("switch", [{}, {"featureFallback": True}, {"featureFallback": None}])
def test_an_unsupported_feature_is_removed_by_default(call, reject, deployed, switch):
    reject(NO_STOP, count=1)

    status, answer = call("/v1/converse", {**WITH_STOP, **switch})

    assert (status, answer["featuresDisabled"]) == (200, ["stop_sequences"])
    assert any("stop_sequences" in warning for warning in answer["warnings"])
    assert len({(call.model_id, call.region) for call in deployed.calls}) == 1


@pytest.mark.parametrize(("message", "body"), [(NO_STOP, WITH_STOP), (NO_TOOLS, WITH_TOOLS)])
def test_with_fallback_off_a_request_fails_over_to_the_next_model(call, reject, deployed, message, body):
    reject(message, model="amazon.nova-lite-v1:0")

    for _ in range(2):
        status, answer = call("/v1/converse", {**body, "featureFallback": False})
        assert (status, answer["model"], answer["featuresDisabled"]) == (200, "amazon.nova-micro-v1:0", [])
    assert {"featureFallback", "feature_fallback"}.isdisjoint(deployed.calls[0].body)


def test_with_fallback_off_no_feature_is_removed_although_no_model_supports_it(call, reject, deployed):
    reject(NO_TOOLS)

    status, _ = call("/v1/converse", {**WITH_TOOLS, "featureFallback": False})

    assert status >= 400
    assert all(call.body["toolConfig"] == TOOLS for call in deployed.calls)


def test_a_request_with_fallback_off_does_not_affect_others(call, reject):
    reject(NO_STOP, count=2)

    off, _ = call("/v1/converse", {**WITH_STOP, "featureFallback": False})
    reject(NO_STOP, count=1)
    on, answer = call("/v1/converse", WITH_STOP)

    assert (off >= 400, on, answer["featuresDisabled"]) == (True, 200, ["stop_sequences"])


def test_a_guardrail_is_never_removed(call, reject, deployed):
    reject(NO_GUARDRAIL)

    for switch in ({}, {"featureFallback": True}, {"featureFallback": False}):
        status, _ = call("/v1/converse", {**REQUEST, "guardrailConfig": GUARDRAIL, **switch})
        assert status >= 400
    assert all(call.body["guardrailConfig"] == GUARDRAIL for call in deployed.calls)


def test_a_guardrail_that_one_model_does_not_support_is_applied_by_the_next(call, reject, deployed):
    reject(NO_GUARDRAIL, model="amazon.nova-lite-v1:0")

    status, answer = call("/v1/converse", {**REQUEST, "guardrailConfig": GUARDRAIL})

    assert (status, answer["model"], answer["featuresDisabled"]) == (200, "amazon.nova-micro-v1:0", [])
    assert all(call.body["guardrailConfig"] == GUARDRAIL for call in deployed.calls)


@pytest.mark.parametrize("value", NOT_A_BOOLEAN)
@pytest.mark.parametrize("path", ["/v1/converse", "/v1/validate", "/v1/batches"])
def test_a_switch_that_is_not_a_boolean_is_rejected(call, deployed, records, path, value):
    body = {"requests": records(1)} if path == "/v1/batches" else REQUEST

    status, answer = call(path, {**body, "featureFallback": value})

    assert status == (200 if path == "/v1/validate" else 400)
    assert answer["errors"] == [f"featureFallback: must be true or false (got {value!r})"]
    assert not deployed.calls


@pytest.mark.parametrize("value", [True, False])
def test_a_request_with_the_switch_is_valid(call, value):
    assert call("/v1/validate", {**REQUEST, "featureFallback": value}) == (
        200,
        {"valid": True, "errors": []},
    )


def records_with(fields):
    return [{"recordId": "one", "modelInput": fields}]


@pytest.mark.parametrize("switch", [{}, {"featureFallback": True}])
def test_an_unsupported_feature_of_a_record_is_removed(machine, reject, switch):
    reject(NO_STOP, count=1)

    summary = machine.run({"requests": records_with(WITH_STOP), **switch})

    assert summary["answered"] == 1
    assert machine.lines("results.jsonl")[0]["featuresDisabled"] == ["stop_sequences"]


@pytest.mark.parametrize(("message", "fields"), [(NO_STOP, WITH_STOP), (NO_TOOLS, WITH_TOOLS)])
def test_a_batch_with_fallback_off_sends_no_record_without_its_features(
    machine, reject, deployed, message, fields
):
    reject(message)

    summary = machine.run({"requests": records_with(fields), "featureFallback": False})

    assert (summary["answered"], summary["failed"]) == (0, 1)
    sent = {key: value for key, value in fields.items() if key != "messages"}
    assert all(call.body.items() >= sent.items() for call in deployed.calls)
    assert {call.model_id for call in deployed.calls} == {"amazon.nova-lite-v1:0", "amazon.nova-micro-v1:0"}


def test_starting_a_batch_passes_the_switch_to_its_execution(call, machine, records):
    status, body = call("/v1/batches", {"requests": records(1), "featureFallback": False})

    assert status == 202
    arn = os.environ["LLMMANAGER_BATCH_STATE_MACHINE_ARN"].replace(":stateMachine:", ":execution:")
    execution = boto3.client("stepfunctions").describe_execution(executionArn=f"{arn}:{body['batchId']}")
    assert json.loads(execution["input"])["featureFallback"] is False


def test_a_record_cannot_have_its_own_switch(machine):
    records = [{**records_with(REQUEST)[0], "featureFallback": False}, *records_with(REQUEST)]
    records[1]["recordId"] = "two"

    machine.run({"requests": records})

    (rejected,) = machine.lines("rejected.jsonl")
    assert rejected["reasons"] == ["featureFallback: belongs to the batch, for all of its records"]
