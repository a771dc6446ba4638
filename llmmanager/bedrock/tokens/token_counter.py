"""Counts the input tokens of a request with Bedrock's CountTokens, or estimates them.

CountTokens is free. It is not available for all models and in all regions, and needs the permission
`bedrock:CountTokens`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from llmmanager.bedrock.exceptions.aws_error_code import aws_error_code
from llmmanager.bedrock.exceptions.llm_manager_exceptions import LLMManagerError
from llmmanager.bedrock.exceptions.safe_errors import without_credentials
from llmmanager.bedrock.models.token_count import InputTokenCount
from llmmanager.bedrock.tokens.token_estimate import estimate_tokens, schema_tokens
from llmmanager.bedrock.transport.converse_api import count_tokens, encode

_COUNTED = ("messages", "system", "toolConfig")
# How long a model is not asked again in a region where it cannot be counted.
_UNAVAILABLE_SECONDS = 600.0
_UNAVAILABLE = ("AccessDeniedException", "ResourceNotFoundException", "UnknownOperationException")
_UNAVAILABLE_MODEL = ("support counting tokens", "identifier is invalid")
_NOT_ASKED = "no region counts tokens for the model"
_SCHEMA = "CountTokens does not count the schema of outputConfig"


class TokenCounter:
    """Counts tokens, and remembers where Bedrock cannot. Thread-safe.

    Args:
        client: returns the client of `bedrock-runtime` in a region.
        max_regions: how many regions are asked for one count; None for all.
        clock: returns seconds.
    """

    def __init__(
        self,
        client: Callable[[str], Any],
        *,
        max_regions: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._max_regions = max_regions
        self._clock = clock
        self._unavailable: dict[tuple[str, str], tuple[float, str]] = {}

    def count(
        self,
        request: Mapping[str, Any],
        *,
        model_id: str,
        regions: Sequence[str],
        cancelled: threading.Event | None = None,
    ) -> InputTokenCount:
        """Return the number of input tokens for a model. A region that fails is followed by the next one.

        Args:
            request: a valid Converse request.
            model_id: the id of a model. CountTokens rejects the id of a profile.
            regions: the regions to ask, in this order.
            cancelled: when another thread sets it, no further region is asked. A `Cancellation` can also
                close the connection.

        Raises:
            RequestValidationError: a part that is not validated is not JSON.
        """
        counted = {name: request[name] for name in _COUNTED if name in request}
        reason = _NOT_ASKED
        available = []
        for region in regions:
            until, known = self._unavailable.get((model_id, region), (0.0, ""))
            if self._clock() >= until:
                available.append(region)
            else:
                reason = known
        asked = available[: self._max_regions]
        body = encode(counted) if asked else b""
        for region in asked:
            if cancelled is not None and cancelled.is_set():
                break
            answer = self._ask(model_id, region, body, cancelled=cancelled)
            if isinstance(answer, int):
                more = schema_tokens(request)
                return InputTokenCount(answer + more, more > 0, model_id, _SCHEMA if more else None)
            reason = answer
        return InputTokenCount(estimate_tokens(request), True, model_id, reason)

    def _ask(
        self, model_id: str, region: str, body: bytes, *, cancelled: threading.Event | None
    ) -> int | str:
        """Return the count of one region, or why it cannot count."""
        try:
            return count_tokens(self._client(region), model_id, body, cancelled=cancelled)
        except Exception as error:
            if not _is_of_aws(error):
                raise
            reason = f"{region}: {without_credentials(error)}"
            if _is_lasting(error):
                self._unavailable[model_id, region] = self._clock() + _UNAVAILABLE_SECONDS, reason
            return reason


def _is_of_aws(error: Exception) -> bool:
    """Whether AWS, the transport or the credentials caused the error."""
    # botocore is loaded: it raised the error.
    from botocore.exceptions import BotoCoreError, ClientError

    return isinstance(error, ClientError | BotoCoreError | LLMManagerError)


def _is_lasting(error: Exception) -> bool:
    """Whether the region cannot count the tokens of other requests for the model either."""
    return aws_error_code(error) in _UNAVAILABLE or any(text in str(error) for text in _UNAVAILABLE_MODEL)
