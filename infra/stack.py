"""The CDK stack: it only composes the constructs of this package."""

from __future__ import annotations

from typing import Any

from aws_cdk import Annotations, CfnOutput, Stack, Token
from aws_cdk.region_info import RegionInfo
from constructs import Construct

from infra.api_keys import KeyAuthorizer
from infra.batch import BatchProcessing
from infra.batch_end import BatchEnd
from infra.catalog_refresh import CatalogRefresh
from infra.converse_stream import ConverseStream
from infra.events import EventsEntryPoint
from infra.http_api import HttpApi
from infra.observability import Observability
from infra.python_function import FunctionBase, shared_code
from infra.rest_api import log_role
from infra.settings import DeploymentSettings, SettingsError
from infra.shared_resources import SharedResources, build_shared_resources
from infra.streaming_api import StreamingApi
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
        catalog = Catalog(load_snapshot())
        shared = build_shared_resources(self, settings, catalog=catalog)
        # CloudWatch would add up the metrics of two stacks with the same namespace.
        namespace = f"{METRICS_NAMESPACE}/{self.stack_name}"
        base = FunctionBase(
            settings=settings,
            code=shared_code(self),
            environment=_environment(settings, shared, namespace=namespace),
        )
        # Ids of constructs are part of the logical ids of resources, so they stay when classes are renamed.
        catalog_refresh = CatalogRefresh(self, "ModelAccess", base=base, table=shared.catalog_table)
        batch = BatchProcessing(self, "Batch", base=base, shared=shared, catalog=catalog)
        BatchEnd(self, "BatchEnd", base=base, shared=shared, machine=batch.state_machine, jobs=batch.jobs)
        events_entry_point = EventsEntryPoint(
            self, "Events", base=base, shared=shared, batch_machine=batch.state_machine
        )
        http_api = HttpApi(
            self,
            "HttpApi",
            base=base,
            shared=shared,
            batch_machine=batch.state_machine,
            request_queue=events_entry_point.request_queue,
        )
        ConverseStream(self, "ConverseStream", base=base, shared=shared, api=http_api.api)
        streaming_api = StreamingApi(
            self,
            "StreamingApi",
            base=base,
            shared=shared,
            authorizer=KeyAuthorizer(self, "KeyAuthorizer", base=base, table=shared.key_table),
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
        self._add_api_outputs(http_api, streaming_api)
        self._output("BatchStateMachineArn", batch.state_machine.arn, "State machine that runs a batch")
        self._output(
            "RefreshStateMachineArn",
            catalog_refresh.state_machine.arn,
            "State machine that refreshes the model catalog",
        )
        self._add_shared_outputs(shared)
        self._add_event_outputs(events_entry_point)

    def _add_api_outputs(self, http_api: HttpApi, streaming_api: StreamingApi) -> None:
        self._output("ApiUrl", http_api.url, "Base URL of the HTTP API (requests are signed with SigV4)")
        self._output(
            "StreamingApiUrl",
            streaming_api.url,
            "Base URL of the streaming API for OpenAI's clients, with a key. Anthropic's clients add /v1",
        )
        if http_api.api_key is not None:
            self._output("ApiKeyId", http_api.api_key.key_id, "Id of the first API key")

    def _add_shared_outputs(self, shared: SharedResources) -> None:
        self._output("BatchBucketName", shared.bucket.bucket_name, "Bucket for batch files and results")
        self._output("TableName", shared.catalog_table.table_name, "DynamoDB table of the model catalog")
        self._output("EventBusName", shared.bus.event_bus_name, "Event bus for requests and answers")

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


def _environment(settings: DeploymentSettings, shared: SharedResources, *, namespace: str) -> dict[str, str]:
    """Return the environment variables of every function."""
    environment = {
        **settings.environment(),
        EnvironmentVariable.TABLE: shared.catalog_table.table_name,
        EnvironmentVariable.BUCKET: shared.bucket.bucket_name,
        EnvironmentVariable.EVENT_BUS: shared.bus.event_bus_name,
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
