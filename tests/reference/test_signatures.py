"""Every documented signature: parameters in order, defaults, what is returned; new ones keyword-only."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import typing
from collections.abc import Callable
from typing import Any

import pytest

import llmmanager
from llmmanager import (
    AuthConfig,
    BedrockConverseRequest,
    LLMManager,
    ParallelLLMManager,
    ParallelProcessingConfig,
    ResponseValidationConfig,
    RetryConfig,
    StreamingResponse,
    ValidationResult,
)
from llmmanager.bedrock.models import converse_types

SIGNATURES: list[tuple[str, str, Callable[..., Any]]] = [
    ("01-llm-manager-constructor", "LLMManager", LLMManager),
    ("02-converse", "converse", LLMManager.converse),
    ("04-llm-manager-utility-methods", "get_available_models", LLMManager.get_available_models),
    ("04-llm-manager-utility-methods", "get_available_regions", LLMManager.get_available_regions),
    ("04-llm-manager-utility-methods", "get_model_access_info", LLMManager.get_model_access_info),
    ("04-llm-manager-utility-methods", "validate_configuration", LLMManager.validate_configuration),
    ("04-llm-manager-utility-methods", "refresh_model_data", LLMManager.refresh_model_data),
    ("04-llm-manager-utility-methods", "get_retry_stats", LLMManager.get_retry_stats),
    ("05-parallel-constructor", "ParallelLLMManager", ParallelLLMManager),
    ("06-converse-parallel", "converse_parallel", ParallelLLMManager.converse_parallel),
    (
        "07-parallel-single-request-methods",
        "converse_with_request",
        ParallelLLMManager.converse_with_request,
    ),
    (
        "07-parallel-single-request-methods",
        "get_underlying_llm_manager",
        ParallelLLMManager.get_underlying_llm_manager,
    ),
]
NAMES = [documented for _, documented, _ in SIGNATURES]
# The reference names types as before Python 3.9 and 3.10.
TYPES = {"List": list, "Dict": dict, "Optional": typing.Optional, "Any": Any}

EXPORTS = {export: getattr(llmmanager, export) for export in llmmanager.__all__}


def hints_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The types of a function. Modules import some of them for type checkers only."""
    return typing.get_type_hints(function, localns={**vars(converse_types), **EXPORTS})


def defaults_of(function: ast.FunctionDef) -> dict[str, Any]:
    """The documented parameters and their defaults, `Parameter.empty` for none."""
    names = [argument.arg for argument in function.args.args]
    values = [ast.literal_eval(default) for default in function.args.defaults]
    required = [inspect.Parameter.empty] * (len(names) - len(values))
    return dict(zip(names, [*required, *values], strict=True))


def assert_documented_first(parameters: list[inspect.Parameter], documented: dict[str, Any]) -> None:
    first, more = parameters[: len(documented)], parameters[len(documented) :]
    assert {one.name: one.default for one in first} == documented
    assert [one.name for one in first] == list(documented)
    assert {one.kind for one in first} == {inspect.Parameter.POSITIONAL_OR_KEYWORD}
    assert {one.kind for one in more} <= {inspect.Parameter.KEYWORD_ONLY}
    assert all(one.default is not inspect.Parameter.empty for one in more)


@pytest.mark.parametrize(("snippet", "name", "actual"), SIGNATURES, ids=NAMES)
def test_the_documented_parameters_come_first_in_order_and_with_their_defaults(
    snippets, snippet: str, name: str, actual: Callable[..., Any]
) -> None:
    documented = defaults_of(snippets.functions(snippet)[name])
    assert_documented_first(list(inspect.signature(actual).parameters.values()), documented)


@pytest.mark.parametrize(("snippet", "name", "actual"), SIGNATURES, ids=NAMES)
def test_the_documented_type_is_returned(
    snippets, snippet: str, name: str, actual: Callable[..., Any]
) -> None:
    returns = snippets.functions(snippet)[name].returns
    if returns is None:
        assert inspect.isclass(actual)
        return
    wanted = eval(ast.unparse(returns), {**TYPES, **EXPORTS})
    hinted = hints_of(actual)["return"]
    assert hinted == (type(None) if wanted is None else wanted)


