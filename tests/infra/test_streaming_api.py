"""The streaming API in the template."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lambdas.streaming_api.routes import ROUTES

METHOD = "AWS::ApiGateway::Method"
STREAMED = (
    "arn:aws:apigateway:us-east-1:lambda:path/2021-11-15/functions/<StreamingApiHandlerFunction.Arn>"
    "/response-streaming-invocations"
)
BUFFERED = (
    "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/<StreamingApiHandlerFunction.Arn>"
    "/invocations"
)
AUTHORIZERS = {
    "bearer": "<KeyAuthorizerBearer>",
    "either": "<KeyAuthorizerEither>",
}


def methods(stack: Any) -> dict[str, dict[str, Any]]:
    """Return the methods by their names and paths, such as "POST /chat/completions"."""
    resources = stack.of_api("AWS::ApiGateway::Resource", "StreamingApi")

    def path(reference: str) -> str:
        resource = resources.get(reference.strip("<>"))
        return f"{path(resource['ParentId'])}/{resource['PathPart']}" if resource else ""

    return {
        f"{method['HttpMethod']} {path(method['ResourceId']) or '/'}": method
        for method in stack.of_api(METHOD, "StreamingApi").values()
    }


def gateway_responses(stack: Any) -> dict[str, dict[str, Any]]:
    found = stack.of_api("AWS::ApiGateway::GatewayResponse", "StreamingApi").values()
    return {response["ResponseType"]: response for response in found}


def deployment_id(stack: Any) -> str:
    (name,) = (
        logical_id
        for logical_id, resource in stack.template["Resources"].items()
        if resource["Type"] == "AWS::ApiGateway::Deployment" and logical_id.startswith("StreamingApi")
    )
    return str(name)


def test_every_route_has_the_authorizer_of_its_clients(stack: Any) -> None:
    deployed = methods(stack)
    for route in ROUTES:
        method = deployed[f"{route.method} {route.path}"]
        assert method["AuthorizationType"] == "CUSTOM"
        assert method["AuthorizerId"] == AUTHORIZERS[route.key]


def test_unknown_paths_and_methods_reach_the_function_with_a_key_only(stack: Any) -> None:
    deployed = methods(stack)
    paths = {name.partition(" ")[2] for name in deployed}
    assert {"/", "/{proxy+}", "/chat", "/chat/completions", "/models/{model}"} <= paths
    for path in paths:
        assert deployed[f"ANY {path}"]["AuthorizerId"] == AUTHORIZERS["either"]


def test_only_preflight_requests_need_no_key(stack: Any) -> None:
    deployed = methods(stack)
    without = {name for name, method in deployed.items() if method["AuthorizationType"] == "NONE"}
    assert without == {f"OPTIONS {name.partition(' ')[2]}" for name in deployed}


def test_every_response_is_streamed_for_up_to_15_minutes(stack: Any) -> None:
    for method in methods(stack).values():
        assert method["Integration"] == {
            "IntegrationHttpMethod": "POST",
            "ResponseTransferMode": "STREAM",
            "TimeoutInMillis": 900_000,
            "Type": "AWS_PROXY",
            "Uri": STREAMED,
        }
    function = stack.of_type("AWS::Lambda::Function")["StreamingApiHandlerFunction"]
    variables = function["Environment"]["Variables"]
    assert (function["Handler"], function["Timeout"]) == ("lambdas.streaming_api.handler.handler", 900)
    assert variables["AWS_LAMBDA_EXEC_WRAPPER"] == "/var/task/lambdas/streaming_wrapper"


def test_without_streaming_the_same_routes_use_the_standard_runtime(stack: Any, varied: Any) -> None:
    assert methods(varied).keys() == methods(stack).keys()
    for name, method in methods(varied).items():
        if not name.startswith("OPTIONS "):
            assert method["Integration"] == {
                "IntegrationHttpMethod": "POST",
                "Type": "AWS_PROXY",
                "Uri": BUFFERED,
            }
    function = varied.of_type("AWS::Lambda::Function")["StreamingApiHandlerFunction"]
    assert (function["Handler"], function["Timeout"]) == (
        "lambdas.streaming_api.handler.buffered_handler",
        29,
    )
    assert "AWS_LAMBDA_EXEC_WRAPPER" not in function["Environment"]["Variables"]


@pytest.mark.parametrize("changed", [{"streaming": False}, {"key_cache_seconds": 60}, {"cors_origins": ""}])
def test_a_change_of_a_setting_deploys_the_api(changed: Any, stack: Any, synthesise: Any) -> None:
    """The CDK gives a stage its new methods and authorizers only with a new deployment."""
    assert deployment_id(synthesise(**changed)) != deployment_id(stack)


def test_api_gateway_may_invoke_the_function_for_this_api_only(stack: Any) -> None:
    permissions = stack.of_type("AWS::Lambda::Permission").values()
    assert [p for p in permissions if p["FunctionName"] == "<StreamingApiHandlerFunction.Arn>"] == [
        {
            "Action": "lambda:InvokeFunction",
            "FunctionName": "<StreamingApiHandlerFunction.Arn>",
            "Principal": "apigateway.amazonaws.com",
            "SourceArn": "arn:aws:execute-api:us-east-1:123456789012:<StreamingApi>/*/*/*",
        }
    ]


def test_the_stage_is_a_part_of_the_base_url_and_throttles(stack: Any) -> None:
    (stage,) = stack.of_api("AWS::ApiGateway::Stage", "StreamingApi").values()
    assert stage["StageName"] == "v1"
    (settings,) = stage["MethodSettings"]
    assert (settings["ThrottlingRateLimit"], settings["ThrottlingBurstLimit"]) == (100, 200)


def test_the_access_log_has_the_id_of_the_key_and_the_time_of_the_first_content(stack: Any) -> None:
    (stage,) = stack.of_api("AWS::ApiGateway::Stage", "StreamingApi").values()
    log = stage["AccessLogSetting"]
    assert log["DestinationArn"] == "arn:aws:logs:us-east-1:123456789012:log-group:<StreamingApiAccessLogs>"
    fields = json.loads(log["Format"])
    assert fields["keyId"] == "$context.authorizer.principalId"
    assert fields["firstContentMs"] == "$context.integration.timeToFirstContent"
    assert "$context.identity.userArn" not in fields.values()


# API Gateway's errors: `error.type` of Anthropic's API, `error.code` of OpenAI's API, and the status if it is
# not API Gateway's.
ERRORS = {
    "DEFAULT_4XX": ("invalid_request_error", "bad_request", None),
    "DEFAULT_5XX": ("api_error", "internal_error", None),
    "UNAUTHORIZED": ("authentication_error", "invalid_api_key", None),
    "ACCESS_DENIED": ("permission_error", "permission_denied", None),
    "REQUEST_TOO_LARGE": ("request_too_large", "request_too_large", None),
    "THROTTLED": ("rate_limit_error", "rate_limit_exceeded", None),
    "AUTHORIZER_FAILURE": ("api_error", "service_unavailable", "503"),
    "AUTHORIZER_CONFIGURATION_ERROR": ("api_error", "service_unavailable", "503"),
    "INTEGRATION_FAILURE": ("overloaded_error", "service_unavailable", "503"),
    "INTEGRATION_TIMEOUT": ("timeout_error", "timeout", None),
}


def test_errors_of_api_gateway_are_in_a_format_that_the_clients_of_both_apis_read(stack: Any) -> None:
    responses = gateway_responses(stack)
    assert responses.keys() == ERRORS.keys()
    for name, (error_type, code, status) in ERRORS.items():
        response = responses[name]
        assert response.get("StatusCode") == status
        body = response["ResponseTemplates"]["application/json"]
        # API Gateway inserts the message as a JSON string, with its quotes.
        document = json.loads(body.replace("$context.error.messageString", '"Too Many Requests"'))
        assert document.keys() == {"type", "error", "request_id"}
        assert (document["type"], document["request_id"]) == ("error", "$context.requestId")
        error = document["error"]
        assert error.pop("message")
        assert error == {"type": error_type, "code": code, "param": None}
        headers = response["ResponseParameters"]
        assert headers["gatewayresponse.header.Content-Type"] == "'application/json'"


def test_errors_after_which_a_retry_helps_say_when(stack: Any) -> None:
    retried = {
        name: response["ResponseParameters"]["gatewayresponse.header.Retry-After"]
        for name, response in gateway_responses(stack).items()
        if "gatewayresponse.header.Retry-After" in response["ResponseParameters"]
    }
    assert retried == {
        "THROTTLED": "'1'",
        "AUTHORIZER_FAILURE": "'2'",
        "AUTHORIZER_CONFIGURATION_ERROR": "'2'",
        "INTEGRATION_FAILURE": "'2'",
    }


def test_errors_of_api_gateway_can_be_read_by_all_web_pages(stack: Any, varied: Any) -> None:
    for deployed in (stack, varied):
        for response in gateway_responses(deployed).values():
            origin = response["ResponseParameters"]["gatewayresponse.header.Access-Control-Allow-Origin"]
            assert origin == "'*'"


def test_without_origins_no_web_page_can_call_the_api(synthesise: Any) -> None:
    stack = synthesise(cors_origins="")
    assert not any(name.startswith("OPTIONS ") for name in methods(stack))
    for response in gateway_responses(stack).values():
        assert not any("Access-Control" in name for name in response["ResponseParameters"])
