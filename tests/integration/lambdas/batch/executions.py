"""Executions of the batch state machine in moto, whose steps a test runs one by one."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from typing import Any

import boto3
from moto.stepfunctions.models import stepfunctions_backends


class Execution:
    """An execution that was not started by the HTTP API."""

    def __init__(self, name: str, data: dict[str, Any] | None = None) -> None:
        self.machine = os.environ["LLMMANAGER_BATCH_STATE_MACHINE_ARN"]
        self.name = name
        self.arn = f"{self.machine.replace(':stateMachine:', ':execution:')}:{name}"
        self._states = boto3.client("stepfunctions")
        if data is not None:
            self._states.start_execution(stateMachineArn=self.machine, name=name, input=json.dumps(data))

    @property
    def described(self) -> dict[str, Any]:
        found: dict[str, Any] = self._states.describe_execution(executionArn=self.arn)
        return found

    @property
    def status(self) -> str:
        return str(self.described["status"])

    def plan(self, machine: Any) -> list[dict[str, Any]]:
        """Run the plan of the execution and return the shards."""
        shards: list[dict[str, Any]] = machine.plan(json.loads(self.described["input"]), name=self.name)
        return shards

    def ends(self, status: str) -> None:
        self._in_moto.status = status

    def end_event(self, **more: Any) -> dict[str, Any]:
        """Return the event with which EventBridge reports the end of the execution."""
        return {"detail": json.loads(json.dumps({**self.described, **more}, default=str))}

    def is_older_by(self, time: timedelta) -> None:
        self._in_moto.start_date -= time

    @property
    def _in_moto(self) -> Any:
        return stepfunctions_backends["123456789012"]["us-east-1"].describe_execution(self.arn)
