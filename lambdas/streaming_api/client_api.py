"""The interface of an OpenAI or Anthropic API: the formats of requests, answers, streams and errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from lambdas.streaming_api.api_error import ApiError
from lambdas.streaming_api.mapped_request import MappedRequest
from llmmanager import BedrockResponse, StreamingResponse

R = TypeVar("R", bound=MappedRequest)
R_in = TypeVar("R_in", bound=MappedRequest, contravariant=True)
R_out = TypeVar("R_out", bound=MappedRequest, covariant=True)


class ReadRequest(Protocol[R_out]):
    """Map the body of a request to Converse.

    Args:
        model_ids: the ids of the models that may answer, the preferred one first.

    Raises:
        MappingError: a field is invalid or cannot be mapped.
    """

    def __call__(self, body: Mapping[str, Any], *, model_ids: Sequence[str]) -> R_out: ...


class WriteAnswer(Protocol[R_in]):
    """Return the document of a complete answer.

    Args:
        id_: the id of the answer.
        created: the time in seconds since 1970.
    """

    def __call__(
        self, request: R_in, response: BedrockResponse, *, id_: str, created: int
    ) -> Mapping[str, Any]: ...


class WriteStream(Protocol[R_in]):
    """Yield the server-sent events of a streamed answer.

    If the answer is interrupted, the last event is an error, and nothing says that the answer has ended.
    """

    def __call__(
        self, request: R_in, stream: StreamingResponse, *, id_: str, created: int
    ) -> Iterator[bytes]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientApi(Generic[R]):
    """An API in the format of a client.

    Attributes:
        name: names the API in idempotency keys.
        id_prefix: the start of the ids of answers.
        max_tokens_fields: the fields for the maximum length of an answer, the preferred one first.
        end_of_stream: what follows the last event of a complete stream.
        error_event: returns the event for an error after the start of a stream.
    """

    name: str
    id_prefix: str
    max_tokens_fields: tuple[str, ...]
    read: ReadRequest[R]
    answer: WriteAnswer[R]
    stream: WriteStream[R]
    error_event: Callable[[ApiError], bytes]
    end_of_stream: bytes = b""
