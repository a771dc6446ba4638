"""A streamed answer whose first content has arrived."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Generic

from lambdas.shared.server_sent_events import comment
from lambdas.streamed_response import StreamDeadline
from lambdas.streaming_api.api_error import api_error, stream_timed_out
from lambdas.streaming_api.client_api import ClientApi, R
from lambdas.streaming_api.model_call import ModelCall
from lambdas.streaming_api.response_headers import answer_headers, stream_headers
from lambdas.usage.call_recording import RecordedStream


@dataclass(slots=True)
class StreamedAnswer(Generic[R]):
    """The response of a streamed answer.

    Attributes:
        is_complete: whether all pieces of a complete answer have been returned.
    """

    api: ClientApi[R]
    call: ModelCall[R]
    recorded: RecordedStream
    id: str
    created: int
    is_complete: bool = field(default=False, init=False)

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of the response. The cost is not known yet: it is in a comment at the end."""
        answer = answer_headers(self.call.mapped, self.recorded.stream.get_response())
        return {**stream_headers(self.call.request.id), **answer}

    def pieces(self) -> Iterator[bytes]:
        """Yield the server-sent events. The stream is closed at the end, or when the generator is closed."""
        stream = self.recorded.stream
        try:
            yield from self.api.stream(self.call.mapped, stream, id_=self.id, created=self.created)
            if stream.success:
                yield comment(self._totals())
                if self.api.end_of_stream:
                    yield self.api.end_of_stream
                self.is_complete = True
        except StreamDeadline:
            yield self.api.error_event(stream_timed_out())
        except Exception as error:
            yield self.api.error_event(
                api_error(error, reference=self.call.request.id, origins=self.call.mapped.origins)
            )
        finally:
            self.close()

    def close(self) -> None:
        """End the answer and record it. Later calls have no effect."""
        self.recorded.close()

    def _totals(self) -> str:
        headers = answer_headers(self.call.mapped, self.recorded.stream.get_response())
        return "; ".join(f"{name}: {value}" for name, value in headers.items())
