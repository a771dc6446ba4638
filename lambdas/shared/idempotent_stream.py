"""Stream an answer and store it under an Idempotency-Key, so that a repeated request gets the same stream."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from lambdas.shared.idempotency import Result, run_once
from lambdas.streamed_response import StreamedResponse

REPLAY: Final = {"Idempotent-Replay": "true"}
_END: Final = b"\n\n"


class StartedStream(Protocol):
    """A streamed answer whose first content has arrived.

    Attributes:
        headers: the headers of the response.
        is_complete: whether all pieces of a complete answer have been returned.
    """

    @property
    def headers(self) -> Mapping[str, str]: ...

    @property
    def is_complete(self) -> bool: ...

    def pieces(self) -> Iterator[bytes]:
        """Yield the pieces of the body, once."""


class _Incomplete(Exception):
    """The stream was interrupted, so it is not stored: a repeated request runs again."""


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What `run_once` returned or raised; None if the stream was sent."""

    result: Result[Any] | None = None
    error: BaseException | None = None


def stream_once(
    key: tuple[str, ...],
    body: Mapping[str, Any],
    open_stream: Callable[[], StartedStream],
    *,
    context: Any,
) -> StreamedResponse:
    """Return the stream, or the earlier stream for this key.

    The answer is received in a thread, which stores it before the thread ends. If the client disconnects, the
    thread still receives the rest: it is paid for, and a repeated request gets it.

    Args:
        key, body, context: as for `run_once`.
        open_stream: starts the answer.

    Raises:
        IdempotencyError: the answer was not started.
        Exception: raised by `open_stream`.
    """
    items: queue.SimpleQueue[Mapping[str, str] | bytes | _Outcome] = queue.SimpleQueue()

    def work() -> list[Any]:
        opened = open_stream()
        headers, pieces = dict(opened.headers), []
        items.put(headers)
        for piece in opened.pieces():
            pieces.append(piece)
            items.put(piece)
        if not opened.is_complete:
            raise _Incomplete
        return [headers, b"".join(pieces).decode("utf-8")]

    thread = threading.Thread(
        target=lambda: items.put(_run(key, body, work, context)), name="idempotent-stream"
    )
    thread.start()
    first = items.get()
    if isinstance(first, _Outcome):
        thread.join()
        return _replay(first)
    assert not isinstance(first, bytes)
    return StreamedResponse(200, first, _Pieces(items, thread))


def _run(key: tuple[str, ...], body: Mapping[str, Any], work: Callable[[], Any], context: Any) -> _Outcome:
    try:
        return _Outcome(result=run_once(key, body, work, context=context))
    except BaseException as error:
        return _Outcome(error=error)


def _replay(outcome: _Outcome) -> StreamedResponse:
    if outcome.error is not None:
        raise outcome.error
    assert outcome.result is not None
    headers, text = outcome.result.answer
    pieces = [piece + _END for piece in text.encode("utf-8").split(_END) if piece]
    return StreamedResponse(200, {**headers, **REPLAY}, pieces)


class _Pieces:
    """The pieces that a thread receives. `close` waits until the thread has stored the answer."""

    def __init__(self, items: queue.SimpleQueue[Any], thread: threading.Thread) -> None:
        self._items = items
        self._thread = thread

    def __iter__(self) -> Iterator[bytes]:
        while isinstance(item := self._items.get(), bytes):
            yield item

    def close(self) -> None:
        self._thread.join()
