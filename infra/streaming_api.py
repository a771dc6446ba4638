"""The streaming API: a regional REST API for holders of API keys, whose function streams its responses."""

from __future__ import annotations

from aws_cdk import aws_apigateway as apigateway
from constructs import Construct

from infra.api_keys import KeyAuthorizer
from infra.gateway_errors import GATEWAY_ERRORS
from infra.nag import acknowledge
from infra.permissions import allow_counting_tokens
from infra.python_function import FunctionBase
from infra.request_table import allow_idempotency
from infra.rest_api import add_gateway_response, build_rest_api, known_paths
from infra.settings import DeploymentSettings
from infra.shared_resources import SharedResources
from infra.streaming_function import build_integration, build_streaming_function
from lambdas.streaming_api.routes import ROUTES, KeyHeader


class StreamingApi(Construct):
    """The APIs of OpenAI and Anthropic, in front of the configured models."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        base: FunctionBase,
        shared: SharedResources,
        authorizer: KeyAuthorizer,
        log_role: Construct,
    ) -> None:
        """Build the API and its function.

        Args:
            log_role: the resource that sets the account's role with which API Gateway writes logs.
        """
        super().__init__(scope, construct_id)
        self.handler = function = build_streaming_function(
            self, base=base, module="lambdas.streaming_api.handler"
        )
        shared.allow_calling_models(function)
        allow_counting_tokens(function, base.settings.models, base.settings.regions)
        allow_idempotency(function, shared.request_table, shared.bucket)
        shared.ledger.allow_reading(function)
        self.api = self._build_api(base.settings)
        self.api.deployment_stage.node.add_dependency(log_role)
        self._build_routes(authorizer, base.settings)
        # A change of an authorizer takes effect with the next deployment of the API, and the CDK only creates
        # one for other changes.
        deployment = self.api.latest_deployment
        assert deployment is not None
        deployment.add_to_logical_id({"key_cache_seconds": base.settings.key_cache_seconds})
        self._build_gateway_responses(base.settings)

    @property
    def url(self) -> str:
        """The stage's URL without a slash at its end, which is the base URL of clients."""
        return self.api.url_for_path().removesuffix("/")

    def _build_api(self, settings: DeploymentSettings) -> apigateway.RestApi:
        api = build_rest_api(
            self,
            settings=settings,
            description="Amazon Bedrock for clients of OpenAI's and Anthropic's APIs",
            stage_name="v1",
            access_log={
                "keyId": "$context.authorizer.principalId",
                "firstContentMs": "$context.integration.timeToFirstContent",
            },
            sets_log_role=False,
        )
        acknowledge(api, "AwsSolutions-COG4", reason="A Lambda authorizer checks the API key of each request")
        return api

    def _build_routes(self, authorizer: KeyAuthorizer, settings: DeploymentSettings) -> None:
        integration = build_integration(self.handler, streaming=settings.streaming)
        for route in ROUTES:
            self.api.root.resource_for_path(route.path).add_method(
                route.method, integration, authorizer=_authorizer_of(authorizer, route.key)
            )
        for path in (*known_paths(route.path for route in ROUTES), "/{proxy+}"):
            resource = self.api.root.resource_for_path(path)
            # The function answers unknown paths and methods too, in the format of the client.
            resource.add_method("ANY", integration, authorizer=authorizer.either)
            if settings.cors_origins:
                method = resource.add_method("OPTIONS", integration)
                reason = "Browsers send preflight requests without a key. The answer has only headers"
                acknowledge(method, "AwsSolutions-APIG4", "AwsSolutions-COG4", reason=reason)

    def _build_gateway_responses(self, settings: DeploymentSettings) -> None:
        for error in GATEWAY_ERRORS:
            add_gateway_response(
                self.api,
                error.name,
                apigateway.ResponseType.of(error.response_type),
                status=error.status,
                body=error.document,
                headers=error.headers(for_web_pages=bool(settings.cors_origins)),
            )


def _authorizer_of(authorizer: KeyAuthorizer, header: KeyHeader) -> apigateway.IAuthorizer:
    # Only an authorizer that a method uses may exist.
    return authorizer.bearer if header == "bearer" else authorizer.either
