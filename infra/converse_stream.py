"""POST /v1/converse-stream of the HTTP API: a function of its own, because it streams its responses."""

from __future__ import annotations

from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.catalog_table import allow_calling_by_catalog
from infra.input_files import allow_input_files
from infra.permissions import InvokeModels
from infra.python_function import FunctionBase
from infra.request_table import allow_idempotency
from infra.streaming_function import build_integration, build_streaming_function
from infra.usage_table import LedgerTable
from lambdas.http_api.routes import CONVERSE_STREAM


class ConverseStream(Construct):
    """Streamed answers for callers that sign their requests."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        base: FunctionBase,
        api: apigateway.RestApi,
        bucket: s3.IBucket,
        table: dynamodb.ITable,
        request_table: dynamodb.ITable,
        ledger: LedgerTable,
        invoke_models: InvokeModels,
    ) -> None:
        super().__init__(scope, construct_id)
        settings = base.settings
        function = build_streaming_function(self, base=base, module="lambdas.converse_stream.handler")
        invoke_models.grant(function.role)
        allow_calling_by_catalog(function, table)
        allow_idempotency(function, request_table, bucket)
        ledger.allow_counting(function)
        allow_input_files(function, bucket, settings)
        integration = build_integration(function, streaming=settings.streaming)
        # The function answers other methods too, with 405.
        for method in (CONVERSE_STREAM.method, "ANY"):
            api.root.resource_for_path(CONVERSE_STREAM.path).add_method(
                method,
                integration,
                authorization_type=apigateway.AuthorizationType.IAM,
                api_key_required=settings.api_auth == "api_key",
            )
