"""Requests and settings of `ParallelLLMManager`."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import TYPE_CHECKING, Any

from llmmanager.bedrock.exceptions.parallel_exceptions import ParallelConfigurationError
from llmmanager.bedrock.models.call_parameters import RequestParameters
from llmmanager.bedrock.models.message_text import as_messages, as_system
from llmmanager.bedrock.models.parallel_response import ParallelExecutionStats, ParallelResponse

if TYPE_CHECKING:
    from llmmanager.bedrock.models.converse_types import Message, UntypedDict

__all__ = [
    "BedrockConverseRequest",
    "FailureHandlingStrategy",
    "LoadBalancingStrategy",
    "ParallelExecutionStats",
    "ParallelProcessingConfig",
    "ParallelResponse",
]


class FailureHandlingStrategy(Enum):
    """Whether failed requests stop the others.

    Attributes:
        CONTINUE_ON_FAILURE: all requests run.
        STOP_ON_FIRST_FAILURE: a failed request stops the run.
        STOP_ON_THRESHOLD: the run stops if more than `failure_threshold` of all requests have failed.
    """

    CONTINUE_ON_FAILURE = "continue_on_failure"
    STOP_ON_FIRST_FAILURE = "stop_on_first_failure"
    STOP_ON_THRESHOLD = "stop_on_threshold"


class LoadBalancingStrategy(Enum):
    """How the first region of each request is chosen.

    Attributes:
        ROUND_ROBIN: each request starts one region further.
        LEAST_LOADED: the regions with the fewest running requests.
        RANDOM: random regions.
    """

    ROUND_ROBIN = "round_robin"
    LEAST_LOADED = "least_loaded"
    RANDOM = "random"


_PARAMETERS = frozenset(parameter.name for parameter in fields(RequestParameters))


def _new_request_id() -> str:
    return f"req-{uuid.uuid4().hex}"


def _required_messages() -> Sequence[Message]:
    # The documented order starts with the optional id. A field without a default cannot follow it.
    raise TypeError(
        "BedrockConverseRequest needs messages, the second argument: BedrockConverseRequest(messages=...)"
    )


@dataclass(frozen=True)
class _Identified:
    """The base class of a request: its id is the first field."""

    request_id: str | None = None


@dataclass(frozen=True)
class BedrockConverseRequest(RequestParameters, _Identified):
    """One Converse request of a parallel run.

    Attributes:
        request_id: the key of the request in the results; a random one if None.
        messages: required, as in `LLMManager.converse`. A string becomes one user message. None requires a
            managed prompt.
        system: as in `LLMManager.converse`. A string becomes one block.
        inference_config, additional_model_request_fields: as in `LLMManager.converse`.
        additional_model_response_field_paths, guardrail_config, tool_config: as in `LLMManager.converse`.
        request_metadata, prompt_variables, performance_config: as in `LLMManager.converse`.
        service_tier, output_config, extra_request_fields, prompt_cache: as in `LLMManager.converse`.
        priority: 0 is the highest priority; used with `enable_request_prioritization`.

    Raises:
        ParallelConfigurationError: the id is empty or not a string, or the priority is negative or not an
            integer.
    """

    messages: str | Sequence[Message | UntypedDict] | None = field(default_factory=_required_messages)
    priority: int = field(default=0, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "messages", as_messages(self.messages))
        object.__setattr__(self, "system", as_system(self.system))
        if self.request_id is None:
            object.__setattr__(self, "request_id", _new_request_id())
        elif not isinstance(self.request_id, str) or not self.request_id:
            raise ParallelConfigurationError(
                f"request_id must be a non-empty string (got {self.request_id!r})",
                "request_id",
                self.request_id,
            )
        if not _is_int(self.priority, 0):
            raise ParallelConfigurationError(
                f"priority must be an integer of at least 0 (got {self.priority!r})",
                "priority",
                self.priority,
            )

    def to_converse_args(self) -> dict[str, Any]:
        """Return the keyword arguments for `LLMManager.converse` that this request sets."""
        return {
            name: value for name, value in vars(self).items() if name in _PARAMETERS and value is not None
        }


@dataclass(frozen=True)
class ValidatedConverseRequest(BedrockConverseRequest):
    """A request that was validated when it was decoded. A manager with the same models only sends it.

    Attributes:
        model_ids: the models for which it was validated.
        skipped_models: the problems of the models that do not accept it although others do, by model id.
    """

    model_ids: tuple[str, ...] = field(default=(), kw_only=True)
    skipped_models: Mapping[str, Sequence[str]] = field(default_factory=dict, kw_only=True)


@dataclass(frozen=True)
class ParallelProcessingConfig:
    """Concurrency, timeout and failure handling of parallel runs.

    Attributes:
        max_concurrent_requests: number of requests that run at the same time, at least 1.
        request_timeout_seconds: maximum duration of a request from its start to its answer or failure.
        failure_handling_strategy: whether failed requests stop the others.
        failure_threshold: share of failed requests (0.0 to 1.0) above which STOP_ON_THRESHOLD stops.
        load_balancing_strategy: how the first region of each request is chosen.
        enable_request_prioritization: whether requests start in the order of their `priority`.
        cache_warm_up: whether requests that share a cached prompt prefix start when the first of them is
            answered, so that they read the cache. They wait for at most 10 seconds.

    Raises:
        ParallelConfigurationError: a value is invalid.
    """

    max_concurrent_requests: int = 10
    request_timeout_seconds: float = 120
    failure_handling_strategy: FailureHandlingStrategy = FailureHandlingStrategy.CONTINUE_ON_FAILURE
    failure_threshold: float = 0.5
    load_balancing_strategy: LoadBalancingStrategy = LoadBalancingStrategy.ROUND_ROBIN
    enable_request_prioritization: bool = False
    cache_warm_up: bool = field(default=True, kw_only=True)

    def __post_init__(self) -> None:
        self._require(
            "max_concurrent_requests", "an integer of at least 1", _is_int(self.max_concurrent_requests, 1)
        )
        self._require(
            "request_timeout_seconds", "a number above 0", _is_number(self.request_timeout_seconds, above=0)
        )
        self._require(
            "failure_threshold",
            "a number from 0.0 to 1.0",
            _is_number(self.failure_threshold) and 0 <= self.failure_threshold <= 1,
        )
        for name, kind in (
            ("failure_handling_strategy", FailureHandlingStrategy),
            ("load_balancing_strategy", LoadBalancingStrategy),
        ):
            self._require(name, f"a {kind.__name__}", isinstance(getattr(self, name), kind))
        for name in ("enable_request_prioritization", "cache_warm_up"):
            self._require(name, "True or False", isinstance(getattr(self, name), bool))

    def _require(self, name: str, accepted: str, valid: bool) -> None:
        if not valid:
            value = getattr(self, name)
            raise ParallelConfigurationError(f"{name} must be {accepted} (got {value!r})", name, value)


def _is_number(value: Any, *, above: float | None = None) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and (above is None or value > above)


def _is_int(value: Any, minimum: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= minimum
