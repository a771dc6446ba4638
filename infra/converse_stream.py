"""POST /v1/converse-stream of the HTTP API: a function of its own, because it streams its responses."""

from __future__ import annotations

from aws_cdk import aws_apigateway as apigateway
from constructs import Construct

from infra.input_files import allow_input_files
from infra.python_function import FunctionBase
from infra.request_table import allow_idempotency
from infra.shared_resources import SharedResources
from infra.streaming_function import build_integration, build_streaming_function
from lambdas.http_api.routes import CONVERSE_STREAM


class ConverseStream(Construct):
    """Streamed answers for callers that sign their requests."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        base: FunctionBase,
        shared: SharedResources,
        api: apigateway.RestApi,
    ) -> None:
        super().__init__(scope, construct_id)
        settings = base.settings
        function = build_streaming_function(self, base=base, module="lambdas.converse_stream.handler")
        shared.allow_calling_models(function)
        allow_idempotency(function, shared.request_table, shared.bucket)
        allow_input_files(function, shared.bucket, settings)
        integration = build_integration(function, streaming=settings.streaming)
        # The function answers other methods too, with 405.
        for method in (CONVERSE_STREAM.method, "ANY"):
            api.root.resource_for_path(CONVERSE_STREAM.path).add_method(
                method,
                integration,
                authorization_type=apigateway.AuthorizationType.IAM,
                api_key_required=settings.api_auth == "api_key",
            )
