"""Counts the input tokens of a request with Bedrock's CountTokens, or estimates them.

CountTokens is not available for all models and in all regions. It needs the permission `bedrock:CountTokens`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from lambdas.shared.function_log import logger
from lambdas.streaming_api.messages.request import MessagesRequest
from lambdas.streaming_api.messages.token_estimate import estimate_tokens, schema_tokens
from lambdas.streaming_api.model_features import base_id
from llmmanager.bedrock.exceptions.llm_manager_exceptions import LLMManagerError
from llmmanager.bedrock.transport.clients import ClientPool
from llmmanager.bedrock.validation.request import build_request

_COUNTED = ("messages", "system", "toolConfig")
_MAX_REGIONS = 2
_READ_TIMEOUT_SECONDS = 5.0
# Selects the shorter connect timeout.
_CONNECT_SECONDS = 1.0
# How long a model is not asked again in a region where it cannot be counted.
_UNAVAILABLE_SECONDS = 600.0
_UNAVAILABLE = ("AccessDeniedException", "ResourceNotFoundException", "UnknownOperationException")
_UNAVAILABLE_MODEL = ("support counting tokens", "identifier is invalid")


@dataclass(frozen=True, slots=True)
class RequestTokenCount:
    """The number of input tokens of a request.

    Attributes:
        is_estimated: whether it is an upper estimate.
    """

    input_tokens: int
    is_estimated: bool

    @property
    def document(self) -> dict[str, int]:
        """The body of the response."""
        return {"input_tokens": self.input_tokens}

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of the response that mark an estimate."""
        return {"x-llmmanager-estimated": "true"} if self.is_estimated else {}


class TokenCounter:
    """Counts tokens, and remembers where Bedrock cannot. Thread-safe.

    Args:
        client: returns the client of `bedrock-runtime` in a region.
        clock: returns seconds.
    """

    def __init__(self, client: Callable[[str], Any], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._unavailable_until: dict[tuple[str, str], float] = {}

    @classmethod
    def with_own_clients(cls) -> TokenCounter:
        """Return a counter with clients that have short timeouts."""
        pool = ClientPool(timeout=_READ_TIMEOUT_SECONDS)
        return cls(lambda region: pool.client("bedrock-runtime", region, remaining=_CONNECT_SECONDS))

    def count(self, request: MessagesRequest, *, model_id: str, regions: Sequence[str]) -> RequestTokenCount:
        """Return the number of input tokens for a model. At most two regions are asked.

        Raises:
            RequestValidationError: the request is invalid.
        """
        fields = build_request(request.converse, model_ids=(model_id,)).fields
        converse = {name: fields[name] for name in _COUNTED if name in fields}
        model = base_id(model_id)
        available = [region for region in regions if self._is_available(model, region)]
        for region in available[:_MAX_REGIONS]:
            counted = self._ask(model, region, converse)
            if counted is not None:
                more = schema_tokens(request.converse)
                return RequestTokenCount(counted + more, is_estimated=more > 0)
        return RequestTokenCount(estimate_tokens(request.converse), is_estimated=True)

    def _ask(self, model: str, region: str, converse: Mapping[str, Any]) -> int | None:
        """Return the count of one region, or None if it cannot count."""
        try:
            response = self._client(region).count_tokens(modelId=model, input={"converse": converse})
        except ClientError as error:
            if _is_lasting(error):
                self._unavailable_until[model, region] = self._clock() + _UNAVAILABLE_SECONDS
            logger.info("tokens not counted", extra={"model": model, "region": region, "error": str(error)})
            return None
        except (BotoCoreError, LLMManagerError) as error:
            logger.info("tokens not counted", extra={"model": model, "region": region, "error": str(error)})
            return None
        return int(response["inputTokens"])

    def _is_available(self, model: str, region: str) -> bool:
        return self._clock() >= self._unavailable_until.get((model, region), 0.0)


def _is_lasting(error: ClientError) -> bool:
    """Whether the region cannot count the tokens of other requests for the model either."""
    details = error.response.get("Error", {})
    message = str(details.get("Message", ""))
    return details.get("Code") in _UNAVAILABLE or any(text in message for text in _UNAVAILABLE_MODEL)
