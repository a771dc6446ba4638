"""Responses from complete answers."""

from __future__ import annotations

from typing import Any

from lambdas.streaming_api.answer_events import response_events
from lambdas.streaming_api.json_answer import json_text
from lambdas.streaming_api.responses.request import ResponsesRequest
from lambdas.streaming_api.responses.response_builder import ResponseBuilder
from lambdas.streaming_api.service_tier import service_tier_of
from llmmanager import BedrockResponse


def response_object(
    request: ResponsesRequest, response: BedrockResponse, *, id_: str, created: int
) -> dict[str, Any]:
    """Return the response for an answer.

    Args:
        id_: the id of the response: `resp_` and letters or digits.
        created: the time in seconds since 1970.
    """
    builder = ResponseBuilder(request, id_=id_, created=created)
    for event in response_events(request, response):
        for _ in builder.add(event):
            pass
    found = builder.ended(model=response.model_used, service_tier=service_tier_of(response))
    if request.json_object or request.answer_tool is not None:
        for item in found["output"]:
            for part in item.get("content") or ():
                part["text"] = json_text(part["text"])
    return found
