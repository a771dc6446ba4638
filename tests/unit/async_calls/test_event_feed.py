"""EventFeed: events from a thread to a task, with a limit."""

from __future__ import annotations

import asyncio
import threading

import pytest

from llmmanager.bedrock.async_calls.event_feed import EventFeed
from llmmanager.bedrock.models.deadline import Cancellation
from llmmanager.bedrock.models.stream_message import Event
from tests.waiting import wait_until


def event(number: int) -> Event:
    return {"contentBlockDelta": {"contentBlockIndex": number}}


async def everything(feed: EventFeed) -> list[Event]:
    found = []
    while (received := await feed.get()) is not None:
        found.append(received)
    return found


@pytest.mark.parametrize("max_events", [1, 2, 64])
def test_all_events_arrive_in_order(max_events: int) -> None:
    feed = EventFeed(Cancellation(), max_events=max_events)

    def produce() -> None:
        for number in range(500):
            assert feed.put(event(number))
        feed.end()

    thread = threading.Thread(target=produce)
    thread.start()
    assert asyncio.run(everything(feed)) == [event(number) for number in range(500)]
    thread.join()


def test_the_thread_waits_while_the_feed_is_full() -> None:
    cancelled = Cancellation()
    feed = EventFeed(cancelled, max_events=4)
    results: list[bool] = []

    def produce() -> None:
        while not results or results[-1]:
            results.append(feed.put(event(len(results))))

    thread = threading.Thread(target=produce)
    thread.start()
    wait_until(lambda: len(feed._events) == 4)
    assert len(results) == 3
    asyncio.run(feed.get())
    assert len(feed._events) == 3
    asyncio.run(feed.get())
    wait_until(lambda: len(feed._events) == 4)
    cancelled.set()
    thread.join()
    assert results[-1] is False


def test_an_error_comes_after_the_last_event() -> None:
    feed = EventFeed(Cancellation())
    feed.put(event(1))
    feed.end(ValueError("broken"))

    async def read() -> None:
        assert await feed.get() == event(1)
        with pytest.raises(ValueError, match="broken"):
            await feed.get()
        assert await feed.get() is None

    asyncio.run(read())


def test_a_loop_that_was_closed_while_its_task_waited_is_no_error_for_the_thread() -> None:
    feed = EventFeed(Cancellation())
    loop = asyncio.new_event_loop()
    reading = feed.get()
    task = loop.create_task(reading)
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()
    assert feed.put(event(1))
    feed.end()
    assert asyncio.run(everything(feed)) == [event(1)]
    reading.close()
    del task


def test_a_second_task_cannot_read_at_the_same_time() -> None:
    async def read_twice() -> Event | None:
        feed = EventFeed(Cancellation())
        first = asyncio.create_task(feed.get())
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="another task is reading"):
            await feed.get()
        first.cancel()
        await asyncio.wait([first])
        feed.end()
        return await feed.get()

    assert asyncio.run(read_twice()) is None
