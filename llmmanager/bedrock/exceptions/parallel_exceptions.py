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

    def get_failed_requests(self) -> list[str]:
        """Return a copy of `failed_requests`."""
        return list(self.failed_requests)

    def get_failure_rate(self) -> float:
        """Return the share of failed requests in all requests passed in, 0.0 to 1.0."""
        return len(self.failed_requests) / self.total_requests if self.total_requests else 0.0

    def get_success_rate(self) -> float:
        """Return the share of the other requests, answered or not started, 0.0 to 1.0."""
        return 1.0 - self.get_failure_rate() if self.total_requests else 0.0


class RequestNotStartedError(ParallelProcessingError):
    """A run ended before the request was sent. The request was waiting for the answer to another one that
    writes a prompt prefix to the cache.
    """


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

    def get_invalid_parameter(self) -> str | None:
        """Return `invalid_parameter`."""
        return self.invalid_parameter

    def get_provided_value(self) -> Any:
        """Return `provided_value`."""
        return self.provided_value


class RequestIdCollisionError(ParallelConfigurationError):
    """Requests of a run have the same id.

    Attributes:
        duplicated_ids: the requests (`BedrockConverseRequest`) by the id that they share.
    """

    duplicated_ids: dict[str, list[Any]]

    def __init__(self, duplicated_ids: Mapping[str, Sequence[Any]]) -> None:
        self.duplicated_ids = {key: list(requests) for key, requests in duplicated_ids.items()}
        ids = list(self.duplicated_ids)
        super().__init__(
            f"request_id must be unique (duplicates: {', '.join(map(repr, ids))})", "request_id", ids
        )

    def get_duplicated_ids(self) -> dict[str, list[Any]]:
        """Return a copy of `duplicated_ids`."""
        return {key: list(requests) for key, requests in self.duplicated_ids.items()}


class RegionDistributionError(ParallelConfigurationError):
    """A run asks for more regions per request than the manager has.

    Attributes:
        requested_regions: the number of regions that was asked for.
        available_regions: the number of the manager's regions.
    """

    requested_regions: int
    available_regions: int

    def __init__(self, message: str, requested_regions: int, available_regions: int) -> None:
        super().__init__(message, "target_regions_per_request", requested_regions)
        self.requested_regions = requested_regions
        self.available_regions = available_regions

    def get_requested_regions(self) -> int:
        """Return `requested_regions`."""
        return self.requested_regions

    def get_available_regions(self) -> int:
        """Return `available_regions`."""
        return self.available_regions
