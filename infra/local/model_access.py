"""Refresh the deployed catalog of model access, and see what it holds."""

from __future__ import annotations

import json
import time
from typing import Any

from infra.local.processes import LocalRunError
from infra.local.stack import Stack


def refresh(stack: Stack) -> list[dict[str, Any]]:
    """Run the refresh machine to its end; what it says of each region."""
    states = stack.client("stepfunctions")
    arn = states.start_execution(stateMachineArn=stack.refresh_machine_arn)["executionArn"]
    deadline = time.monotonic() + 120
    while (execution := states.describe_execution(executionArn=arn))["status"] == "RUNNING":
        if time.monotonic() > deadline:
            raise LocalRunError("the refresh of model access still runs after 120 s")
        time.sleep(0.1)
    if execution["status"] != "SUCCEEDED":
        raise LocalRunError(f"the refresh of model access ended as {execution['status']}: {execution}")
    output: list[dict[str, Any]] = json.loads(execution["output"])
    return output


def catalog_regions(stack: Stack) -> list[str]:
    """The regions whose models the table knows."""
    answer = stack.client("dynamodb").query(
        TableName=stack.table,
        KeyConditionExpression="pk = :catalog",
        ExpressionAttributeValues={":catalog": {"S": "catalog"}},
        ConsistentRead=True,
    )
    return [item["sk"]["S"] for item in answer["Items"]]
