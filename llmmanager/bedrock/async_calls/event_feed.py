"""Passes the events of a stream from its thread to the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections import deque

from llmmanager.bedrock.async_calls.thread_call import post
from llmmanager.bedrock.models.deadline import Cancellation
from llmmanager.bedrock.models.stream_message import Event

MAX_EVENTS = 64


class EventFeed:
    """A bounded queue from one thread to one task. The thread waits while the queue is full.

    Args:
        cancellation: ends the thread's wait.
        max_events: how many events the thread may be ahead.
    """

    def __init__(self, cancellation: Cancellation, *, max_events: int = MAX_EVENTS) -> None:
        self._cancellation = cancellation
        self._max_events = max_events
        self._lock = threading.Lock()
        self._events: deque[Event] = deque()
        self._has_room = threading.Event()
        self._has_ended = False
        self._error: BaseException | None = None
        self._reader: tuple[asyncio.AbstractEventLoop, asyncio.Future[None]] | None = None

    def put(self, event: Event) -> bool:
        """Add an event. Return False if the call is cancelled."""
        with self._lock:
            self._events.append(event)
            is_full = len(self._events) >= self._max_events
            if is_full:
                self._has_room.clear()
            self._wake_reader()
        if is_full:
            with self._cancellation.waking(self._has_room):
                self._has_room.wait()
        return not self._cancellation.is_set()

    def end(self, error: BaseException | None = None) -> None:
        """End the feed. After the last event, the reader gets the error, if any."""
        with self._lock:
            self._has_ended, self._error = True, error
            self._wake_reader()

    async def get(self) -> Event | None:
        """Return the next event, or None at the end."""
        while True:
            with self._lock:
                if self._events:
                    event = self._events.popleft()
                    if len(self._events) == self._max_events // 2:
                        self._has_room.set()
                    return event
                if self._has_ended:
                    error, self._error = self._error, None
                    if error is not None:
                        raise error
                    return None
                if self._reader is not None and not self._reader[1].done():
                    raise RuntimeError("another task is reading this stream")
                loop = asyncio.get_running_loop()
                arrived = loop.create_future()
                self._reader = loop, arrived
            await arrived

    def _wake_reader(self) -> None:
        """Wake the task if it waits. Needs the lock."""
        if self._reader is not None:
            (loop, arrived), self._reader = self._reader, None
            post(loop, arrived, None)
