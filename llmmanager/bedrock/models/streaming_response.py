"""A streamed answer: an iterator over text, with the fields and methods of `BedrockResponse`."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Any, Protocol

from llmmanager.bedrock.models.bedrock_response import BedrockResponse
from llmmanager.bedrock.models.request_attempt import RequestAttempt
from llmmanager.bedrock.models.stream_message import Event, text_of

__all__ = ["StreamingResponse"]


class StreamSource(Protocol):
    """The source of a stream: its events, also across failovers, and the response so far."""

    def __iter__(self) -> Iterator[Event]:
        """Return the events, each once."""

    def close(self) -> None:
        """Close the connection."""

    def response(self) -> BedrockResponse:
        """Return the response received so far."""

    @property
    def time_to_first_token_ms(self) -> float | None:
        """Milliseconds from the call to the first content, or None."""


class BaseStreamingResponse:
    """A streamed answer so far, with the fields and methods of `BedrockResponse`."""

    def __init__(self, source: StreamSource) -> None:
        self._source = source
        self._texts: list[str] = []

    def get_response(self) -> BedrockResponse:
        """Return the response received so far. It is complete when the stream has ended."""
        return self._source.response()

    @property
    def success(self) -> bool:
        """Whether the answer is complete and, if a response validation is configured, valid."""
        return self.get_response().success

    @property
    def response_data(self) -> dict[str, Any] | None:
        """The answer received so far in the form of a Converse response, or None."""
        return self.get_response().response_data

    @property
    def model_used(self) -> str | None:
        """Id of the model that answers; after a failover, of the last one."""
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
        """Every attempt, in order."""
        return self.get_response().attempts

    @property
    def total_duration_ms(self) -> float | None:
        """Milliseconds from the call to the end of the stream, or until now."""
        return self.get_response().total_duration_ms

    @property
    def warnings(self) -> list[str]:
        """As in `BedrockResponse`."""
        return self.get_response().warnings

    @property
    def features_disabled(self) -> list[str]:
        """As in `BedrockResponse`."""
        return self.get_response().features_disabled

    def get_content(self) -> str:
        """Return the text received so far."""
        return "".join(self._texts)

    def get_content_parts(self) -> list[str]:
        """Return the text chunks received so far."""
        return list(self._texts)

    def get_usage(self) -> dict[str, int] | None:
        """As in `BedrockResponse`. None until the stream has ended."""
        return self.get_response().get_usage()

    def get_total_usage(self) -> dict[str, int] | None:
        """As in `BedrockResponse`. Includes interrupted parts whose token counts are known."""
        return self.get_response().get_total_usage()

    @property
    def estimated_cost_usd(self) -> float | None:
        """As in `BedrockResponse`."""
        return self.get_response().estimated_cost_usd

    @property
    def attempts_with_unknown_usage(self) -> int:
        """As in `BedrockResponse`. Includes the current attempt until its token counts arrive at the end."""
        return self.get_response().attempts_with_unknown_usage

    @property
    def answers_without_price(self) -> int:
        """As in `BedrockResponse`."""
        return self.get_response().answers_without_price

    def get_metrics(self) -> dict[str, float | int | None]:
        """As in `BedrockResponse`, with `time_to_first_token_ms`."""
        metrics = self.get_response().get_metrics() or {}
        return {**metrics, "time_to_first_token_ms": self._source.time_to_first_token_ms}

    def get_stop_reason(self) -> str | None:
        """Return why generation stopped; None until the stream has ended."""
        return self.get_response().get_stop_reason()

    def get_warnings(self) -> list[str]:
        """Return a copy of the warnings."""
        return self.get_response().get_warnings()

    def get_last_error(self) -> Exception | None:
        """Return the last error of the call, or None."""
        return self.get_response().get_last_error()

    def get_all_errors(self) -> list[Exception]:
        """Return all errors of the call, in order."""
        return self.get_response().get_all_errors()

    def had_validation_failures(self) -> bool:
        """Whether the response validation rejected the answer."""
        return self.get_response().had_validation_failures()

    def get_validation_errors(self) -> list[dict[str, Any]]:
        """As in `BedrockResponse`."""
        return self.get_response().get_validation_errors()


class StreamingResponse(BaseStreamingResponse):
    """A streamed answer, as `LLMManager.converse_stream` returns it: an iterator over chunks of text (str).

    `events()` iterates over Bedrock's events instead. A stream can be iterated once. The connection is closed
    at the end of the stream, when the caller stops iterating, by `close()`, and at the end of a `with` block.
    Iterating does not raise: an interrupted stream that cannot be continued ends early, with `success` False
    and the error in `get_last_error()`. Members with the name of a member of `BedrockResponse` have the same
    meaning, for the stream so far.
    """

    def __init__(self, source: StreamSource) -> None:
        super().__init__(source)
        self._events = iter(source)

    def __iter__(self) -> Iterator[str]:
        for event in self.events():
            if text := text_of(event):
                yield text

    def events(self) -> Iterator[Event]:
        """Yield Bedrock's events.

        These are `messageStart`, `contentBlockStart`, `contentBlockDelta`, `contentBlockStop`, `messageStop`
        and `metadata`.
        """
        try:
            for event in self._events:
                if text := text_of(event):
                    self._texts.append(text)
                yield event
        finally:
            self.close()

    def get_full_content(self) -> str:
        """Read the stream to its end and return all text."""
        for _ in self.events():
            pass
        return self.get_content()

    def close(self) -> None:
        """Close the connection and end the stream. The content received so far stays available."""
        self._source.close()
        self._events = iter(())

    def __enter__(self) -> StreamingResponse:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
