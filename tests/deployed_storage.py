"""The bucket, the tables and the environment variables of a deployed stack, for functions under test."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from lambdas.contract import API_KEY_INDEX

BUCKET = "batches-of-the-test"
TABLE = "catalog-of-the-test"
REQUEST_TABLE = "requests-of-the-test"
KEY_TABLE = "keys-of-the-test"
USAGE_TABLE = "usage-of-the-test"
STATE_MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:Batch"


def deployed_variables(models: Sequence[str], regions: Sequence[str]) -> dict[str, str]:
    """Return the variables that the template sets for the functions."""
    return {
        "LLMMANAGER_MODELS": json.dumps(models),
        "LLMMANAGER_REGIONS": json.dumps(regions),
        "LLMMANAGER_TABLE": TABLE,
        "LLMMANAGER_REQUEST_TABLE": REQUEST_TABLE,
        "LLMMANAGER_KEY_TABLE": KEY_TABLE,
        "LLMMANAGER_USAGE_TABLE": USAGE_TABLE,
        "LLMMANAGER_BUCKET": BUCKET,
        "LLMMANAGER_INPUT_BUCKETS": json.dumps(["bucket-of-another-team"]),
        "LLMMANAGER_BATCH_STATE_MACHINE_ARN": STATE_MACHINE,
        "LLMMANAGER_REQUEST_LOST_SECONDS": "345900",
        "LLMMANAGER_EVENT_BUS": "bus-of-the-test",
        "LLMMANAGER_WORKER_CONCURRENCY": "8",
        "LLMMANAGER_MAP_CONCURRENCY": "10",
        "LLMMANAGER_SHARD_SIZE": "500",
    }


def create_storage(s3: Any, dynamodb: Any) -> None:
    """Create the bucket and the tables.

    Args:
        s3, dynamodb: clients of boto3.
    """
    s3.create_bucket(Bucket=BUCKET)
    _create_table(dynamodb, TABLE, "pk", "sk")
    _create_table(dynamodb, REQUEST_TABLE, "id")
    _create_table(dynamodb, USAGE_TABLE, "pk", "sk")
    index = {
        "IndexName": API_KEY_INDEX,
        "KeySchema": _key_schema("kind", "created"),
        "Projection": {"ProjectionType": "ALL"},
    }
    _create_table(dynamodb, KEY_TABLE, "id", GlobalSecondaryIndexes=[index])


def _create_table(dynamodb: Any, name: str, *keys: str, **more: Any) -> None:
    indexes = [
        entry["AttributeName"]
        for index in more.get("GlobalSecondaryIndexes", ())
        for entry in index["KeySchema"]
    ]
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in (*keys, *indexes)],
        KeySchema=_key_schema(*keys),
        **more,
    )


def _key_schema(*keys: str) -> list[dict[str, str]]:
    return [
        {"AttributeName": key, "KeyType": type_} for key, type_ in zip(keys, ("HASH", "RANGE"), strict=False)
    ]
