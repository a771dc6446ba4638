"""A Messages request mapped to Converse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lambdas.streaming_api.answer_form import answer_form
from lambdas.streaming_api.inference_parameters import InferenceParameters, inference_parameters
from lambdas.streaming_api.json_fields import (
    optional_flag,
    read_choice,
    read_integer,
    read_object,
    read_text,
    required,
)
from lambdas.streaming_api.mapped_request import MappedRequest
from lambdas.streaming_api.messages.betas import INTERLEAVED_THINKING, beta_fields
from lambdas.streaming_api.messages.messages import read_conversation
from lambdas.streaming_api.messages.output_format import read_output_format
from lambdas.streaming_api.messages.request_fields import MESSAGES_FIELDS
from lambdas.streaming_api.messages.thinking import read_thinking, thinking_fields
from lambdas.streaming_api.messages.tool_fields import ignored_tool_fields, read_tools
from lambdas.streaming_api.model_features import is_claude
from lambdas.streaming_api.request_metadata import request_metadata
from lambdas.streaming_api.requested_models import requested_models
from lambdas.streaming_api.tool_names import changed_names
from lambdas.streaming_api.tools import RequestedTools, one_tool_call_fields
from lambdas.streaming_api.turns import as_turns, tools_as_text
from llmmanager.bedrock.structured.native_support import base_id

# Anthropic's tiers, and those of Bedrock as an extension.
_SERVICE_TIERS = {
    "auto": None,
    "standard_only": "default",
    "default": "default",
    "flex": "flex",
    "priority": "priority",
}
_STOP_SEQUENCE = "/stop_sequence"


@dataclass(frozen=True, kw_only=True)
class MessagesRequest(MappedRequest):
    """A Messages request.

    Attributes:
        stop_sequences: the stop sequences.
    """

    stop_sequences: tuple[str, ...]


def read_messages_request(
    body: Mapping[str, Any], *, model_ids: Sequence[str], betas: Sequence[str] = ()
) -> MessagesRequest:
    """Return the request in the body of `POST /messages`.

    What depends on the model is decided for the first one, in a form in which the call can still fail over:
    fields that another model does not know, and a forced tool choice, are removed by the library's feature
    fallback, and `outputConfig` is used only if all models are known to support it.

    Args:
        body: the parsed JSON object.
        model_ids: the ids of the models that may answer, the preferred one first, at least one.
        betas: the names in the header `anthropic-beta`.

    Raises:
        MappingError: a field is invalid or cannot be mapped. The library's own validation can find more
            problems when the request is sent: `api_error` names the client's fields for these.
    """
    required(body, "max_tokens", "max_tokens")
    return _read(body, model_ids, betas)


def read_count_tokens(
    body: Mapping[str, Any], *, model_ids: Sequence[str], betas: Sequence[str] = ()
) -> MessagesRequest:
    """Return the request in the body of `POST /messages/count_tokens`, whose input is counted.

    The arguments and errors are those of `read_messages_request`. The request has no `max_tokens`.
    """
    return _read(body, model_ids, betas)


def _read(body: Mapping[str, Any], model_ids: Sequence[str], betas: Sequence[str]) -> MessagesRequest:
    conversation, tools = read_conversation(body), read_tools(body)
    parameters = inference_parameters(body, model_ids[0], max_tokens="max_tokens", stop="stop_sequences")
    stop_sequences = tuple(parameters.fields.get("stopSequences", ()))
    # Converse does not report which sequence ended an answer of Claude unless it is asked to.
    reports_stop = bool(stop_sequences) and is_claude(model_ids[0])
    metadata, without_room = _metadata(body)
    answer_format = read_output_format(body)
    answer = answer_form(answer_format, tools, model_ids=model_ids)
    additional = _additional_fields(body, tools, parameters, model_id=model_ids[0], betas=betas)
    turns = as_turns(conversation.parts if tools.tools else tools_as_text(conversation.parts))
    converse = {
        "messages": turns.messages,
        "system": conversation.system,
        "inference_config": parameters.fields,
        "additional_model_request_fields": additional.fields,
        "additional_model_response_field_paths": [_STOP_SEQUENCE] if reports_stop else None,
        "tool_config": answer.tool_config,
        "request_metadata": metadata,
        "service_tier": _service_tier(body),
        "output_config": answer.output_config,
    }
    return MessagesRequest(
        models=requested_models(body),
        converse={name: value for name, value in converse.items() if value},
        stream=optional_flag(body.get("stream"), "stream"),
        ignored=(
            *MESSAGES_FIELDS.ignored_fields(body),
            *ignored_tool_fields(body),
            *parameters.ignored,
            *additional.ignored,
            *without_room,
        ),
        origins={
            **turns.origins,
            **conversation.origins,
            **parameters.origins,
            **answer.origins,
            "requestMetadata": "metadata",
            "serviceTier": "service_tier",
            "outputConfig": "output_config" if answer_format == "text" else answer_format.path,
        },
        tool_names=changed_names([*(tool.name for tool in tools.tools), *conversation.tool_names]),
        answer_tool=answer.answer_tool,
        one_tool_call=tools.one_call,
        stop_sequences=stop_sequences,
    )


@dataclass(frozen=True, slots=True)
class _AdditionalFields:
    """`additionalModelRequestFields`, and the client's fields without effect."""

    fields: Mapping[str, Any]
    ignored: Sequence[str]


def _additional_fields(
    body: Mapping[str, Any],
    tools: RequestedTools,
    parameters: InferenceParameters,
    *,
    model_id: str,
    betas: Sequence[str],
) -> _AdditionalFields:
    max_tokens = None if INTERLEAVED_THINKING in betas else parameters.max_tokens
    thinking = thinking_fields(read_thinking(body, max_tokens=max_tokens), model_id, parameters)
    fields, ignored = dict(thinking.fields), list(thinking.ignored)
    if body.get("top_k") is not None:
        found = _top_k(read_integer(body["top_k"], "top_k", low=0), model_id)
        fields |= found
        ignored += [] if found else ["top_k"]
    if tools.one_call:
        fields |= one_tool_call_fields(tools.choice, model_id)
    forwarded, is_one_ignored = beta_fields(betas, model_id)
    fields |= forwarded
    ignored += ["anthropic-beta"] if is_one_ignored else []
    return _AdditionalFields(fields, ignored)


def _top_k(value: int, model_id: str) -> Mapping[str, Any]:
    """Return the field for the first requested model; empty if its form is not known."""
    if is_claude(model_id):
        return {"top_k": value}
    return {"inferenceConfig": {"topK": value}} if base_id(model_id).startswith("amazon.nova") else {}


def _metadata(body: Mapping[str, Any]) -> tuple[dict[str, str], list[str]]:
    """Return `requestMetadata`, and the fields without room. `user_id` may have any characters."""
    if body.get("metadata") is None:
        return {}, []
    given = dict(read_object(body["metadata"], "metadata"))
    user = given.pop("user_id", None)
    if user is not None:
        read_text(user, "metadata.user_id")
    entries, without_room = request_metadata(given, {"user_id": user})
    return entries, [f"metadata.{name}" for name in without_room]


def _service_tier(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    if body.get("service_tier") is None:
        return None
    tier = _SERVICE_TIERS[read_choice(body["service_tier"], "service_tier", _SERVICE_TIERS)]
    return {"type": tier} if tier is not None else None
