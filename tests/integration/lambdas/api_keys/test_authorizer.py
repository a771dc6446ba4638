"""The authorizer: policies for active keys, 401 for all other keys, and an error when the table fails."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lambdas.api_keys.api_key import KeyIdentity
from lambdas.api_keys.authorizer import handler
from lambdas.api_keys.key_table import KeyTable
from lambdas.api_keys.key_text import KeyText, new_key

API = "arn:aws:execute-api:us-east-1:123456789012:abc123"
AddKey = Callable[..., KeyText]


def event(
    key: str | KeyText, *, header: str = "Authorization", path: str = "chat/completions"
) -> dict[str, Any]:
    text = key if isinstance(key, str) else f"{'Bearer ' if header == 'Authorization' else ''}{key.text}"
    return {
        "type": "REQUEST",
        "methodArn": f"{API}/v1/POST/{path}",
        "resource": f"/{path}",
        "path": f"/{path}",
        "httpMethod": "POST",
        "headers": {header: text},
        "multiValueHeaders": {header: [text]},
        "requestContext": {"stage": "v1"},
    }


@pytest.fixture
def authorize(key_table: KeyTable, make_context: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda request: handler(request, make_context())


@pytest.mark.parametrize("header", ["Authorization", "x-api-key"])
def test_an_active_key_gets_a_policy_for_the_whole_stage(
    authorize: Any, add_key: AddKey, header: str
) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    key = add_key(models=("Nova Lite",), regions=("us-east-1",), expires=tomorrow.replace(microsecond=0))

    result = authorize(event(key, header=header, path="models/a/b"))

    assert result["principalId"] == key.id
    (statement,) = result["policyDocument"]["Statement"]
    assert statement == {"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": f"{API}/v1/*"}
    assert KeyIdentity.from_authorizer({"principalId": key.id, **result["context"]}) == KeyIdentity(
        key_id=key.id,
        owner="ada",
        team="search",
        models=("Nova Lite",),
        regions=("us-east-1",),
        expires=tomorrow.replace(microsecond=0),
    )


def test_the_result_can_be_encoded_as_json_without_the_secret_and_its_digest(
    authorize: Any, add_key: AddKey
) -> None:
    key = add_key()

    text = json.dumps(authorize(event(key)))

    assert key.text.rpartition("-")[2] not in text
    assert key.digest not in text


def assert_unauthorized(authorize: Any, request: dict[str, Any]) -> None:
    with pytest.raises(Exception, match=r"^Unauthorized$") as raised:
        authorize(request)
    # API Gateway documents this type and message.
    assert type(raised.value) is Exception


@pytest.mark.parametrize(
    "changes", [{"expires": datetime.now(UTC) - timedelta(seconds=1)}, {"revoked": datetime.now(UTC)}]
)
def test_an_expired_or_revoked_key_is_unauthorized(
    authorize: Any, add_key: AddKey, changes: dict[str, Any]
) -> None:
    assert_unauthorized(authorize, event(add_key(**changes)))


def test_an_unknown_key_and_a_wrong_secret_are_unauthorized(authorize: Any, add_key: AddKey) -> None:
    assert_unauthorized(authorize, event(new_key("a" * 16)))
    assert_unauthorized(authorize, event(new_key(add_key().id)))


def test_revoking_a_key_works_at_once_without_a_cache(
    authorize: Any, key_table: KeyTable, add_key: AddKey
) -> None:
    key = add_key()
    assert authorize(event(key))

    key_table.revoke(key.id, by="arn", now=datetime.now(UTC))

    assert_unauthorized(authorize, event(key))


def test_a_request_without_headers_is_unauthorized(authorize: Any) -> None:
    assert_unauthorized(authorize, {**event("x"), "headers": None, "multiValueHeaders": None})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.sampled_from(["Authorization", "x-api-key", "X-Api-Key"]), st.text())
def test_a_malformed_credential_is_unauthorized(authorize: Any, header: str, value: str) -> None:
    assert_unauthorized(authorize, event(value, header=header))
    assert_unauthorized(authorize, event(f"Bearer sk-{value}", header=header))


def test_an_unavailable_table_is_an_error_and_not_a_permission(
    authorize: Any, key_table: KeyTable, add_key: AddKey
) -> None:
    key = add_key()
    key_table.client.delete_table(TableName=key_table.name)

    with pytest.raises(ClientError):
        authorize(event(key))


def test_a_damaged_item_is_an_error_and_not_a_permission(
    authorize: Any, key_table: KeyTable, add_key: AddKey
) -> None:
    key = add_key()
    key_table.client.update_item(
        TableName=key_table.name, Key={"id": {"S": key.id}}, UpdateExpression="REMOVE digest"
    )

    with pytest.raises(KeyError):
        authorize(event(key))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({}, "wrong secret"), ({"revoked": datetime.now(UTC)}, "revoked key")],
)
def test_the_log_says_why_a_key_is_rejected_without_its_secret(
    authorize: Any, add_key: AddKey, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], reason: str
) -> None:
    key = add_key(**changes)
    sent = key if changes else new_key(key.id)

    assert_unauthorized(authorize, event(sent))

    written = capsys.readouterr()
    (line,) = written.out.splitlines()
    assert json.loads(line) == {
        "level": "INFO",
        "message": "API key rejected",
        "service": "llmmanager",
        "function_request_id": "request-of-the-test",
        "reason": reason,
        "key_id": key.id,
    }
    assert sent.text.rpartition("-")[2] not in written.out + written.err


def test_a_cold_start_imports_neither_the_library_nor_boto3_nor_powertools() -> None:
    code = (
        "import sys, lambdas.api_keys.authorizer; "
        "print(sorted({'llmmanager', 'boto3', 'aws_lambda_powertools', 's3transfer'} & set(sys.modules)))"
    )

    root = Path(__file__).resolve().parents[4]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"
