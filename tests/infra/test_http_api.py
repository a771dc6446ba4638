"""The HTTP API as API Gateway is told to make it."""

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
    "GET /v1/health",
}
# What is none of them is the function's to answer too.
OTHERS = {
    "ANY ",
    "ANY /v1",
    "ANY /v1/requests",
    "ANY /v1/models/{name}",
    "ANY /{proxy+}",
    *(f"ANY {route.partition(' ')[2]}" for route in ROUTES),
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
    assert {
        f"{method['HttpMethod']} {known.get(method['ResourceId'], '')}" for method in methods
    } == ROUTES | OTHERS


def test_every_method_takes_signed_requests_only(stack: Any) -> None:
    for name, method in stack.of_type("AWS::ApiGateway::Method").items():
        assert method["AuthorizationType"] == "AWS_IAM", name


def test_no_method_takes_an_api_key_unless_it_is_set(stack: Any) -> None:
    assert not any(m["ApiKeyRequired"] for m in stack.of_type("AWS::ApiGateway::Method").values())
    assert stack.of_type("AWS::ApiGateway::UsagePlan") == stack.of_type("AWS::ApiGateway::ApiKey") == {}


def test_with_api_keys_every_method_takes_one_beside_the_signature(varied: Any) -> None:
    for method in varied.of_type("AWS::ApiGateway::Method").values():
        assert (method["AuthorizationType"], method["ApiKeyRequired"]) == ("AWS_IAM", True)


def test_api_keys_have_a_plan_with_throttle_and_quota(varied: Any) -> None:
    (plan,) = varied.of_type("AWS::ApiGateway::UsagePlan").values()
    (stage,) = plan["ApiStages"]
    assert stage["Stage"].startswith("<HttpApiDeploymentStageprod")
    assert plan["Throttle"] == {"RateLimit": 5, "BurstLimit": 10}
    assert plan["Quota"] == {"Limit": 1000, "Period": "DAY"}
    (key,) = varied.of_type("AWS::ApiGateway::UsagePlanKey").values()
    assert key["KeyType"] == "API_KEY"


def test_the_stack_tells_the_id_of_its_key_and_never_the_value(stack: Any, varied: Any) -> None:
    (key,) = varied.of_type("AWS::ApiGateway::ApiKey")
    assert varied.outputs["ApiKeyId"] == f"<{key}>"
    assert "Value" not in varied.of_type("AWS::ApiGateway::ApiKey")[key]
    assert "ApiKeyId" not in stack.outputs


def test_a_request_is_lost_when_its_message_cannot_be_worked_at_any_more(stack: Any) -> None:
    functions = stack.of_type("AWS::Lambda::Function")
    queue = stack.of_type("AWS::SQS::Queue")["EventsRequestQueue"]
    variables = functions["HttpApiHandlerFunction"]["Environment"]["Variables"]
    oldest = queue["MessageRetentionPeriod"] + functions["EventsHandlerFunction"]["Timeout"]
    assert int(variables["LLMMANAGER_REQUEST_LOST_SECONDS"]) == oldest


def test_every_method_is_answered_by_the_one_function(stack: Any) -> None:
    for method in stack.of_type("AWS::ApiGateway::Method").values():
        assert method["Integration"]["Type"] == "AWS_PROXY"
        assert "<HttpApiHandlerFunction.Arn>" in method["Integration"]["Uri"]


def test_api_gateway_may_invoke_the_function_for_this_api_only(stack: Any) -> None:
    permissions = stack.of_type("AWS::Lambda::Permission").values()
    assert [p for p in permissions if p["Principal"] == "apigateway.amazonaws.com"] == [
        {
            "Action": "lambda:InvokeFunction",
            "FunctionName": "<HttpApiHandlerFunction.Arn>",
            "Principal": "apigateway.amazonaws.com",
            "SourceArn": "arn:aws:execute-api:us-east-1:123456789012:<HttpApi>/*/*/*",
        }
    ]


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
        # API Gateway puts in the message as a JSON string, quotes included.
        problem = json.loads(body.replace("$context.error.messageString", '"Too Many Requests"'))
        assert set(problem) == {"type", "title", "detail", "requestId"}
        assert problem["type"] == "urn:llmmanager:problem:gateway"
    assert responses["THROTTLED"]["ResponseParameters"]["gatewayresponse.header.Retry-After"] == "'1'"


def test_a_request_that_lambda_has_no_room_for_is_told_to_come_back(stack: Any) -> None:
    responses = {r["ResponseType"]: r for r in stack.of_type("AWS::ApiGateway::GatewayResponse").values()}
    not_run = responses["INTEGRATION_FAILURE"]
    assert not_run["StatusCode"] == "503"
    assert not_run["ResponseParameters"]["gatewayresponse.header.Retry-After"] == "'2'"
    assert [name for name, r in responses.items() if "StatusCode" in r] == ["INTEGRATION_FAILURE"]


def test_a_change_of_the_errors_is_deployed(stack: Any) -> None:
    (deployment,) = (r for r in stack.resources.values() if r["Type"] == "AWS::ApiGateway::Deployment")
    depends_on = " ".join(deployment["DependsOn"])
    for response in stack.of_type("AWS::ApiGateway::GatewayResponse"):
        assert response in depends_on


def test_the_document_tells_exactly_the_routes_that_are_deployed(stack: Any) -> None:
    documented = {
        f"{method.upper()} {path}"
        for path, operations in json.loads(DOCUMENT.read_text())["paths"].items()
        for method in operations
    }
    assert documented == ROUTES


def test_the_document_asks_for_the_signature_that_is_deployed(stack: Any) -> None:
    document = json.loads(DOCUMENT.read_text())
    (requirement,) = document["security"]
    schemes = document["components"]["securitySchemes"]
    assert {schemes[name]["x-amazon-apigateway-authtype"] for name in requirement} == {"awsSigv4"}
    assert not any("security" in op for path in document["paths"].values() for op in path.values())


def test_the_document_asks_for_the_path_parameters_that_are_deployed(stack: Any) -> None:
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
