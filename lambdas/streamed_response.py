"""The response of a streaming handler: what a handler of a streaming function returns.

The handler is called like every Lambda handler and returns a `StreamedResponse`. Nothing else connects a
handler with the runtime that sends the response: `streaming_runtime` sends each piece as soon as it exists,
and `buffered_response` joins the pieces for the standard runtime.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

GUARD_SECONDS: Final = 2.0
"""How long before the function's timeout the streaming runtime raises `StreamDeadline`.

A handler ends its stream earlier: it passes `context.get_remaining_time_in_millis()`, less a larger margin,
to the calls that it makes.
"""

_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_CONTROL_CHARACTER: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class StreamDeadline(BaseException):
    """The function's timeout is near.

    Raised in a handler, or in its body between or during two pieces, that did not end in time. A body can
    catch it and yield a last piece, such as an error event, within half a second. It is no `Exception`, so
    that code that handles errors of calls does not catch it.
    """


@dataclass(frozen=True, slots=True)
class StreamedResponse:
    """An HTTP response whose body is sent piece by piece.

    The response begins when the handler returns: from then on, status and headers are final.

    Attributes:
        status: HTTP status code.
        headers: names and values. Use `cookies` for Set-Cookie.
        body: the pieces of the body; empty pieces are skipped. It is iterated once. A `close` method, such as
            a generator's, is called at the end, and early if the client disconnects.
        cookies: values of Set-Cookie headers.

    Raises:
        ValueError: status, headers, body or cookies are invalid. The message names the field.
    """

    status: int
    headers: Mapping[str, str]
    body: Iterable[bytes]
    cookies: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.status, int) or not 200 <= self.status <= 599:
            raise ValueError(f"status must be a number from 200 to 599 (got {self.status!r})")
        for name, value in self.headers.items():
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                raise ValueError(f"headers: invalid name {name!r}")
            _check_value(f"headers[{name!r}]", value)
        for index, cookie in enumerate(self.cookies):
            _check_value(f"cookies[{index}]", cookie)
        # These are iterable, but their items are no pieces.
        if isinstance(self.body, str | bytes | bytearray | memoryview):
            raise ValueError(
                f"body must be an iterable of bytes, such as [body] (got {type(self.body).__name__})"
            )


class StreamBody:
    """The body of a streamed answer.

    Closing it ends the answer, even if no piece was read. A generator that has not started runs no code when
    it is closed.

    Args:
        pieces: the pieces of the body.
        end: ends the answer. It is called at least once.
    """

    def __init__(self, pieces: Iterator[bytes], end: Callable[[], None]) -> None:
        self._pieces = pieces
        self._end = end

    def __iter__(self) -> Iterator[bytes]:
        return self._pieces

    def close(self) -> None:
        """Close the pieces, and end the answer."""
        close_body(self._pieces)
        self._end()


Handler = Callable[[Any, Any], StreamedResponse]
"""A streaming handler: called with the event and Lambda's context object."""


def close_body(body: Iterable[bytes]) -> None:
    """Call the body's `close` method, if it has one."""
    close = getattr(body, "close", None)
    if close is not None:
        close()


def _check_value(field: str, value: object) -> None:
    if not isinstance(value, str):
        raise ValueError(f"{field} must be a string (got {type(value).__name__})")
    if _CONTROL_CHARACTER.search(value):
        raise ValueError(f"{field} must not contain line breaks or other control characters")
