"""Requests are matched to routes as in API Gateway."""

from __future__ import annotations

import pytest

from local.streaming.deployed_api import DeployedApi, DeployedRoute

ROUTES = [
    ("ANY", "/{proxy+}"),
    ("GET", "/models"),
    ("GET", "/models/{name}"),
    ("ANY", "/models/{name}"),
    ("GET", "/models/default"),
    ("POST", "/models/{name}/access/{region}"),
    ("ANY", "/"),
]


@pytest.mark.parametrize(
    ("method", "path", "route", "parameters"),
    [
        ("GET", "/models", "GET /models", {}),
        ("GET", "/models/", "GET /models", {}),
        ("POST", "/models", "ANY /{proxy+}", {"proxy": "models"}),
        ("GET", "/models/nova", "GET /models/{name}", {"name": "nova"}),
        ("DELETE", "/models/nova", "ANY /models/{name}", {"name": "nova"}),
        ("GET", "/models/default", "GET /models/default", {}),
        ("DELETE", "/models/default", "ANY /models/{name}", {"name": "default"}),
        ("GET", "/models/a%2Fb%20c", "GET /models/{name}", {"name": "a/b c"}),
        (
            "POST",
            "/models/nova/access/us-east-1",
            "POST /models/{name}/access/{region}",
            {"name": "nova", "region": "us-east-1"},
        ),
        ("GET", "/a/b/c", "ANY /{proxy+}", {"proxy": "a/b/c"}),
        ("GET", "/", "ANY /", {}),
    ],
)
def test_the_most_specific_route_is_found(
    method: str, path: str, route: str, parameters: dict[str, str]
) -> None:
    found = api(ROUTES).find(method, path)
    assert found is not None
    assert (f"{found[0].method} {found[0].path}", found[1]) == (route, parameters)


@pytest.mark.parametrize(("method", "path"), [("GET", "/chat"), ("POST", "/chat/a"), ("POST", "/")])
def test_no_route_is_found_for_another_method_or_path(method: str, path: str) -> None:
    assert api([("POST", "/chat")]).find(method, path) is None


def api(routes: list[tuple[str, str]]) -> DeployedApi:
    """Return an API with these methods and paths."""
    known = [DeployedRoute("id", path, method, "arn") for method, path in routes]
    return DeployedApi("api", "v1", {}, frozenset(), known, {})
