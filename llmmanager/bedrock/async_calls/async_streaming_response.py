"""A streamed answer for an event loop: an async iterator over text."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from types import TracebackType

from llmmanager.bedrock.async_calls.call_threads import CallThreads
from llmmanager.bedrock.async_calls.event_feed import EventFeed
from llmmanager.bedrock.async_calls.thread_call import CallOutcome, ThreadCall, post
from llmmanager.bedrock.models.deadline import Cancellation, Deadline
from llmmanager.bedrock.models.stream_message import Event, text_of
from llmmanager.bedrock.models.streaming_response import BaseStreamingResponse, StreamSource

__all__ = ["AsyncStreamingResponse"]


class AsyncStreamingResponse(BaseStreamingResponse):
    """A streamed answer, as `LLMManager.aconverse_stream` returns it: an async iterator over chunks of text.

    `events()` iterates over Bedrock's events instead. A stream can be iterated once. The connection is closed
    at the end of the stream, by `aclose()`, at the end of an `async with` block, and when the iteration ends
    early: at `break`, an exception or a cancellation.

    Everything else is as in `StreamingResponse`: iterating does not raise, and an interrupted stream that
    cannot be continued ends early with `success` False. The stream is read up to 64 events ahead, so
    `get_response()` may contain text that has not been iterated yet.
    """

    def __init__(self, source: StreamSource, feed: EventFeed, call: ThreadCall) -> None:
        super().__init__(source)
        self._feed = feed
        self._call = call
        self._loop = asyncio.get_running_loop()
        self._is_closed = False

    async def __aiter__(self) -> AsyncIterator[str]:
        try:
            while (event := await self._next()) is not None:
                if text := text_of(event):
                    yield text
        finally:
            self._close()

    async def events(self) -> AsyncIterator[Event]:
        """Yield Bedrock's events, as `StreamingResponse.events` does."""
        try:
            while (event := await self._next()) is not None:
                yield event
        finally:
            self._close()

    async def get_full_content(self) -> str:
        """Read the stream to its end and return all text."""
        async for _ in self.events():
            pass
        return self.get_content()

    async def aclose(self) -> None:
        """Close the connection and end the stream. The content received so far stays available."""
        self._is_closed = True
        await self._call.interrupt()

    async def __aenter__(self) -> AsyncStreamingResponse:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __del__(self) -> None:
        # Not directly, since the garbage collector can run this while the thread holds a lock.
        with contextlib.suppress(RuntimeError, AttributeError):
            self._loop.call_soon_threadsafe(self._call.cancellation.interrupt)

    async def _next(self) -> Event | None:
        event = None if self._is_closed else await self._feed.get()
        if event is not None and (text := text_of(event)):
            self._texts.append(text)
        return event

    def _close(self) -> None:
        self._is_closed = True
        self._call.cancellation.interrupt()


async def open_stream(
    threads: CallThreads, connect: Callable[[Cancellation], StreamSource], *, deadline: Deadline
) -> AsyncStreamingResponse:
    """Return a stream when its first content has arrived. Its thread then reads the events.

    Args:
        connect: starts the stream on the thread. Its argument ends the stream.
        deadline: see `ThreadCall`.
    """
    loop = asyncio.get_running_loop()
    opened: asyncio.Future[CallOutcome[tuple[StreamSource, EventFeed]]] = loop.create_future()

    def work(cancelled: Cancellation) -> None:
        outcome = CallOutcome.of(lambda: (connect(cancelled), EventFeed(cancelled)))
        post(loop, opened, outcome)
        if outcome.error is None:
            _read(*outcome.get())

    call = ThreadCall(threads, work, deadline=deadline)
    source, feed = (await call.result_of(opened)).get()
    return AsyncStreamingResponse(source, feed, call)


def _read(source: StreamSource, feed: EventFeed) -> None:
    """Read a stream into a feed until the stream ends or is cancelled."""
    error = None
    try:
        try:
            for event in source:
                if not feed.put(event):
                    break
        finally:
            source.close()
    except BaseException as raised:
        error = raised
    feed.end(error)
