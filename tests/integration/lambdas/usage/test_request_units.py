"""A real request has the reads and writes of the usage table that its estimated cost has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.client import BaseClient

from infra.stack_cost.request import (
    CONSISTENT_READ_UNITS,
    READ_UNITS,
    TRANSACTION_WRITE_UNITS,
    request_cost,
)
from tests.deployed_storage import USAGE_TABLE

BODY = {"messages": "Hello", "inferenceConfig": {"maxTokens": 20}, "team": "search"}
Calls = list[tuple[str, dict[str, Any]]]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """The requests that clients of DynamoDB send for the usage table."""
    sent: Calls = []
    make_api_call = BaseClient._make_api_call

    def record(client: Any, operation: str, parameters: dict[str, Any]) -> Any:
        if client.meta.service_model.service_name == "dynamodb" and USAGE_TABLE in repr(parameters):
            sent.append((operation, parameters))
        return make_api_call(client, operation, parameters)

    monkeypatch.setattr(BaseClient, "_make_api_call", record)
    return sent


def units(calls: Calls) -> dict[str, float]:
    """Return the units of the calls, for items of at most 1 KB."""
    read = written = 0.0
    for operation, parameters in calls:
        if operation == "BatchGetItem":
            request = parameters["RequestItems"][USAGE_TABLE]
            each = CONSISTENT_READ_UNITS if request.get("ConsistentRead") else READ_UNITS
            read += each * len(request["Keys"])
        else:
            assert operation == "TransactWriteItems"
            written += TRANSACTION_WRITE_UNITS * len(parameters["TransactItems"])
    return {"read units": read, "write units": written}


def estimated(*, limits: int) -> dict[str, float]:
    lines = request_cost(requests=1, latency_seconds=1, limits=limits)
    return {line.what: line.count for line in lines if line.service == "DynamoDB"}


@pytest.mark.parametrize("limits", [0, 1, 2])
def test_a_warm_request_has_the_estimated_units(call: Callable[..., Any], calls: Calls, limits: int) -> None:
    budget = {"dailyUsd": 5, "monthlyUsd": 100}
    if limits:
        call("PUT", "/v1/budgets/team/search", dict(list(budget.items())[:limits]))
    assert call("POST", "/v1/converse", BODY)[0] == 200
    calls.clear()

    assert call("POST", "/v1/converse", BODY)[0] == 200

    writes = [operation for operation, _ in calls if operation != "BatchGetItem"]
    assert writes == ["TransactWriteItems"] * (2 if limits else 1)
    assert units(calls) == estimated(limits=limits)
