"""Single requests through API Gateway and Lambda, signed as AWS SDKs sign them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.credentials import Credentials

from infra.local.api import ApiClient
from infra.local.stack import Stack
from llmmanager.testing import FakeBedrock, Fault

pytestmark = pytest.mark.e2e

REGIONS = ["us-east-1", "us-west-2", "eu-central-1"]


def question(text: str, **more: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": [{"text": text}]}]
    return {"messages": messages, "inferenceConfig": {"maxTokens": 60}, **more}


def test_a_question_is_answered_by_one_call_of_bedrock(stack: Stack, bedrock: FakeBedrock) -> None:
    answer = stack.api.post("/v1/converse", question("What is a shard?")).expect(200)
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


def test_bytes_travel_as_base64_and_arrive_unchanged(stack: Stack, bedrock: FakeBedrock) -> None:
    data = base64.b64encode(bytes(range(256))).decode()
    image = {"image": {"format": "png", "source": {"bytes": data}}}
    body = {"messages": [{"role": "user", "content": [{"text": "What is this?"}, image]}]}
    stack.api.post("/v1/converse", {**body, "models": ["Nova Lite"]}).expect(200)
    assert bedrock.calls[-1].body["messages"][0]["content"][1] == image


def test_a_request_may_choose_among_the_configured_models_and_regions(
    stack: Stack, bedrock: FakeBedrock
) -> None:
    body = question("Hello", models=["Claude Haiku 4.5"], regions=["eu-central-1"])
    answer = stack.api.post("/v1/converse", body).expect(200)
    assert "claude-haiku-4-5" in answer["model"]
    assert answer["region"] == "eu-central-1"
    assert {call.region for call in bedrock.calls} == {"eu-central-1"}


def test_a_region_that_is_down_is_left_for_the_next(stack: Stack, bedrock: FakeBedrock) -> None:
    first = stack.api.post("/v1/converse", question("Where am I?")).expect(200)["region"]
    bedrock.add_fault(Fault(error="ServiceUnavailableException", region=first, operation="Converse"))
    answer = stack.api.post("/v1/converse", question("And now?")).expect(200)
    assert answer["region"] != first
    assert answer["attempts"][0]["region"] == first
    assert answer["attempts"][0]["error"]
    assert answer["attempts"][-1]["success"]


def test_bedrock_down_everywhere_is_a_503_that_says_when_to_come_back(
    stack: Stack, bedrock: FakeBedrock
) -> None:
    bedrock.add_fault(Fault(error="ServiceUnavailableException", operation="Converse"))
    answer = stack.api.post("/v1/converse", question("Anybody there?"))
    assert answer.status == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) > 0
    assert answer.body["attempts"]


def test_models_are_listed_with_the_way_into_each_region(stack: Stack, bedrock: FakeBedrock) -> None:
    answer = stack.api.get("/v1/models").expect(200)
    assert [model["name"] for model in answer["models"]] == ["Nova Lite", "Nova Micro", "Claude Haiku 4.5"]
    for model in answer["models"]:
        assert sorted(model["regions"]) == sorted(REGIONS)
        for way in model["regions"].values():
            assert way["accessMethod"] in ("on_demand", "geographic_profile", "global_profile")


REFUSED: list[tuple[str, str | dict[str, Any], str]] = [
    ("/v1/converse", "{not json", "JSON"),
    ("/v1/converse", "", "body"),
    ("/v1/converse", "[]", "object"),
    ("/v1/converse", {}, "messages"),
    ("/v1/converse", {"messages": 7}, "messages"),
    ("/v1/converse", {"messages": " "}, "messages"),
    ("/v1/converse", {"messages": []}, "messages"),
    ("/v1/converse", question("x", inferenceConfig={"maxTokens": "many"}), "maxTokens"),
    ("/v1/converse", question("x", models=["Nova Imaginary"]), "Nova Imaginary"),
    ("/v1/converse", question("x", regions=["mars-north-1"]), "mars-north-1"),
    ("/v1/converse", question("x", temprature=1), "temprature"),
    ("/v1/batches", "{not json", "JSON"),
    ("/v1/batches", {}, "requests"),
    ("/v1/batches", {"requests": []}, "requests"),
    ("/v1/batches", {"requests": {"a": 1}}, "requests"),
    ("/v1/batches", {"inputS3Uri": "file.jsonl"}, "inputS3Uri"),
    ("/v1/batches", {"inputS3Uri": "s3://somebody-elses/file.jsonl"}, "somebody-elses"),
    ("/v1/batches", {"requests": [question("x")], "models": ["Nova Imaginary"]}, "Nova Imaginary"),
]


@pytest.mark.parametrize(("path", "body", "named"), REFUSED)
def test_a_bad_request_is_refused_with_a_word_about_what_is_wrong(
    stack: Stack, bedrock: FakeBedrock, path: str, body: str | dict[str, Any], named: str
) -> None:
    answer = stack.api.post(path, body)
    assert answer.status == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.body["type"] == "urn:llmmanager:problem:invalid-request"
    assert any(named in error for error in answer.body["errors"]), answer.body
    assert bedrock.calls == ()


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1/models"), ("POST", "/v1/converse"), ("POST", "/v1/batches"), ("GET", "/v1/batches/any")],
)
def test_a_request_without_a_signature_is_refused(
    stack: Stack, bedrock: FakeBedrock, method: str, path: str
) -> None:
    answer = stack.api.call(method, path, "{}" if method == "POST" else None, signed=False)
    assert answer.status == 403
    assert bedrock.calls == ()


@pytest.fixture
def caller(stack: Stack) -> Iterator[Credentials]:
    """Keys of a user who may read the models, and nothing else."""
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


def test_a_caller_may_do_what_iam_allows_and_nothing_else(
    stack: Stack, bedrock: FakeBedrock, caller: Credentials
) -> None:
    api = ApiClient(stack.api_url, certificate=stack.certificate, credentials=caller)
    assert api.get("/v1/models").status == 200
    assert api.post("/v1/converse", question("May I?")).status == 403
    assert bedrock.calls == ()


def test_a_signature_with_a_wrong_secret_is_refused(
    stack: Stack, bedrock: FakeBedrock, caller: Credentials
) -> None:
    forged = Credentials(caller.access_key, "not-the-secret")
    assert (
        ApiClient(stack.api_url, certificate=stack.certificate, credentials=forged).get("/v1/models").status
        == 403
    )


@pytest.mark.parametrize("path", ["/v1/batches/20260101T000000-unknown", "/v1/batches/not%20an%20id!"])
def test_an_unknown_batch_is_a_404(stack: Stack, path: str) -> None:
    answer = stack.api.get(path)
    assert (answer.status, answer.body["type"]) == (404, "urn:llmmanager:problem:not-found")
