"""The route table of the streaming API: for dispatch and for the API Gateway template."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

KeyHeader = Literal["bearer", "either"]
"""The header with the API key: `Authorization: Bearer`, or either that or `x-api-key`.

Anthropic's clients send one or the other, depending on their version and configuration.
"""


class StreamingRoute(NamedTuple):
    """A method and path, and the function that responds.

    Attributes:
        path: path below the stage; `{name}` is one segment of any text.
        function: "module.function" in `lambdas.streaming_api`, imported when a request needs it. It takes an
            `ApiRequest` and returns a `StreamedResponse`.
        key: the header of the API key.
    """

    method: str
    path: str
    function: str
    key: KeyHeader


ROUTES: Final = (
    StreamingRoute("POST", "/chat/completions", "chat_completions.route.post", "bearer"),
    StreamingRoute("POST", "/responses", "responses.route.post", "bearer"),
    StreamingRoute("POST", "/messages", "messages.route.post", "either"),
    StreamingRoute("POST", "/messages/count_tokens", "messages.route.count_tokens", "either"),
    StreamingRoute("GET", "/models", "model_routes.list_models", "either"),
    StreamingRoute("GET", "/models/{model}", "model_routes.get_model", "either"),
    StreamingRoute("GET", "/usage", "usage_route.get_usage", "either"),
)
