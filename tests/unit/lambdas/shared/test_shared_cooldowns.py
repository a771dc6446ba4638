"""The store of cooldowns in the table."""

from __future__ import annotations

import time
from collections.abc import Iterator

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from lambdas.shared.shared_cooldowns import SharedCooldownStore
from llmmanager.bedrock.routing.cooldown import Cooldowns
from llmmanager.bedrock.routing.decision import Decision, Kind, Next

KEY = ("anthropic.claude-haiku-4-5-20251001-v1:0", "us-east-1")
QUOTA = Decision(Next.OTHER_REGION, Kind.QUOTA)


@pytest.fixture
def table(aws_credentials: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        boto3.Session().client("dynamodb").create_table(
            TableName="catalog",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
            KeySchema=[
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
        )
        yield "catalog"


def items() -> list[dict[str, dict[str, str]]]:
    found: list[dict[str, dict[str, str]]] = (
        boto3.Session().client("dynamodb").scan(TableName="catalog")["Items"]
    )
    return found


def test_all_processes_read_what_one_publishes(table: str) -> None:
    SharedCooldownStore(table).publish(KEY, 2_000_000_000.5)
    assert SharedCooldownStore(table).read() == {KEY: 2_000_000_000.5}


def test_an_item_expires_with_the_cooldown(table: str) -> None:
    SharedCooldownStore(table).publish(KEY, 2_000_000_000.5)
    (item,) = items()
    assert item["pk"] == {"S": "health"}
    assert item["sk"] == {"S": "anthropic.claude-haiku-4-5-20251001-v1:0@us-east-1"}
    assert item["expires_at"] == {"N": "2000000001"}


def test_an_earlier_time_does_not_replace_a_later_one(table: str) -> None:
    store = SharedCooldownStore(table)
    store.publish(KEY, 2_000_000_900)
    store.publish(KEY, 2_000_000_030)
    assert store.read() == {KEY: 2_000_000_900}
    store.publish(KEY, 2_000_001_000)
    assert store.read() == {KEY: 2_000_001_000}


def test_the_catalog_in_the_same_table_is_ignored(table: str) -> None:
    boto3.Session().client("dynamodb").put_item(
        TableName=table, Item={"pk": {"S": "catalog"}, "sk": {"S": "us-east-1"}}
    )
    assert SharedCooldownStore(table).read() == {}


def test_a_missing_table_is_an_error_and_cooldowns_work_without_it(table: str) -> None:
    missing = SharedCooldownStore("another")
    with pytest.raises(ClientError):
        missing.read()
    with pytest.raises(ClientError):
        missing.publish(KEY, 2_000_000_000)
    cooldowns = Cooldowns(store=missing, in_background=lambda work: work())
    cooldowns.record_failure(KEY, QUOTA)
    assert cooldowns.cooling(KEY)


def test_a_quota_that_one_function_has_used_up_is_known_to_the_next(table: str) -> None:
    first, second = (
        Cooldowns(store=SharedCooldownStore(table), in_background=lambda work: work()) for _ in range(2)
    )
    before = time.time()
    first.record_failure(KEY, QUOTA)
    second.refresh()
    assert second.cooling(KEY)
    (until,) = SharedCooldownStore(table).read().values()
    assert int(before) + 900 <= until <= time.time() + 900
