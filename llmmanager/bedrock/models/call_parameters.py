"""The parameters of a call, declared once for `converse`, `converse_stream` and `BedrockConverseRequest`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, TypeVar

from llmmanager.bedrock.exceptions.llm_manager_exceptions import ConfigurationError
from llmmanager.bedrock.models.deadline import Deadline
from llmmanager.bedrock.models.llm_manager_structures import ResponseValidationConfig, check_function

if TYPE_CHECKING:
    from llmmanager.bedrock.models.attempt_guard import AttemptGuard
    from llmmanager.bedrock.models.converse_types import (
        GuardrailConfiguration,
        GuardrailStreamConfiguration,
        InferenceConfiguration,
        Message,
        OutputConfig,
        PerformanceConfiguration,
        PromptVariableValues,
        ServiceTier,
        SystemContentBlock,
        ToolConfiguration,
        UntypedDict,
    )

M = TypeVar("M")
C = TypeVar("C")
R = TypeVar("R")
P = ParamSpec("P")


@dataclass(frozen=True, eq=False, repr=False)
class RequestParameters:
    """The parameters that describe a request."""

    messages: str | Sequence[Message | UntypedDict] | None
    system: str | Sequence[SystemContentBlock | UntypedDict] | None = None
    inference_config: InferenceConfiguration | UntypedDict | None = None
    additional_model_request_fields: dict[str, Any] | None = None
    additional_model_response_field_paths: Sequence[str] | None = None
    guardrail_config: GuardrailConfiguration | GuardrailStreamConfiguration | UntypedDict | None = None
    tool_config: ToolConfiguration | UntypedDict | None = None
    request_metadata: dict[str, str] | None = None
    prompt_variables: Mapping[str, str | PromptVariableValues] | None = None
    performance_config: PerformanceConfiguration | UntypedDict | None = field(default=None, kw_only=True)
    service_tier: ServiceTier | UntypedDict | None = field(default=None, kw_only=True)
    output_config: OutputConfig | UntypedDict | None = field(default=None, kw_only=True)
    extra_request_fields: dict[str, Any] | None = field(default=None, kw_only=True)
    prompt_cache: Literal["auto"] | None = field(default=None, kw_only=True)


@dataclass(frozen=True, eq=False, repr=False)
class CallParameters(RequestParameters):
    """The parameters of `LLMManager.converse` and `LLMManager.converse_stream`."""

    response_validation_config: ResponseValidationConfig | None = None
    deadline: float | Deadline | None = field(default=None, kw_only=True)
    before_attempt: AttemptGuard | None = field(default=None, kw_only=True)


def takes(parameters: Callable[P, C]) -> Callable[[Callable[[M, C], R]], Callable[Concatenate[M, P], R]]:
    """Return a decorator that gives a method the parameters of a class, and passes it an instance."""

    def decorate(method: Callable[[M, C], R]) -> Callable[Concatenate[M, P], R]:
        @wraps(method)
        def with_parameters(self: M, /, *args: P.args, **kwargs: P.kwargs) -> R:
            try:
                call = parameters(*args, **kwargs)
            except TypeError as error:
                # Missing or unknown arguments: name the method, which is what the caller wrote.
                wrong = str(error).replace(
                    f"{parameters.__qualname__}.__init__()", f"{method.__qualname__}()"
                )
                raise TypeError(wrong) from None
            return method(self, call)

        constructor = parameters.__init__
        returns = method.__annotations__["return"]
        signature = inspect.signature(constructor).replace(return_annotation=returns)
        with_parameters.__dict__["__signature__"] = signature
        with_parameters.__annotations__ = {**constructor.__annotations__, "return": returns}
        return with_parameters

    return decorate


def check_options(validation: ResponseValidationConfig | None, guard: AttemptGuard | None) -> None:
    """Raise ConfigurationError if an option of a call has the wrong type."""
    check_type("response_validation_config", validation, ResponseValidationConfig)
    if guard is not None:
        check_function("before_attempt", guard)


def check_type(name: str, value: object, kind: type) -> None:
    """Raise ConfigurationError if a value is not None and has the wrong type."""
    if value is not None and not isinstance(value, kind):
        # Only the type is shown, since a dict instead of an AuthConfig contains secrets.
        type_name, article = type(value).__name__, "an" if kind.__name__.startswith("A") else "a"
        raise ConfigurationError(
            f"{name} must be {article} {kind.__name__} (got {type_name})", {name: type_name}
        )
