"""What the requests of OpenAI's APIs have in common, mapped to Converse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lambdas.streaming_api.answer_form import AnswerFormat, answer_form
from lambdas.streaming_api.conversation import ConversationParts
from lambdas.streaming_api.inference_parameters import InferenceParameters, inference_parameters
from lambdas.streaming_api.json_fields import optional_flag, read_choice
from lambdas.streaming_api.mapped_request import MappedRequest
from lambdas.streaming_api.reasoning_effort import EFFORTS, reasoning_fields
from lambdas.streaming_api.request_metadata import request_metadata
from lambdas.streaming_api.requested_models import requested_models
from lambdas.streaming_api.service_tier import service_tier
from lambdas.streaming_api.tool_names import changed_names
from lambdas.streaming_api.tools import RequestedTools, one_tool_call_fields
from lambdas.streaming_api.turns import as_turns, tools_as_text

_USERS = ("user", "safety_identifier")


@dataclass(frozen=True, slots=True)
class RequestParts:
    """The parts of a request that each API has in a form of its own.

    Attributes:
        conversation: the messages, and `messages` the name of their field.
        tools: the tools that the model may call.
        answer_format: the format of the answer, and `format_path` the path of the field.
        effort: the effort of reasoning or None, as given, and `effort_path` the path of the field.
        max_tokens: the name of the field with the maximum length of the answer.
        stop: the name of the field with the stop sequences, or None.
        ignored: the fields without effect.
    """

    conversation: ConversationParts
    messages: str
    tools: RequestedTools
    answer_format: AnswerFormat
    format_path: str
    effort: Any
    effort_path: str
    max_tokens: str
    stop: str | None
    ignored: Sequence[str]


def map_request(body: Mapping[str, Any], parts: RequestParts, *, model_ids: Sequence[str]) -> MappedRequest:
    """Return the mapped request.

    What depends on the model is decided for the first one, in a form in which the call can still fail over:
    fields that another model does not know, and a forced tool choice, are removed by the library's feature
    fallback, and `outputConfig` is used only if all models are known to support it.

    Args:
        body: the parsed JSON object.
        parts: its parts that were read before.
        model_ids: the ids of the models that may answer, the preferred one first, at least one.

    Raises:
        MappingError: a field is invalid or cannot be mapped. The library's own validation can find more
            problems when the request is sent: `api_error` names the client's fields for these.
    """
    parameters = inference_parameters(body, model_ids[0], max_tokens=parts.max_tokens, stop=parts.stop)
    metadata, without_room = request_metadata(body.get("metadata"), {name: body.get(name) for name in _USERS})
    answer = answer_form(parts.answer_format, parts.tools, model_ids=model_ids)
    conversation = parts.conversation
    turns = as_turns(conversation.parts if parts.tools.tools else tools_as_text(conversation.parts))
    additional, without_effort = _additional_fields(parts, parameters, model_id=model_ids[0])
    converse = {
        "messages": turns.messages,
        "system": [*conversation.system, *answer.instructions],
        "inference_config": parameters.fields,
        "additional_model_request_fields": additional,
        "tool_config": answer.tool_config,
        "request_metadata": metadata,
        "service_tier": service_tier(body.get("service_tier")),
        "output_config": answer.output_config,
    }
    origins = {**turns.origins, **conversation.origins, **parameters.origins, **answer.origins}
    return MappedRequest(
        models=requested_models(body),
        converse={name: value for name, value in converse.items() if value},
        stream=optional_flag(body.get("stream"), "stream"),
        ignored=(*parts.ignored, *parameters.ignored, *without_effort, *without_room),
        origins={
            **origins,
            "messages": parts.messages,
            "system": parts.messages,
            "toolConfig": "tools",
            "requestMetadata": "metadata",
            "serviceTier": "service_tier",
            "outputConfig": parts.format_path,
        },
        tool_names=changed_names([*(tool.name for tool in parts.tools.tools), *conversation.tool_names]),
        answer_tool=answer.answer_tool,
        one_tool_call=parts.tools.one_call,
        json_object=bool(answer.instructions),
    )


def _additional_fields(
    parts: RequestParts, parameters: InferenceParameters, *, model_id: str
) -> tuple[dict[str, Any], list[str]]:
    """Return `additionalModelRequestFields`, and the client's fields without effect."""
    fields: dict[str, Any] = {}
    ignored = []
    if parts.effort is not None:
        effort = read_choice(parts.effort, parts.effort_path, EFFORTS)
        fields |= reasoning_fields(
            effort, model_id, max_tokens=parameters.max_tokens, has_sampling=parameters.has_sampling
        )
        if not fields and effort != "none":
            ignored.append(parts.effort_path)
    if parts.tools.one_call:
        fields |= one_tool_call_fields(parts.tools.choice, model_id)
    return fields, ignored
