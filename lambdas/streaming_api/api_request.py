"""A request to the streaming API with the identity of its API key."""

from __future__ import annotations

from dataclasses import dataclass

from lambdas.api_keys.api_key import KeyIdentity
from lambdas.shared.http_request import HttpRequest


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """A request with a valid key.

    Attributes:
        http: path, headers and body.
        identity: the key's owner, and what the key allows.
    """

    http: HttpRequest
    identity: KeyIdentity

    @property
    def id(self) -> str:
        """The id of the request, by which the log can be searched."""
        return str(self.http.context.aws_request_id)


def uses_anthropic_format(http: HttpRequest) -> bool:
    """Whether the client uses Anthropic's API. `GET /models` serves both kinds of clients."""
    return http.path.startswith("/messages") or http.header("anthropic-version") is not None
