"""A route matches the paths of its template, and the table has a function for each route."""

from __future__ import annotations

import inspect
from importlib import import_module

import pytest

from lambdas.http_api.routes import ROUTES
from lambdas.shared.api_route import ApiRoute


def route(path: str, *, with_slashes: str = "") -> ApiRoute:
    return ApiRoute("GET", path, "m.f", operation="o", summary="s", responses=(), with_slashes=with_slashes)


@pytest.mark.parametrize(
    ("template", "path", "values"),
    [
        ("/v1/health", "v1/health", {}),
        ("/v1/health", "v1/models", None),
        ("/v1/health", "v1", None),
        ("/v1/health", "v1/health/more", None),
        ("/v1/batches/{id}", "v1/batches/b1", {"id": "b1"}),
        ("/v1/batches/{id}", "v1/batches/b1/stop", None),
        ("/v1/batches/{id}/stop", "v1/batches//stop", {"id": ""}),
        ("/v1/{kind}/{id}", "v1/things/t1", {"kind": "things", "id": "t1"}),
    ],
)
def test_each_parameter_of_a_path_is_one_segment(template, path, values):
    assert route(template).match(path.split("/")) == values


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("v1/models/Nova/access", {"name": "Nova"}),
        ("v1/models/arn:a/b/c/access", {"name": "arn:a/b/c"}),
        ("v1/models/access/access", {"name": "access"}),
        ("v1/models/access", None),
        ("v1/models/a/b", None),
    ],
)
def test_a_parameter_with_slashes_has_all_segments_that_are_left(path, values):
    assert route("/v1/models/{name}/access", with_slashes="name").match(path.split("/")) == values


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.operation)
def test_each_route_has_a_function_of_the_request(route):
    module, _, name = route.function.rpartition(".")
    function = getattr(import_module(f"lambdas.http_api.{module}"), name)
    (parameter,) = inspect.signature(function).parameters.values()
    assert parameter.annotation == "HttpRequest"
    assert inspect.signature(function).return_annotation == "HttpResponse"


def test_no_method_and_path_and_no_operation_is_declared_twice():
    assert len({(route.method, route.path) for route in ROUTES}) == len(ROUTES)
    assert len({route.operation for route in ROUTES}) == len(ROUTES)
