"""`promptCache` in the HTTP API and in records of batches."""

from __future__ import annotations

import json

import pytest

from lambdas.http_api.handler import handler

REQUEST = {
    "messages": "What is the capital of France?",
    "system": [{"text": "The rules are as follows. " * 400}],
    "promptCache": "auto",
}


@pytest.fixture
def converse(deployed, proxy_event, context):
    """Sends a POST to /v1/converse and returns status and body."""

    def send(body):
        response = handler(proxy_event("POST", "/v1/converse", body), context)
        return response["statusCode"], json.loads(response["body"])

    return send


def test_the_second_request_reads_the_prompt_that_the_first_one_wrote(converse):
    (_, first), (_, second) = converse(REQUEST), converse(REQUEST)

    assert first["usage"]["cacheWriteInputTokens"] == second["usage"]["cacheReadInputTokens"] > 2000
    assert first["warnings"] == []


def test_a_point_without_an_effect_is_reported(converse):
    point = {"cachePoint": {"type": "default"}}
    _, answer = converse({"messages": "Hello", "system": [{"text": "Be brief."}, point]})

    assert "the cache points had no effect" in answer["warnings"][0]


def test_another_value_is_rejected(converse, deployed):
    status, problem = converse({**REQUEST, "promptCache": True})

    assert (status, deployed.calls) == (400, ())
    assert 'promptCache: must be "auto" or None' in json.dumps(problem).replace("\\", "")


def test_the_records_of_a_batch_share_the_cache(machine, deployed):
    machine.run({"requests": [{"recordId": f"r{n}", "modelInput": REQUEST} for n in range(4)]})

    sent = [call.body["system"][-1] for call in deployed.calls if call.operation == "Converse"]
    assert sent == [{"cachePoint": {"type": "default"}}] * 4
