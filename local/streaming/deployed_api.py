"""The REST API with streamed methods, as it is deployed to the emulator."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

# arn:aws:apigateway:{region}:lambda:path/{date}/functions/{function ARN}/{action}
_INTEGRATION: Final = re.compile(r".*:lambda:path/[^/]+/functions/(?P<arn>[^/]+)/(?P<action>[a-z-]+)")
_STREAMED: Final = "response-streaming-invocations"


@dataclass(frozen=True)
class Authorizer:
    """A Lambda authorizer for requests.

    Attributes:
        function_arn: function that returns the policy.
        headers: names of the headers that identify a caller.
        cache_seconds: how long a policy is cached; 0 for no cache.
    """

    id: str
    function_arn: str
    headers: tuple[str, ...]
    cache_seconds: int


@dataclass(frozen=True)
class DeployedRoute:
    """A streamed method of a resource.

    Attributes:
        path: path of the resource, such as /models/{name}.
        method: an HTTP method, or ANY.
        authorizer: the Lambda authorizer of the method, or None.
        signed: whether requests must be signed (AWS_IAM).
    """

    resource_id: str
    path: str
    method: str
    function_arn: str
    authorizer: Authorizer | None = None
    signed: bool = False


@dataclass(frozen=True)
class GatewayResponse:
    """The format of an error that API Gateway itself returns.

    Attributes:
        headers: names and values, such as "'1'" or "method.request.header.Origin".
        template: JSON with variables such as $context.error.messageString.
    """

    status: int
    headers: Mapping[str, str]
    template: str


@dataclass(frozen=True)
class DeployedApi:
    """A REST API with streamed methods.

    Attributes:
        gateway_responses: by type, such as UNAUTHORIZED.
        stage_variables: of the stage, by name.
    """

    id: str
    stage: str
    stage_variables: Mapping[str, str]
    binary_media_types: frozenset[str]
    routes: Sequence[DeployedRoute]
    gateway_responses: Mapping[str, GatewayResponse]

    def find(self, method: str, path: str) -> tuple[DeployedRoute, dict[str, str]] | None:
        """Return the route of a request and the parameters in its path, or None.

        API Gateway prefers literal segments to parameters, and a method to ANY.
        """
        matches = []
        for route in self.routes:
            parameters = _match(route.path, path)
            if parameters is not None and route.method in (method, "ANY"):
                matches.append((_precedence(route), route, parameters))
        if not matches:
            return None
        _, route, parameters = min(matches, key=lambda match: match[0])
        return route, parameters


def read_streamed_apis(client: Any) -> dict[str, DeployedApi]:
    """Return the REST APIs with streamed methods, by name of their stage.

    Args:
        client: a boto3 client for API Gateway.
    """
    apis = (_read_api(client, api) for api in client.get_rest_apis(limit=500)["items"])
    return {api.stage: api for api in apis if api.routes}


def _read_api(client: Any, api: Mapping[str, Any]) -> DeployedApi:
    stage = client.get_stages(restApiId=api["id"])["item"][0]
    return DeployedApi(
        id=api["id"],
        stage=stage["stageName"],
        stage_variables=stage.get("variables", {}),
        binary_media_types=frozenset(api.get("binaryMediaTypes", ())),
        routes=list(_streamed_routes(client, api["id"])),
        gateway_responses=_gateway_responses(client, api["id"]),
    )


def _streamed_routes(client: Any, api_id: str) -> Iterator[DeployedRoute]:
    authorizers = {
        item["id"]: _authorizer(item) for item in client.get_authorizers(restApiId=api_id, limit=500)["items"]
    }
    for resource in client.get_resources(restApiId=api_id, limit=500, embed=["methods"])["items"]:
        for method, definition in resource.get("resourceMethods", {}).items():
            uri = definition.get("methodIntegration", {}).get("uri", "")
            match = _INTEGRATION.fullmatch(uri)
            if match and match["action"] == _STREAMED:
                yield DeployedRoute(
                    resource["id"],
                    resource["path"],
                    method,
                    match["arn"],
                    authorizer=authorizers.get(definition.get("authorizerId", "")),
                    signed=definition.get("authorizationType") == "AWS_IAM",
                )


def _authorizer(item: Mapping[str, Any]) -> Authorizer:
    match = _INTEGRATION.fullmatch(item["authorizerUri"])
    assert match is not None, item["authorizerUri"]
    sources = [source.strip() for source in item.get("identitySource", "").split(",") if source.strip()]
    return Authorizer(
        id=item["id"],
        function_arn=match["arn"],
        headers=tuple(source.removeprefix("method.request.header.") for source in sources),
        cache_seconds=int(item.get("authorizerResultTtlInSeconds", 300)),
    )


def _gateway_responses(client: Any, api_id: str) -> dict[str, GatewayResponse]:
    prefix = "gatewayresponse.header."
    return {
        item["responseType"]: GatewayResponse(
            status=int(item.get("statusCode") or (403 if item["responseType"] == "DEFAULT_4XX" else 500)),
            headers={
                name.removeprefix(prefix): value
                for name, value in item.get("responseParameters", {}).items()
                if name.startswith(prefix)
            },
            template=item.get("responseTemplates", {}).get("application/json", ""),
        )
        for item in client.get_gateway_responses(restApiId=api_id, limit=500)["items"]
    }


def _match(pattern: str, path: str) -> dict[str, str] | None:
    """Return the parameters of a path that matches the pattern, or None."""
    names = re.findall(r"{(\w+)\+?}", pattern)
    parts = re.split(r"{\w+(\+?)}", pattern)
    # Odd parts are the "+" of a parameter that matches several segments, or "".
    expression = "".join(
        re.escape(part) if index % 2 == 0 else "(.+)" if part else "([^/]+)"
        for index, part in enumerate(parts)
    )
    found = re.fullmatch(expression, path if path == "/" else path.rstrip("/"))
    return None if found is None else dict(zip(names, map(unquote, found.groups()), strict=True))


def _precedence(route: DeployedRoute) -> tuple[list[int], bool]:
    kinds = [
        2 if segment.endswith("+}") else 1 if segment.startswith("{") else 0
        for segment in route.path.split("/")
    ]
    return kinds, route.method == "ANY"
