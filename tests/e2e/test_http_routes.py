"""Routes and options of the deployed HTTP API, beyond a single converse request."""

from __future__ import annotations

import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import pytest

from llmmanager.testing import FakeBedrock, Fault
from local.api import ApiResponse
from local.batch_client import submit, wait_for_batch
from local.deployed_stack import Stack
from tests.waiting import wait_until, wait_until_quiet

pytestmark = pytest.mark.e2e

REGIONS = ["us-east-1", "us-west-2", "eu-central-1"]


def request_body(text: str, **more: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": [{"text": text}]}]
    return {"messages": messages, "inferenceConfig": {"maxTokens": 60}, **more}


def record(name: str) -> dict[str, Any]:
    return {"recordId": name, "modelInput": request_body(f"Question {name}?")}


@pytest.fixture
def key() -> dict[str, str]:
    """An Idempotency-Key header."""
    return {"Idempotency-Key": str(uuid.uuid4())}


# ---- Idempotency-Key


def test_a_request_sent_twice_runs_once_with_the_same_response(
    stack: Stack, bedrock: FakeBedrock, key: dict[str, str]
) -> None:
    first, second = (stack.api.post("/v1/converse", request_body("Once?"), headers=key) for _ in range(2))
    assert first.expect(200) == second.expect(200)
    assert "idempotent-replay" not in first.headers
    assert second.headers["idempotent-replay"] == "true"
    assert [call.prompt for call in bedrock.calls] == ["Once?"]


def test_a_key_with_another_request_is_rejected(
    stack: Stack, bedrock: FakeBedrock, key: dict[str, str]
) -> None:
    stack.api.post("/v1/converse", request_body("This?"), headers=key).expect(200)
    response = stack.api.post("/v1/converse", request_body("That?"), headers=key)
    assert (response.status, response.body["type"]) == (422, "urn:llmmanager:problem:idempotency-key-reused")
    assert [call.prompt for call in bedrock.calls] == ["This?"]


def test_of_concurrent_requests_with_the_same_key_one_runs(
    stack: Stack, bedrock: FakeBedrock, key: dict[str, str]
) -> None:
    bedrock.set_latency(2.0, operation="Converse")

    def send(_: int) -> ApiResponse:
        return stack.api.post("/v1/converse", request_body("All at once?"), headers=key)

    with ThreadPoolExecutor(4) as pool:
        responses = list(pool.map(send, range(4)))

    assert Counter(call.prompt for call in bedrock.calls) == {"All at once?": 1}
    # During the first request, others get 409 with Retry-After. After it, they get the same response.
    assert {response.status for response in responses} <= {200, 409}
    assert (
        sum("idempotent-replay" not in response.headers for response in responses if response.status == 200)
        == 1
    )
    assert all(int(response.headers["retry-after"]) > 0 for response in responses if response.status == 409)
    assert send(0).expect(200)["text"]
    assert len(bedrock.calls) == 1


def test_a_batch_sent_twice_runs_once(stack: Stack, bedrock: FakeBedrock, key: dict[str, str]) -> None:
    body = {"requests": [record("only")]}
    first, second = (stack.api.post("/v1/batches", body, headers=key).expect(202) for _ in range(2))
    assert first == second
    assert wait_for_batch(stack, first["batchId"])["progress"]["answered"] == 1
    assert len(bedrock.calls) == 1


# ---- asynchronous requests


def test_a_request_with_respond_async_is_answered_asynchronously(stack: Stack, bedrock: FakeBedrock) -> None:
    response = stack.api.post("/v1/converse", request_body("Later?"), headers={"Prefer": "respond-async"})
    accepted = response.expect(202)
    assert response.headers["preference-applied"] == "respond-async"
    assert accepted["links"]["self"] == f"/v1/requests/{accepted['requestId']}"
    # The Location header is relative to the host, so it includes the stage.
    assert response.headers["location"] == f"/prod{accepted['links']['self']}"

    def outcome() -> dict[str, Any]:
        return dict(stack.api.get(accepted["links"]["self"]).expect(200))

    wait_until(lambda: outcome()["status"] != "pending", every=0.1)
    found = outcome()
    assert (found["requestId"], found["status"]) == (accepted["requestId"], "answered")
    assert found["answer"]["text"]
    assert [call.prompt for call in bedrock.calls] == ["Later?"]


def test_an_invalid_asynchronous_request_is_rejected_immediately(stack: Stack, bedrock: FakeBedrock) -> None:
    response = stack.api.post("/v1/converse", {"messages": []}, headers={"Prefer": "respond-async"})
    assert response.status == 400
    assert stack.api.get("/v1/requests/unknown").status == 404
    assert bedrock.calls == ()


# ---- routes without a model call


def test_a_body_is_validated_without_calling_a_model(stack: Stack, bedrock: FakeBedrock) -> None:
    assert stack.api.post("/v1/validate", request_body("Well?")).expect(200) == {"valid": True, "errors": []}
    invalid = request_body("Well?", models=["Nova Imaginary"], responseValidation={}, temprature=1)
    found = stack.api.post("/v1/validate", invalid).expect(200)
    assert found["valid"] is False
    assert [error.partition(":")[0] for error in found["errors"]] == [
        "models",
        "responseValidation",
        "temprature",
    ]
    assert bedrock.calls == ()


def test_access_methods_of_a_model_are_returned_for_all_regions_or_one(stack: Stack) -> None:
    everywhere = stack.api.get("/v1/models/Claude%20Haiku%204.5/access").expect(200)
    assert sorted(everywhere["regions"]) == sorted(REGIONS)
    here = stack.api.get("/v1/models/Claude%20Haiku%204.5/access?region=eu-central-1").expect(200)
    assert here["regions"] == {"eu-central-1": everywhere["regions"]["eu-central-1"]}
    assert here["regions"]["eu-central-1"]["inferenceProfileId"].startswith("eu.")
    assert stack.api.get("/v1/models/Claude%20Haiku%204.5/access?region=mars-north-1").status == 400
    assert stack.api.get("/v1/models/Nova%20Imaginary/access").status == 404


def test_the_api_reports_its_health(stack: Stack, bedrock: FakeBedrock) -> None:
    health = stack.api.get("/v1/health").expect(200)
    assert (health["status"], health["regions"]) == ("ok", REGIONS)
    assert sorted(health["accessDataAgeSeconds"]) == sorted(REGIONS)
    assert bedrock.calls == ()


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/converse"), ("DELETE", "/v1/batches/any")])
def test_an_unsupported_method_is_rejected(stack: Stack, method: str, path: str) -> None:
    response = stack.api.call(method, path)
    assert (response.status, response.body["type"]) == (405, "urn:llmmanager:problem:method-not-allowed")
    assert response.headers["allow"] in ("POST", "GET")


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/requests", "/v1/models/Nova%20Lite", "/v2/converse"])
def test_an_unknown_path_is_a_404(stack: Stack, path: str) -> None:
    response = stack.api.get(path)
    assert (response.status, response.body["type"]) == (404, "urn:llmmanager:problem:not-found")


# ---- responseValidation


def test_an_invalid_answer_is_retried_and_never_returned(stack: Stack, bedrock: FakeBedrock) -> None:
    rules = {"mustContain": ["no model would say this"], "retries": 1}
    response = stack.api.post(
        "/v1/converse", request_body("Rules?", models=["Nova Lite"], responseValidation=rules)
    )
    assert (response.status, response.body["type"]) == (422, "urn:llmmanager:problem:answer-refused")
    assert response.body["errors"][0] == "mustContain[0]: the answer does not contain it"
    assert len(response.body["attempts"]) == len(bedrock.calls) > 1


def test_a_valid_answer_is_returned(stack: Stack, bedrock: FakeBedrock) -> None:
    bedrock.add_fault(Fault(error="ThrottlingException", region="us-east-1", operation="Converse"))
    rules = {"minLength": 1, "pattern": r"\w", "mustNotContain": ["no model would say this"]}
    answer = stack.api.post("/v1/converse", request_body("Rules?", responseValidation=rules)).expect(200)
    assert answer["text"]
    assert answer["region"] != "us-east-1"


# ---- stop and resume batches


def test_a_batch_is_stopped_and_resumed_without_paying_twice(stack: Stack, bedrock: FakeBedrock) -> None:
    # Every shard takes several seconds, and the last one starts after the others.
    bedrock.set_latency(4.0, operation="Converse")
    names = [f"record-{number}" for number in range(20)]
    batch_id = submit(stack, {"requests": [record(name) for name in names], "regions": ["us-east-1"]})
    assert stack.api.post(f"/v1/batches/{batch_id}/resume", "").status == 409
    wait_until(lambda: bedrock.calls)

    assert stack.api.post(f"/v1/batches/{batch_id}/stop", "").expect(200)["status"] == "stopped"
    bedrock.set_latency(0.0, operation="Converse")
    assert stack.api.get(f"/v1/batches/{batch_id}").expect(200)["status"] == "stopped"
    # A running function is not stopped; it ends by itself. On the emulator, so does the loop of a shard.
    wait_until_quiet(bedrock)
    resumed = stack.api.post(f"/v1/batches/{batch_id}/resume", "").expect(202)
    assert (resumed["batchId"], resumed["status"]) == (batch_id, "running")

    state = wait_for_batch(stack, batch_id)
    assert (state["status"], state["progress"]["answered"]) == ("succeeded", 20)
    assert Counter(call.prompt for call in bedrock.calls) == {f"Question {name}?": 1 for name in names}
    assert stack.api.post(f"/v1/batches/{batch_id}/resume", "").status == 409
    assert stack.api.post(f"/v1/batches/{batch_id}/stop", "").status == 409
    assert [batch["batchId"] for batch in all_batches(stack)].count(batch_id) == 1


def all_batches(stack: Stack) -> list[dict[str, Any]]:
    """Return all batches, read in small pages."""
    batches: list[dict[str, Any]] = []
    page = stack.api.get("/v1/batches?limit=3").expect(200)
    while "nextToken" in page:
        batches += page["batches"]
        page = stack.api.get(f"/v1/batches?limit=3&nextToken={quote(page['nextToken'])}").expect(200)
    return batches + page["batches"]


def test_batches_are_listed_newest_first(stack: Stack, bedrock: FakeBedrock) -> None:
    ids = [submit(stack, {"requests": [record("only")]}) for _ in range(2)]
    for id_ in ids:
        wait_for_batch(stack, id_)
    newest, older = stack.api.get("/v1/batches?limit=2").expect(200)["batches"]
    assert [newest["batchId"], older["batchId"]] == ids[::-1]
    assert newest["status"] == older["status"] == "succeeded"
    assert newest["startedAt"] <= newest["endedAt"]


# ---- usage and budgets


def test_a_budget_ends_the_calls_of_its_team_and_usage_counts_them(
    stack: Stack, bedrock: FakeBedrock
) -> None:
    body = request_body("Who pays?", team="e2e/ads")
    path = "/v1/budgets/team/e2e/ads"
    stack.api.call("PUT", path, '{"dailyUsd": 0}').expect(200)

    refused = stack.api.post("/v1/converse", body)
    stack.api.call("DELETE", path).expect(200)
    answer = stack.api.post("/v1/converse", body).expect(200)

    assert (refused.status, refused.body["type"]) == (402, "urn:llmmanager:problem:budget-exceeded")
    assert [call.prompt for call in bedrock.calls] == ["Who pays?"]
    usage = stack.api.get(f"/v1/usage?groupBy=team,model&team={quote('e2e/ads', safe='')}").expect(200)
    (row,) = usage["rows"]
    assert (row["team"], row["model"], row["requests"]) == ("e2e/ads", answer["model"], 1)
    assert row["outputTokens"] == answer["usage"]["outputTokens"]
    assert row["costUsd"] == pytest.approx(answer["estimatedCostUsd"], abs=1e-9)
