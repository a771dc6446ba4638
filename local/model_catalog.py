"""Refresh and read the model catalog of the deployed stack."""

from __future__ import annotations

import json
import time
from typing import Any

from local.deployed_stack import Stack
from local.processes import LocalRunError


def refresh(stack: Stack) -> list[dict[str, Any]]:
    """Run the refresh state machine; return its output for each region.

    Raises:
        LocalRunError: the execution fails or does not end within 120 seconds.
    """
    states = stack.client("stepfunctions")
    arn = states.start_execution(stateMachineArn=stack.refresh_machine_arn)["executionArn"]
    deadline = time.monotonic() + 120
    while (execution := states.describe_execution(executionArn=arn))["status"] == "RUNNING":
        if time.monotonic() > deadline:
            raise LocalRunError("the refresh of the model catalog is still running after 120 s")
        time.sleep(0.1)
    if execution["status"] != "SUCCEEDED":
        raise LocalRunError(
            f"the refresh of the model catalog ended with status {execution['status']}: {execution}"
        )
    output: list[dict[str, Any]] = json.loads(execution["output"])
    return output


def catalog_regions(stack: Stack) -> list[str]:
    """Return the regions that the model catalog contains."""
    response = stack.client("dynamodb").query(
        TableName=stack.table,
        KeyConditionExpression="pk = :catalog",
        ExpressionAttributeValues={":catalog": {"S": "catalog"}},
        ConsistentRead=True,
    )
    return [item["sk"]["S"] for item in response["Items"]]
