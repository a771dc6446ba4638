"""The catalog of model access: its table, and the refresh that asks every region on a schedule.

schedule ─► regions of the input, or the configured ones ─► Map over regions ─► refresh function ─► table
                                                               └─ a failing region is noted, not fatal
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_scheduler as scheduler
from constructs import Construct

from infra.python_function import FunctionBase, PythonFunction
from infra.settings import DeploymentSettings
from infra.state_machine import LAMBDA_RETRIERS, StateMachine, service_principal
from infra.table import build_table

_REGIONS_AT_ONCE = 10


def build_catalog_table(scope: Construct, settings: DeploymentSettings) -> dynamodb.Table:
    """The table that the catalog is kept in, one item a region."""
    return build_table(scope, "CatalogTable", settings=settings, partition_key="pk", sort_key="sk")


def allow_sharing_health(function: PythonFunction, table: dynamodb.ITable) -> None:
    """Tell and hear which targets cool down: the items of one partition, and not the catalog's."""
    function.allow(
        "dynamodb:PutItem",
        "dynamodb:Query",
        on=[table.table_arn],
        when={"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["health"]}},
    )


class ModelAccess(Construct):
    """Keeps the catalog in the table as new as the schedule says."""

    def __init__(
        self, scope: Construct, construct_id: str, *, base: FunctionBase, table: dynamodb.ITable
    ) -> None:
        super().__init__(scope, construct_id)
        refresh = self._build_function(base, table)
        self.state_machine = StateMachine(
            self,
            "RefreshMachine",
            definition=_definition(refresh.arn, base.settings.regions),
            invokes=[refresh],
            settings=base.settings,
        )
        self._build_schedule(base.settings)

    def _build_function(self, base: FunctionBase, table: dynamodb.ITable) -> PythonFunction:
        refresh = PythonFunction(
            self,
            "Refresh",
            base=base,
            handler="lambdas.model_access.refresh.handler",
            timeout_seconds=60,
            memory_mb=512,
        )
        # It reads what is stored when Bedrock or Service Quotas cannot be asked.
        refresh.allow("dynamodb:PutItem", "dynamodb:BatchGetItem", on=[table.table_arn])
        # Lists have no resource to name; the regions are what can be narrowed.
        refresh.allow(
            "bedrock:ListFoundationModels",
            "bedrock:ListInferenceProfiles",
            "servicequotas:ListServiceQuotas",
            on=["*"],
            when={"StringEquals": {"aws:RequestedRegion": list(base.settings.regions)}},
            because="Listing models, profiles and quotas has no resource to name",
        )
        return refresh

    def _build_schedule(self, settings: DeploymentSettings) -> None:
        role = iam.Role(self, "ScheduleRole", assumed_by=service_principal(self, "scheduler.amazonaws.com"))
        role.add_to_policy(
            iam.PolicyStatement(actions=["states:StartExecution"], resources=[self.state_machine.arn])
        )
        scheduler.CfnSchedule(
            self,
            "Schedule",
            description="Refreshes the catalog of model access",
            schedule_expression=settings.refresh_schedule,
            flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
            target=scheduler.CfnSchedule.TargetProperty(
                arn=self.state_machine.arn, role_arn=role.role_arn, input="{}"
            ),
        )


def _definition(refresh_arn: str, regions: Sequence[str]) -> dict[str, Any]:
    return {
        "Comment": "Asks Bedrock in every region which models it offers, and stores the answers",
        "StartAt": "RegionsGiven",
        "States": {
            "RegionsGiven": {
                "Type": "Choice",
                "Choices": [{"Variable": "$.regions", "IsPresent": True, "Next": "RefreshRegions"}],
                "Default": "ConfiguredRegions",
            },
            "ConfiguredRegions": {
                "Type": "Pass",
                "Result": {"regions": list(regions)},
                "Next": "RefreshRegions",
            },
            "RefreshRegions": {
                "Type": "Map",
                "ItemsPath": "$.regions",
                "ItemSelector": {"region.$": "$$.Map.Item.Value"},
                "MaxConcurrency": _REGIONS_AT_ONCE,
                "ItemProcessor": _refresh_region(refresh_arn),
                "End": True,
            },
        },
    }


def _refresh_region(refresh_arn: str) -> dict[str, Any]:
    return {
        "ProcessorConfig": {"Mode": "INLINE"},
        "StartAt": "RefreshRegion",
        "States": {
            "RefreshRegion": {
                "Type": "Task",
                "Resource": refresh_arn,
                "Retry": [
                    *LAMBDA_RETRIERS,
                    {"ErrorEquals": ["States.ALL"], "IntervalSeconds": 5, "MaxAttempts": 2, "BackoffRate": 2},
                ],
                "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "RegionFailed"}],
                "End": True,
            },
            # What the table holds of the region stays: the last known good is better than nothing.
            "RegionFailed": {"Type": "Pass", "End": True},
        },
    }
