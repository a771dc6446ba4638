"""The paths of docs/openapi.json: each route with its parameters, body and responses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from lambdas.http_api.routes import CONVERSE_STREAM, ROUTES
from lambdas.shared.api_route import ApiRoute, Response
from lambdas.shared.problem_types import PROBLEM_TYPES
from local.generate_reference.parameters import RESPONSE_HEADERS, parameter
from local.generate_reference.schemas import Schema, ref

Operation = dict[str, Any]

# Problems that every route can have, and those that follow from what it reads.
_ALWAYS: Final = ("method-not-allowed", "internal-error", "busy")
_OF_INPUT: Final = ("invalid-request",)
_OF_A_PATH_PARAMETER: Final = ("not-found",)
_OF_A_KEY: Final = ("idempotency-key-reused", "store-unavailable")

# API Gateway's own errors for every route.
_GATEWAY: Final[Mapping[int, str]] = {
    403: "the request is not signed, its signature or API key is invalid, or the caller lacks "
    "execute-api:Invoke",
    429: "the request exceeds api_rate_limit, api_burst_limit or the daily quota of its API key. Retry-After "
    "does not consider the daily quota",
    500: "API Gateway failed",
    502: "the function ended without a response",
    503: "the API is at its limit (http_concurrency or streaming_concurrency). The request was not started",
    504: "the function exceeded API Gateway's timeout: 29 seconds, or 15 minutes for a stream",
}
_GATEWAY_WITH_BODY: Final[Mapping[int, str]] = {413: "the body exceeds API Gateway's limit of 10 MB"}
_GATEWAY_RETRIES: Final = {429, 503}


class Operations:
    """Describes the routes, and collects the parameters and responses that several of them have.

    Attributes:
        parameters: the parameters of the document's components, by name.
        responses: the responses of the document's components, by name.
    """

    def __init__(self) -> None:
        self.parameters: dict[str, Schema] = {}
        self.responses: dict[str, Schema] = {}

    def paths(
        self, routes: Iterable[ApiRoute] = (*ROUTES, CONVERSE_STREAM)
    ) -> dict[str, dict[str, Operation]]:
        """Return the operations by path and method."""
        paths: dict[str, dict[str, Operation]] = {}
        for route in routes:
            paths.setdefault(route.path, {})[route.method.lower()] = self._operation(route)
        return paths

    def _operation(self, route: ApiRoute) -> Operation:
        places = {"path": route.parameters, "query": route.query, "header": route.headers}
        parameters = [self._parameter(name, place) for place, names in places.items() for name in names]
        operation: Operation = {"operationId": route.operation, "summary": route.summary}
        if parameters:
            operation["parameters"] = parameters
        if route.body:
            operation["requestBody"] = {"required": True, "content": _json(ref(route.body))}
        successes = {str(response.status): _success(response) for response in route.responses}
        operation["responses"] = dict(sorted({**successes, **self._failures(route)}.items()))
        return operation

    def _parameter(self, name: str, place: str) -> Schema:
        self.parameters[name] = parameter(name, place)
        return {"$ref": f"#/components/parameters/{name}"}

    def _failures(self, route: ApiRoute) -> dict[str, Schema]:
        gateway = {**_GATEWAY, **(_GATEWAY_WITH_BODY if route.body else {})}
        problems = problems_of(route)
        statuses = {*gateway, *(PROBLEM_TYPES[name].status for name in problems)}
        failures = {}
        for status in statuses:
            names = [name for name in problems if PROBLEM_TYPES[name].status == status]
            key = ".".join([str(status), *names, *(["gateway"] if status in gateway else [])])
            self.responses[key] = _failure(status, names, gateway.get(status))
            failures[str(status)] = {"$ref": f"#/components/responses/{key}"}
        return failures


def problems_of(route: ApiRoute) -> list[str]:
    """Return the types of the problems that a route can respond with, in the order of `PROBLEM_TYPES`."""
    names = {*_ALWAYS, *route.problems}
    if route.body or route.query or route.headers:
        names |= {*_OF_INPUT}
    if route.parameters:
        names |= {*_OF_A_PATH_PARAMETER}
    if "Idempotency-Key" in route.headers:
        names |= {*_OF_A_KEY}
    unknown = names - PROBLEM_TYPES.keys()
    if unknown:
        raise ValueError(f"{route.method} {route.path}: PROBLEM_TYPES does not have {', '.join(unknown)}")
    return [name for name in PROBLEM_TYPES if name in names]


def _success(response: Response) -> Schema:
    content = {response.media_type: {"schema": ref(response.schema)}}
    described: Schema = {"description": response.text, "content": content}
    if response.headers:
        described["headers"] = {name: _header(name, response.status) for name in response.headers}
    return described


def _failure(status: int, names: list[str], gateway: str | None) -> Schema:
    """Return the response with a status: problems of the function, and an error of API Gateway or None."""
    types = [(name, PROBLEM_TYPES[name]) for name in names]
    meanings = [f"`{name}`: {type_.meaning}." for name, type_ in types]
    schemas: list[Schema] = []
    if names:
        accepted = [f"urn:llmmanager:problem:{name}" for name in names]
        schemas.append({"allOf": [ref("Problem"), {"properties": {"type": {"enum": accepted}}}]})
    if gateway is not None:
        meanings.append(f"`gateway`: {gateway}.")
        schemas.append(ref("GatewayProblem"))
    schema = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
    failure: Schema = {
        "description": "\n".join(meanings),
        "content": {"application/problem+json": {"schema": schema}},
    }
    retries = [type_.can_retry for _, type_ in types] + ([status in _GATEWAY_RETRIES] if gateway else [])
    if any(retries):
        failure["headers"] = {"Retry-After": {**_header("Retry-After", status), "required": all(retries)}}
    if "method-not-allowed" in names:
        failure["headers"] = {"Allow": {**_header("Allow", status), "required": True}}
    return failure


def _header(name: str, status: int) -> Schema:
    specific = f"{name} of {status}"
    text = RESPONSE_HEADERS[specific if specific in RESPONSE_HEADERS else name]
    return {"schema": {"type": "string"}, "description": text}


def _json(schema: Schema) -> Schema:
    return {"application/json": {"schema": schema}}
