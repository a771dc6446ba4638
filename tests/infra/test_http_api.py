"""The HTTP API as API Gateway is told to make it."""

from __future__ import annotations

import json
from typing import Any

ROUTES = {
    "POST /v1/converse",
    "POST /v1/batches",
    "GET /v1/batches/{batchId}",
    "GET /v1/models",
    "ANY /{proxy+}",
}


def paths(stack: Any) -> dict[str, str]:
    """Path by reference of a resource."""
    resources = stack.of_type("AWS::ApiGateway::Resource")

    def path(reference: str) -> str:
        resource = resources.get(reference.strip("<>"))
        return f"{path(resource['ParentId'])}/{resource['PathPart']}" if resource else ""

    return {f"<{name}>": path(f"<{name}>") for name in resources}


def test_these_are_all_routes(stack: Any) -> None:
    known = paths(stack)
    methods = stack.of_type("AWS::ApiGateway::Method").values()
    assert {f"{method['HttpMethod']} {known[method['ResourceId']]}" for method in methods} == ROUTES


def test_every_method_takes_signed_requests_only(stack: Any) -> None:
    for name, method in stack.of_type("AWS::ApiGateway::Method").items():
        assert method["AuthorizationType"] == "AWS_IAM", name


def test_every_method_is_answered_by_the_one_function(stack: Any) -> None:
    for method in stack.of_type("AWS::ApiGateway::Method").values():
        assert method["Integration"]["Type"] == "AWS_PROXY"
        assert "<HttpApiHandlerFunction.Arn>" in method["Integration"]["Uri"]


def test_api_gateway_may_invoke_the_function_for_this_api_only(stack: Any) -> None:
    (permission,) = stack.of_type("AWS::Lambda::Permission").values()
    assert permission == {
        "Action": "lambda:InvokeFunction",
        "FunctionName": "<HttpApiHandlerFunction.Arn>",
        "Principal": "apigateway.amazonaws.com",
        "SourceArn": "arn:aws:execute-api:us-east-1:123456789012:<HttpApi>/*/*/*",
    }


def test_the_api_is_regional_and_speaks_text(stack: Any) -> None:
    (api,) = stack.of_type("AWS::ApiGateway::RestApi").values()
    assert api["EndpointConfiguration"] == {"Types": ["REGIONAL"]}
    assert "BinaryMediaTypes" not in api


def test_the_stage_throttles_and_logs_who_asked_for_what(stack: Any) -> None:
    (stage,) = stack.of_type("AWS::ApiGateway::Stage").values()
    assert stage["StageName"] == "prod"
    assert stage["MethodSettings"] == [
        {
            "DataTraceEnabled": False,
            "HttpMethod": "*",
            "ResourcePath": "/*",
            "ThrottlingBurstLimit": 200,
            "ThrottlingRateLimit": 100,
        }
    ]
    log = stage["AccessLogSetting"]
    assert log["DestinationArn"] == "arn:aws:logs:us-east-1:123456789012:log-group:<HttpApiAccessLogs>"
    assert json.loads(log["Format"])["caller"] == "$context.identity.userArn"


def test_the_stage_waits_for_the_role_that_lets_it_log(stack: Any) -> None:
    (stage,) = (r for r in stack.resources.values() if r["Type"] == "AWS::ApiGateway::Stage")
    (account,) = stack.of_type("AWS::ApiGateway::Account").values()
    assert account == {"CloudWatchRoleArn": "<HttpApiCloudWatchRole.Arn>"}
    assert [name.startswith("HttpApiAccount") for name in stage["DependsOn"]] == [True]


def test_errors_of_the_gateway_look_like_those_of_the_function(stack: Any) -> None:
    responses = {r["ResponseType"]: r for r in stack.of_type("AWS::ApiGateway::GatewayResponse").values()}
    assert set(responses) == {"DEFAULT_4XX", "DEFAULT_5XX", "MISSING_AUTHENTICATION_TOKEN", "THROTTLED"}
    for response in responses.values():
        headers = response["ResponseParameters"]
        assert headers["gatewayresponse.header.Content-Type"] == "'application/problem+json'"
        body = response["ResponseTemplates"]["application/json"]
        # API Gateway puts in the message as a JSON string, quotes included.
        problem = json.loads(body.replace("$context.error.messageString", '"Too Many Requests"'))
        assert set(problem) == {"type", "title", "detail", "requestId"}
        assert problem["type"] == "urn:llmmanager:problem:gateway"
    assert responses["THROTTLED"]["ResponseParameters"]["gatewayresponse.header.Retry-After"] == "'1'"


def test_a_change_of_the_errors_is_deployed(stack: Any) -> None:
    (deployment,) = (r for r in stack.resources.values() if r["Type"] == "AWS::ApiGateway::Deployment")
    depends_on = " ".join(deployment["DependsOn"])
    for response in stack.of_type("AWS::ApiGateway::GatewayResponse"):
        assert response in depends_on
