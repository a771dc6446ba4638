"""The table of the model catalog, which also has the cooldowns that the functions share."""

from __future__ import annotations

from aws_cdk import aws_dynamodb as dynamodb
from constructs import Construct

from infra.python_function import PythonFunction
from infra.settings import DeploymentSettings
from infra.table import build_table
from lambdas.contract import COOLDOWN_PARTITION, TableAttribute


def build_catalog_table(scope: Construct, settings: DeploymentSettings) -> dynamodb.Table:
    """Build the table of the model catalog, which has one item per region."""
    return build_table(
        scope,
        "CatalogTable",
        settings=settings,
        partition_key=TableAttribute.PARTITION_KEY,
        sort_key=TableAttribute.SORT_KEY,
    )


def allow_calling_by_catalog(function: PythonFunction, table: dynamodb.ITable) -> None:
    """Allow a function that calls models to read the catalog, and to read and write the shared cooldowns."""
    function.allow("dynamodb:BatchGetItem", resources=[table.table_arn])
    # It cannot write the catalog, which is in the same table.
    function.allow(
        "dynamodb:PutItem",
        "dynamodb:Query",
        resources=[table.table_arn],
        conditions={"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [COOLDOWN_PARTITION]}},
    )
