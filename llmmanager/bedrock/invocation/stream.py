"""Streams one answer. A stream that is interrupted after its first content continues on another target."""

from __future__ import annotations

import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from llmmanager.bedrock.catalog.catalog_entries import ModelAccess
from llmmanager.bedrock.catalog.model_table import model_data
from llmmanager.bedrock.exceptions.llm_manager_exceptions import DeadlineExceededError, LLMManagerError
from llmmanager.bedrock.invocation.attempt_loop import AttemptLoop
from llmmanager.bedrock.invocation.continuation import RepetitionFilter, continuation_request
from llmmanager.bedrock.models.bedrock_response import BedrockResponse
from llmmanager.bedrock.models.deadline import NEVER, Deadline
from llmmanager.bedrock.models.stream_message import Event, StreamMessage, text_of
from llmmanager.bedrock.routing.classification import StreamLostError
from llmmanager.bedrock.routing.decision import Next
from llmmanager.bedrock.transport import converse_api

Validation = Callable[[BedrockResponse], BedrockResponse]
# Events before the first content. The start of a tool call has no content that a caller could use.
_OPENING = frozenset({"messageStart", "contentBlockStart"})


class OpenStream:
    """A connection that has received its first content. Errors before that are errors of the call."""

    def __init__(self, events: Any) -> None:
        self._raw = events
        self._iterator = _well_formed(events)
        self._first: deque[Event] = deque()
        try:
            for event in self._iterator:
                self._first.append(event)
                if not _OPENING.issuperset(event):
                    return
            raise StreamLostError("the stream ended before any content")
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Iterator[Event]:
        while self._first:
            yield self._first.popleft()
        yield from self._iterator

    def close(self) -> None:
        """Close the connection."""
        self._raw.close()


def _well_formed(events: Iterable[Event]) -> Iterator[Event]:
    """Yield the events. Raise StreamLostError for a frame whose lengths are wrong."""
    try:
        yield from events
    except struct.error as error:
        raise StreamLostError(f"a frame of Bedrock's stream is invalid: {error}") from error


def open_stream(
    client: Any,
    invoke_id: str,
    body: bytes,
    read_timeout: float,
    *,
    cancelled: threading.Event | None = None,
    deadline: Deadline = NEVER,
) -> OpenStream:
    """Call ConverseStream and wait for its first content."""
    return OpenStream(
        converse_api.converse_stream(
            client, invoke_id, body, read_timeout, cancelled=cancelled, deadline=deadline
        )
    )


class AnswerStream:
    """The events of one answer from one or more targets.

    The constructor returns when the first content has arrived. Errors before that are handled by the attempt
    loop.

    Args:
        validate: applied to the complete answer, or None.
    """

    def __init__(
        self,
        loop: AttemptLoop[OpenStream],
        request: Mapping[str, Any],
        *,
        deadline: Deadline,
        validate: Validation | None,
    ) -> None:
        self._loop = loop
        self._request = request
        self._deadline = deadline
        self._validate = validate
        self._message = StreamMessage()
        self._repetition = RepetitionFilter("")
        self._base_index = 0
        self._is_continued = False
        self._error: Exception | None = None
        self._closed = False
        self._final: BedrockResponse | None = None
        started = time.monotonic()
        self._answer = loop.answer()
        self.time_to_first_token_ms: float | None = (time.monotonic() - started) * 1000

    def __iter__(self) -> Iterator[Event]:
        while True:
            try:
                yield from self._events_of_one_target()
                return
            except Exception as error:
                if self._closed or self._loop.is_interrupted:
                    # Another thread closed the connection.
                    return
                if self._message.ended:
                    # The answer is complete. Only the usage is missing.
                    self._loop.record.warnings.append(
                        f"the stream failed after the end of the answer: {error}"
                    )
                    return
                if not self._continue_on_other_target(error):
                    return

    def response(self) -> BedrockResponse:
        """Return the response received so far. `success` is True when the answer is complete."""
        if self._final is not None:
            return self._final
        return self._response(success=False)

    def close(self) -> None:
        """Close the connection and count the call in the statistics. Later calls have no effect."""
        if self._closed:
            return
        self._closed = True
        self._answer.content.close()
        self._loop.count()
        complete = self._message.ended
        response = replace(self._response(success=complete), error=self._error)
        self._final = self._validate(response) if self._validate is not None and complete else response

    def _response(self, *, success: bool) -> BedrockResponse:
        response = self._loop.response(self._answer.target, self._message.response(), success=success)
        return replace(response, warnings=[*response.warnings, *self._message.warnings])

    def _events_of_one_target(self) -> Iterator[Event]:
        for event in self._answer.content:
            for adapted in self._adapted(event) if self._is_continued else (event,):
                self._message.add(adapted)
                if "metadata" in adapted:
                    self._loop.add_usage(self._answer.target, adapted["metadata"] or {})
                yield adapted
            if self._deadline.remaining() <= 0 and not self._message.ended:
                raise StreamLostError("closed by the client")
        if not self._message.ended:
            raise StreamLostError("the stream ended before the end of the answer")

    def _adapted(self, event: Event) -> Iterator[Event]:
        """Yield the event of a continuation with adapted indexes and without repeated text."""
        if "messageStart" in event and self._message.is_started:
            return
        if "contentBlockStop" in event or "messageStop" in event:
            rest = self._repetition.flush()
            if rest:
                yield _text_delta(self._base_index, rest)
        kind = next(iter(event), "")
        if not kind.startswith("contentBlock"):
            yield event
            return
        members = dict(event[kind])
        members["contentBlockIndex"] = (members.get("contentBlockIndex") or 0) + self._base_index
        text = text_of(event)
        if text is None:
            yield {kind: members}
            return
        text = self._repetition.new_text(text)
        if text:
            yield _text_delta(members["contentBlockIndex"], text)

    def _continue_on_other_target(self, error: Exception) -> bool:
        """Request the rest of the answer from another target. Return False if the stream ends."""
        self._answer.content.close()
        if self._deadline.remaining() <= 0:
            error = DeadlineExceededError(f"the deadline passed during the answer ({error})")
        received = self._message.text
        next_ = self._loop.stream_interrupted(self._answer.target, error)
        if next_ is Next.GIVE_UP or not self._message.is_text_only:
            return False
        # Some models start with an empty chunk or a line break, which cannot be continued.
        if received.strip():
            self._loop.continue_with(
                continuation_request(self._request, received), supported_by=_accepts_prefill
            )
        try:
            self._answer = self._loop.answer()
        except LLMManagerError as exhausted:
            self._error = exhausted
            return False
        if self._closed:
            self._answer.content.close()
            return False
        self._loop.record.warnings.append(
            f"the stream was interrupted after {len(received)} characters ({error}) and continued in "
            f"{self._answer.target.region}; get_usage() covers the continuation only"
        )
        self._is_continued = True
        self._repetition = RepetitionFilter(received)
        self._base_index = self._message.last_index
        return True


def _text_delta(index: int, text: str) -> Event:
    return {"contentBlockDelta": {"contentBlockIndex": index, "delta": {"text": text}}}


def _accepts_prefill(target: ModelAccess) -> bool:
    """Whether the model continues an assistant turn. False only for a model known not to."""
    data = model_data(target.model_id)
    return data is None or data.supports.get("assistant_prefill") is not False
