"""What the REST APIs of the stack share: stage, access log, known paths and gateway responses."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from aws_cdk import Stack
from aws_cdk import aws_apigateway as apigateway
from constructs import Construct

from infra.gateway_errors import response_template
from infra.log_group import build_log_group
from infra.nag import acknowledge
from infra.settings import DeploymentSettings

_ACCESS_LOG: Final = {
    "requestId": "$context.requestId",
    "requestTime": "$context.requestTime",
    "sourceIp": "$context.identity.sourceIp",
    "method": "$context.httpMethod",
    "route": "$context.resourcePath",
    "status": "$context.status",
    "responseLength": "$context.responseLength",
    "latencyMs": "$context.responseLatency",
    "error": "$context.error.responseType",
}


def build_rest_api(
    scope: Construct,
    *,
    settings: DeploymentSettings,
    description: str,
    stage_name: str,
    access_log: Mapping[str, str],
    sets_log_role: bool,
) -> apigateway.RestApi:
    """Return a regional REST API with one stage and an access log with a line per request.

    The APIs of a stack have the same name and different stages. So the metrics of the name are those of all
    APIs, for an alarm, and CloudWatch still has the metrics of each stage.

    Args:
        access_log: fields of a log line, besides those of every API.
        sets_log_role: whether the API sets the role of the account with which API Gateway writes logs. A
            stage with logs is rejected without it. One API of the stack sets it.
    """
    api = apigateway.RestApi(
        scope,
        "Api",
        rest_api_name=Stack.of(scope).stack_name,
        description=description,
        endpoint_types=[apigateway.EndpointType.REGIONAL],
        cloud_watch_role=sets_log_role,
        deploy_options=apigateway.StageOptions(
            stage_name=stage_name,
            tracing_enabled=settings.tracing,
            throttling_rate_limit=settings.api_rate_limit,
            throttling_burst_limit=settings.api_burst_limit,
            access_log_destination=apigateway.LogGroupLogDestination(
                build_log_group(scope, "AccessLogs", settings)
            ),
            access_log_format=apigateway.AccessLogFormat.custom(json.dumps({**_ACCESS_LOG, **access_log})),
        ),
    )
    # An output of the stack has the same value.
    api.node.try_remove_child("Endpoint")
    _acknowledge_findings(api)
    if not settings.tracing:
        acknowledge(
            api, "Serverless-APIGWXrayEnabled", reason="The setting tracing is off: traces cost money"
        )
    return api


def log_role(api: apigateway.RestApi) -> Construct:
    """Return the resource that sets the role for logs. The stages of other APIs depend on it."""
    account = api.node.find_child("Account")
    assert isinstance(account, Construct)
    return account


def known_paths(paths: Iterable[str]) -> list[str]:
    """Return the paths and their parents, sorted."""
    known = {"/"}
    for path in paths:
        parts = path.split("/")
        known |= {"/".join(parts[:end]) for end in range(2, len(parts) + 1)}
    return sorted(known)


def add_gateway_response(
    api: apigateway.RestApi,
    name: str,
    response_type: apigateway.ResponseType,
    *,
    body: Mapping[str, Any],
    headers: Mapping[str, str],
    status: int | None = None,
) -> None:
    """Set the format of an error that API Gateway itself returns.

    Args:
        name: id of the construct.
        body: the JSON document. The value "$context.error.message" stands for API Gateway's message.
        headers: names and values.
        status: the HTTP status; None for API Gateway's.
    """
    api.add_gateway_response(
        name,
        type=response_type,
        status_code=None if status is None else str(status),
        # API Gateway uses this template for every Accept header. A header below replaces the content type in
        # its name.
        templates={"application/json": response_template(body)},
        response_headers={header: f"'{value}'" for header, value in headers.items()},
    )


def _acknowledge_findings(api: apigateway.RestApi) -> None:
    acknowledge(
        api,
        "AwsSolutions-APIG2",
        reason="The function validates every field and reports all errors; API Gateway would report one",
    )
    acknowledge(
        api,
        "AwsSolutions-APIG3",
        reason="Requests without valid credentials are denied; a web ACL costs 5 USD a month",
    )
    acknowledge(
        api,
        "AwsSolutions-APIG6",
        reason="The access log has one line per request. API Gateway would keep execution logs forever, in "
        "a log group that the stack cannot delete",
    )
    managed = "arn:<AWS::Partition>:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"
    acknowledge(
        api,
        f"AwsSolutions-IAM4[Policy::{managed}]",
        reason="The role with which API Gateway writes logs requires this policy",
    )
