"""An answer as it comes: text chunks to iterate, and afterwards all that `BedrockResponse` tells."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Any, Protocol

from llmmanager.bedrock.models.bedrock_response import BedrockResponse
from llmmanager.bedrock.models.llm_manager_structures import RequestAttempt
from llmmanager.bedrock.models.stream_message import Event, text_of

__all__ = ["StreamingResponse"]


class StreamSource(Protocol):
    """What stands behind a stream: the events, across failovers, and the record of the call."""

    def __iter__(self) -> Iterator[Event]:
        """The events, each once."""

    def close(self) -> None:
        """Close the connection."""

    def response(self) -> BedrockResponse:
        """The call as it stands now."""

    @property
    def time_to_first_token_ms(self) -> float | None:
        """From the call to its first content, in milliseconds."""


class StreamingResponse:
    """Iterate it for text chunks (str), or `events()` for Bedrock's own events; either way once.

    The connection is closed when the stream ends, when the caller stops iterating, and by `close()` or the
    end of a `with` block. A stream that broke and could not be continued ends early, with
    `success` False and the error in `get_last_error()`; nothing is raised while iterating.
    """

    def __init__(self, source: StreamSource) -> None:
        self._source = source
        self._events = iter(source)
        self._texts: list[str] = []

    def __iter__(self) -> Iterator[str]:
        for event in self.events():
            if text := text_of(event):
                yield text

    def events(self) -> Iterator[Event]:
        """Bedrock's events as they come: messageStart, contentBlockDelta, ..., metadata."""
        try:
            for event in self._events:
                if text := text_of(event):
                    self._texts.append(text)
                yield event
        finally:
            self.close()

    def close(self) -> None:
        """Close the connection; what has come so far stays, and nothing more comes."""
        self._source.close()
        self._events = iter(())

    def __enter__(self) -> StreamingResponse:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def get_response(self) -> BedrockResponse:
        """The call as it stands now, in the form of `converse`: complete once the stream has ended."""
        return self._source.response()

    @property
    def success(self) -> bool:
        """Whether the answer is complete (and valid, where a validation was asked for)."""
        return self.get_response().success

    @property
    def response_data(self) -> dict[str, Any] | None:
        """The answer so far in the form of a Converse response, or None."""
        return self.get_response().response_data

    @property
    def model_used(self) -> str | None:
        """Id of the model that answers; after a failover, of the one that spoke last."""
        return self.get_response().model_used

    @property
    def region_used(self) -> str | None:
        """Region that answers."""
        return self.get_response().region_used

    @property
    def access_method(self) -> str | None:
        """As in `BedrockResponse`."""
        return self.get_response().access_method

    @property
    def inference_profile_id(self) -> str | None:
        """As in `BedrockResponse`."""
        return self.get_response().inference_profile_id

    @property
    def attempts(self) -> list[RequestAttempt]:
        """Every call made, in order."""
        return self.get_response().attempts

    @property
    def total_duration_ms(self) -> float | None:
        """From the call to the end of the stream, or to now, in milliseconds."""
        return self.get_response().total_duration_ms

    @property
    def warnings(self) -> list[str]:
        """What the caller should know of."""
        return self.get_response().warnings

    @property
    def features_disabled(self) -> list[str]:
        """Features dropped for this answer."""
        return self.get_response().features_disabled

    def get_content(self) -> str:
        """The text that has come so far."""
        return "".join(self._texts)

    def get_full_content(self) -> str:
        """Iterate to the end, then all text."""
        for _ in self.events():
            pass
        return self.get_content()

    def get_content_parts(self) -> list[str]:
        """The text chunks that have come so far."""
        return list(self._texts)

    def get_usage(self) -> dict[str, int] | None:
        """Return what `BedrockResponse` returns; None until the stream has ended."""
        return self.get_response().get_usage()

    def get_total_usage(self) -> dict[str, int] | None:
        """Return what `BedrockResponse` returns: the tokens of every part, a lost one only if it is known."""
        return self.get_response().get_total_usage()

    @property
    def estimated_cost_usd(self) -> float | None:
        """As in `BedrockResponse`."""
        return self.get_response().estimated_cost_usd

    @property
    def attempts_with_unknown_usage(self) -> int:
        """As in `BedrockResponse`. A part counts here until its tokens have come, at its end."""
        return self.get_response().attempts_with_unknown_usage

    @property
    def answers_without_price(self) -> int:
        """As in `BedrockResponse`."""
        return self.get_response().answers_without_price

    def get_metrics(self) -> dict[str, float | int | None]:
        """Return what `BedrockResponse` returns, and `time_to_first_token_ms`."""
        metrics = self.get_response().get_metrics() or {}
        return {**metrics, "time_to_first_token_ms": self._source.time_to_first_token_ms}

    def get_stop_reason(self) -> str | None:
        """Why generation stopped; None until it has."""
        return self.get_response().get_stop_reason()

    def get_warnings(self) -> list[str]:
        """A copy of the warnings."""
        return self.get_response().get_warnings()

    def get_last_error(self) -> Exception | None:
        """The last error of the call, or None."""
        return self.get_response().get_last_error()

    def get_all_errors(self) -> list[Exception]:
        """Every error of the call, in order."""
        return self.get_response().get_all_errors()

    def had_validation_failures(self) -> bool:
        """Whether the completed answer was found invalid."""
        return self.get_response().had_validation_failures()

    def get_validation_errors(self) -> list[dict[str, Any]]:
        """As in `BedrockResponse`."""
        return self.get_response().get_validation_errors()
