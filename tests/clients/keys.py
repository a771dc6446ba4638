"""API keys, created and revoked by the HTTP API."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

from lambdas.http_api.handler import handler

UNKNOWN_KEY = f"sk-{'a' * 16}-{'B' * 43}"
"""A well-formed key that does not exist."""


def create_key(**fields: Any) -> str:
    """Return a new key.

    Args:
        fields: members of the request, such as `models`.
    """
    created = _send("POST", "/v1/keys", {"owner": "ana", "team": "search", **fields})
    return str(created["key"])


def revoke_key(key: str) -> str:
    """Revoke a key, and return it."""
    _send("DELETE", f"/v1/keys/{key.split('-')[1]}", None)
    return key


def _send(method: str, path: str, body: Any) -> dict[str, Any]:
    event = {
        "httpMethod": method,
        "path": path,
        "headers": {},
        "body": None if body is None else json.dumps(body),
        "isBase64Encoded": False,
        "requestContext": {
            "path": path,
            "identity": {"userArn": "arn:aws:sts::123456789012:assumed-role/admins/session"},
        },
    }
    context = SimpleNamespace(
        aws_request_id="request",
        function_name="http-api",
        memory_limit_in_mb=1024,
        invoked_function_arn="arn:aws:lambda:us-east-1:000000000000:function:http-api",
        get_remaining_time_in_millis=lambda: 29_000,
    )
    response = handler(event, context)
    assert response["statusCode"] < 300, response
    return dict(json.loads(response["body"]))
