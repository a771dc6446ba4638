"""Builds and validates the Converse request of a call."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from llmmanager.bedrock.catalog.managed_prompts import PROMPT_FIELDS, is_managed_prompt
from llmmanager.bedrock.exceptions.llm_manager_exceptions import RequestValidationError
from llmmanager.bedrock.models.call_parameters import RequestParameters
from llmmanager.bedrock.models.message_text import as_messages, as_system
from llmmanager.bedrock.validation.blank_text import without_blank_text
from llmmanager.bedrock.validation.conversation import is_plain_text
from llmmanager.bedrock.validation.document_names import with_accepted_names
from llmmanager.bedrock.validation.media import exceeded_limits, media_files, with_models
from llmmanager.bedrock.validation.request_validation import validate_request
from llmmanager.bedrock.validation.unknown_content import without_unknown_markers


def _camel_case(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


CONVERSE_FIELDS = {
    parameter.name: _camel_case(parameter.name)
    for parameter in fields(RequestParameters)
    if parameter.name not in ("extra_request_fields", "prompt_cache")
}
"""Fields of Converse by the parameter of `LLMManager.converse` that sets them."""


@dataclass(frozen=True, slots=True)
class ValidRequest:
    """A valid Converse request.

    Attributes:
        fields: the request to send, without `modelId`.
        warnings: changes that make the request acceptable for Bedrock, and skipped models.
        skipped_models: the problems of the models that do not accept the request, by model id.
        prompt_cache: whether cache points are placed for each model.
    """

    fields: Mapping[str, Any]
    warnings: tuple[str, ...] = ()
    skipped_models: Mapping[str, Sequence[str]] = field(default_factory=dict)
    prompt_cache: bool = False


def build_request(
    parameters: Mapping[str, Any],
    *,
    model_ids: Collection[str] = (),
    default_inference_config: Mapping[str, Any] | None = None,
    stream: bool = False,
    skipped_models: Mapping[str, Sequence[str]] | None = None,
) -> ValidRequest:
    """Return the Converse request for the keyword parameters of `LLMManager.converse`.

    Parameters that do not describe the request are ignored. Parameters are not changed, and unchanged parts
    are shared with the request. `extra_request_fields` are merged last.

    Args:
        parameters: the keyword parameters.
        model_ids: the models that may answer. A model whose limits the request exceeds is skipped.
        default_inference_config: inference parameters for fields that the call does not set.
        stream: whether the request is for ConverseStream.
        skipped_models: the result of `check_request` for a request that was validated before for the same
            models; None validates the request.

    Raises:
        RequestValidationError: no model accepts the request. All problems are in `validation_errors`.
    """
    given = _given_fields(parameters)
    problems = []
    extra = parameters.get("extra_request_fields")
    if extra is not None and not isinstance(extra, Mapping):
        problems.append(f"extra_request_fields: must be a dict (got {type(extra).__name__})")
    prompt_cache = parameters.get("prompt_cache")
    problems += prompt_cache_problems(prompt_cache, "prompt_cache")
    overridden = isinstance(extra, Mapping) and "inferenceConfig" in extra
    request = _with_defaults(given, None if overridden else default_inference_config)
    if skipped_models is None:
        found, skipped_models = check_request(request, model_ids=model_ids, for_prompts=given, stream=stream)
        problems += found
    if problems:
        raise invalid(problems)
    fields, warnings = _sendable(request)
    warnings += [f"{model_id} was skipped: {'; '.join(found)}" for model_id, found in skipped_models.items()]
    if request is not given:
        warnings += [
            f"default_inference_config does not apply to {model_id}, a managed prompt"
            for model_id in model_ids
            if is_managed_prompt(model_id) and model_id not in skipped_models
        ]
    return ValidRequest(fields, tuple(warnings), skipped_models, prompt_cache is not None)


def prompt_cache_problems(value: object, name: str) -> list[str]:
    """Return the problem of an invalid `prompt_cache`, or an empty list.

    Args:
        name: the name of the field.
    """
    return [] if value in (None, "auto") else [f'{name}: must be "auto" or None (got {value!r:.80})']


def check_request(
    request: Mapping[str, Any],
    *,
    model_ids: Collection[str] = (),
    for_prompts: Mapping[str, Any] | None = None,
    stream: bool = False,
) -> tuple[list[str], dict[str, list[str]]]:
    """Return the problems of a request, and the problems of models that are skipped.

    Args:
        request: the request.
        model_ids: the models and managed prompts that may answer. Without any, only the rules for every model
            are checked.
        for_prompts: the request for managed prompts, if it differs.
        stream: whether the request is for ConverseStream.

    Returns:
        The problems if no model accepts the request, else an empty list; and the problems by model id of the
        models that do not accept it although others do.
    """
    prompts = [model_id for model_id in model_ids if is_managed_prompt(model_id)]
    models = [model_id for model_id in model_ids if model_id not in prompts]
    prompt_problems, model_problems = [], []
    if prompts:
        prompt_request = request if for_prompts is None else for_prompts
        prompt_problems = validate_request(_without_empty(prompt_request), stream=stream, managed_prompt=True)
    if models or not prompts:
        model_problems = validate_request(request, stream=stream)
    limits = exceeded_limits(media_files(request.get("messages")), models)
    if not (prompt_problems or model_problems or limits):
        return [], {}
    found = {model_id: [*model_problems, *limits.get(model_id, ())] for model_id in models}
    found |= dict.fromkeys(prompts, prompt_problems)
    skipped = {model_id: problems for model_id, problems in found.items() if problems}
    if model_ids and len(skipped) < len(found):
        return [], skipped
    common = with_models(limits) if len(limits) == len(set(models)) else []
    return list(dict.fromkeys([*model_problems, *prompt_problems, *common])), {}


def invalid(problems: Sequence[str]) -> RequestValidationError:
    """Return the error for a request with these problems."""
    return RequestValidationError(f"the request is invalid: {'; '.join(problems)}", problems)


def _sendable(request: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[str]]:
    """Return the request with changes that Bedrock requires, and a warning for each change."""
    if is_plain_text(request.get("messages")):
        return request, []
    if not request.get("messages"):  # a managed prompt contains messages
        request = {name: value for name, value in request.items() if name != "messages"}
    request, removed = without_unknown_markers(request)
    request, replaced = without_blank_text(request)
    request, renamed = with_accepted_names(request)
    return request, [*removed, *replaced, *renamed]


def _given_fields(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields set by the parameters, in their long forms and without empty optional fields."""
    request = {
        field: parameters[name] for name, field in CONVERSE_FIELDS.items() if parameters.get(name) is not None
    }
    extra = parameters.get("extra_request_fields")
    if isinstance(extra, Mapping):
        request.update(extra)
    for name, long_form in (("messages", as_messages), ("system", as_system)):
        if name in request:
            request[name] = long_form(request[name])
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
    """Return the request with defaults for the inference parameters that it does not set."""
    given = request.get("inferenceConfig")
    if not defaults or not (given is None or isinstance(given, Mapping)):
        return request
    return {**request, "inferenceConfig": {**defaults, **(given or {})}}


def _without_empty(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the request without empty fields that are defined in a managed prompt."""
    empty = {
        name for name in PROMPT_FIELDS if isinstance(request.get(name), dict | list) and not request[name]
    }
    return {name: value for name, value in request.items() if name not in empty}
