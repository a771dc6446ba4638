"""`featureFallback` in the HTTP API and in batches: whether a refused feature may be left out."""

from __future__ import annotations

import json
import os

import boto3
import pytest

from lambdas.http_api.handler import handler
from llmmanager.testing import Fault

TOOLS = {"tools": [{"toolSpec": {"name": "clock", "inputSchema": {"json": {"type": "object"}}}}]}
GUARDRAIL = {"guardrailIdentifier": "abc123", "guardrailVersion": "1"}
QUESTION = {"messages": [{"role": "user", "content": [{"text": "What time is it?"}]}]}
WITH_TOOLS = {**QUESTION, "toolConfig": TOOLS}
WITH_STOP = {**QUESTION, "inferenceConfig": {"stopSequences": ["END"]}}
NO_TOOLS = "This model doesn't support tool use."
NO_STOP = "This model doesn't support the stopSequences field. Remove stopSequences and try again."
NO_GUARDRAIL = "This model doesn't support the guardrailConfig field. Remove guardrailConfig and try again."
NOT_A_BOOLEAN = ["true", 1, 0, [], {}, "false"]


@pytest.fixture
def call(deployed, proxy_event, context):
    """Sends a POST; gives the status and the body of the answer."""

    def send(path, body):
        answer = handler(proxy_event("POST", path, body), context)
        return answer["statusCode"], json.loads(answer["body"])

    return send


@pytest.fixture
def refuse(deployed):
    """Has a model, or all of them, refuse every request with this message."""

    def every(message, *, model="", count=None):
        deployed.add_fault(Fault(error="ValidationException", message=message, model=model, count=count))

    return every


@pytest.mark.parametrize("switch", [{}, {"featureFallback": True}, {"featureFallback": None}])
def test_a_refused_feature_is_left_out_unless_a_request_forbids_it(call, refuse, deployed, switch):
    refuse(NO_STOP, count=1)

    status, answer = call("/v1/converse", {**WITH_STOP, **switch})

    assert (status, answer["featuresDisabled"]) == (200, ["stop_sequences"])
    assert any("stop_sequences" in warning for warning in answer["warnings"])
    assert len({(call.model_id, call.region) for call in deployed.calls}) == 1


@pytest.mark.parametrize(("message", "body"), [(NO_STOP, WITH_STOP), (NO_TOOLS, WITH_TOOLS)])
def test_with_fallback_off_a_refusal_leads_to_the_next_model(call, refuse, deployed, message, body):
    refuse(message, model="amazon.nova-lite-v1:0")

    for _ in range(2):
        status, answer = call("/v1/converse", {**body, "featureFallback": False})
        assert (status, answer["model"], answer["featuresDisabled"]) == (200, "amazon.nova-micro-v1:0", [])
    assert {"featureFallback", "feature_fallback"}.isdisjoint(deployed.calls[0].body)


def test_with_fallback_off_nothing_is_left_out_though_every_model_refuses_it(call, refuse, deployed):
    refuse(NO_TOOLS)

    status, _ = call("/v1/converse", {**WITH_TOOLS, "featureFallback": False})

    assert status >= 400
    assert all(call.body["toolConfig"] == TOOLS for call in deployed.calls)


def test_one_request_with_fallback_off_changes_nothing_for_the_others(call, refuse):
    refuse(NO_STOP, count=2)

    off, _ = call("/v1/converse", {**WITH_STOP, "featureFallback": False})
    refuse(NO_STOP, count=1)
    on, answer = call("/v1/converse", WITH_STOP)

    assert (off >= 400, on, answer["featuresDisabled"]) == (True, 200, ["stop_sequences"])


def test_a_guardrail_is_never_left_out_whatever_the_request_says(call, refuse, deployed):
    refuse(NO_GUARDRAIL)

    for switch in ({}, {"featureFallback": True}, {"featureFallback": False}):
        status, _ = call("/v1/converse", {**QUESTION, "guardrailConfig": GUARDRAIL, **switch})
        assert status >= 400
    assert all(call.body["guardrailConfig"] == GUARDRAIL for call in deployed.calls)


def test_a_guardrail_that_one_model_refuses_is_applied_by_the_next(call, refuse, deployed):
    refuse(NO_GUARDRAIL, model="amazon.nova-lite-v1:0")

    status, answer = call("/v1/converse", {**QUESTION, "guardrailConfig": GUARDRAIL})

    assert (status, answer["model"], answer["featuresDisabled"]) == (200, "amazon.nova-micro-v1:0", [])
    assert all(call.body["guardrailConfig"] == GUARDRAIL for call in deployed.calls)


@pytest.mark.parametrize("value", NOT_A_BOOLEAN)
@pytest.mark.parametrize("path", ["/v1/converse", "/v1/validate", "/v1/batches"])
def test_a_switch_that_is_no_boolean_is_refused(call, deployed, records, path, value):
    body = {"requests": records(1)} if path == "/v1/batches" else QUESTION

    status, answer = call(path, {**body, "featureFallback": value})

    assert status == (200 if path == "/v1/validate" else 400)
    assert answer["errors"] == [f"featureFallback: must be true or false (got {value!r})"]
    assert not deployed.calls


@pytest.mark.parametrize("value", [True, False])
def test_a_request_with_the_switch_is_valid(call, value):
    assert call("/v1/validate", {**QUESTION, "featureFallback": value}) == (
        200,
        {"valid": True, "errors": []},
    )


def records_with(fields):
    return [{"recordId": "one", "modelInput": fields}]


@pytest.mark.parametrize("switch", [{}, {"featureFallback": True}])
def test_a_refused_feature_of_a_record_is_left_out(machine, refuse, switch):
    refuse(NO_STOP, count=1)

    summary = machine.run({"requests": records_with(WITH_STOP), **switch})

    assert summary["answered"] == 1
    assert machine.lines("results.jsonl")[0]["featuresDisabled"] == ["stop_sequences"]


@pytest.mark.parametrize(("message", "fields"), [(NO_STOP, WITH_STOP), (NO_TOOLS, WITH_TOOLS)])
def test_a_batch_with_fallback_off_answers_no_record_without_its_features(
    machine, refuse, deployed, message, fields
):
    refuse(message)

    summary = machine.run({"requests": records_with(fields), "featureFallback": False})

    assert (summary["answered"], summary["failed"]) == (0, 1)
    sent = {key: value for key, value in fields.items() if key != "messages"}
    assert all(call.body.items() >= sent.items() for call in deployed.calls)
    assert {call.model_id for call in deployed.calls} == {"amazon.nova-lite-v1:0", "amazon.nova-micro-v1:0"}


def test_the_start_of_a_batch_passes_the_switch_on(call, machine, records):
    status, body = call("/v1/batches", {"requests": records(1), "featureFallback": False})

    assert status == 202
    arn = os.environ["LLMMANAGER_BATCH_STATE_MACHINE_ARN"].replace(":stateMachine:", ":execution:")
    execution = boto3.client("stepfunctions").describe_execution(executionArn=f"{arn}:{body['batchId']}")
    assert json.loads(execution["input"])["featureFallback"] is False


def test_a_record_cannot_choose_for_itself(machine):
    records = [{**records_with(QUESTION)[0], "featureFallback": False}, *records_with(QUESTION)]
    records[1]["recordId"] = "two"

    machine.run({"requests": records})

    (rejected,) = machine.lines("rejected.jsonl")
    assert rejected["reasons"] == ["featureFallback: belongs to the batch, for all of its records"]
