"""Single requests through API Gateway and Lambda, signed as AWS SDKs sign them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.credentials import Credentials

from llmmanager.testing import FakeBedrock, Fault
from local.api import ApiClient
from local.deployed_stack import Stack

pytestmark = pytest.mark.e2e

REGIONS = ["us-east-1", "us-west-2", "eu-central-1"]


def request_body(text: str, **more: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": [{"text": text}]}]
    return {"messages": messages, "inferenceConfig": {"maxTokens": 60}, **more}


def test_a_request_is_answered_with_one_call_to_bedrock(stack: Stack, bedrock: FakeBedrock) -> None:
    answer = stack.api.post("/v1/converse", request_body("What is a shard?")).expect(200)
    (call,) = bedrock.calls
    assert call.prompt == "What is a shard?"
    assert answer["text"]
    assert answer["text"] == answer["modelOutput"]["output"]["message"]["content"][0]["text"]
    assert (answer["model"], answer["region"]) == (call.model_id, call.region)
    assert [attempt["success"] for attempt in answer["attempts"]] == [True]
    assert (
        answer["usage"]["totalTokens"] == answer["usage"]["inputTokens"] + answer["usage"]["outputTokens"] > 0
    )
    assert answer["estimatedCostUsd"] > 0


def test_bytes_are_sent_as_base64_and_arrive_unchanged(stack: Stack, bedrock: FakeBedrock) -> None:
    data = base64.b64encode(bytes(range(256))).decode()
    image = {"image": {"format": "png", "source": {"bytes": data}}}
    body = {"messages": [{"role": "user", "content": [{"text": "What is this?"}, image]}]}
    stack.api.post("/v1/converse", {**body, "models": ["Nova Lite"]}).expect(200)
    assert bedrock.calls[-1].body["messages"][0]["content"][1] == image


def test_a_request_can_select_configured_models_and_regions(stack: Stack, bedrock: FakeBedrock) -> None:
    body = request_body("Hello", models=["Claude Haiku 4.5"], regions=["eu-central-1"])
    answer = stack.api.post("/v1/converse", body).expect(200)
    assert "claude-haiku-4-5" in answer["model"]
    assert answer["region"] == "eu-central-1"
    assert {call.region for call in bedrock.calls} == {"eu-central-1"}


def test_a_request_fails_over_from_an_unavailable_region(stack: Stack, bedrock: FakeBedrock) -> None:
    first = stack.api.post("/v1/converse", request_body("Where am I?")).expect(200)["region"]
    bedrock.add_fault(Fault(error="ServiceUnavailableException", region=first, operation="Converse"))
    answer = stack.api.post("/v1/converse", request_body("And now?")).expect(200)
    assert answer["region"] != first
    assert answer["attempts"][0]["region"] == first
    assert answer["attempts"][0]["error"]
    assert answer["attempts"][-1]["success"]


def test_an_unavailable_bedrock_gives_503_with_retry_after(stack: Stack, bedrock: FakeBedrock) -> None:
    bedrock.add_fault(Fault(error="ServiceUnavailableException", operation="Converse"))
    response = stack.api.post("/v1/converse", request_body("Anybody there?"))
    assert response.status == 503
    assert response.headers["content-type"] == "application/problem+json"
    assert int(response.headers["retry-after"]) > 0
    assert response.body["attempts"]


def test_models_are_listed_with_their_access_method_in_each_region(
    stack: Stack, bedrock: FakeBedrock
) -> None:
    answer = stack.api.get("/v1/models").expect(200)
    assert [model["name"] for model in answer["models"]] == ["Nova Lite", "Nova Micro", "Claude Haiku 4.5"]
    for model in answer["models"]:
        assert sorted(model["regions"]) == sorted(REGIONS)
        for access in model["regions"].values():
            assert access["accessMethod"] in ("on_demand", "geographic_profile", "global_profile")


INVALID: list[tuple[str, str | dict[str, Any], str]] = [
    ("/v1/converse", "{not json", "JSON"),
    ("/v1/converse", "", "body"),
    ("/v1/converse", "[]", "object"),
    ("/v1/converse", {}, "messages"),
    ("/v1/converse", {"messages": 7}, "messages"),
    ("/v1/converse", {"messages": " "}, "messages"),
    ("/v1/converse", {"messages": []}, "messages"),
    ("/v1/converse", request_body("x", inferenceConfig={"maxTokens": "many"}), "maxTokens"),
    ("/v1/converse", request_body("x", models=["Nova Imaginary"]), "Nova Imaginary"),
    ("/v1/converse", request_body("x", regions=["mars-north-1"]), "mars-north-1"),
    ("/v1/converse", request_body("x", temprature=1), "temprature"),
    ("/v1/batches", "{not json", "JSON"),
    ("/v1/batches", {}, "requests"),
    ("/v1/batches", {"requests": []}, "requests"),
    ("/v1/batches", {"requests": {"a": 1}}, "requests"),
    ("/v1/batches", {"inputS3Uri": "file.jsonl"}, "inputS3Uri"),
    ("/v1/batches", {"inputS3Uri": "s3://other-bucket/file.jsonl"}, "other-bucket"),
    ("/v1/batches", {"requests": [request_body("x")], "models": ["Nova Imaginary"]}, "Nova Imaginary"),
]


@pytest.mark.parametrize(("path", "body", "reason"), INVALID)
def test_an_invalid_request_is_rejected_with_the_reason(
    stack: Stack, bedrock: FakeBedrock, path: str, body: str | dict[str, Any], reason: str
) -> None:
    response = stack.api.post(path, body)
    assert response.status == 400
    assert response.headers["content-type"] == "application/problem+json"
    assert response.body["type"] == "urn:llmmanager:problem:invalid-request"
    assert any(reason in error for error in response.body["errors"]), response.body
    assert bedrock.calls == ()


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1/models"), ("POST", "/v1/converse"), ("POST", "/v1/batches"), ("GET", "/v1/batches/any")],
)
def test_a_request_without_a_signature_is_denied(
    stack: Stack, bedrock: FakeBedrock, method: str, path: str
) -> None:
    response = stack.api.call(method, path, "{}" if method == "POST" else None, signed=False)
    assert response.status == 403
    assert bedrock.calls == ()


@pytest.fixture
def caller(stack: Stack) -> Iterator[Credentials]:
    """Credentials of a user who can only list models."""
    iam = stack.client("iam")
    iam.create_user(UserName="caller")
    allow = {
        "Effect": "Allow",
        "Action": "execute-api:Invoke",
        "Resource": "arn:aws:execute-api:*:*:*/prod/GET/v1/models",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    iam.put_user_policy(UserName="caller", PolicyName="models", PolicyDocument=policy)
    key = iam.create_access_key(UserName="caller")["AccessKey"]
    yield Credentials(key["AccessKeyId"], key["SecretAccessKey"])
    iam.delete_access_key(UserName="caller", AccessKeyId=key["AccessKeyId"])
    iam.delete_user_policy(UserName="caller", PolicyName="models")
    iam.delete_user(UserName="caller")


def test_a_caller_has_only_the_permissions_of_its_iam_policy(
    stack: Stack, bedrock: FakeBedrock, caller: Credentials
) -> None:
    api = ApiClient(stack.api_url, certificate=stack.certificate, credentials=caller)
    assert api.get("/v1/models").status == 200
    assert api.post("/v1/converse", request_body("May I?")).status == 403
    assert bedrock.calls == ()


def test_a_signature_with_a_wrong_secret_is_denied(
    stack: Stack, bedrock: FakeBedrock, caller: Credentials
) -> None:
    forged = Credentials(caller.access_key, "not-the-secret")
    assert (
        ApiClient(stack.api_url, certificate=stack.certificate, credentials=forged).get("/v1/models").status
        == 403
    )


@pytest.mark.parametrize("path", ["/v1/batches/20260101T000000-unknown", "/v1/batches/not%20an%20id!"])
def test_an_unknown_batch_is_a_404(stack: Stack, path: str) -> None:
    response = stack.api.get(path)
    assert (response.status, response.body["type"]) == (404, "urn:llmmanager:problem:not-found")
