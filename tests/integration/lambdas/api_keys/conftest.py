"""Keys in the table of API keys."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest

from lambdas.api_keys.api_key import ApiKey, KeyIdentity
from lambdas.api_keys.key_table import KeyTable
from lambdas.api_keys.key_text import KeyText, new_key, new_key_id
from llmmanager.testing import FakeBedrock


@pytest.fixture
def key_table(deployed: FakeBedrock) -> KeyTable:
    """The empty table."""
    return KeyTable(boto3.client("dynamodb"), os.environ["LLMMANAGER_KEY_TABLE"])


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
