"""The functions use the quotas that the scheduled refresh stores."""

from __future__ import annotations

import json

from lambdas.http_api.handler import handler as http
from lambdas.model_access.refresh import handler as refresh
from llmmanager.bedrock.routing import quota_gates


def refresh_all(context, regions=("us-east-1", "us-west-2", "eu-central-1")):
    for region in regions:
        refresh({"region": region}, context)


def converses(bedrock):
    return [call for call in bedrock.calls if call.operation == "Converse"]


def test_a_request_that_exceeds_every_quota_is_rejected_as_invalid(deployed, context, proxy_event):
    deployed.set_quota(tokens_per_minute=2_000)
    refresh_all(context)
    body = {"messages": [{"role": "user", "content": [{"text": "What is a lake?"}]}]}

    response = http(proxy_event("POST", "/v1/converse", body=body), context)

    problem = json.loads(response["body"])
    assert response["statusCode"] == 400
    assert problem["type"] == "urn:llmmanager:problem:invalid-request"
    assert problem["errors"][0].startswith("inferenceConfig.maxTokens: the request reserves ")
    assert "Retry-After" not in response["headers"]
    assert converses(deployed) == []
    small = {**body, "inferenceConfig": {"maxTokens": 100}}
    assert http(proxy_event("POST", "/v1/converse", body=small), context)["statusCode"] == 200


def test_records_that_exceed_every_quota_fail_and_the_others_are_answered(
    deployed, context, machine, records
):
    deployed.set_quota(tokens_per_minute=20_000)
    refresh_all(context)
    batch = records(10)
    batch[3]["modelInput"]["inferenceConfig"] = {"maxTokens": 30_000}

    summary = machine.run({"requests": batch})

    assert (summary["answered"], summary["failed"]) == (9, 1)
    (failed,) = machine.lines("failed.jsonl")
    assert failed["recordId"] == batch[3]["recordId"]
    assert failed["error"]["type"] == "RequestValidationError"
    assert "inferenceConfig.maxTokens" in failed["error"]["message"]
    assert all(call.status == 200 for call in converses(deployed))


def test_a_worker_keeps_within_its_share_of_the_quota(deployed, context, machine, records):
    deployed.set_quota(tokens_per_minute=1_000_000)
    refresh_all(context)
    shards = machine.plan({"requests": records(69)})
    quota_gates.forget_gates()

    machine.run_shard(shards[0])

    assert {key[-1] for key in quota_gates._gates._gates} == {32 / 69}
    assert all(call.status == 200 for call in converses(deployed))


def test_the_api_reports_the_quotas_by_region_and_access_method(deployed, context, proxy_event):
    deployed.set_quota(tokens_per_minute=4_000_000, access="on_demand", region="us-east-1")
    deployed.set_quota(requests_per_minute=20, access="geo")
    refresh_all(context)

    models = json.loads(http(proxy_event("GET", "/v1/models"), context)["body"])["models"]
    access = json.loads(http(proxy_event("GET", "/v1/models/Nova Lite/access"), context)["body"])

    geographic = {"tokensPerMinute": None, "requestsPerMinute": 20}
    east = {
        "on_demand": {"tokensPerMinute": 4_000_000, "requestsPerMinute": None},
        "geographic_profile": geographic,
    }
    assert models[0]["regions"]["us-east-1"]["quotas"] == access["regions"]["us-east-1"]["quotas"] == east
    west = {"on_demand": None, "geographic_profile": geographic}
    assert access["regions"]["us-west-2"]["quotas"] == west
