"""A call that runs on a thread while a task awaits it. Cancelling the task interrupts the call."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

from llmmanager.bedrock.async_calls.call_threads import CallThreads
from llmmanager.bedrock.models.deadline import NEVER, Cancellation, Deadline

R = TypeVar("R")
# An interrupted call ends at once, unless code of the caller, such as a response validation, is running.
END_SECONDS = 0.25


@dataclass(frozen=True)
class CallOutcome(Generic[R]):
    """What a function returned or raised."""

    value: R | None
    error: BaseException | None = None

    @classmethod
    def of(cls, work: Callable[[], R]) -> CallOutcome[R]:
        """Call the function and return its outcome."""
        try:
            return cls(work())
        except BaseException as error:
            return cls(None, error)

    def get(self) -> R:
        """Return the value, or raise the error."""
        if self.error is None:
            return cast("R", self.value)
        try:
            raise self.error
        finally:
            # The traceback refers to this frame.
            del self


def post(loop: asyncio.AbstractEventLoop, future: asyncio.Future[R], result: R) -> None:
    """Set the result of a future from another thread. No effect if it is cancelled, or the loop is closed."""

    def set_result() -> None:
        if not future.done():
            future.set_result(result)

    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(set_result)


class ThreadCall:
    """A call on a thread, started by a task of the current event loop.

    Args:
        work: the call. It must not raise. It sees the context variables of the task.
        deadline: when the call must end. If it still waits for a thread then, it runs in the event loop, to
            raise its error.

    Attributes:
        cancellation: ends the call.
    """

    def __init__(
        self, threads: CallThreads, work: Callable[[Cancellation], None], *, deadline: Deadline
    ) -> None:
        self.cancellation = Cancellation()
        self._threads = threads
        self._work = work
        self._context = copy_context()
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        if not threads.run(self._run) and deadline is not NEVER:
            late = self._loop.call_later(max(deadline.remaining(), 0.0), self._run_if_waiting)
            self._ended.add_done_callback(lambda _: late.cancel())

    async def result_of(self, future: asyncio.Future[R]) -> R:
        """Wait for a future that the call sets. If the task is cancelled, interrupt the call."""
        try:
            return await future
        except asyncio.CancelledError:
            await self.interrupt()
            raise
        except BaseException:
            # The coroutine is closed without its event loop, and cannot wait.
            self.cancellation.interrupt()
            raise

    async def interrupt(self) -> None:
        """End the call, and wait until it has ended. Code of the caller on the thread may end later."""
        self.cancellation.interrupt()
        if not self._threads.withdraw(self._run):
            await asyncio.wait([self._ended], timeout=END_SECONDS)

    def _run(self) -> None:
        self._context.run(self._work, self.cancellation)
        post(self._loop, self._ended, None)

    def _run_if_waiting(self) -> None:
        if self._threads.withdraw(self._run):
            self._run()


async def on_thread(
    threads: CallThreads, work: Callable[[Cancellation], R], *, deadline: Deadline = NEVER
) -> R:
    """Return what a call returns on a thread, or raise its exception.

    Args:
        work: the call. Its argument ends it.
        deadline: see `ThreadCall`.
    """
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[CallOutcome[R]] = loop.create_future()
    call = ThreadCall(
        threads,
        lambda cancelled: post(loop, outcome, CallOutcome.of(lambda: work(cancelled))),
        deadline=deadline,
    )
    return (await call.result_of(outcome)).get()
