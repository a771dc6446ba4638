"""Builds and validates the Converse request of a call from its parameters."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from llmmanager.bedrock.catalog.managed_prompts import PROMPT_FIELDS, is_managed_prompt
from llmmanager.bedrock.exceptions.llm_manager_exceptions import RequestValidationError
from llmmanager.bedrock.invocation.document_names import with_accepted_names
from llmmanager.bedrock.invocation.request_blank_text import without_blank_text
from llmmanager.bedrock.invocation.request_conversation import is_plain_text
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

    Parameters that do not describe the request are ignored. None is changed, and unchanged parts are shared
    with the request. A field of `default_inference_config` applies where the call does not set it;
    `extra_request_fields` are merged last.

    Args:
        model_ids: the models that may answer; a model whose limits the request exceeds is passed over.

    Raises:
        RequestValidationError: no model can answer; with every problem at once in `validation_errors`.
    """
    given = _given_fields(parameters)
    problems = []
    extra = parameters.get("extra_request_fields")
    if isinstance(extra, Mapping):
        given.update(extra)
    elif extra is not None:
        problems.append(f"extra_request_fields: must be a dict (got {type(extra).__name__})")
    if "messages" in given:
        given["messages"] = as_messages(given["messages"])
    overridden = isinstance(extra, Mapping) and "inferenceConfig" in extra
    request = _with_defaults(given, None if overridden else default_inference_config)
    found, passed_over = check_request(request, model_ids=model_ids, for_prompts=given, stream=stream)
    problems += found
    if problems:
        raise invalid(problems)
    fields, warnings = _sendable(request)
    warnings += [f"{model_id} was passed over: {'; '.join(found)}" for model_id, found in passed_over.items()]
    if request is not given:
        warnings += [
            f"default_inference_config does not apply to {model_id}, a managed prompt"
            for model_id in model_ids
            if is_managed_prompt(model_id) and model_id not in passed_over
        ]
    return ValidRequest(fields, tuple(warnings), passed_over)


def check_request(
    request: Mapping[str, Any],
    *,
    model_ids: Collection[str] = (),
    for_prompts: Mapping[str, Any] | None = None,
    stream: bool = False,
) -> tuple[list[str], dict[str, list[str]]]:
    """Return what is wrong with a request, and the models that cannot answer it although others can.

    Args:
        model_ids: the models that may answer, managed prompts included; without any, the request is checked
            by the rules that hold for every model.
        for_prompts: the request as managed prompts receive it, where it differs.

    Returns:
        The problems, one sentence each, when no model can answer; and the problems of each model that is
        passed over when others can.
    """
    prompts = [model_id for model_id in model_ids if is_managed_prompt(model_id)]
    models = [model_id for model_id in model_ids if model_id not in prompts]
    of_prompts, of_models = [], []
    if prompts:
        asked = request if for_prompts is None else for_prompts
        of_prompts = validate_request(_without_empty(asked), stream=stream, managed_prompt=True)
    if models or not prompts:
        of_models = validate_request(request, stream=stream)
    limits = exceeded_limits(media_files(request.get("messages")), models)
    if not (of_prompts or of_models or limits):
        return [], {}
    found = {model_id: [*of_models, *limits.get(model_id, ())] for model_id in models}
    found |= dict.fromkeys(prompts, of_prompts)
    passed_over = {model_id: problems for model_id, problems in found.items() if problems}
    if model_ids and len(passed_over) < len(found):
        return [], passed_over
    common = with_models(limits) if len(limits) == len(set(models)) else []
    return list(dict.fromkeys([*of_models, *of_prompts, *common])), {}


def invalid(problems: Sequence[str]) -> RequestValidationError:
    """Return the error for a request with these problems."""
    return RequestValidationError(f"the request is not valid: {'; '.join(problems)}", problems)


def _sendable(request: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[str]]:
    """Return the request in a form that Bedrock accepts, and a warning for each change."""
    if is_plain_text(request.get("messages")):
        return request, []
    if not request.get("messages"):  # a managed prompt has messages of its own
        request = {name: value for name, value in request.items() if name != "messages"}
    request, left_out = without_unknown_markers(request)
    request, replaced = without_blank_text(request)
    request, renamed = with_accepted_names(request)
    return request, [*left_out, *replaced, *renamed]


def _given_fields(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that the parameters set, without those that are empty."""
    request = {
        field: parameters[name] for name, field in CONVERSE_FIELDS.items() if parameters.get(name) is not None
    }
    variables = request.get("promptVariables")
    if isinstance(variables, Mapping):
        request["promptVariables"] = {
            name: {"text": value} if isinstance(value, str) else value for name, value in variables.items()
        }
    for optional in ("system", "additionalModelResponseFieldPaths", "requestMetadata", "promptVariables"):
        if optional in request and not request[optional] and isinstance(request[optional], list | dict):
            del request[optional]
    return request


def _with_defaults(request: dict[str, Any], defaults: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the request with the default inference parameters that it does not set itself."""
    given = request.get("inferenceConfig")
    if not defaults or not (given is None or isinstance(given, Mapping)):
        return request
    return {**request, "inferenceConfig": {**defaults, **(given or {})}}


def _without_empty(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the request without those fields that a managed prompt defines and that are empty."""
    empty = {
        name for name in PROMPT_FIELDS if isinstance(request.get(name), dict | list) and not request[name]
    }
    return {name: value for name, value in request.items() if name not in empty}
