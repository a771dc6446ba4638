"""The routes that manage API keys."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from traceback import format_exception
from typing import Any

import boto3
import pytest

from lambdas.api_keys.authorizer import handler as authorize
from lambdas.api_keys.key_table import KeyTable
from lambdas.api_keys.key_text import parse_key
from lambdas.http_api.handler import handler

ADMIN = "arn:aws:iam::123456789012:role/admins"
BODY = {"owner": "ada@example.com", "team": "search"}


@pytest.fixture
def call(deployed: Any, proxy_event: Any, context: Any) -> Any:
    """Sends a request and returns status, body and headers."""

    def send(method: str, path: str, body: Any = None, *, query: Any = None, **headers: str) -> Any:
        event = proxy_event(method, path, body)
        event["headers"] = {name.replace("_", "-"): value for name, value in headers.items()}
        event["queryStringParameters"] = query
        event["requestContext"] |= {
            "identity": {"userArn": "arn:aws:sts::123456789012:assumed-role/admins/session"},
            "path": f"/prod{path}",
        }
        response = handler(event, context)
        return response["statusCode"], json.loads(response["body"]), response["headers"]

    return send


def authorized(text: str, context: Any) -> dict[str, Any]:
    arn = "arn:aws:execute-api:us-east-1:123456789012:abc/v1/GET/models"
    return authorize({"methodArn": arn, "headers": {"Authorization": f"Bearer {text}"}}, context)


def test_a_created_key_is_returned_once_and_works(call: Any, context: Any) -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    body = {**BODY, "models": ["nova-lite"], "regions": ["us-east-1"], "expiresInDays": 90}

    status, created, headers = call("POST", "/v1/keys", body)

    assert status == 201
    text = parse_key(created.pop("key"))
    assert text is not None
    assert headers["Cache-Control"] == "no-store"
    assert headers["Location"] == f"/prod/v1/keys/{text.id}"
    times = {name: datetime.fromisoformat(created[name]) for name in ("createdAt", "expiresAt")}
    assert before <= times["createdAt"] <= datetime.now(UTC)
    assert times["expiresAt"] - times["createdAt"] == timedelta(days=90)
    assert created == {
        "keyId": text.id,
        "status": "active",
        "owner": "ada@example.com",
        "team": "search",
        "models": ["nova-lite"],
        "regions": ["us-east-1"],
        "expiresAt": created["expiresAt"],
        "createdAt": created["createdAt"],
        "createdBy": "arn:aws:sts::123456789012:assumed-role/admins",
        "revokedAt": None,
        "revokedBy": None,
        "links": {"self": f"/v1/keys/{text.id}"},
    }
    assert call("GET", created["links"]["self"])[:2] == (200, created)
    assert call("GET", "/v1/keys")[:2] == (200, {"keys": [created]})
    assert authorized(text.text, context)["principalId"] == text.id


def test_an_invalid_body_creates_nothing(call: Any) -> None:
    status, problem, _ = call("POST", "/v1/keys", {"owner": "ada", "models": ["gpt"]})

    assert status == 400
    assert [error.partition(":")[0] for error in problem["errors"]] == ["team", "models"]
    assert call("GET", "/v1/keys")[1] == {"keys": []}


@pytest.mark.parametrize("alias", ["Nova Lite", "amazon.nova-lite-v1:0", "us.amazon.nova-lite-v1:0"])
def test_a_key_can_name_its_models_in_any_way(call: Any, alias: str) -> None:
    assert call("POST", "/v1/keys", {**BODY, "models": [alias]})[1]["models"] == [alias]


def test_a_revoked_key_stays_listed_and_no_longer_works(call: Any, context: Any) -> None:
    created = call("POST", "/v1/keys", BODY)[1]
    path = created["links"]["self"]

    status, revoked, _ = call("DELETE", path)

    assert (status, revoked["status"]) == (200, "revoked")
    assert revoked["revokedBy"] == "arn:aws:sts::123456789012:assumed-role/admins"
    assert call("DELETE", path)[:2] == (200, revoked)
    assert call("GET", path)[:2] == (200, revoked)
    assert call("GET", "/v1/keys")[1] == {"keys": [revoked]}
    with pytest.raises(Exception, match="Unauthorized"):
        authorized(created["key"], context)


def test_keys_are_listed_by_page_owner_and_team(call: Any) -> None:
    owners = [("ada", "a"), ("bob", "a"), ("ada", "b")]
    ids = [call("POST", "/v1/keys", {"owner": owner, "team": team})[1]["keyId"] for owner, team in owners]

    def listed(**query: str) -> list[str]:
        found, query = [], dict(query)
        while True:
            page = call("GET", "/v1/keys", query=query)[1]
            found += [key["keyId"] for key in page["keys"]]
            if "nextToken" not in page:
                return found
            query["nextToken"] = page["nextToken"]

    assert sorted(listed(limit="1")) == sorted(listed()) == sorted(ids)
    assert sorted(listed(owner="ada")) == sorted([ids[0], ids[2]])
    assert listed(owner="ada", team="b", limit="1") == [ids[2]]
    assert listed(team="c") == []


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ({"limit": "0"}, "limit: must be an integer from 1 to 100"),
        ({"limit": "101"}, "limit: must be an integer from 1 to 100"),
        ({"nextToken": "x"}, "nextToken: must be the nextToken of an earlier page"),
    ],
)
def test_an_invalid_query_is_rejected(call: Any, query: dict[str, str], problem: str) -> None:
    status, body, _ = call("GET", "/v1/keys", query=query)

    assert (status, body["errors"]) == (400, [problem])


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_an_unknown_key_is_not_found(call: Any, method: str) -> None:
    assert call(method, f"/v1/keys/{'a' * 16}")[0] == 404


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_key_in_a_path_is_not_repeated_in_the_response(call: Any, method: str) -> None:
    text = call("POST", "/v1/keys", BODY)[1]["key"]

    status, problem, _ = call(method, f"/v1/keys/{text}")

    assert status == 404
    assert text.rpartition("-")[2] not in json.dumps(problem)


# ---- Idempotency-Key


def test_a_repeated_request_creates_one_key_and_does_not_return_it_again(call: Any) -> None:
    first = call("POST", "/v1/keys", BODY, Idempotency_Key="k")

    status, problem, _ = call("POST", "/v1/keys", BODY, Idempotency_Key="k")

    assert first[0] == 201
    assert (status, problem["type"]) == (409, "urn:llmmanager:problem:key-created")
    assert (problem["keyId"], problem["links"]) == (first[1]["keyId"], first[1]["links"])
    assert "key" not in problem
    assert len(call("GET", "/v1/keys")[1]["keys"]) == 1


def test_another_body_with_the_same_idempotency_key_is_rejected(call: Any) -> None:
    call("POST", "/v1/keys", BODY, Idempotency_Key="k")

    status, problem, _ = call("POST", "/v1/keys", {**BODY, "team": "other"}, Idempotency_Key="k")

    assert (status, problem["type"]) == (422, "urn:llmmanager:problem:idempotency-key-reused")


def test_a_request_that_failed_before_it_stored_the_key_can_be_repeated(
    call: Any, key_table: KeyTable
) -> None:
    client, name = key_table.client, key_table.name
    description = client.describe_table(TableName=name)["Table"]
    client.delete_table(TableName=name)
    assert call("POST", "/v1/keys", BODY, Idempotency_Key="k")[0] == 500
    index = description["GlobalSecondaryIndexes"][0]
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=description["AttributeDefinitions"],
        KeySchema=description["KeySchema"],
        GlobalSecondaryIndexes=[{key: index[key] for key in ("IndexName", "KeySchema", "Projection")}],
    )

    assert call("POST", "/v1/keys", BODY, Idempotency_Key="k")[0] == 201


# ---- Secrets


def test_neither_tables_nor_files_nor_logs_hold_a_key(
    call: Any, context: Any, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """The key passes through every function and through failures, and all loggers write at DEBUG."""
    caplog.set_level("DEBUG")
    text = call("POST", "/v1/keys", BODY, Idempotency_Key="k")[1]["key"]
    call("POST", "/v1/keys", BODY, Idempotency_Key="k")
    call("GET", "/v1/keys")
    call("GET", f"/v1/keys/{text}")
    call("POST", "/v1/keys", {**BODY, "owner": text, "x": text})
    authorized(text, context)
    call("DELETE", f"/v1/keys/{parse_key(text).id}")  # type: ignore[union-attr]
    with pytest.raises(Exception, match="Unauthorized") as revoked:
        authorized(text, context)
    boto3.client("dynamodb").delete_table(TableName=os.environ["LLMMANAGER_KEY_TABLE"])
    with pytest.raises(Exception, match="ResourceNotFound") as unavailable:
        authorized(text, context)

    written = capfd.readouterr()
    # Lambda logs the tracebacks of exceptions.
    tracebacks = [line for raised in (revoked, unavailable) for line in format_exception(raised.value)]
    logged = "".join([written.out, written.err, caplog.text, *tracebacks])
    assert "API key rejected" in logged
    assert "API key table failed" in logged
    dynamodb, s3 = boto3.client("dynamodb"), boto3.client("s3")
    tables = [dynamodb.scan(TableName=name) for name in dynamodb.list_tables()["TableNames"]]
    files = s3.list_objects_v2(Bucket=os.environ["LLMMANAGER_BUCKET"]).get("Contents", [])
    secret = text.rpartition("-")[2]
    for holder in (logged, repr(tables), repr(files)):
        assert secret not in holder
