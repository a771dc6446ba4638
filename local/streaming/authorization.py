"""Ask the deployed Lambda authorizer whether a request is allowed, as API Gateway does."""

from __future__ import annotations

import fnmatch
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from local.streaming.client_request import RoutedRequest
from local.streaming.deployed_api import Authorizer

_SIGNATURE: Final = "AWS4-HMAC-SHA256 "


class RejectedByGateway(Exception):
    """An error that API Gateway itself returns.

    Args:
        type: type of the gateway response, such as UNAUTHORIZED.
        message: None for an error without a message.
    """

    def __init__(self, type: str, message: str | None) -> None:
        super().__init__(type, message)
        self.type = type
        self.message = message


@dataclass(frozen=True)
class _Decision:
    policy: Mapping[str, Any]
    context: Mapping[str, str]


class Authorization:
    """Invokes authorizers and caches their policies.

    Args:
        client: a boto3 client for Lambda.
        now: seconds of a clock that never goes back.
    """

    def __init__(self, client: Any, *, now: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._now = now
        self._lock = threading.Lock()
        self._cache: dict[tuple[str, ...], tuple[float, _Decision]] = {}

    def authorize(self, request: RoutedRequest) -> Mapping[str, str] | None:
        """Return the context for the function, or None for a route without an authorizer.

        A signature is not verified: it must only exist.

        Raises:
            RejectedByGateway: the request is not allowed, or the authorizer failed.
        """
        authorizer = request.route.authorizer
        if request.route.signed and not request.request.header("Authorization").startswith(_SIGNATURE):
            raise RejectedByGateway("MISSING_AUTHENTICATION_TOKEN", "Missing Authentication Token")
        if authorizer is None:
            return None
        decision = self._decide(authorizer, request)
        _check_policy(decision.policy, request.method_arn)
        return decision.context

    def _decide(self, authorizer: Authorizer, request: RoutedRequest) -> _Decision:
        identity = [request.request.header(name) for name in authorizer.headers]
        if not authorizer.cache_seconds:
            return self._invoke(authorizer, request)
        if not all(identity):
            raise RejectedByGateway("UNAUTHORIZED", "Unauthorized")
        key = (authorizer.id, *identity)
        with self._lock:
            expires, decision = self._cache.get(key, (0.0, None))
        if decision is not None and self._now() < expires:
            return decision
        decision = self._invoke(authorizer, request)
        with self._lock:
            self._cache[key] = (self._now() + authorizer.cache_seconds, decision)
        return decision

    def _invoke(self, authorizer: Authorizer, request: RoutedRequest) -> _Decision:
        answer = self._client.invoke(
            FunctionName=authorizer.function_arn, Payload=json.dumps(request.authorizer_event())
        )
        result = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            # The error by which an authorizer rejects a caller. All others are failures.
            if result.get("errorMessage") == "Unauthorized":
                raise RejectedByGateway("UNAUTHORIZED", "Unauthorized")
            raise RejectedByGateway("AUTHORIZER_FAILURE", None)
        policy = result.get("policyDocument") if isinstance(result, dict) else None
        if not isinstance(policy, dict):
            raise RejectedByGateway("AUTHORIZER_CONFIGURATION_ERROR", "Internal server error")
        return _Decision(policy, _context(result))


def _context(result: Mapping[str, Any]) -> dict[str, str]:
    """Return the context as the function gets it: every value is a string."""
    context = {**(result.get("context") or {}), "principalId": result.get("principalId", "")}
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in context.items()
        if value is not None
    }


def _check_policy(policy: Mapping[str, Any], method_arn: str) -> None:
    effects = {
        statement["Effect"]
        for statement in _listed(policy.get("Statement"))
        if any(fnmatch.fnmatchcase(method_arn, pattern) for pattern in _listed(statement.get("Resource")))
    }
    message = "User is not authorized to access this resource"
    if "Deny" in effects:
        raise RejectedByGateway(
            "ACCESS_DENIED", f"{message} with an explicit deny in an identity-based policy"
        )
    if "Allow" not in effects:
        raise RejectedByGateway("ACCESS_DENIED", message)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
