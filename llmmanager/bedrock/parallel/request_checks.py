"""Checks the arguments of a parallel run, and selects the requests of its retry."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

from llmmanager.bedrock.exceptions.parallel_exceptions import (
    ParallelConfigurationError,
    RegionDistributionError,
    RequestIdCollisionError,
)
from llmmanager.bedrock.models.bedrock_response import BedrockResponse
from llmmanager.bedrock.models.llm_manager_structures import check_function
from llmmanager.bedrock.models.parallel_response import ParallelResponse
from llmmanager.bedrock.models.parallel_structures import BedrockConverseRequest


class _DefaultCount(int):
    """The default of a parameter. Its type differs from that of a number passed by the caller."""


DEFAULT_TARGET_REGIONS = _DefaultCount(2)


def check_region_count(count: int, available: int) -> int:
    """Return the number of regions that each request of a run may use.

    Raises:
        ParallelConfigurationError: it is not a number from 1 to the number of available regions.
    """
    if isinstance(count, _DefaultCount):
        return min(count, available)
    is_number = isinstance(count, int) and not isinstance(count, bool)
    message = (
        f"target_regions_per_request must be from 1 to {available}, the number of regions (got {count!r})"
    )
    if is_number and count > available:
        raise RegionDistributionError(message, count, available)
    if not is_number or count < 1:
        raise ParallelConfigurationError(message, "target_regions_per_request", count)
    return count


def check_requests(requests: Sequence[BedrockConverseRequest]) -> None:
    """Raise ParallelConfigurationError unless the value is a list of requests with different ids."""
    if not isinstance(requests, list | tuple) or not requests:
        given = "none" if isinstance(requests, list | tuple) else type(requests).__name__
        raise ParallelConfigurationError(
            f"requests must be a list of at least one BedrockConverseRequest (got {given})",
            "requests",
            requests,
        )
    by_id: dict[str, list[BedrockConverseRequest]] = {}
    for request in requests:
        if not isinstance(request, BedrockConverseRequest):
            raise ParallelConfigurationError(
                f"requests must contain BedrockConverseRequest only (got {type(request).__name__})",
                "requests",
                request,
            )
        by_id.setdefault(str(request.request_id), []).append(request)
    repeated = {key: same for key, same in by_id.items() if len(same) > 1}
    if repeated:
        raise RequestIdCollisionError(repeated)


def check_iterable(requests: Iterable[BedrockConverseRequest]) -> None:
    """Raise ParallelConfigurationError unless the value can be iterated over and is not a text or a dict."""
    if isinstance(requests, str | bytes | Mapping) or not isinstance(requests, Iterable):
        raise ParallelConfigurationError(
            f"requests must be an iterable of BedrockConverseRequest (got {type(requests).__name__})",
            "requests",
            requests,
        )


def failed_requests(
    previous: ParallelResponse, selected: Callable[[str, BedrockResponse], bool] | None
) -> list[BedrockConverseRequest]:
    """Return the failed requests of a run, or those that a function selects by id and response.

    Raises:
        ParallelConfigurationError: no request failed, or the run is without its requests.
        ConfigurationError: the function is not callable, or is async.
    """
    if not isinstance(previous, ParallelResponse) or not previous.get_failed_responses():
        raise ParallelConfigurationError(
            "previous_response must be a ParallelResponse with failed requests", "previous_response", previous
        )
    failed = previous.get_failed_responses()
    if selected is not None:
        check_function("filter_func", selected)
    missing = [key for key in failed if key not in previous.original_requests]
    if missing:
        raise ParallelConfigurationError(
            "previous_response must have the failed requests in original_requests "
            f"(missing: {', '.join(map(repr, missing))})",
            "previous_response",
            previous,
        )
    return [
        previous.original_requests[key]
        for key, response in failed.items()
        if selected is None or selected(key, response)
    ]


def may_cache(request: BedrockConverseRequest) -> bool:
    """Whether a request, which may be invalid, asks for cache points or has some."""
    if not isinstance(request, BedrockConverseRequest):
        return False
    if request.prompt_cache is not None:
        return True
    tools = request.tool_config.get("tools") if isinstance(request.tool_config, Mapping) else None
    contents = [
        message.get("content") for message in _items(request.messages) if isinstance(message, Mapping)
    ]
    blocks = chain.from_iterable(map(_items, [tools, request.system, *contents]))
    return any(isinstance(block, Mapping) and "cachePoint" in block for block in blocks)


def _items(value: object) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else ()
