"""HTTP responses whose bytes must arrive before the deadline of their call.

This module imports http.client. It is imported with the first client.
"""

from __future__ import annotations

import http.client
import io
from typing import Any

from llmmanager.bedrock.models.deadline import NEVER, Deadline
from llmmanager.bedrock.transport.converse_api import current_deadline


class TimedResponse(http.client.HTTPResponse):
    """A response to the thread's current call. It cannot be read after the deadline of this call."""

    def __init__(self, sock: Any, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        deadline = current_deadline()
        if deadline is not NEVER:
            self.fp = io.BufferedReader(_TimedReader(self.fp.detach(), sock, deadline))


class _TimedReader(io.RawIOBase):
    """The bytes that a socket receives before a deadline.

    The timeout of a socket limits the wait for the next bytes. A slow server can send some before each
    timeout, for any time.
    """

    def __init__(self, received: io.RawIOBase, sock: Any, deadline: Deadline) -> None:
        self._received = received
        self._sock = sock
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        timeout = self._sock.gettimeout()
        left = self._deadline.remaining()
        if left <= 0:
            raise TimeoutError("the deadline has passed")
        self._sock.settimeout(min(left, timeout))
        try:
            return self._received.readinto(buffer)
        finally:
            self._sock.settimeout(timeout)

    def close(self) -> None:
        self._received.close()
        super().close()
