"""A request to the streaming API, and the events that API Gateway makes of it."""

from __future__ import annotations

import base64
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from local.processes import ACCOUNT, REGION
from local.streaming.deployed_api import DeployedApi, DeployedRoute


@dataclass(frozen=True)
class ClientRequest:
    """A request as it arrived.

    Attributes:
        target: path and query, as in the request line.
        headers: names and values in their order. A name can occur more than once.
    """

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    source_ip: str = "127.0.0.1"
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def path(self) -> str:
        """The path with the stage, without the query."""
        return urlsplit(self.target).path

    def header(self, name: str) -> str:
        """Return the last value of a header, or an empty string."""
        return next((value for key, value in reversed(self.headers) if key.lower() == name.lower()), "")


@dataclass(frozen=True)
class RoutedRequest:
    """A request with the route that it was matched to.

    Attributes:
        path: the path without the stage.
        path_parameters: by name.
    """

    request: ClientRequest
    api: DeployedApi
    route: DeployedRoute
    path: str
    path_parameters: Mapping[str, str]

    @property
    def method_arn(self) -> str:
        """The ARN that an authorizer's policy must allow."""
        return (
            f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{self.api.id}/{self.api.stage}/"
            f"{self.request.method}{self.path}"
        )

    def authorizer_event(self) -> dict[str, Any]:
        """Return the event of a REQUEST authorizer."""
        return {"type": "REQUEST", "methodArn": self.method_arn, **self._common_fields()}

    def proxy_event(self, authorizer: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return the event of the Lambda proxy integration.

        Args:
            authorizer: the context that the authorizer returned, with `principalId`.
        """
        event = self._common_fields()
        if authorizer is not None:
            event["requestContext"]["authorizer"] = dict(authorizer)
        return {**event, **self._body()}

    def _common_fields(self) -> dict[str, Any]:
        query = parse_qs(urlsplit(self.request.target).query, keep_blank_values=True)
        headers = _grouped(self.request.headers)
        return {
            "resource": self.route.path,
            "path": self.path,
            "httpMethod": self.request.method,
            "headers": {name: values[-1] for name, values in headers.items()},
            "multiValueHeaders": headers,
            "queryStringParameters": {name: values[-1] for name, values in query.items()} or None,
            "multiValueQueryStringParameters": query or None,
            "pathParameters": dict(self.path_parameters) or None,
            "stageVariables": dict(self.api.stage_variables) or None,
            "requestContext": self._request_context(),
        }

    def _request_context(self) -> dict[str, Any]:
        request, now = self.request, time.time()
        return {
            "accountId": ACCOUNT,
            "apiId": self.api.id,
            "domainName": request.header("Host").partition(":")[0],
            "extendedRequestId": request.id,
            "httpMethod": request.method,
            "identity": self._identity(),
            "path": request.path,
            "protocol": "HTTP/1.1",
            "requestId": request.id,
            "requestTime": datetime.fromtimestamp(now, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "requestTimeEpoch": int(now * 1000),
            "resourceId": self.route.resource_id,
            "resourcePath": self.route.path,
            "stage": self.api.stage,
        }

    def _identity(self) -> dict[str, Any]:
        request = self.request
        identity = {"sourceIp": request.source_ip, "userAgent": request.header("User-Agent") or None}
        if self.route.signed:
            identity |= {"accountId": ACCOUNT, "userArn": f"arn:aws:iam::{ACCOUNT}:root"}
        return identity

    def _body(self) -> dict[str, Any]:
        body, media_types = self.request.body, self.api.binary_media_types
        media_type = self.request.header("Content-Type").partition(";")[0].strip().lower()
        if not body:
            return {"body": None, "isBase64Encoded": False}
        if "*/*" in media_types or media_type in media_types:
            return {"body": base64.b64encode(body).decode("ascii"), "isBase64Encoded": True}
        return {"body": body.decode("utf-8", "replace"), "isBase64Encoded": False}


def _grouped(headers: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Return all values of each header, under the name as it was first written."""
    names: dict[str, str] = {}
    grouped: dict[str, list[str]] = {}
    for name, value in headers:
        grouped.setdefault(names.setdefault(name.lower(), name), []).append(value)
    return grouped
