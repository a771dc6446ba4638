"""The HTTP API: a regional REST API with IAM authorization on every method, served by one function.

With the setting `api_auth: "api_key"`, a signed request must also carry an API key of a usage plan.
"""

from __future__ import annotations

from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.api_keys import allow_managing_keys
from infra.bucket import allow_listing
from infra.events import REQUEST_LOST_SECONDS
from infra.input_files import allow_input_files
from infra.nag import acknowledge
from infra.python_function import FunctionBase, PythonFunction
from infra.request_table import allow_idempotency
from infra.rest_api import add_gateway_response, build_rest_api, known_paths
from infra.settings import DeploymentSettings
from infra.shared_resources import SharedResources
from infra.state_machine import StateMachine
from lambdas.contract import (
    GATEWAY_SECONDS,
    PROBLEM_CONTENT_TYPE,
    PROBLEM_TYPE_PREFIX,
    BatchObject,
    BucketPrefix,
    EnvironmentVariable,
)
from lambdas.http_api.routes import ROUTES


class HttpApi(Construct):
    """Single requests, batches and models over HTTP."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        base: FunctionBase,
        shared: SharedResources,
        batch_machine: StateMachine,
        request_queue: sqs.IQueue,
    ) -> None:
        super().__init__(scope, construct_id)
        self.handler = function = self._build_function(base, batch_machine, request_queue)
        shared.allow_calling_models(function)
        self._allow_batches(function, shared.bucket, batch_machine)
        allow_idempotency(function, shared.request_table, shared.bucket)
        shared.ledger.allow_reading(function)
        shared.ledger.allow_managing_budgets(function)
        allow_managing_keys(function, shared.key_table)
        function.allow("sqs:SendMessage", resources=[request_queue.queue_arn])
        allow_input_files(function, shared.bucket, base.settings)
        self.api = self._build_api(base.settings)
        self._build_routes(function, key_required=base.settings.api_auth == "api_key")
        self.api_key = self._build_usage_plan(base.settings) if base.settings.api_auth == "api_key" else None
        self._build_gateway_responses()

    @property
    def url(self) -> str:
        """The stage's URL, with a trailing slash."""
        return self.api.url

    def _build_function(
        self, base: FunctionBase, batch_machine: StateMachine, request_queue: sqs.IQueue
    ) -> PythonFunction:
        return PythonFunction(
            self,
            "Handler",
            base=base,
            handler="lambdas.http_api.handler.handler",
            timeout_seconds=GATEWAY_SECONDS,
            memory_mb=1024,
            reserved_concurrency=base.settings.http_concurrency,
            environment={
                EnvironmentVariable.BATCH_STATE_MACHINE_ARN: batch_machine.arn,
                EnvironmentVariable.REQUEST_QUEUE_URL: request_queue.queue_url,
                EnvironmentVariable.REQUEST_LOST_SECONDS: str(REQUEST_LOST_SECONDS),
            },
        )

    def _allow_batches(self, function: PythonFunction, bucket: s3.IBucket, machine: StateMachine) -> None:
        """Let the function start, stop and describe batches, without access to prompts and answers."""
        function.allow("states:StartExecution", "states:ListExecutions", resources=[machine.arn])
        function.allow(
            "states:DescribeExecution",
            "states:StopExecution",
            resources=[machine.executions_arn],
            reason="Each batch has its own executions",
        )
        submitted = bucket.arn_for_objects(f"{BucketPrefix.BATCHES}*/{BatchObject.INPUT}")
        function.allow(
            "s3:PutObject",
            "s3:AbortMultipartUpload",
            resources=[submitted],
            reason="Each batch has its own file",
        )
        read = (
            BatchObject.MANIFEST,
            BatchObject.SUMMARY,
            BatchObject.LANES,
            f"{BatchObject.JOBS}*.json",
            f"{BatchObject.RUNS}*.json",
            f"{BatchObject.WAITING_SHARDS}*",
        )
        function.allow(
            "s3:GetObject",
            resources=[bucket.arn_for_objects(f"{BucketPrefix.BATCHES}*/{name}") for name in read],
            reason="Each batch has one file of each name",
        )
        allow_listing(function, bucket)

    def _build_api(self, settings: DeploymentSettings) -> apigateway.RestApi:
        api = build_rest_api(
            self,
            settings=settings,
            description="Amazon Bedrock across models and regions",
            stage_name="prod",
            access_log={"caller": "$context.identity.userArn"},
            sets_log_role=True,
        )
        acknowledge(
            api, "AwsSolutions-COG4", reason="Every method requires a request signed by an IAM user or role"
        )
        return api

    def _build_routes(self, function: PythonFunction, *, key_required: bool) -> None:
        integration = apigateway.LambdaIntegration(function.function, scope_permission_to_method=False)
        # Unknown paths and methods reach the function too, which answers 404 or 405. API Gateway itself would
        # report a missing authentication token.
        routes = [(route.method, route.path) for route in ROUTES]
        unknown_methods = [("ANY", path) for path in known_paths(route.path for route in ROUTES)]
        for method, path in (*routes, *unknown_methods, ("ANY", "/{proxy+}")):
            self.api.root.resource_for_path(path).add_method(
                method,
                integration,
                authorization_type=apigateway.AuthorizationType.IAM,
                api_key_required=key_required,
            )

    def _build_usage_plan(self, settings: DeploymentSettings) -> apigateway.IApiKey:
        """Add the usage plan of all API keys, and return the first key.

        The key limits how much a caller may send. The signature authenticates the caller.
        """
        plan = self.api.add_usage_plan(
            "UsagePlan",
            description="Rate, burst and daily quota of each API key",
            throttle=apigateway.ThrottleSettings(
                rate_limit=settings.api_rate_limit, burst_limit=settings.api_burst_limit
            ),
            quota=apigateway.QuotaSettings(limit=settings.api_daily_quota, period=apigateway.Period.DAY),
        )
        plan.add_api_stage(stage=self.api.deployment_stage)
        key = self.api.add_api_key("Key", description="The first key")
        plan.add_api_key(key)
        return key

    def _build_gateway_responses(self) -> None:
        """Give API Gateway's own errors the format of the function's errors."""
        self._add_gateway_response("Default4xx", apigateway.ResponseType.DEFAULT_4_XX)
        self._add_gateway_response("Default5xx", apigateway.ResponseType.DEFAULT_5_XX)
        self._add_gateway_response(
            "NotSigned",
            apigateway.ResponseType.MISSING_AUTHENTICATION_TOKEN,
            detail="The request is not signed with AWS Signature Version 4.",
        )
        self._add_gateway_response(
            "Throttled", apigateway.ResponseType.THROTTLED, headers={"Retry-After": "1"}
        )
        # Lambda has no free concurrency for the function. By default, the caller gets a bare 500 or 504.
        self._add_gateway_response(
            "NotRun",
            apigateway.ResponseType.INTEGRATION_FAILURE,
            status=503,
            detail="The API is at its concurrency limit, and the request was not started. Retry later.",
            headers={"Retry-After": "2"},
        )

    def _add_gateway_response(
        self,
        name: str,
        response_type: apigateway.ResponseType,
        *,
        status: int | None = None,
        detail: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        body = {
            "type": f"{PROBLEM_TYPE_PREFIX}gateway",
            "title": "$context.error.responseType",
            "detail": detail or "$context.error.message",
            "requestId": "$context.requestId",
        }
        add_gateway_response(
            self.api,
            name,
            response_type,
            status=status,
            body=body,
            headers={"Content-Type": PROBLEM_CONTENT_TYPE, **(headers or {})},
        )
