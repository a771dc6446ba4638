"""The table of usage and budgets, and what each function may do with it."""

from __future__ import annotations

from aws_cdk import aws_events as events
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.python_function import PythonFunction
from infra.settings import DeploymentSettings
from infra.table import build_table
from lambdas.contract import BucketPrefix, EnvironmentVariable, TableAttribute, UsagePartition


class LedgerTable:
    """Where functions count usage, and reserve and settle the cost of calls."""

    def __init__(
        self, scope: Construct, *, settings: DeploymentSettings, bucket: s3.IBucket, bus: events.IEventBus
    ) -> None:
        self._table = build_table(
            scope,
            "UsageTable",
            settings=settings,
            partition_key=TableAttribute.PARTITION_KEY,
            sort_key=TableAttribute.SORT_KEY,
        )
        self._bucket = bucket
        self._bus = bus

    def allow_counting(self, function: PythonFunction) -> None:
        """Let a function that calls models count their usage. It reads budgets, and cannot change them."""
        function.allow("dynamodb:BatchGetItem", "dynamodb:GetItem", resources=[self._table.table_arn])
        # A transaction needs the permission of each of its writes.
        updated = (UsagePartition.SPENT, UsagePartition.USAGE, UsagePartition.LEASES)
        self._allow(function, "dynamodb:UpdateItem", begin=updated)
        self._allow(function, "dynamodb:PutItem", "dynamodb:DeleteItem", begin=(UsagePartition.LEASES,))
        # If the table cannot be reached, the names of these objects are the scopes with budgets.
        function.allow(
            "s3:ListBucket",
            resources=[self._bucket.bucket_arn],
            conditions={"StringLike": {"s3:prefix": f"{BucketPrefix.BUDGETS}*"}},
        )
        function.allow("events:PutEvents", resources=[self._bus.event_bus_arn])
        function.function.add_environment(EnvironmentVariable.USAGE_TABLE, self._table.table_name)

    def allow_counting_invocations(self, worker: PythonFunction, collect: PythonFunction) -> None:
        """Let the worker count each invocation once, and the last step of a batch those that it missed."""
        self._allow(worker, "dynamodb:PutItem", begin=(UsagePartition.COUNTED,))
        self._allow(collect, "dynamodb:PutItem", "dynamodb:Query", begin=(UsagePartition.COUNTED,))
        self._allow(collect, "dynamodb:UpdateItem", begin=(UsagePartition.USAGE,))
        collect.function.add_environment(EnvironmentVariable.USAGE_TABLE, self._table.table_name)

    def allow_reading(self, function: PythonFunction) -> None:
        """Let a function that counts usage also report it."""
        self._allow(function, "dynamodb:Query", begin=(UsagePartition.USAGE, UsagePartition.LEASES))

    def allow_managing_budgets(self, function: PythonFunction) -> None:
        """Let a function that counts usage also list, set and delete budgets."""
        function.allow(
            "dynamodb:DeleteItem",
            "dynamodb:PutItem",
            "dynamodb:Query",
            resources=[self._table.table_arn],
            conditions={"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [UsagePartition.BUDGETS]}},
        )
        function.allow(
            "s3:DeleteObject",
            "s3:PutObject",
            resources=[self._bucket.arn_for_objects(f"{BucketPrefix.BUDGETS}*")],
            reason="Each budget has its own object",
        )

    def _allow(self, function: PythonFunction, *actions: str, begin: tuple[str, ...]) -> None:
        """Allow actions on the partitions whose names begin so."""
        function.allow(
            *actions,
            resources=[self._table.table_arn],
            conditions={
                "ForAllValues:StringLike": {"dynamodb:LeadingKeys": [f"{partition}*" for partition in begin]}
            },
        )
