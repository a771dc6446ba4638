"""Builds and validates the Converse request of a call from its parameters."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from llmmanager.bedrock.exceptions.llm_manager_exceptions import RequestValidationError
from llmmanager.bedrock.invocation.document_names import with_accepted_names
from llmmanager.bedrock.invocation.request_blank_text import without_blank_text
from llmmanager.bedrock.invocation.request_media import exceeded_limits, media_files, with_models
from llmmanager.bedrock.invocation.request_validation import validate_request
from llmmanager.bedrock.invocation.unknown_content import without_unknown_markers
from llmmanager.bedrock.models.message_text import as_messages

CONVERSE_FIELDS = {
    "messages": "messages",
    "system": "system",
    "inference_config": "inferenceConfig",
    "additional_model_request_fields": "additionalModelRequestFields",
    "additional_model_response_field_paths": "additionalModelResponseFieldPaths",
    "guardrail_config": "guardrailConfig",
    "tool_config": "toolConfig",
    "request_metadata": "requestMetadata",
    "prompt_variables": "promptVariables",
    "performance_config": "performanceConfig",
    "service_tier": "serviceTier",
    "output_config": "outputConfig",
}
"""Converse's own field by the name of the parameter that sets it."""

PARAMETERS = frozenset({*CONVERSE_FIELDS, "extra_request_fields"})
"""Names of the parameters of `LLMManager.converse` that describe the request."""


@dataclass(frozen=True, slots=True)
class ValidRequest:
    """A Converse request that passed validation.

    Attributes:
        fields: the request as it is sent, without `modelId`.
        warnings: what was changed in it so that Bedrock accepts it, and which models are passed over.
        passed_over: the problems of the models that cannot answer it, by model id.
    """

    fields: Mapping[str, Any]
    warnings: tuple[str, ...] = ()
    passed_over: Mapping[str, Sequence[str]] = field(default_factory=dict)


def build_request(
    parameters: Mapping[str, Any],
    *,
    model_ids: Collection[str] = (),
    default_inference_config: Mapping[str, Any] | None = None,
    stream: bool = False,
) -> ValidRequest:
    """Return the Converse request for the keyword parameters of `LLMManager.converse`.

    The parameters are not changed, and unchanged parts are shared with them. A field of
    `default_inference_config` applies where the call does not set it; `extra_request_fields` are merged last.

    Args:
        model_ids: the models that may answer; a model whose limits the request exceeds is passed over.

    Raises:
        RequestValidationError: no model can answer; with every problem at once in `validation_errors`.
    """
    request = _with_defaults(parameters, default_inference_config)
    problems = []
    extra = parameters.get("extra_request_fields")
    if isinstance(extra, Mapping):
        request.update(extra)
    elif extra is not None:
        problems.append(f"extra_request_fields: must be a dict (got {type(extra).__name__})")
    if "messages" in request:
        request["messages"] = as_messages(request["messages"])
    problems += validate_request(request, stream=stream)
    passed_over = exceeded_limits(media_files(request.get("messages")), model_ids)
    if passed_over and len(passed_over) == len(set(model_ids)):
        problems += with_models(passed_over)
    if problems:
        raise invalid(problems)
    fields, warnings = _sendable(request)
    warnings += [f"{model_id} was passed over: {'; '.join(found)}" for model_id, found in passed_over.items()]
    return ValidRequest(fields, tuple(warnings), passed_over)


def invalid(problems: Sequence[str]) -> RequestValidationError:
    """Return the error for a request with these problems."""
    return RequestValidationError(f"the request is not valid: {'; '.join(problems)}", problems)


def _sendable(request: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[str]]:
    """Return the request in a form that Bedrock accepts, and a warning for each change."""
    request, left_out = without_unknown_markers(request)
    request, replaced = without_blank_text(request)
    request, renamed = with_accepted_names(request)
    return request, [*left_out, *replaced, *renamed]


def _with_defaults(
    parameters: Mapping[str, Any], default_inference_config: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return the fields that the parameters set, without those that are empty."""
    request = {
        field: parameters[name] for name, field in CONVERSE_FIELDS.items() if parameters.get(name) is not None
    }
    given = request.get("inferenceConfig")
    if default_inference_config and (given is None or isinstance(given, Mapping)):
        request["inferenceConfig"] = {**default_inference_config, **(given or {})}
    variables = request.get("promptVariables")
    if isinstance(variables, Mapping):
        request["promptVariables"] = {
            name: {"text": value} if isinstance(value, str) else value for name, value in variables.items()
        }
    for optional in ("system", "additionalModelResponseFieldPaths", "requestMetadata", "promptVariables"):
        if optional in request and not request[optional] and isinstance(request[optional], list | dict):
            del request[optional]
    return request
