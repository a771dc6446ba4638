"""Usage, spending and lost reservations in the usage table, and what FakeBedrock has billed."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import boto3
import pytest

from lambdas.http_api.handler import handler
from lambdas.usage.caller import Caller
from lambdas.usage.lease import Allowance, Lease
from lambdas.usage.ledger import Ledger
from lambdas.usage.period_limit import PeriodLimit
from lambdas.usage.usage_counts import UsageCounts, UsageKey
from lambdas.usage.usage_items import Write, add_usage, change_period, put_lease
from llmmanager.testing import FakeBedrock
from tests.deployed_storage import USAGE_TABLE
from tests.dynamodb_server import DynamoDBServer
from tests.integration.lambdas.usage.accounts import TABLE, Accounts, ManualTime
from tests.team_budget import billed_usage

AddUsage = Callable[..., None]
ADMIN = "arn:aws:sts::123456789012:assumed-role/admins"


@pytest.fixture
def call(deployed: Any, proxy_event: Any, context: Any) -> Any:
    """Sends a request to the signed API and returns status and body."""

    def send(method: str, path: str, body: Any = None, **query: str) -> Any:
        event = proxy_event(method, path, body)
        event["queryStringParameters"] = query or None
        event["requestContext"] |= {"identity": {"userArn": f"{ADMIN}/session"}}
        response = handler(event, context)
        return response["statusCode"], json.loads(response["body"])

    return send


@pytest.fixture
def add_row(deployed: Any) -> AddUsage:
    """Return a function that adds counts to the row of a key."""

    def add(day: str, **names_and_counts: Any) -> None:
        given = {"team": "search", "caller": "ada", "key_id": "", "model": "m"}
        names = {name: names_and_counts.pop(name, default) for name, default in given.items()}
        write(
            add_usage(
                UsageKey(day=day, **names),
                UsageCounts(**(names_and_counts or {"requests": 1})),
                now=datetime.now(UTC),
            )
        )

    return add


@pytest.fixture
def spend(deployed: Any) -> Callable[..., None]:
    """Return a function that adds to what a limit has committed and reserved."""

    def add(limit: PeriodLimit, *, committed: int, reserved: int) -> None:
        write(change_period(limit, committed=committed, reserved=reserved))

    return add


@pytest.fixture
def add_lease(deployed: Any) -> Callable[..., None]:
    """Return a function that stores a lease of a day."""

    def add(day: str, *, lost: bool, cost: int, team: str = "search", **tokens: int) -> None:
        now = datetime.now(UTC)
        write(
            put_lease(
                Lease(
                    id=f"{day}-{lost}-{cost}",
                    day=day,
                    limits=(),
                    caller=Caller("ada", team),
                    model="m",
                    allowance=Allowance(cost=cost, **tokens),
                    lost_at=now + timedelta(minutes=-1 if lost else 10),
                )
            )
        )

    return add


@pytest.fixture
def accounts(dynamodb: DynamoDBServer) -> Accounts:
    dynamodb.create_table(TABLE)
    client = dynamodb.client(retries={"total_max_attempts": 1})
    return Accounts(dynamodb, Ledger(client, TABLE), ManualTime())


@pytest.fixture
def billed(fake_bedrock: FakeBedrock) -> Callable[[], UsageCounts]:
    """Return a function that returns the tokens that FakeBedrock has billed, and their price."""

    return partial(billed_usage, fake_bedrock)


def write(one: Write) -> None:
    """Write to the table."""
    ((action, parameters),) = one.items()
    boto3.client("dynamodb").transact_write_items(
        TransactItems=[{action: {"TableName": USAGE_TABLE, **parameters}}]
    )
