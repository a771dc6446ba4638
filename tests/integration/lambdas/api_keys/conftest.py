"""The table of API keys, and keys in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from moto import mock_aws

from lambdas.api_keys.api_key import ApiKey, KeyIdentity
from lambdas.api_keys.key_table import KeyTable
from lambdas.api_keys.key_text import KeyText, new_key, new_key_id
from lambdas.contract import API_KEY_INDEX

KEY_TABLE = "keys-of-the-test"


@pytest.fixture
def key_table(
    session: boto3.Session, aws_credentials: None, cold_start: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[KeyTable]:
    """The empty table."""
    monkeypatch.setenv("LLMMANAGER_KEY_TABLE", KEY_TABLE)
    with mock_aws():
        client = session.client("dynamodb")
        create_key_table(client)
        cold_start()
        yield KeyTable(client, KEY_TABLE)
        cold_start()


def create_key_table(client: Any) -> None:
    client.create_table(
        TableName=KEY_TABLE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": "S"} for name in ("id", "kind", "created")
        ],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": API_KEY_INDEX,
                "KeySchema": [
                    {"AttributeName": "kind", "KeyType": "HASH"},
                    {"AttributeName": "created", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )


@pytest.fixture
def add_key(key_table: KeyTable) -> Callable[..., KeyText]:
    """Return a function that stores a key and returns its text."""

    def add(**changes: Any) -> KeyText:
        key = new_key(new_key_id())
        stored = {name: changes.pop(name) for name in ("created", "revoked") if name in changes}
        given = {"owner": "ada", "team": "search", "models": None, "regions": None, "expires": None}
        identity = KeyIdentity(**{"key_id": key.id, **given, **changes})
        created = {"created": datetime.now(UTC), "created_by": "arn:aws:iam::123456789012:user/admin"}
        assert key_table.add(ApiKey(identity=identity, digest=key.digest, **{**created, **stored}))
        return key

    return add
