"""The CDK stack: it only composes the constructs of this package."""

from __future__ import annotations

from typing import Any

from aws_cdk import Annotations, CfnOutput, Stack, Token
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_s3 as s3
from aws_cdk.region_info import RegionInfo
from constructs import Construct

from infra.api_keys import KeyAuthorizer, build_key_table
from infra.batch import BatchProcessing
from infra.batch_end import BatchEnd
from infra.bucket import build_batch_bucket
from infra.catalog_refresh import CatalogRefresh
from infra.catalog_table import build_catalog_table
from infra.converse_stream import ConverseStream
from infra.events import EventsEntryPoint, build_event_bus
from infra.http_api import HttpApi
from infra.observability import Observability
from infra.permissions import InvokeModels
from infra.python_function import FunctionBase, shared_code
from infra.request_table import build_request_table, expire_requests
from infra.rest_api import log_role
from infra.settings import DeploymentSettings, SettingsError
from infra.streaming_api import StreamingApi
from infra.usage_table import LedgerTable
from lambdas.contract import METRICS_NAMESPACE, EnvironmentVariable
from llmmanager.bedrock.catalog.catalog_entries import Catalog
from llmmanager.bedrock.catalog.snapshot import load_snapshot


class LlmManagerStack(Stack):
    """LLMManager for Amazon Bedrock: the catalog refresh, batches, events and the HTTP API."""

    def __init__(
        self, scope: Construct, construct_id: str, *, settings: DeploymentSettings, **kwargs: Any
    ) -> None:
        super().__init__(scope, construct_id, stack_name=settings.stack_name, **kwargs)
        _check_partition(self.region, settings)
        table = build_catalog_table(self, settings)
        bucket = build_batch_bucket(self, settings)
        request_table = build_request_table(self, settings)
        key_table = build_key_table(self, settings)
        expire_requests(bucket, settings)
        bus = build_event_bus(self)
        ledger = LedgerTable(self, settings=settings, bucket=bucket, bus=bus)
        # CloudWatch would add up the metrics of two stacks with the same namespace.
        namespace = f"{METRICS_NAMESPACE}/{self.stack_name}"
        base = FunctionBase(
            settings=settings,
            code=shared_code(self),
            environment=_environment(settings, table=table, bucket=bucket, bus=bus, namespace=namespace),
        )
        catalog = Catalog(load_snapshot())
        invoke_models = InvokeModels(
            self, "InvokeModels", models=settings.models, regions=settings.regions, catalog=catalog
        )
        # Ids of constructs are part of the logical ids of resources, so they stay when classes are renamed.
        catalog_refresh = CatalogRefresh(self, "ModelAccess", base=base, table=table)
        batch = BatchProcessing(
            self,
            "Batch",
            base=base,
            bucket=bucket,
            table=table,
            ledger=ledger,
            invoke_models=invoke_models,
            catalog=catalog,
        )
        BatchEnd(
            self,
            "BatchEnd",
            base=base,
            batches=bucket,
            bus=bus,
            machine=batch.state_machine,
            jobs=batch.jobs,
        )
        events_entry_point = EventsEntryPoint(
            self,
            "Events",
            base=base,
            bucket=bucket,
            bus=bus,
            table=table,
            request_table=request_table,
            ledger=ledger,
            batch_machine=batch.state_machine,
            invoke_models=invoke_models,
        )
        http_api = HttpApi(
            self,
            "HttpApi",
            base=base,
            bucket=bucket,
            table=table,
            request_table=request_table,
            ledger=ledger,
            key_table=key_table,
            batch_machine=batch.state_machine,
            request_queue=events_entry_point.request_queue,
            invoke_models=invoke_models,
        )
        ConverseStream(
            self,
            "ConverseStream",
            base=base,
            api=http_api.api,
            bucket=bucket,
            table=table,
            request_table=request_table,
            ledger=ledger,
            invoke_models=invoke_models,
        )
        streaming_api = StreamingApi(
            self,
            "StreamingApi",
            base=base,
            bucket=bucket,
            table=table,
            request_table=request_table,
            ledger=ledger,
            authorizer=KeyAuthorizer(self, "KeyAuthorizer", base=base, table=key_table),
            invoke_models=invoke_models,
            log_role=log_role(http_api.api),
        )
        Observability(
            self,
            "Observability",
            settings=settings,
            namespace=namespace,
            http_api=http_api,
            streaming_api=streaming_api,
            batch=batch,
            dead_letter_queue=events_entry_point.dead_letter_queue,
        )
        for number, warning in enumerate(settings.warnings):
            Annotations.of(self).add_warning_v2(f"llmmanager:settings-{number}", warning)
        self._output("ApiUrl", http_api.url, "Base URL of the HTTP API (requests are signed with SigV4)")
        self._output(
            "StreamingApiUrl",
            streaming_api.url,
            "Base URL of the streaming API for OpenAI's clients, with a key. Anthropic's clients add /v1",
        )
        if http_api.api_key is not None:
            self._output("ApiKeyId", http_api.api_key.key_id, "Id of the first API key")
        self._output("BatchBucketName", bucket.bucket_name, "Bucket for batch files and results")
        self._output("BatchStateMachineArn", batch.state_machine.arn, "State machine that runs a batch")
        self._output(
            "RefreshStateMachineArn",
            catalog_refresh.state_machine.arn,
            "State machine that refreshes the model catalog",
        )
        self._output("TableName", table.table_name, "DynamoDB table of the model catalog")
        self._output("EventBusName", bus.event_bus_name, "Event bus for requests and answers")
        self._add_event_outputs(events_entry_point)

    def _add_event_outputs(self, events_entry_point: EventsEntryPoint) -> None:
        request_queue = events_entry_point.request_queue
        self._output("RequestQueueUrl", request_queue.queue_url, "SQS queue for requests")
        self._output("RequestTopicArn", events_entry_point.topic.topic_arn, "SNS topic for requests")
        self._output(
            "DeadLetterQueueUrl",
            events_entry_point.dead_letter_queue.queue_url,
            "SQS queue of requests that failed permanently",
        )
        self._output(
            "EventsFunctionName",
            events_entry_point.function.function.function_name,
            "Function to invoke with a request",
        )

    def _output(self, name: str, value: str, description: str) -> None:
        CfnOutput(self, name, value=value, description=description)


