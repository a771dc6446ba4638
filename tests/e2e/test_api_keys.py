"""API keys on a deployed stack: created over the signed API, and checked by the deployed authorizer."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.credentials import Credentials

from local.api import ApiClient
from local.deployed_stack import STACK_NAME, Stack

pytestmark = pytest.mark.e2e

PAGE = Path(__file__).resolve().parents[2] / "docs" / "api-keys.md"
METHOD = "arn:aws:execute-api:us-east-1:123456789012:abc123/v1/POST/chat/completions"


@pytest.fixture
def authorize(stack: Stack) -> Callable[[str], dict[str, Any]]:
    """Return a function that invokes the authorizer like API Gateway, and returns its result or error."""
    resources = stack.client("cloudformation").describe_stack_resources(StackName=STACK_NAME)
    (name,) = (
        resource["PhysicalResourceId"]
        for resource in resources["StackResources"]
        if resource["ResourceType"] == "AWS::Lambda::Function"
        and resource["LogicalResourceId"].startswith("KeyAuthorizer")
    )

    def invoke(key: str) -> dict[str, Any]:
        headers = {"authorization": f"Bearer {key}"}
        event = {"type": "REQUEST", "methodArn": METHOD, "headers": headers}
        response = stack.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event))
        result: dict[str, Any] = json.loads(response["Payload"].read())
        return result

    return invoke


def test_a_key_works_from_its_creation_until_it_is_revoked(stack: Stack, authorize: Any) -> None:
    body = {"owner": "ada@example.com", "team": "search", "models": ["Nova Lite"], "expiresInDays": 1}
    created = stack.api.post("/v1/keys", body).expect(201)

    accepted = authorize(created["key"])
    assert accepted["principalId"] == created["keyId"]
    assert accepted["context"]["models"] == '["Nova Lite"]'
    assert authorize(created["key"][:-1] + "*")["errorMessage"] == "Unauthorized"
    listed = stack.api.get("/v1/keys?team=search").expect(200)["keys"]
    assert created["keyId"] in [key["keyId"] for key in listed]

    revoked = stack.api.call("DELETE", created["links"]["self"]).expect(200)
    assert revoked["status"] == "revoked"
    assert authorize(created["key"])["errorMessage"] == "Unauthorized"


def test_a_repeated_request_creates_no_second_key(stack: Stack) -> None:
    body = {"owner": "ada@example.com", "team": "repeated"}
    headers = {"Idempotency-Key": "create-once"}

    first = stack.api.post("/v1/keys", body, headers=headers).expect(201)
    second = stack.api.post("/v1/keys", body, headers=headers).expect(409)

    assert second["keyId"] == first["keyId"]
    assert len(stack.api.get("/v1/keys?team=repeated").expect(200)["keys"]) == 1


@pytest.fixture
def caller_without_keys(stack: Stack) -> Iterator[ApiClient]:
    """A client of an IAM user with the first policy in docs/api-keys.md."""
    policy, *_ = re.findall(r"^```json\n(.*?)^```$", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    resources = stack.client("apigateway").get_rest_apis()["items"]
    (api,) = (item["id"] for item in resources if item["id"] in stack.api_url)
    account = stack.client("sts").get_caller_identity()["Account"]
    iam = stack.client("iam")
    iam.create_user(UserName="no-keys")
    iam.put_user_policy(
        UserName="no-keys",
        PolicyName="all-but-keys",
        PolicyDocument=policy.replace("abc123", api).replace("123456789012", account),
    )
    key = iam.create_access_key(UserName="no-keys")["AccessKey"]
    credentials = Credentials(key["AccessKeyId"], key["SecretAccessKey"])
    yield ApiClient(stack.api_url, certificate=stack.certificate, credentials=credentials)
    iam.delete_access_key(UserName="no-keys", AccessKeyId=key["AccessKeyId"])
    iam.delete_user_policy(UserName="no-keys", PolicyName="all-but-keys")
    iam.delete_user(UserName="no-keys")


def test_the_policy_of_the_page_allows_all_routes_but_those_of_keys_budgets_and_usage(
    caller_without_keys: ApiClient,
) -> None:
    caller_without_keys.get("/v1/health").expect(200)
    for path in ("/v1/keys", "/v1/keys/", "/v1/keys/any"):
        caller_without_keys.get(path).expect(403)
    caller_without_keys.post("/v1/keys", {"owner": "ada", "team": "search"}).expect(403)
    caller_without_keys.call("DELETE", "/v1/keys/any").expect(403)
    for path in ("/v1/budgets", "/v1/budgets/team/search", "/v1/usage"):
        caller_without_keys.get(path).expect(403)
