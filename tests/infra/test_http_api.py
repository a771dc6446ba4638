"""The HTTP API in the template."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "openapi.json"

ROUTES = {
    "POST /v1/converse",
    "POST /v1/validate",
    "GET /v1/requests/{requestId}",
    "GET /v1/batches",
    "POST /v1/batches",
    "GET /v1/batches/{batchId}",
    "POST /v1/batches/{batchId}/stop",
    "POST /v1/batches/{batchId}/resume",
    "GET /v1/models",
    "GET /v1/models/{name}/access",
    "GET /v1/keys",
    "POST /v1/keys",
    "GET /v1/keys/{keyId}",
    "DELETE /v1/keys/{keyId}",
    "GET /v1/usage",
    "GET /v1/budgets",
    "GET /v1/budgets/{scope}/{name}",
    "PUT /v1/budgets/{scope}/{name}",
    "DELETE /v1/budgets/{scope}/{name}",
    "GET /v1/health",
}
STREAMED = {"POST /v1/converse-stream", "ANY /v1/converse-stream"}
# Methods for unknown routes, which the function answers too.
OTHERS = {
    "ANY ",
    "ANY /v1",
    "ANY /v1/requests",
    "ANY /v1/models/{name}",
    "ANY /v1/budgets/{scope}",
    "ANY /{proxy+}",
    *(f"ANY {route.partition(' ')[2]}" for route in ROUTES),
}


def paths(stack: Any) -> dict[str, str]:
    """Return the path of each resource, by its reference."""
    resources = stack.of_type("AWS::ApiGateway::Resource")

    def path(reference: str) -> str:
        resource = resources.get(reference.strip("<>"))
        return f"{path(resource['ParentId'])}/{resource['PathPart']}" if resource else ""

    return {f"<{name}>": path(f"<{name}>") for name in resources}


def gateway_responses(stack: Any) -> dict[str, dict[str, Any]]:
    found = stack.of_api("AWS::ApiGateway::GatewayResponse", "HttpApi").values()
    return {response["ResponseType"]: response for response in found}


def test_the_api_has_exactly_these_routes(stack: Any) -> None:
    known = paths(stack)
    methods = stack.of_api("AWS::ApiGateway::Method", "HttpApi").values()
    assert {
        f"{method['HttpMethod']} {known.get(method['ResourceId'], '')}" for method in methods
    } == ROUTES | OTHERS | STREAMED


def test_every_method_requires_a_signed_request(stack: Any) -> None:
    for name, method in stack.of_api("AWS::ApiGateway::Method", "HttpApi").items():
        assert method["AuthorizationType"] == "AWS_IAM", name


def test_no_method_requires_an_api_key_by_default(stack: Any) -> None:
    assert not any(m["ApiKeyRequired"] for m in stack.of_api("AWS::ApiGateway::Method", "HttpApi").values())
    assert stack.of_type("AWS::ApiGateway::UsagePlan") == stack.of_type("AWS::ApiGateway::ApiKey") == {}


def test_with_api_keys_every_method_requires_a_key_and_a_signature(varied: Any) -> None:
    for method in varied.of_api("AWS::ApiGateway::Method", "HttpApi").values():
        assert (method["AuthorizationType"], method["ApiKeyRequired"]) == ("AWS_IAM", True)


def test_api_keys_have_a_usage_plan_with_throttle_and_quota(varied: Any) -> None:
    (plan,) = varied.of_type("AWS::ApiGateway::UsagePlan").values()
    (stage,) = plan["ApiStages"]
    assert stage["Stage"].startswith("<HttpApiDeploymentStageprod")
    assert plan["Throttle"] == {"RateLimit": 5, "BurstLimit": 10}
    assert plan["Quota"] == {"Limit": 1000, "Period": "DAY"}
    (key,) = varied.of_type("AWS::ApiGateway::UsagePlanKey").values()
    assert key["KeyType"] == "API_KEY"


def test_an_output_has_the_id_of_the_api_key_but_not_its_value(stack: Any, varied: Any) -> None:
    (key,) = varied.of_type("AWS::ApiGateway::ApiKey")
    assert varied.outputs["ApiKeyId"] == f"<{key}>"
    assert "Value" not in varied.of_type("AWS::ApiGateway::ApiKey")[key]
    assert "ApiKeyId" not in stack.outputs


def test_a_request_counts_as_lost_after_its_message_and_its_function_have_expired(stack: Any) -> None:
    functions = stack.of_type("AWS::Lambda::Function")
    queue = stack.of_type("AWS::SQS::Queue")["EventsRequestQueue"]
    variables = functions["HttpApiHandlerFunction"]["Environment"]["Variables"]
    oldest = queue["MessageRetentionPeriod"] + functions["EventsHandlerFunction"]["Timeout"]
    assert int(variables["LLMMANAGER_REQUEST_LOST_SECONDS"]) == oldest


def test_one_function_answers_every_method_that_does_not_stream(stack: Any) -> None:
    known = paths(stack)
    for method in stack.of_api("AWS::ApiGateway::Method", "HttpApi").values():
        if known.get(method["ResourceId"]) != "/v1/converse-stream":
            assert method["Integration"]["Type"] == "AWS_PROXY"
            assert "ResponseTransferMode" not in method["Integration"]
            assert "<HttpApiHandlerFunction.Arn>" in method["Integration"]["Uri"]


def test_another_function_streams_for_up_to_15_minutes(stack: Any) -> None:
    known = paths(stack)
    streamed = [
        method["Integration"]
        for method in stack.of_api("AWS::ApiGateway::Method", "HttpApi").values()
        if known.get(method["ResourceId"]) == "/v1/converse-stream"
    ]
    assert streamed == 2 * [
        {
            "IntegrationHttpMethod": "POST",
            "ResponseTransferMode": "STREAM",
            "TimeoutInMillis": 900_000,
            "Type": "AWS_PROXY",
            "Uri": "arn:aws:apigateway:us-east-1:lambda:path/2021-11-15/functions"
            "/<ConverseStreamHandlerFunction.Arn>/response-streaming-invocations",
        }
    ]


def test_api_gateway_may_invoke_the_function_for_this_api_only(stack: Any) -> None:
    permissions = stack.of_type("AWS::Lambda::Permission").values()
    assert [p for p in permissions if p["FunctionName"] == "<HttpApiHandlerFunction.Arn>"] == [
        {
            "Action": "lambda:InvokeFunction",
            "FunctionName": "<HttpApiHandlerFunction.Arn>",
            "Principal": "apigateway.amazonaws.com",
            "SourceArn": "arn:aws:execute-api:us-east-1:123456789012:<HttpApi>/*/*/*",
        }
    ]


def test_the_api_is_regional_and_has_no_binary_media_types(stack: Any) -> None:
    api = stack.of_type("AWS::ApiGateway::RestApi")["HttpApi"]
    assert api["EndpointConfiguration"] == {"Types": ["REGIONAL"]}
    assert "BinaryMediaTypes" not in api


def test_the_stage_throttles_and_logs_the_caller_of_each_request(stack: Any) -> None:
    (stage,) = stack.of_api("AWS::ApiGateway::Stage", "HttpApi").values()
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


def test_both_stages_depend_on_the_role_that_writes_their_logs(stack: Any) -> None:
    stages = [r for r in stack.resources.values() if r["Type"] == "AWS::ApiGateway::Stage"]
    (account,) = stack.of_type("AWS::ApiGateway::Account").values()
    assert account == {"CloudWatchRoleArn": "<HttpApiCloudWatchRole.Arn>"}
    assert len(stages) == 2
    for stage in stages:
        assert [name.startswith("HttpApiAccount") for name in stage["DependsOn"]] == [True]


def test_errors_of_api_gateway_have_the_format_of_the_functions_errors(stack: Any) -> None:
    responses = {
        r["ResponseType"]: r for r in stack.of_api("AWS::ApiGateway::GatewayResponse", "HttpApi").values()
    }
    assert set(responses) == {
        "DEFAULT_4XX",
        "DEFAULT_5XX",
        "INTEGRATION_FAILURE",
        "MISSING_AUTHENTICATION_TOKEN",
        "THROTTLED",
    }
    for response in responses.values():
        headers = response["ResponseParameters"]
        assert headers["gatewayresponse.header.Content-Type"] == "'application/problem+json'"
        body = response["ResponseTemplates"]["application/json"]
        # API Gateway inserts the message as a JSON string, with its quotes.
        problem = json.loads(body.replace("$context.error.messageString", '"Too Many Requests"'))
        assert set(problem) == {"type", "title", "detail", "requestId"}
        assert problem["type"] == "urn:llmmanager:problem:gateway"
    assert responses["THROTTLED"]["ResponseParameters"]["gatewayresponse.header.Retry-After"] == "'1'"


def test_a_request_above_the_concurrency_limit_is_answered_with_retry_after(stack: Any) -> None:
    responses = {
        r["ResponseType"]: r for r in stack.of_api("AWS::ApiGateway::GatewayResponse", "HttpApi").values()
    }
    not_run = responses["INTEGRATION_FAILURE"]
    assert not_run["StatusCode"] == "503"
    assert not_run["ResponseParameters"]["gatewayresponse.header.Retry-After"] == "'2'"
    assert [name for name, r in responses.items() if "StatusCode" in r] == ["INTEGRATION_FAILURE"]


def test_a_change_of_the_gateway_responses_is_deployed(stack: Any) -> None:
    deployments = [r for r in stack.resources.values() if r["Type"] == "AWS::ApiGateway::Deployment"]
    depends_on = " ".join(name for deployment in deployments for name in deployment["DependsOn"])
    for response in stack.of_type("AWS::ApiGateway::GatewayResponse"):
        assert response in depends_on


def test_the_openapi_document_has_exactly_the_deployed_routes(stack: Any) -> None:
    documented = {
        f"{method.upper()} {path}"
        for path, operations in json.loads(DOCUMENT.read_text())["paths"].items()
        for method in operations
    }
    assert documented == ROUTES | {"POST /v1/converse-stream"}


def test_the_openapi_document_requires_the_deployed_signature(stack: Any) -> None:
    document = json.loads(DOCUMENT.read_text())
    (requirement,) = document["security"]
    schemes = document["components"]["securitySchemes"]
    assert {schemes[name]["x-amazon-apigateway-authtype"] for name in requirement} == {"awsSigv4"}
    assert not any("security" in op for path in document["paths"].values() for op in path.values())


def test_the_openapi_document_requires_the_deployed_path_parameters(stack: Any) -> None:
    document = json.loads(DOCUMENT.read_text())
    shared = document["components"]["parameters"]
    for path, operations in document["paths"].items():
        for operation in operations.values():
            named = [
                shared[parameter["$ref"].rpartition("/")[2]] if "$ref" in parameter else parameter
                for parameter in operation.get("parameters", ())
            ]
            in_path = {parameter["name"] for parameter in named if parameter["in"] == "path"}
            assert in_path == set(re.findall(r"\{(\w+)\}", path)), path
