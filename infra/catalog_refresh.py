"""The scheduled refresh of the model catalog.

schedule ─► regions of the input, or the configured ones ─► Map over regions ─► refresh function ─► table
                                                               └─ a failed region does not stop the others
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_scheduler as scheduler
from constructs import Construct

from infra.permissions import READ_PROFILE, application_profiles
from infra.python_function import FunctionBase, PythonFunction
from infra.settings import DeploymentSettings
from infra.state_machine import LAMBDA_RETRIERS, StateMachine, service_principal
from lambdas.contract import REFRESH_REGION

_CONCURRENT_REGIONS = 10


class CatalogRefresh(Construct):
    """Refreshes the model catalog on a schedule."""

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
        # It reads the stored catalog if Bedrock or Service Quotas is unavailable.
        refresh.allow("dynamodb:PutItem", "dynamodb:BatchGetItem", resources=[table.table_arn])
        # These actions have no resource type, but they can be limited to regions.
        refresh.allow(
            "bedrock:ListFoundationModels",
            "bedrock:ListInferenceProfiles",
            "servicequotas:ListServiceQuotas",
            resources=["*"],
            conditions={"StringEquals": {"aws:RequestedRegion": list(base.settings.regions)}},
            reason="IAM has no resource type for listing models, inference profiles and quotas",
        )
        if profiles := application_profiles(base.settings.models):
            refresh.allow(READ_PROFILE, resources=profiles)
        return refresh

    def _build_schedule(self, settings: DeploymentSettings) -> None:
        role = iam.Role(self, "ScheduleRole", assumed_by=service_principal(self, "scheduler.amazonaws.com"))
        role.add_to_policy(
            iam.PolicyStatement(actions=["states:StartExecution"], resources=[self.state_machine.arn])
        )
        scheduler.CfnSchedule(
            self,
            "Schedule",
            description="Refreshes the model catalog",
            schedule_expression=settings.refresh_schedule,
            flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
            target=scheduler.CfnSchedule.TargetProperty(
                arn=self.state_machine.arn, role_arn=role.role_arn, input="{}"
            ),
        )


def _definition(refresh_arn: str, regions: Sequence[str]) -> dict[str, Any]:
    return {
        "Comment": "Lists the models of Bedrock in every region and stores them in the model catalog",
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
                "ItemSelector": {f"{REFRESH_REGION}.$": "$$.Map.Item.Value"},
                "MaxConcurrency": _CONCURRENT_REGIONS,
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
            # The last catalog of the region stays in the table.
            "RegionFailed": {"Type": "Pass", "End": True},
        },
    }
