"""Respond to one invocation: run the handler, and send the pieces of its response as they are yielded."""

from __future__ import annotations

import json
import logging
import traceback
from contextlib import closing
from typing import Final

from lambdas.streamed_response import Handler, StreamDeadline, StreamedResponse, close_body
from lambdas.streaming_runtime.deadline_guard import DeadlineGuard
from lambdas.streaming_runtime.lambda_context import LambdaContext
from lambdas.streaming_runtime.runtime_api import (
    ClientDisconnected,
    ErrorReport,
    Invocation,
    ResponseStream,
    RuntimeApi,
    RuntimeApiError,
)

# API Gateway searches for the end of the prelude in the first 16 KB.
_MAX_PRELUDE_BYTES: Final = 16 * 1024
_PRELUDE_END: Final = bytes(8)

_log = logging.getLogger(__package__)


def respond(api: RuntimeApi, handler: Handler, invocation: Invocation, guard: DeadlineGuard) -> None:
    """Run the handler for one invocation and send its response.

    Raises:
        RuntimeApiError: the report of an error is not accepted.
    """
    with guard.watching(invocation):
        try:
            with guard:
                response = handler(json.loads(invocation.event), LambdaContext.of(invocation))
            prelude = encode_prelude(response)
        except (Exception, StreamDeadline) as error:
            api.report_error(invocation, _logged(error))
            return
        try:
            with closing(api.start_response(invocation, prelude)) as stream:
                stream.end(_send_body(response, stream, guard))
        except ClientDisconnected:
            _log.info("the client disconnected")
        except RuntimeApiError:
            _log.exception("the response was not completed")
        finally:
            _close(response, guard)


def encode_prelude(response: StreamedResponse) -> bytes:
    """Return status, headers and cookies in the format of a streamed integration of API Gateway.

    Raises:
        TypeError: the response is no StreamedResponse.
        ValueError: the headers are too large.
    """
    if not isinstance(response, StreamedResponse):
        raise TypeError(f"the handler must return a StreamedResponse (got {type(response).__name__})")
    document = {
        "statusCode": response.status,
        "headers": dict(response.headers),
        "cookies": list(response.cookies),
    }
    prelude = json.dumps(document).encode() + _PRELUDE_END
    if len(prelude) > _MAX_PRELUDE_BYTES:
        raise ValueError(f"headers and cookies must have at most 16 KB as JSON (got {len(prelude)} bytes)")
    return prelude


def describe(error: BaseException, *, message: str = "") -> ErrorReport:
    """Return type and stack of an error, without its message, which may quote a request."""
    frames = traceback.extract_tb(error.__traceback__)
    stack = tuple(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames)
    return ErrorReport(type(error).__name__, message, stack)


def _send_body(
    response: StreamedResponse, stream: ResponseStream, guard: DeadlineGuard
) -> ErrorReport | None:
    """Send the pieces of the body. Return the error that ended the body early, or None."""
    try:
        with guard:
            pieces = iter(response.body)
        while True:
            try:
                with guard:
                    piece = next(pieces)
            except StopIteration:
                return None
            if len(piece) > 0:
                stream.write(piece)
    except RuntimeApiError:
        raise
    except (Exception, StreamDeadline) as error:
        return _logged(error)


def _close(response: StreamedResponse, guard: DeadlineGuard) -> None:
    try:
        with guard:
            close_body(response.body)
    except (Exception, StreamDeadline) as error:
        _logged(error)


def _logged(error: BaseException) -> ErrorReport:
    report = describe(error)
    _log.error("the handler raised %s\n%s", report.type, "\n".join(report.stack))
    return report
