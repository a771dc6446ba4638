"""Policies are cached for the time of the authorizer."""

from __future__ import annotations

import io
import json
from typing import Any

from local.streaming.authorization import Authorization
from local.streaming.client_request import ClientRequest, RoutedRequest
from local.streaming.deployed_api import Authorizer, DeployedApi, DeployedRoute
from tests.clock import ManualClock

ALLOW = {"principalId": "key", "policyDocument": {"Statement": {"Effect": "Allow", "Resource": "*"}}}


class LambdaClient:
    """A client whose function allows everything, and counts its invocations."""

    def __init__(self) -> None:
        self.invocations = 0

    def invoke(self, **_: Any) -> dict[str, Any]:
        self.invocations += 1
        return {"Payload": io.BytesIO(json.dumps(ALLOW).encode())}


def test_a_policy_is_used_until_it_expires() -> None:
    client, clock = LambdaClient(), ManualClock()
    authorization = Authorization(client, now=clock)
    route = DeployedRoute("id", "/chat", "POST", "arn", Authorizer("id", "arn", ("x-api-key",), 300))
    api = DeployedApi("api", "v1", {}, frozenset(), [route], {})
    request = RoutedRequest(
        ClientRequest("POST", "/v1/chat", (("X-Api-Key", "a"),), b""), api, route, "/chat", {}
    )
    for now, invocations in [(0, 1), (299.9, 1), (300, 2), (599.9, 2), (600, 3)]:
        clock.now = 1000.0 + now
        assert authorization.authorize(request) == {"principalId": "key"}
        assert client.invocations == invocations
