"""`maxCostMultiple` in the HTTP API: how much more than the first model another may cost."""

from __future__ import annotations

import json

import pytest

from lambdas.http_api.handler import handler
from llmmanager.testing import Fault

LITE, MICRO = "amazon.nova-lite-v1:0", "amazon.nova-micro-v1:0"
REQUEST = {"messages": [{"role": "user", "content": [{"text": "What time is it?"}]}]}
MICRO_FIRST = {**REQUEST, "models": ["Nova Micro", "Nova Lite"]}
INVALID = ["2", True, 0.5, -1, [], {}, pytest.param(10**400, id="huge")]


@pytest.fixture
def call(deployed, proxy_event, context):
    """Sends a POST and returns status and body."""

    def send(path, body):
        response = handler(proxy_event("POST", path, body), context)
        return response["statusCode"], json.loads(response["body"])

    return send


@pytest.mark.parametrize(("multiple", "model"), [({}, LITE), ({"maxCostMultiple": 2}, LITE)])
def test_a_model_within_the_limit_answers(call, deployed, multiple, model):
    deployed.add_fault(Fault(error="ThrottlingException", model=MICRO))

    status, answer = call("/v1/converse", {**MICRO_FIRST, **multiple})

    assert (status, answer["model"]) == (200, model)
    assert {"maxCostMultiple", "max_cost_multiple"}.isdisjoint(deployed.calls[0].body)


def test_a_model_beyond_the_limit_is_not_called_and_the_problem_names_it(call, deployed):
    deployed.add_fault(Fault(error="InternalServerException", model=MICRO))

    status, answer = call("/v1/converse", {**MICRO_FIRST, "maxCostMultiple": 1.5})

    assert status >= 500
    assert f"Left out by maxCostMultiple: {LITE}" in answer["detail"]
    assert {call.model_id for call in deployed.calls} == {MICRO}


@pytest.mark.parametrize("value", INVALID)
@pytest.mark.parametrize("path", ["/v1/converse", "/v1/validate"])
def test_an_invalid_limit_is_rejected(call, deployed, path, value):
    status, answer = call(path, {**REQUEST, "maxCostMultiple": value})

    assert status == (200 if path == "/v1/validate" else 400)
    assert answer["errors"] == [f"maxCostMultiple: must be a number of at least 1 (got {value!r:.100})"]
    assert not deployed.calls


@pytest.mark.parametrize("value", [None, 1, 2.5])
def test_a_request_with_a_limit_is_valid(call, value):
    assert call("/v1/validate", {**REQUEST, "maxCostMultiple": value}) == (
        200,
        {"valid": True, "errors": []},
    )


def test_a_first_model_without_a_price_is_named(call, monkeypatch):
    monkeypatch.setattr("llmmanager.bedrock.invocation.cost_limit.target_cost", lambda *_, **__: None)

    status, answer = call("/v1/converse", {**REQUEST, "maxCostMultiple": 3.25})

    assert status == 400
    assert answer["errors"][0].startswith("maxCostMultiple: max_cost_multiple compares with the price of")
