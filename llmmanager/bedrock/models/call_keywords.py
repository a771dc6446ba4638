"""The types of the keyword arguments of `LLMManager.converse`, for methods that pass them on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict

from llmmanager.bedrock.models.deadline import Deadline
from llmmanager.bedrock.models.llm_manager_structures import ResponseValidationConfig

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

Messages: TypeAlias = "str | Sequence[Message | UntypedDict] | None"
"""The messages of a request; a string is one user message."""


class CallKeywords(TypedDict, total=False):
    """The arguments of `LLMManager.converse` without `messages`."""

    system: str | Sequence[SystemContentBlock | UntypedDict] | None
    inference_config: InferenceConfiguration | UntypedDict | None
    additional_model_request_fields: dict[str, Any] | None
    additional_model_response_field_paths: Sequence[str] | None
    guardrail_config: GuardrailConfiguration | GuardrailStreamConfiguration | UntypedDict | None
    tool_config: ToolConfiguration | UntypedDict | None
    request_metadata: dict[str, str] | None
    prompt_variables: Mapping[str, str | PromptVariableValues] | None
    performance_config: PerformanceConfiguration | UntypedDict | None
    service_tier: ServiceTier | UntypedDict | None
    output_config: OutputConfig | UntypedDict | None
    extra_request_fields: dict[str, Any] | None
    prompt_cache: Literal["auto"] | None
    response_validation_config: ResponseValidationConfig | None
    deadline: float | Deadline | None
    before_attempt: AttemptGuard | None
