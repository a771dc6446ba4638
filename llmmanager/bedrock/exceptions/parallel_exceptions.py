"""Exceptions of `ParallelLLMManager`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from llmmanager.bedrock.exceptions.llm_manager_exceptions import LLMManagerError

if TYPE_CHECKING:
    from llmmanager.bedrock.models.parallel_response import ParallelResponse


class ParallelProcessingError(LLMManagerError):
    """Base class of the errors of `ParallelLLMManager`."""


class ParallelExecutionError(ParallelProcessingError):
    """A STOP strategy stopped the run early.

    Attributes:
        failed_requests: ids of the requests that failed, in request order.
        total_requests: the number of requests passed in.
        response: the partial `ParallelResponse` with the answers received before the stop.
    """

    failed_requests: list[str]
    total_requests: int
    response: ParallelResponse | None

    def __init__(
        self,
        message: str,
        failed_requests: Sequence[str] = (),
        total_requests: int = 0,
        details: Mapping[str, Any] | None = None,
        *,
        response: ParallelResponse | None = None,
    ) -> None:
        self.failed_requests = list(failed_requests)
        self.total_requests = total_requests
        super().__init__(
            message,
            details or {"failed_requests": self.failed_requests, "total_requests": total_requests},
        )
        self.response = response


class ParallelConfigurationError(ParallelProcessingError):
    """A parallel setting or the list of requests is invalid.

    Attributes:
        invalid_parameter: the name of the invalid parameter, or None.
        provided_value: the invalid value.
    """

    invalid_parameter: str | None
    provided_value: Any

    def __init__(
        self,
        message: str,
        invalid_parameter: str | None = None,
        provided_value: Any = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message, details)
        self.invalid_parameter = invalid_parameter
        self.provided_value = provided_value
