"""From the parameters of a call to the Converse request that goes on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llmmanager.bedrock.exceptions.llm_manager_exceptions import RequestValidationError
from llmmanager.bedrock.invocation.request_validation import validate_request
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


def build_request(
    parameters: Mapping[str, Any],
    *,
    default_inference_config: Mapping[str, Any] | None = None,
    stream: bool = False,
) -> dict[str, Any]:
    """The Converse request for the keyword parameters of `LLMManager.converse`.

    Nothing given is changed or copied but the outermost layer. Defaults of the manager yield to what the
    call gives, field by field; `extra_request_fields` are merged last.

    Raises:
        RequestValidationError: with every problem at once in `validation_errors`.
    """
    request = {
        field: parameters[name] for name, field in CONVERSE_FIELDS.items() if parameters.get(name) is not None
    }
    if "messages" in request:
        request["messages"] = as_messages(request["messages"])
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
    problems = []
    extra = parameters.get("extra_request_fields")
    if isinstance(extra, Mapping):
        request.update(extra)
    elif extra is not None:
        problems.append(f"extra_request_fields: must be a dict (got {type(extra).__name__})")
    problems += validate_request(request, stream=stream)
    if problems:
        raise RequestValidationError(f"the request is not valid: {'; '.join(problems)}", problems)
    return request
