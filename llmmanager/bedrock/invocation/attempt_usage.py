"""Tokens and price of one attempt."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from llmmanager.bedrock.catalog.catalog_entries import ModelAccess
from llmmanager.bedrock.exceptions.aws_error_code import aws_error_code
from llmmanager.bedrock.models.usage import no_tokens, token_counts
from llmmanager.bedrock.routing.decision import Decision, Kind

_SERVER_ERROR = 500
_NOT_SENT = {"EndpointConnectionError", "ConnectTimeoutError", "ProxyConnectionError"}
_MAYBE_SENT = {"HTTPClientError", "IncompleteReadError"}
_REJECTIONS = {"ServiceUnavailableException"}
_FAILED_DURING_ANSWER = {"InternalServerException", "ModelErrorException", "ModelTimeoutException"}
_NOT_SENT_KINDS = (Kind.CREDENTIALS, Kind.EXPIRED_CREDENTIALS, Kind.CONFIGURATION)


def usage_and_price(
    target: ModelAccess, answer: Mapping[str, Any]
) -> tuple[dict[str, int] | None, float | None]:
    """Return the token counts of a target's answer and their price in USD. Unknown values are None.

    The price is that of the service tier that the answer states. An answer that states none has the on-demand
    price, also if the request asked for flex, which Bedrock may serve in another tier.

    Args:
        answer: the Converse response, or a stream's `metadata` event.
    """
    usage = token_counts(answer.get("usage"))
    if usage is None:
        return None, None
    tier = answer.get("serviceTier")
    served_tier = tier.get("type") if isinstance(tier, Mapping) else None
    return usage, _target_answer_cost()(target, answer["usage"], service_tier=served_tier)


@cache
def _target_answer_cost() -> Callable[..., float | None]:
    # Imported with the first answer, so that importing the library does not load the price list.
    from llmmanager.bedrock.pricing import target_answer_cost

    return target_answer_cost


def tokens_of_failure(error: Exception, decision: Decision) -> dict[str, int] | None:
    """Return counts of 0 for a call that was rejected or not sent, or None if its tokens are unknown.

    They are unknown if the answer is missing or incomplete, or if Bedrock reports a failure during the
    answer. Such a call may be billed.
    """
    if decision.kind in _NOT_SENT_KINDS:
        return no_tokens()
    names = {cls.__name__ for cls in type(error).__mro__}
    not_sent = names & _NOT_SENT or ("BotoCoreError" in names and not names & _MAYBE_SENT)
    return no_tokens() if not_sent or _is_rejection(error, names) else None


def _is_rejection(error: Exception, names: set[str]) -> bool:
    """Whether Bedrock rejected the call before it generated tokens.

    An error inside a stream follows generated tokens. A server error without a code of Bedrock comes from
    another server, such as a proxy with a timeout.
    """
    code = aws_error_code(error)
    if code is None or "EventStreamError" in names:
        return False
    if code in _REJECTIONS or code in _FAILED_DURING_ANSWER:
        return code in _REJECTIONS
    metadata = getattr(error, "response", {}).get("ResponseMetadata", {})
    status = int(code) if code.isdigit() else metadata.get("HTTPStatusCode")
    return not (isinstance(status, int) and status >= _SERVER_ERROR)
