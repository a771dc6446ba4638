"""A route of an HTTP API: the function that responds, and its description in docs/openapi.json.

The description is data of the documentation. Only its tests and `make reference` read it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Response(NamedTuple):
    """A successful response.

    Attributes:
        schema: name of the body's schema in docs/openapi.json.
        text: when the route responds so, or what the body is.
        headers: names of its headers.
        media_type: the type of its body.
    """

    status: int
    schema: str
    text: str
    headers: tuple[str, ...] = ()
    media_type: str = "application/json"


# A dataclass would add a millisecond to each cold start.
class ApiRoute(NamedTuple):
    """A method and path, the function that responds, and the description.

    Attributes:
        path: path as in API Gateway; `{name}` is one segment of any text.
        function: "module.function" in `lambdas.http_api`, imported when a request needs it. It takes the
            `HttpRequest` and returns an `HttpResponse`. Empty for a route of another Lambda function.
        operation: the operationId, from which clients are generated.
        summary: what the route does.
        responses: its successful responses.
        body: name of the schema of the request's body; empty if it reads no body.
        headers: names of the request headers that it reads.
        query: names of its query parameters.
        problems: types of the problems that it responds with, without those that follow from its body,
            headers and parameters, and those of every route.
        with_slashes: name of the parameter of the path whose value may contain slashes.
    """

    method: str
    path: str
    function: str
    operation: str
    summary: str
    responses: tuple[Response, ...]
    body: str = ""
    headers: tuple[str, ...] = ()
    query: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    with_slashes: str = ""

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the path's parameters."""
        return tuple(part[1:-1] for part in self.path.split("/") if part.startswith("{"))

    def match(self, segments: Sequence[str]) -> Mapping[str, str] | None:
        """Return the values of the path's parameters, or None if the path is not the route's.

        Args:
            segments: the parts of the request's path, without slashes.
        """
        return match_path(self.path, segments, with_slashes=self.with_slashes)


def match_path(path: str, segments: Sequence[str], *, with_slashes: str = "") -> Mapping[str, str] | None:
    """Return the values of the parameters in `path`, or None if the segments are another path.

    Args:
        with_slashes: name of the parameter whose value may contain slashes.
    """
    parts = path.removeprefix("/").split("/")
    extra = len(segments) - len(parts)
    if extra > 0 and with_slashes:
        start = parts.index(f"{{{with_slashes}}}")
        end = start + extra + 1
        segments = [*segments[:start], "/".join(segments[start:end]), *segments[end:]]
    if len(segments) != len(parts):
        return None
    pairs = list(zip(parts, segments, strict=True))
    if any(part != segment for part, segment in pairs if not part.startswith("{")):
        return None
    return {part[1:-1]: segment for part, segment in pairs if part.startswith("{")}