def test_every_documented_signature_is_compared(snippets) -> None:
    documented = {
        (name, function)
        for name in snippets.names()[:7]
        if name != "03-converse-stream"
        for function in snippets.functions(name)
    }
    assert documented == {(snippet, name) for snippet, name, _ in SIGNATURES}


def test_converse_stream_takes_what_converse_takes_and_returns_a_stream(snippets) -> None:
    documented = snippets.functions("03-converse-stream")["converse_stream"]
    stream, plain = inspect.signature(LLMManager.converse_stream), inspect.signature(LLMManager.converse)
    assert list(defaults_of(documented)) == list(stream.parameters)[:2]
    assert list(stream.parameters.values()) == list(plain.parameters.values())
    assert hints_of(LLMManager.converse_stream)["return"] is StreamingResponse


def keywords_of(text: str, constructor: str) -> dict[str, ast.expr]:
    """The keywords with which a snippet calls a constructor, over all its calls."""
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    return {
        str(keyword.arg): keyword.value
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id == constructor
        for keyword in call.keywords
    }


@pytest.mark.parametrize(
    ("snippet", "config"),
    [
        ("09-bedrock-converse-request", BedrockConverseRequest),
        ("12-auth-config", AuthConfig),
        ("13-retry-config", RetryConfig),
        ("14-parallel-processing-config", ParallelProcessingConfig),
        ("15-response-validation-config", ValidationResult),
        ("15-response-validation-config", ResponseValidationConfig),
    ],
    ids=lambda value: value.__name__ if inspect.isclass(value) else "",
)
def test_the_fields_of_a_configuration_come_in_the_documented_order(
    snippets, snippet: str, config: type
) -> None:
    documented = list(keywords_of(snippets.text(snippet), config.__name__))
    parameters = inspect.signature(config).parameters
    assert list(parameters)[: len(documented)] == documented
    for name in documented:
        assert parameters[name].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    for name in list(parameters)[len(documented) :]:
        assert parameters[name].kind is inspect.Parameter.KEYWORD_ONLY


@pytest.mark.parametrize(
    ("snippet", "config"),
    [("13-retry-config", RetryConfig), ("14-parallel-processing-config", ParallelProcessingConfig)],
    ids=lambda value: value.__name__ if inspect.isclass(value) else "",
)
def test_the_values_in_the_reference_are_the_defaults(snippets, snippet: str, config: type) -> None:
    space = snippets.run(snippet)
    documented = next(value for value in space.values() if isinstance(value, config))
    assert documented == config()


def test_a_validation_retries_three_times_without_delay_by_default(snippets) -> None:
    shown = keywords_of(snippets.text("15-response-validation-config"), "ResponseValidationConfig")
    config = ResponseValidationConfig(lambda _: ValidationResult(True))
    for name in ("response_validation_retries", "response_validation_delay"):
        assert getattr(config, name) == ast.literal_eval(shown[name])


def test_everything_of_a_request_but_its_messages_is_optional(messages) -> None:
    request = BedrockConverseRequest(messages=messages)
    fields = [field.name for field in dataclasses.fields(request)]
    given = {name: getattr(request, name) for name in fields[2:10]}
    assert given == dict.fromkeys(given)
    assert request.request_id
    assert request.request_id != BedrockConverseRequest(messages=messages).request_id
    with pytest.raises(TypeError, match="messages"):
        BedrockConverseRequest(request_id="unique-request-id")


def test_credentials_are_found_automatically_by_default() -> None:
    assert AuthConfig().auth_type is llmmanager.AuthenticationType.AUTO
    assert vars(AuthConfig()) == {**dict.fromkeys(vars(AuthConfig())), "auth_type": AuthConfig().auth_type}
