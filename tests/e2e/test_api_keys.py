"""API keys on a deployed stack: created over the signed API, and checked by the deployed authorizer."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from local.stack import STACK_NAME, Stack

pytestmark = pytest.mark.e2e

METHOD = "arn:aws:execute-api:us-east-1:123456789012:abc123/v1/POST/chat/completions"


@pytest.fixture
def authorize(stack: Stack) -> Callable[[str], dict[str, Any]]:
    """Return a function that invokes the authorizer like API Gateway, and returns its result or error."""
    resources = stack.client("cloudformation").describe_stack_resources(StackName=STACK_NAME)
    (name,) = (
        resource["PhysicalResourceId"]
        for resource in resources["StackResources"]
        if resource["LogicalResourceId"].startswith("KeyAuthorizerHandlerFunction")
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