def _check_partition(region: str, settings: DeploymentSettings) -> None:
    """Raise SettingsError unless all regions are in the partition of the stack's region."""
    partition = None if Token.is_unresolved(region) else RegionInfo.get(region).partition
    if partition is None:
        return
    others = [name for name in settings.regions if RegionInfo.get(name).partition not in (partition, None)]
    if others:
        raise SettingsError(
            "regions",
            ", ".join(others),
            f"all regions must be in the partition of the stack's region {region} ({partition}), because "
            "credentials are valid in one partition only",
        )


def _environment(
    settings: DeploymentSettings,
    *,
    table: dynamodb.ITable,
    bucket: s3.IBucket,
    bus: events.IEventBus,
    namespace: str,
) -> dict[str, str]:
    """Return the environment variables of every function."""
    environment = {
        **settings.environment(),
        EnvironmentVariable.TABLE: table.table_name,
        EnvironmentVariable.BUCKET: bucket.bucket_name,
        EnvironmentVariable.EVENT_BUS: bus.event_bus_name,
        EnvironmentVariable.METRICS_NAMESPACE: namespace,
        "POWERTOOLS_SERVICE_NAME": "llmmanager",
        "POWERTOOLS_LOG_LEVEL": "INFO",
    }
    if settings.bedrock_endpoint_url:
        # botocore prefers these to AWS's endpoints, and to one endpoint set for all services.
        environment["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"] = settings.bedrock_endpoint_url
        environment["AWS_ENDPOINT_URL_BEDROCK"] = settings.bedrock_endpoint_url
        environment["AWS_ENDPOINT_URL_SERVICE_QUOTAS"] = settings.bedrock_endpoint_url
    return environment
