"""Record a call that has ended: metrics, traces and usage, all from the same attempts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lambdas.shared.metrics import Tally
from lambdas.shared.traces import send_attempts
from lambdas.usage.spending import CallSpending
from llmmanager import BedrockResponse
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
