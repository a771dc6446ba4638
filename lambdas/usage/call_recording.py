"""Record a call that has ended: metrics, traces and usage, all from the same attempts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from lambdas.shared.metrics import Tally
from lambdas.shared.traces import send_attempts
from lambdas.usage.spending import CallSpending
from llmmanager import BedrockResponse, StreamingResponse
from llmmanager.bedrock.exceptions.llm_manager_exceptions import LLMManagerError


def record_call(response: BedrockResponse, spending: CallSpending, *, entry_point: str) -> None:
    """Write the metrics of one call, send its attempts to X-Ray if tracing is on, and settle its spending.

    Args:
        entry_point: how the request was received: "http", "streaming" or "events".
    """
    with Tally(entry_point=entry_point, caller=spending.caller) as tally:
        tally.add(response)
    send_attempts(response.attempts)
    spending.settle(response)


def recorded(
    call: Callable[[], BedrockResponse], spending: CallSpending, *, entry_point: str
) -> BedrockResponse:
    """Return the response of `call`, and record the call even if it fails.

    Raises:
        Exception: raised by `call`. Of a request that was rejected before any attempt, nothing is recorded.
    """
    with failure_recorded(spending, entry_point=entry_point):
        response = call()
    record_call(response, spending, entry_point=entry_point)
    return response


@contextmanager
def failure_recorded(spending: CallSpending, *, entry_point: str) -> Iterator[None]:
    """Record the call in the block if it fails.

    Of a request that was rejected before any attempt, nothing is recorded.
    """
    try:
        yield
    except LLMManagerError as error:
        if isinstance(error.response, BedrockResponse):
            record_call(error.response, spending, entry_point=entry_point)
        else:
            spending.release()
        raise
    except BaseException:
        spending.settle(None)
        raise


@dataclass(slots=True)
class RecordedStream:
    """A streamed answer that is recorded when it is closed.

    Attributes:
        stream: the answer, whose first content has arrived.
        spending: what the call may spend.
        entry_point: how the request was received.
        log: called with the response when the stream is closed.
    """

    stream: StreamingResponse
    spending: CallSpending
    entry_point: str
    log: Callable[[BedrockResponse], None]
    _is_closed: bool = field(default=False, init=False)

    def close(self) -> None:
        """Close the stream and record it, whether it has ended or not. Later calls have no effect."""
        if self._is_closed:
            return
        self._is_closed = True
        self.stream.close()
        response = self.stream.get_response()
        record_call(response, self.spending, entry_point=self.entry_point)
        self.log(response)


def open_recorded(
    start: Callable[[], StreamingResponse],
    spending: CallSpending,
    *,
    entry_point: str,
    log: Callable[[BedrockResponse], None],
) -> RecordedStream:
    """Return the stream that `start` opens. The caller must close it. Record the call if it fails.

    Raises:
        Exception: raised by `start`. Of a request that was rejected before any attempt, nothing is recorded.
    """
    with failure_recorded(spending, entry_point=entry_point):
        stream = start()
    return RecordedStream(stream, spending, entry_point, log)
