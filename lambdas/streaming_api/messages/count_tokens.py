"""The number of input tokens of a Messages request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lambdas.shared.function_log import logger
from lambdas.streaming_api.messages.request import MessagesRequest
from llmmanager.bedrock.models.token_count import InputTokenCount
from llmmanager.bedrock.structured.native_support import base_id
from llmmanager.bedrock.tokens.token_counter import TokenCounter
from llmmanager.bedrock.transport.clients import ClientPool
from llmmanager.bedrock.validation.request import build_request

_MAX_REGIONS = 2
_READ_TIMEOUT_SECONDS = 5.0
# Selects the shorter connect timeout.
_CONNECT_SECONDS = 1.0


def new_counter() -> TokenCounter:
    """Return a counter with clients that have short timeouts."""
    pool = ClientPool(timeout=_READ_TIMEOUT_SECONDS)
    return TokenCounter(
        lambda region: pool.client("bedrock-runtime", region, remaining=_CONNECT_SECONDS),
        max_regions=_MAX_REGIONS,
    )


def count_request(
    counter: TokenCounter, request: MessagesRequest, *, model_id: str, regions: Sequence[str]
) -> InputTokenCount:
    """Return the number of input tokens for a model.

    Raises:
        RequestValidationError: the request is invalid.
    """
    valid = build_request(request.converse, model_ids=(model_id,))
    count = counter.count(valid.fields, model_id=base_id(model_id), regions=regions)
    if count.reason is not None:
        logger.info("tokens not counted", extra={"model": count.model, "reason": count.reason})
    return count


def count_headers(count: InputTokenCount) -> Mapping[str, str]:
    """Return the headers of the response, which mark an estimate."""
    return {"x-llmmanager-estimated": "true"} if count.is_estimate else {}
