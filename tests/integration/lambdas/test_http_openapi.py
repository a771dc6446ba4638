"""The API keeps to docs/openapi.json: it is sent what the document allows, and what it does not."""

from __future__ import annotations

import json
from collections.abc import Iterable
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from lambdas.http_api.handler import handler

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "openapi.json"
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
    """What Lambda hands to a function with half a minute left."""

    function_name = "function-of-the-test"
    memory_limit_in_mb = 1024
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:function-of-the-test"
    aws_request_id = "request-of-the-test"

    def get_remaining_time_in_millis(self) -> int:
        return 29_000


def gateway(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """What API Gateway does between HTTP and the function; it serves the document besides."""
    if environ["PATH_INFO"] == "/openapi.json":
        start_response("200 OK", [("Content-Type", "application/json")])
        return [DOCUMENT.read_bytes()]
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
    answer = handler(event, Context())
    status = answer["statusCode"]
    start_response(f"{status} {HTTPStatus(status).phrase}", list(answer["headers"].items()))
    return [answer["body"].encode()]


schema = schemathesis.openapi.from_wsgi("/openapi.json", gateway)
# What a document of every deployment cannot know: the names configured in this one, and Bedrock's own shapes.
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
    """Every other body names what is configured, so that some are answered."""
    if not isinstance(body, dict) or len(json.dumps(body, default=str)) % 2:
        return body
    sound = {key: value for key, value in body.items() if key not in OPAQUE}
    return {**sound, **{key: [name] for key, name in CONFIGURED.items() if key in sound}}


@schema.parametrize()
@settings(max_examples=40, deadline=None, database=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_a_documented_one(case, deployed):
    case.call_and_validate(checks=list(CHECKS))


def test_the_document_names_what_can_go_wrong_with_every_body():
    document = json.loads(DOCUMENT.read_text())
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert ("400" in operation["responses"]) >= ("requestBody" in operation), (method, path)
            assert operation["operationId"]
            assert operation["summary"]


@pytest.mark.parametrize("name", ["ConverseRequest", "BatchRequest", "ResponseValidation"])
def test_the_document_knows_every_field_that_the_function_knows(name):
    from lambdas.http_api import batches
    from lambdas.shared import codec, response_rules

    known = {
        "ConverseRequest": {*codec._FIELDS.values(), "models", "regions", "responseValidation"},
        "BatchRequest": set(batches._MEMBERS),
        "ResponseValidation": set(response_rules._MEMBERS),
    }
    document = json.loads(DOCUMENT.read_text())
    assert set(document["components"]["schemas"][name]["properties"]) == known[name]
