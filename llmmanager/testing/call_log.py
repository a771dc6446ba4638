"""The calls that FakeBedrock received, and how they ended."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

_MOST_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request to Bedrock.

    `invoked_id` is the ID or ARN as it was sent, `model_id` the model it names (empty for an unknown one),
    `access_method` one of `on_demand`, `geo`, `global`. `started_at` and `ended_at` are seconds of
    `time.monotonic()`. `status` stays None when no answer was sent; `error_code` is the error's name,
    `hang`, `reset`, `disconnected` (the client left), or the error that broke a stream. `usage` are the
    tokens billed for an answer, None when nothing was billed; `answer_lost` says that it was billed but did
    not reach the caller whole.
    """

    number: int
    operation: str
    region: str
    started_at: float
    invoked_id: str = ""
    model_id: str = ""
    access_method: str = ""
    access_key_id: str = ""
    request_id: str = ""
    body: Any = None
    body_bytes: int = 0
    ended_at: float | None = None
    status: int | None = None
    error_code: str = ""
    usage: Mapping[str, int] | None = None
    answer_lost: bool = False

    @property
    def in_flight(self) -> bool:
        """Whether the answer is still to come."""
        return self.ended_at is None

    @property
    def names(self) -> tuple[str, str, str]:
        """The names of the model in this call: its id, the id as sent, and that without its ARN."""
        return self.model_id, self.invoked_id, self.invoked_id.rpartition("/")[2]

    @property
    def prompt(self) -> str:
        """The text of the last user message; empty when there is none."""
        messages = self.body.get("messages") if isinstance(self.body, Mapping) else None
        return prompt_of(messages or [])


def prompt_of(messages: list[dict[str, Any]]) -> str:
    """Return the text blocks of the last user message, one a line."""
    for message in reversed(messages):
        if message.get("role") == "user":
            return "\n".join(block["text"] for block in message.get("content", []) if "text" in block)
    return ""


class CallLog:
    """The last `limit` calls, fewer when their bodies are large; safe to read from any thread."""

    def __init__(self, *, limit: int, on_end: Callable[[Call], None] | None = None) -> None:
        self._limit = limit
        self._on_end = on_end
        self._lock = threading.Lock()
        self._calls: dict[int, Call] = {}
        self._number = 0
        self._open: set[int] = set()
        self._peak = 0
        self._body_bytes = 0

    def begin(self, **facts: Any) -> Call:
        """Add a call that has arrived."""
        with self._lock:
            self._number += 1
            call = Call(number=self._number, started_at=time.monotonic(), **facts)
            self._calls[call.number] = call
            self._open.add(call.number)
            self._peak = max(self._peak, len(self._open))
            self._body_bytes += call.body_bytes
            while len(self._calls) > self._limit or (self._body_bytes > _MOST_BYTES and len(self._calls) > 1):
                self._body_bytes -= self._calls.pop(next(iter(self._calls))).body_bytes
            return call

    def update(self, call: Call, **facts: Any) -> Call:
        """Set fields of `call` while it runs."""
        with self._lock:
            changed = replace(self._calls.get(call.number, call), **facts)
            if call.number in self._calls:
                self._calls[call.number] = changed
            return changed

    def end(self, call: Call, *, status: int | None, error_code: str = "") -> None:
        """Set how `call` ended; only the first end counts."""
        with self._lock:
            if call.number not in self._open:
                return
            self._open.discard(call.number)
        ended = self.update(call, status=status, error_code=error_code, ended_at=time.monotonic())
        if self._on_end is not None:
            self._on_end(ended)

    def snapshot(self) -> tuple[Call, ...]:
        """The calls by arrival."""
        with self._lock:
            return tuple(self._calls.values())

    @property
    def in_flight(self) -> int:
        """How many calls are being answered now."""
        with self._lock:
            return len(self._open)

    @property
    def peak_in_flight(self) -> int:
        """The most calls that were being answered at one moment since the last `clear()`."""
        with self._lock:
            return self._peak

    def clear(self) -> None:
        """Remove every call; those still running are no longer logged."""
        with self._lock:
            self._calls.clear()
            self._body_bytes = 0
            self._peak = len(self._open)
