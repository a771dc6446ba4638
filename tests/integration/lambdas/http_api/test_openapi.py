"""The API conforms to docs/openapi.json, for valid and invalid requests."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from lambdas.converse_stream.handler import buffered_handler
from lambdas.http_api.handler import handler
from lambdas.http_api.routes import CONVERSE_STREAM
from local.generate_reference.response_schemas import RESPONSE_SCHEMAS

DOCUMENT = Path(__file__).resolve().parents[4] / "docs" / "openapi.json"
STAGE = "/prod"
CONFIGURED = {"models": "Nova Micro", "regions": "us-west-2"}
CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
)


class Context:
    """Lambda's context, with half a minute left."""

    function_name = "function-of-the-test"
    memory_limit_in_mb = 1024
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:function-of-the-test"
    aws_request_id = "request-of-the-test"

    def get_remaining_time_in_millis(self) -> int:
        return 29_000


def _closed(schema: Any) -> Any:
    """Return a schema whose objects have no members but those that it lists."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    return {"additionalProperties": False, **closed} if "properties" in schema else closed


def strict_document() -> dict[str, Any]:
    """Return the document, with an undocumented member of a response as an error."""
    document: dict[str, Any] = json.loads(DOCUMENT.read_text())
    schemas = document["components"]["schemas"]
    schemas |= {name: _closed(schemas[name]) for name in RESPONSE_SCHEMAS}
    return document


def gateway(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Translate between HTTP and the function like API Gateway, and serve the document."""
    if environ["PATH_INFO"] == "/openapi.json":
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(strict_document()).encode()]
    length = int(environ.get("CONTENT_LENGTH") or 0)
    event = {
        "httpMethod": environ["REQUEST_METHOD"],
        "path": environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace").removeprefix(STAGE),
        "queryStringParameters": dict(parse_qsl(environ.get("QUERY_STRING", ""), True)) or None,
        "headers": {
            name.removeprefix("HTTP_").replace("_", "-"): value
            for name, value in environ.items()
            if name.startswith("HTTP_")
        },
        "body": environ["wsgi.input"].read(length).decode("utf-8", "replace") if length else None,
        "isBase64Encoded": False,
        "requestContext": {"stage": "prod", "identity": {"userArn": "arn:aws:iam::123456789012:user/ada"}},
    }
    response = function_of(event["path"])(event, Context())
    status = response["statusCode"]
    start_response(f"{status} {HTTPStatus(status).phrase}", list(response["headers"].items()))
    return [response["body"].encode()]


def function_of(path: str) -> Callable[[dict[str, Any], Any], dict[str, Any]]:
    """Return the handler of the function that answers the path."""
    return buffered_handler if path == CONVERSE_STREAM.path else handler


def _operations() -> dict[str, Any]:
    operations: dict[str, Any] = json.loads(DOCUMENT.read_text())["paths"]
    return operations


schema = schemathesis.openapi.from_wsgi("/openapi.json", gateway)
# Fields whose values depend on what the models support, or on resources of the account.
OPAQUE = (
    "guardrailConfig",
    "toolConfig",
    "performanceConfig",
    "serviceTier",
    "outputConfig",
    "promptVariables",
)


@schema.hook
def map_body(context: Any, body: Any) -> Any:
    """Use configured names in every other body, so that some requests are answered."""
    if not isinstance(body, dict) or len(json.dumps(body, default=str)) % 2:
        return body
    valid = {key: value for key, value in body.items() if key not in OPAQUE}
    return {**valid, **{key: [name] for key, name in CONFIGURED.items() if key in valid}}


ANY_NUMBER = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}


@schema.parametrize()
@settings(max_examples=40, **ANY_NUMBER)
def test_every_response_is_documented(case, deployed):
    case.call_and_validate(checks=list(CHECKS))


@pytest.mark.parametrize("paths", [("/v1/converse", "/v1/validate"), ("/v1/batches",)])
def test_many_valid_bodies_get_documented_responses(paths, deployed):
    bodies = []

    @given(schema[paths[0]]["POST"].as_strategy())
    @settings(max_examples=150, **ANY_NUMBER)
    def send(case):
        bodies.append(case.body)
        case.call_and_validate(checks=list(CHECKS))
        for path in paths[1:]:
            same = schema[path]["POST"].Case(body=case.body, media_type=case.media_type)
            same.call_and_validate(checks=list(CHECKS))

    send()
    assert len(bodies) >= 150


def test_every_status_of_api_gateway_is_documented_for_every_route():
    document = json.loads(DOCUMENT.read_text())
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            responses = operation["responses"]
            assert {"403", "405", "429", "500", "502", "503", "504"} <= set(responses), (method, path)
            assert ("413" in responses) == ("requestBody" in operation), (method, path)


@pytest.mark.parametrize(("path", "methods"), {path: set(ops) for path, ops in _operations().items()}.items())
def test_every_other_method_of_a_path_returns_405(path, methods, proxy_event, context, deployed):
    for method in {"get", "put", "post", "delete", "patch", "head", "options"} - methods:
        event = proxy_event(method.upper(), re.sub(r"{\w+}", "any", path))
        response = function_of(path)(event, context)
        assert response["statusCode"] == 405
        assert {name.strip().lower() for name in response["headers"]["Allow"].split(",")} == methods


def test_every_operation_is_described_and_documents_the_rejection_of_its_body():
    document = json.loads(DOCUMENT.read_text())
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert ("400" in operation["responses"]) >= ("requestBody" in operation), (method, path)
            assert operation["operationId"]
            assert operation["summary"]


@pytest.mark.parametrize("name", ["ConverseRequest", "BatchRequest", "ResponseValidation"])
def test_the_document_has_every_field_of_the_function(name):
    from lambdas.batch import batch_request
    from llmmanager.json_format import codec, response_rules

    known = {
        "ConverseRequest": {
            *codec.REQUEST_FIELDS.values(),
            *("models", "regions", "responseValidation", "featureFallback", "maxCostMultiple", "team"),
            "outputSchema",
        },
        "BatchRequest": set(batch_request.MEMBERS),
        "ResponseValidation": set(response_rules.MEMBERS),
    }
    document = json.loads(DOCUMENT.read_text())
    assert set(document["components"]["schemas"][name]["properties"]) == known[name]


def test_the_share_of_failures_is_described_as_one_of_the_batch() -> None:
    schemas = json.loads(DOCUMENT.read_text())["components"]["schemas"]
    (strategy,) = (
        properties["failureStrategy"]
        for schema in schemas.values()
        if "failureStrategy" in (properties := schema.get("properties", {}))
    )

    assert "records of the batch" in strategy["description"]
    assert "shard" not in strategy["description"]
