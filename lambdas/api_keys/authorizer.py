"""The Lambda authorizer of the API for holders of keys: from the key of a request to a policy.

API Gateway caches the policy for each key, and uses it for all methods. So it allows the whole stage, and the
function behind the API enforces models, regions and budgets.

The module and all that it imports stay small, because a cold start delays the first request with a key.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, NoReturn

from lambdas.api_keys.api_key import KeyIdentity
from lambdas.api_keys.key_table import KeyTable
from lambdas.api_keys.presented_key import presented_key
from lambdas.shared import clients
from lambdas.shared.settings import key_table

# API Gateway waits longer for an authorizer, but a caller would not.
_READ_SECONDS = 2
_ATTEMPTS = 2


def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """Return the policy for a request.

    Args:
        event: the event of a REQUEST authorizer.

    Raises:
        Exception: with the message "Unauthorized", which API Gateway answers with 401, the key is missing,
            malformed, unknown, expired or revoked. API Gateway answers every other error, such as an
            unavailable table, with 500.
    """
    identity = _authenticate(event, context)
    return {
        "principalId": identity.key_id,
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Action": "execute-api:Invoke",
                    "Effect": "Allow",
                    "Resource": _stage(str(event["methodArn"])),
                }
            ],
        },
        "context": identity.to_context(),
    }


def _authenticate(event: Mapping[str, Any], context: Any) -> KeyIdentity:
    presented = presented_key(event)
    if presented is None:
        _reject("no well-formed key", context)
    try:
        key = _table().get(presented.id)
    except Exception as error:
        _log("ERROR", "API key table failed", context, error_type=type(error).__name__)
        raise
    if key is None:
        _reject("unknown key", context, key_id=presented.id)
    if not presented.has_digest(key.digest):
        _reject("wrong secret", context, key_id=presented.id)
    status = key.status(datetime.now(UTC))
    if status != "active":
        _reject(f"{status} key", context, key_id=presented.id)
    return key.identity


def _stage(method_arn: str) -> str:
    """Return the ARN of all methods of the stage of a method: `arn:…:{api}/{stage}/{method}/{path}`."""
    api, stage, *_ = method_arn.split("/")
    return f"{api}/{stage}/*"


@cache
def _table() -> KeyTable:
    client = clients.new_short_timeout_dynamodb(read_timeout=_READ_SECONDS, attempts=_ATTEMPTS)
    return KeyTable(client, key_table())


def _reject(reason: str, context: Any, **fields: str) -> NoReturn:
    _log("INFO", "API key rejected", context, reason=reason, **fields)
    # API Gateway recognizes the rejection by this message.
    raise Exception("Unauthorized")


def _log(level: str, message: str, context: Any, **fields: str) -> None:
    """Write a line in the format of the other functions. (Powertools would double the imports.)"""
    line = {
        "level": level,
        "message": message,
        "service": "llmmanager",
        "function_request_id": context.aws_request_id,
        **fields,
    }
    sys.stdout.write(json.dumps(line) + "\n")
