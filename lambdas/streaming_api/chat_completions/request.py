"""A Chat Completions request mapped to Converse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lambdas.streaming_api.answer_form import answer_form
from lambdas.streaming_api.chat_completions.messages import read_messages
from lambdas.streaming_api.chat_completions.request_fields import ignored_fields
from lambdas.streaming_api.chat_completions.response_format import read_response_format
from lambdas.streaming_api.chat_completions.tool_fields import read_tools
from lambdas.streaming_api.conversation import Conversation
from lambdas.streaming_api.inference_parameters import InferenceParameters, inference_parameters
from lambdas.streaming_api.json_fields import optional_flag, optional_object, read_choice
from lambdas.streaming_api.mapped_request import MappedRequest
from lambdas.streaming_api.reasoning_effort import EFFORTS, reasoning_fields
from lambdas.streaming_api.request_metadata import request_metadata
from lambdas.streaming_api.requested_models import requested_models
from lambdas.streaming_api.tool_names import changed_names
from lambdas.streaming_api.tools import RequestedTools, one_tool_call_fields
from lambdas.streaming_api.turns import as_turns, tools_as_text

_SERVICE_TIERS = {
    "auto": None,
    "default": "default",
    "flex": "flex",
    "priority": "priority",
    "fast": "priority",
}

_ORIGINS = {
    "requestMetadata": "metadata",
    "serviceTier": "service_tier",
    "outputConfig": "response_format.json_schema",
}


@dataclass(frozen=True, kw_only=True)
class ChatRequest(MappedRequest):
    """A Chat Completions request.

    Attributes:
        include_usage: whether the last chunk of a stream has the token counts.
    """

    include_usage: bool


def read_chat_request(body: Mapping[str, Any], *, model_ids: Sequence[str]) -> ChatRequest:
    """Return the request in the body of `POST /chat/completions`.

    What depends on the model is decided for the first one, in a form in which the call can still fail over:
    fields that another model does not know, and a forced tool choice, are removed by the library's feature
    fallback, and `outputConfig` is used only if all models are known to support it.

    Args:
        body: the parsed JSON object.
        model_ids: the ids of the models that may answer, the preferred one first, at least one.

    Raises:
        MappingError: a field is invalid or cannot be mapped. The library's own validation can find more
            problems when the request is sent: `api_error` names the client's fields for these.
    """
    ignored = ignored_fields(body)
    conversation = read_messages(body)
    requested = read_tools(body)
    parameters = _inference_parameters(body, model_ids[0])
    metadata, without_room = request_metadata(
        body.get("metadata"), {name: body.get(name) for name in ("user", "safety_identifier")}
    )
    answer = answer_form(read_response_format(body), requested, model_ids=model_ids)
    turns = as_turns(conversation.parts if requested.tools else tools_as_text(conversation.parts))
    additional, without_effort = _additional_fields(body, requested, parameters, model_id=model_ids[0])
    converse = {
        "messages": turns.messages,
        "system": [*conversation.system, *answer.instructions],
        "inference_config": parameters.fields,
        "additional_model_request_fields": additional,
        "tool_config": answer.tool_config,
        "request_metadata": metadata,
        "service_tier": _service_tier(body),
        "output_config": answer.output_config,
    }
    stream, include_usage = _stream_options(body)
    has_names = any(message.get("name") is not None for message in body["messages"])
    names = ["messages.name"] if has_names else []
    return ChatRequest(
        models=requested_models(body),
        converse={name: value for name, value in converse.items() if value},
        stream=stream,
        include_usage=include_usage,
        ignored=(*ignored, *parameters.ignored, *without_effort, *without_room, *names),
        origins={
            **turns.origins,
            **conversation.origins,
            **parameters.origins,
            **answer.origins,
            **_ORIGINS,
        },
        tool_names=changed_names(_tool_names(requested, conversation)),
        answer_tool=answer.answer_tool,
        json_object=bool(answer.instructions),
    )


def _inference_parameters(body: Mapping[str, Any], model_id: str) -> InferenceParameters:
    is_new = body.get("max_completion_tokens") is not None
    max_tokens = "max_completion_tokens" if is_new else "max_tokens"
    return inference_parameters(body, model_id, max_tokens=max_tokens, stop="stop")


def _additional_fields(
    body: Mapping[str, Any], requested: RequestedTools, parameters: InferenceParameters, *, model_id: str
) -> tuple[dict[str, Any], list[str]]:
    """Return `additionalModelRequestFields`, and the client's fields without effect."""
    fields: dict[str, Any] = {}
    ignored = []
    if body.get("reasoning_effort") is not None:
        effort = read_choice(body["reasoning_effort"], "reasoning_effort", EFFORTS)
        fields |= reasoning_fields(
            effort, model_id, max_tokens=parameters.max_tokens, has_sampling=parameters.has_sampling
        )
        if not fields and effort != "none":
            ignored.append("reasoning_effort")
    if requested.one_call:
        fields |= one_tool_call_fields(requested.choice, model_id, "parallel_tool_calls")
    return fields, ignored


def _service_tier(body: Mapping[str, Any]) -> dict[str, Any] | None:
    if body.get("service_tier") is None:
        return None
    tier = _SERVICE_TIERS[read_choice(body["service_tier"], "service_tier", _SERVICE_TIERS)]
    return {"type": tier} if tier is not None else None


def _stream_options(body: Mapping[str, Any]) -> tuple[bool, bool]:
    """Return whether the answer is streamed, and whether its token counts are."""
    stream = optional_flag(body.get("stream"), "stream")
    options = optional_object(body.get("stream_options"), "stream_options")
    return stream, optional_flag(options.get("include_usage"), "stream_options.include_usage")


def _tool_names(requested: RequestedTools, conversation: Conversation) -> list[str]:
    return [*(tool.name for tool in requested.tools), *conversation.tool_names]
