"""The parameters of parallel runs, declared once for a method and its async form."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from llmmanager.bedrock.models.bedrock_response import BedrockResponse
from llmmanager.bedrock.models.deadline import Deadline
from llmmanager.bedrock.models.llm_manager_structures import ResponseValidationConfig
from llmmanager.bedrock.models.parallel_structures import BedrockConverseRequest, ParallelResponse
from llmmanager.bedrock.parallel.request_checks import DEFAULT_TARGET_REGIONS, failed_requests

if TYPE_CHECKING:
    from llmmanager.bedrock.models.attempt_guard import AttemptGuard


@dataclass(frozen=True, eq=False, repr=False)
class CollectedParameters:
    """The parameters of `converse_parallel`."""

    requests: Sequence[BedrockConverseRequest]
    target_regions_per_request: int = DEFAULT_TARGET_REGIONS
    response_validation_config: ResponseValidationConfig | None = None
    deadline: float | Deadline | None = field(default=None, kw_only=True)
    before_attempt: AttemptGuard | None = field(default=None, kw_only=True)


@dataclass(frozen=True, eq=False, repr=False)
class RetryParameters:
    """The parameters of `retry_failed_requests`."""

    previous_response: ParallelResponse
    filter_func: Callable[[str, BedrockResponse], bool] | None = None
    target_regions_per_request: int | None = None
    response_validation_config: ResponseValidationConfig | None = None
    deadline: float | Deadline | None = field(default=None, kw_only=True)
    before_attempt: AttemptGuard | None = field(default=None, kw_only=True)

    def of_retry(self) -> CollectedParameters | None:
        """Return the parameters that send the failed requests again, or None if none is selected."""
        requests = failed_requests(self.previous_response, self.filter_func)
        if not requests:
            return None
        count = self.target_regions_per_request
        return CollectedParameters(
            requests,
            DEFAULT_TARGET_REGIONS if count is None else count,
            self.response_validation_config,
            deadline=self.deadline,
            before_attempt=self.before_attempt,
        )


@dataclass(frozen=True, eq=False, repr=False)
class IteratedParameters:
    """The parameters of `iter_responses`."""

    requests: Iterable[BedrockConverseRequest]
    target_regions_per_request: int | None = field(default=None, kw_only=True)
    response_validation_config: ResponseValidationConfig | None = field(default=None, kw_only=True)
    deadline: float | Deadline | None = field(default=None, kw_only=True)
    keep_region_order: bool = field(default=False, kw_only=True)
    stop: threading.Event | None = field(default=None, kw_only=True)
    before_attempt: AttemptGuard | None = field(default=None, kw_only=True)
