"""docs/openapi.json: the HTTP API in OpenAPI 3.1."""

from __future__ import annotations

import json
from typing import Any

from local.generate_reference.operations import Operations
from local.generate_reference.request_schemas import request_schemas
from local.generate_reference.response_schemas import RESPONSE_SCHEMAS

_DESCRIPTION = (
    "Amazon Bedrock across models and regions. Every request is signed with AWS Signature Version 4 for "
    "execute-api. If the deployment's setting api_auth is api_key, a request also needs an API key "
    "(x-api-key)."
)


def openapi_document() -> dict[str, Any]:
    """Return the document.

    Raises:
        ValueError: two schemas have the same name.
    """
    operations = Operations()
    paths = operations.paths()
    requests = request_schemas()
    if same := requests.keys() & RESPONSE_SCHEMAS.keys():
        raise ValueError(f"schemas of requests and responses have the same names: {', '.join(same)}")
    return {
        "openapi": "3.1.0",
        "info": {"title": "LLMManager for Amazon Bedrock", "version": "1", "description": _DESCRIPTION},
        "servers": [
            {
                "url": "https://{api}.execute-api.{region}.amazonaws.com/prod",
                "variables": {"api": {"default": "api"}, "region": {"default": "us-east-1"}},
            }
        ],
        "security": [{"signatureV4": []}],
        "paths": paths,
        "components": {
            "schemas": {**requests, **RESPONSE_SCHEMAS},
            "parameters": operations.parameters,
            "responses": dict(sorted(operations.responses.items())),
            "securitySchemes": {
                "signatureV4": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "AWS Signature Version 4",
                    "x-amazon-apigateway-authtype": "awsSigv4",
                }
            },
        },
    }


def openapi_json() -> str:
    """Return the text of docs/openapi.json."""
    return json.dumps(openapi_document(), indent=2, ensure_ascii=False) + "\n"
