"""Runs many items on threads and yields their results in an event loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator, Callable, Iterable
from contextvars import copy_context
from typing import TypeVar

from llmmanager.bedrock.async_calls.call_threads import CallThreads
from llmmanager.bedrock.async_calls.thread_call import END_SECONDS, CallOutcome
from llmmanager.bedrock.models.deadline import Cancellation, Deadline
from llmmanager.bedrock.parallel.item_source import ItemSource

T = TypeVar("T")
R = TypeVar("R")


async def completed(
    threads: CallThreads,
    work: Callable[[T], R],
    items: Iterable[T] | ItemSource[T, R],
    *,
    max_concurrent: int,
    deadline: Deadline,
    stop: threading.Event,
    cancelled: Cancellation,
) -> AsyncGenerator[tuple[T, R], None]:
    """Yield pairs of item and result, in order of completion, as `Executor.completed` does.

    Args:
        work: processes an item on a thread, with the context variables of the task.
        cancelled: ends the running items. If the iteration ends early, it is interrupted, and `stop` is set.
    """
    loop, context = asyncio.get_running_loop(), copy_context()
    done: asyncio.Queue[tuple[T, CallOutcome[R]]] = asyncio.Queue()
    source = items if isinstance(items, ItemSource) else ItemSource[T, R](items)
    running = 0

    def may_start() -> bool:
        return running < max_concurrent and deadline.remaining() > 0 and not stop.is_set()

    def start(item: T) -> None:
        def run() -> None:
            outcome = CallOutcome.of(lambda: context.copy().run(work, item))
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(done.put_nowait, (item, outcome))

        threads.run(run)

    try:
        while True:
            while may_start():
                item = source.take()
                if item is None:
                    break
                start(item)
                running += 1
            if not running:
                return
            wait = source.seconds_until_next() if may_start() else None
            try:
                async with asyncio.timeout(wait):
                    item, outcome = await done.get()
            except TimeoutError:
                continue
            running -= 1
            result = outcome.get()
            source.ended(item, result)
            yield item, result
    finally:
        if running:
            stop.set()
            cancelled.interrupt()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(END_SECONDS):
                    for _ in range(running):
                        await done.get()
