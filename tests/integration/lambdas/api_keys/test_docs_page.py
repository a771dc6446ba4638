"""The examples of docs/api-keys.md, with the function behind the API in this process."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from lambdas.api_keys.key_text import parse_key
from lambdas.http_api.handler import handler
from lambdas.http_api.routes import ROUTES
from tests.docs.run_page import examples_of

PAGE = Path(__file__).resolve().parents[4] / "docs" / "api-keys.md"


def test_the_examples_create_a_key_and_revoke_all_keys_of_its_team(
    proxy_event: Any, context: Any, deployed: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    def call(method: str, path: str, body: Any = None) -> Any:
        path, _, query = path.partition("?")
        event = proxy_event(method, path, body)
        event["queryStringParameters"] = dict(item.split("=") for item in query.split("&") if item)
        response = handler(event, context)
        assert response["statusCode"] < 400, response["body"]
        return json.loads(response["body"])

    variables = {"call": call}
    for example in examples_of(PAGE):
        exec(example.code, variables)

    printed = capsys.readouterr().out.splitlines()
    assert parse_key(printed[0])
    (key,) = call("GET", "/v1/keys")["keys"]
    assert (key["keyId"], key["status"]) == (parse_key(printed[0]).id, "revoked")  # type: ignore[union-attr]


def test_the_first_policy_of_the_page_excludes_the_routes_of_keys_budgets_and_usage_and_no_others() -> None:
    text, *_ = re.findall(r"^```json\n(.*?)^```$", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    statements = json.loads(text)["Statement"]

    def patterns(effect: str) -> Iterator[str]:
        for statement in statements:
            resources = statement["Resource"]
            if statement["Effect"] == effect:
                yield from resources if isinstance(resources, list) else [resources]

    for route in ROUTES:
        arn = f"arn:aws:execute-api:us-east-1:123456789012:abc123/prod/{route.method}{route.path}"
        assert any(fnmatchcase(arn, pattern) for pattern in patterns("Allow"))
        is_denied = any(fnmatchcase(arn, pattern) for pattern in patterns("Deny"))
        assert is_denied == route.path.startswith(("/v1/keys", "/v1/budgets", "/v1/usage")), route.path
