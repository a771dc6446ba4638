"""Log of the calls that FakeBedrock received."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

_MAX_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request to FakeBedrock.

    Attributes:
        number: number of the request, from 1.
        operation: "Converse", "ConverseStream", "ListFoundationModels", ...
        region: the region of the request.
        started_at, ended_at: seconds of `time.monotonic()`; `ended_at` is None while the call is in progress.
        invoked_id: the id or ARN in the request.
        model_id: the id of its model; empty if it is unknown.
        access_method: "on_demand", "geo" or "global".
        service_tier: the tier that the request asks for, or an empty string; "batch" in a batch job.
        access_key_id: the access key id or Bedrock API key of the caller.
        request_id: the id of the response.
        body: the request.
        body_bytes: the size of the request in bytes.
        status: the HTTP status; None if no response was sent.
        error_code: the name of the error, also of one inside a stream; or "hang", "reset" or "disconnected"
            (the client closed the connection).
        usage: the billed tokens with the names of Converse's `usage`, or None.
        answer_lost: whether the answer was billed and did not reach the caller completely.
    """

    number: int
    operation: str
    region: str
    started_at: float
    invoked_id: str = ""
    model_id: str = ""
    access_method: str = ""
    service_tier: str = ""
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
        """Whether the call has not ended."""
        return self.ended_at is None

    @property
    def names(self) -> tuple[str, str, str]:
        """The names of the model in this call: its id, the id in the request, and that id without its ARN."""
        return self.model_id, self.invoked_id, self.invoked_id.rpartition("/")[2]

    @property
    def prompt(self) -> str:
        """The text of the last user message, or an empty string."""
        messages = self.body.get("messages") if isinstance(self.body, Mapping) else None
        return prompt_of(messages or [])


def prompt_of(messages: list[dict[str, Any]]) -> str:
    """Return the text blocks of the last user message, joined by newlines."""
    for message in reversed(messages):
        if message.get("role") == "user":
            return "\n".join(block["text"] for block in message.get("content", []) if "text" in block)
    return ""


class CallLog:
    """The last `limit` calls, or fewer if their bodies are large. Thread-safe."""

    def __init__(self, *, limit: int, on_end: Callable[[Call], None] | None = None) -> None:
        self._limit = limit
        self._on_end = on_end
        self._lock = threading.Lock()
        self._calls: dict[int, Call] = {}
        self._number = 0
        self._open: set[int] = set()
        self._peak = 0
        self._body_bytes = 0

    def begin(self, **fields: Any) -> Call:
        """Add a call that has arrived."""
        with self._lock:
            self._number += 1
            call = Call(number=self._number, started_at=time.monotonic(), **fields)
            self._calls[call.number] = call
            self._open.add(call.number)
            self._peak = max(self._peak, len(self._open))
            self._body_bytes += call.body_bytes
            while len(self._calls) > self._limit or (self._body_bytes > _MAX_BYTES and len(self._calls) > 1):
                self._body_bytes -= self._calls.pop(next(iter(self._calls))).body_bytes
            return call

    def update(self, call: Call, **fields: Any) -> Call:
        """Set fields of `call` while it runs."""
        with self._lock:
            changed = replace(self._calls.get(call.number, call), **fields)
            if call.number in self._calls:
                self._calls[call.number] = changed
            return changed

    def end(self, call: Call, *, status: int | None, error_code: str = "") -> None:
        """Set the result of `call`. Later calls have no effect."""
        with self._lock:
            if call.number not in self._open:
                return
            self._open.discard(call.number)
        ended = self.update(call, status=status, error_code=error_code, ended_at=time.monotonic())
        if self._on_end is not None:
            self._on_end(ended)

    def snapshot(self) -> tuple[Call, ...]:
        """Return the calls in order of arrival."""
        with self._lock:
            return tuple(self._calls.values())

    @property
    def in_flight(self) -> int:
        """The number of calls in flight."""
        with self._lock:
            return len(self._open)

    @property
    def peak_in_flight(self) -> int:
        """The maximum number of calls in flight since the last `clear()`."""
        with self._lock:
            return self._peak

    def clear(self) -> None:
        """Remove every call; those still running are no longer logged."""
        with self._lock:
            self._calls.clear()
            self._body_bytes = 0
            self._peak = len(self._open)
