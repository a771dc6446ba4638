"""A request of the Responses API mapped to Converse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lambdas.streaming_api.json_fields import optional_list, optional_object
from lambdas.streaming_api.mapped_request import MappedRequest
from lambdas.streaming_api.mapping_error import unsupported
from lambdas.streaming_api.openai_request import RequestParts, map_request
from lambdas.streaming_api.responses.input_items import read_input
from lambdas.streaming_api.responses.request_fields import RESPONSES_FIELDS
from lambdas.streaming_api.responses.text_format import read_text_format
from lambdas.streaming_api.responses.tool_fields import read_tools
from lambdas.streaming_api.responses.tool_namespaces import ToolName

_LOGPROBS = "message.output_text.logprobs"


@dataclass(frozen=True, kw_only=True)
class ResponsesRequest(MappedRequest):
    """A request of the Responses API.

    Attributes:
        repeated: the fields of the response that repeat the request.
        namespaced: the names of the tools in namespaces, by full name.
    """

    repeated: Mapping[str, Any]
    namespaced: Mapping[str, ToolName]


def read_responses_request(body: Mapping[str, Any], *, model_ids: Sequence[str]) -> ResponsesRequest:
    """Return the request in the body of `POST /responses`.

    Args:
        body: the parsed JSON object.
        model_ids: the ids of the models that may answer, the preferred one first, at least one.

    Raises:
        MappingError: a field is invalid or cannot be mapped.
    """
    ignored = RESPONSES_FIELDS.ignored_fields(body)
    _check_include(body)
    given = read_input(body)
    tools = read_tools(body)
    answer_format, without_verbosity = read_text_format(body)
    reasoning = optional_object(body.get("reasoning"), "reasoning")
    without_mode = [] if reasoning.get("mode") in (None, "standard") else ["reasoning.mode"]
    parts = RequestParts(
        conversation=given.conversation,
        messages="input",
        tools=tools.requested,
        answer_format=answer_format,
        format_path="text.format",
        effort=reasoning.get("effort"),
        effort_path="reasoning.effort",
        max_tokens="max_output_tokens",
        stop=None,
        ignored=(*ignored, *given.ignored, *tools.ignored, *without_verbosity, *without_mode),
    )
    mapped = map_request(body, parts, model_ids=model_ids)
    return ResponsesRequest(
        **vars(mapped), repeated=_repeated(body), namespaced={**given.names, **tools.names}
    )


def _check_include(body: Mapping[str, Any]) -> None:
    """Reject log probabilities. The other values are about hosted tools, or are always part of a response."""
    for index, value in enumerate(optional_list(body.get("include"), "include")):
        if value == _LOGPROBS:
            raise unsupported(f"include[{index}]", "remove it")


def _repeated(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of the response that repeat a valid request, with the API's defaults."""
    reasoning, text = body.get("reasoning") or {}, body.get("text") or {}
    parallel = body.get("parallel_tool_calls")
    return {
        "background": False,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "max_tool_calls": body.get("max_tool_calls"),
        "metadata": body.get("metadata") or {},
        "parallel_tool_calls": True if parallel is None else parallel,
        "previous_response_id": None,
        "prompt_cache_key": body.get("prompt_cache_key"),
        "reasoning": {name: reasoning.get(name) for name in ("effort", "summary")},
        "safety_identifier": body.get("safety_identifier"),
        "service_tier": body.get("service_tier") or "auto",
        "store": False,
        "temperature": body.get("temperature"),
        "text": {"format": text.get("format") or {"type": "text"}, "verbosity": text.get("verbosity")},
        "tool_choice": body.get("tool_choice") or "auto",
        "tools": body.get("tools") or [],
        "top_logprobs": 0,
        "top_p": body.get("top_p"),
        "truncation": "disabled",
        "user": body.get("user"),
    }
