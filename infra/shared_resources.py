"""The resources that several entry points of the stack use."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.api_keys import build_key_table
from infra.bucket import build_batch_bucket
from infra.catalog_table import allow_calling_by_catalog, build_catalog_table
from infra.permissions import InvokeModels
from infra.python_function import PythonFunction
from infra.request_table import build_request_table, expire_requests
from infra.settings import DeploymentSettings
from infra.usage_table import LedgerTable
from llmmanager.bedrock.catalog.catalog_entries import Catalog


@dataclass(frozen=True, kw_only=True)
class SharedResources:
    """The bucket, the tables and the event bus of a stack, and the permission to call its models.

    Attributes:
        bucket: files of batches and of single requests.
        bus: requests to models and their outcomes.
        catalog_table: the model catalog, and the cooldowns that the functions share.
        request_table: idempotency keys.
        key_table: API keys.
        ledger: usage and budgets.
        invoke_models: the permission to call the configured models.
    """

    bucket: s3.Bucket
    bus: events.EventBus
    catalog_table: dynamodb.Table
    request_table: dynamodb.Table
    key_table: dynamodb.Table
    ledger: LedgerTable
    invoke_models: InvokeModels

    def allow_calling_models(self, function: PythonFunction) -> None:
        """Let the function call the configured models, with the catalog, and count their usage."""
        self.invoke_models.grant(function.role)
        allow_calling_by_catalog(function, self.catalog_table)
        self.ledger.allow_counting(function)


def build_shared_resources(
    scope: Construct, settings: DeploymentSettings, *, catalog: Catalog
) -> SharedResources:
    """Build the resources in the scope of the stack.

    Args:
        catalog: has the access methods of the configured models, to which the permission is limited.
    """
    bucket = build_batch_bucket(scope, settings)
    expire_requests(bucket, settings)
    bus = events.EventBus(scope, "EventBus", description="Requests to models and their outcomes")
    return SharedResources(
        bucket=bucket,
        bus=bus,
        catalog_table=build_catalog_table(scope, settings),
        request_table=build_request_table(scope, settings),
        key_table=build_key_table(scope, settings),
        ledger=LedgerTable(scope, settings=settings, bucket=bucket, bus=bus),
        invoke_models=InvokeModels(
            scope, "InvokeModels", models=settings.models, regions=settings.regions, catalog=catalog
        ),
    )
