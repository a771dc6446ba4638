"""A streamed answer across failovers: before its first content like any call, afterwards by going on."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from llmmanager.bedrock.catalog.entries import ModelAccess
from llmmanager.bedrock.catalog.facts import facts_of
from llmmanager.bedrock.exceptions.llm_manager_exceptions import DeadlineExceededError, LLMManagerError
from llmmanager.bedrock.invocation import wire
from llmmanager.bedrock.invocation.continuation import Seam, continued
from llmmanager.bedrock.invocation.run import Run
from llmmanager.bedrock.models.bedrock_response import BedrockResponse
from llmmanager.bedrock.models.deadline import Deadline
from llmmanager.bedrock.models.stream_message import Event, StreamMessage, text_of
from llmmanager.bedrock.routing.decision import Next

Verdict = Callable[[BedrockResponse], BedrockResponse]
# A tool call that is only announced is nothing that a caller could use, or miss.
_OPENING = frozenset({"messageStart", "contentBlockStart"})


class ConnectionClosedError(Exception):
    """The connection ended before the model had said that it was done."""


class OpenStream:
    """One connection whose first content has arrived, so that nothing of it can fail unseen any more."""

    def __init__(self, events: Any) -> None:
        self._raw = events
        self._iterator = iter(events)
        self._first: deque[Event] = deque()
        try:
            for event in self._iterator:
                self._first.append(event)
                if not _OPENING.issuperset(event):
                    return
            raise ConnectionClosedError("the stream ended before any content")
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Iterator[Event]:
        while self._first:
            yield self._first.popleft()
        yield from self._iterator

    def limit_silence(self, seconds: float) -> None:
        """Bound the wait for each further event; as botocore does for its own streaming bodies."""
        try:
            self._raw._raw_stream._fp.fp.raw._sock.settimeout(max(seconds, 0.001))
        except AttributeError:  # another transport, or a connection that has been handed back
            return

    def close(self) -> None:
        """Close the connection."""
        self._raw.close()


def open_stream(client: Any, invoke_id: str, body: bytes, read_timeout: float) -> OpenStream:
    """Call ConverseStream and wait for its first content."""
    return OpenStream(wire.converse_stream(client, invoke_id, body, read_timeout))


class AnswerStream:
    """The events of one answer, whatever targets they come from.

    Made once the first target speaks: everything that fails before that is the call's own failover.

    Args:
        judge: applied to the completed answer.
    """

    def __init__(
        self,
        run: Run[OpenStream],
        request: Mapping[str, Any],
        *,
        deadline: Deadline,
        timeout: float,
        judge: Verdict | None,
    ) -> None:
        self._run = run
        self._request = request
        self._deadline = deadline
        self._timeout = timeout
        self._judge = judge
        self._message = StreamMessage()
        self._seam = Seam("")
        self._base_index = 0
        self._is_continued = False
        self._error: Exception | None = None
        self._closed = False
        self._final: BedrockResponse | None = None
        started = time.monotonic()
        self._target, self._stream = run.answer()
        self.time_to_first_token_ms: float | None = (time.monotonic() - started) * 1000

    def __iter__(self) -> Iterator[Event]:
        while True:
            try:
                yield from self._events_of_one_target()
                return
            except Exception as error:
                if self._closed:
                    # By another thread, which took the connection away from under this one.
                    return
                if self._message.ended:
                    # Only the usage was still to come: the answer is whole.
                    self._run.record.warnings.append(f"the stream broke after the answer had ended: {error}")
                    return
                if not self._go_on_elsewhere(error):
                    return

    def response(self) -> BedrockResponse:
        """The call as it stands now; `success` once the answer is complete."""
        if self._final is not None:
            return self._final
        return self._response(success=False)

    def close(self) -> None:
        """Close the connection and take the call into the statistics, once."""
        if self._closed:
            return
        self._closed = True
        self._stream.close()
        self._run.count()
        complete = self._message.ended
        response = replace(self._response(success=complete), error=self._error)
        self._final = self._judge(response) if self._judge is not None and complete else response

    def _response(self, *, success: bool) -> BedrockResponse:
        response = self._run.response(self._target, self._message.response(), success=success)
        return replace(response, warnings=[*response.warnings, *self._message.warnings])

    def _events_of_one_target(self) -> Iterator[Event]:
        for event in self._stream:
            for placed in self._placed(event) if self._is_continued else (event,):
                self._message.add(placed)
                if "metadata" in placed:
                    self._run.note_usage(self._target, placed["metadata"] or {})
                yield placed
            remaining = self._deadline.remaining()
            if remaining <= 0 and not self._message.ended:
                raise ConnectionClosedError("by this side")
            if remaining < self._timeout:
                self._stream.limit_silence(remaining)
        if not self._message.ended:
            raise ConnectionClosedError("the stream ended before the answer did")

    def _placed(self, event: Event) -> Iterator[Event]:
        """The event as the caller sees it after a failover: in line with what came before."""
        if "messageStart" in event and self._message.is_started:
            return
        if "contentBlockStop" in event or "messageStop" in event:
            rest = self._seam.rest()
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
        text = self._seam.pass_on(text)
        if text:
            yield _text_delta(members["contentBlockIndex"], text)

    def _go_on_elsewhere(self, error: Exception) -> bool:
        """Whether the rest of the answer now comes from another target; if not, the stream has ended."""
        self._stream.close()
        if self._deadline.remaining() <= 0:
            error = DeadlineExceededError(f"the deadline passed in the middle of the answer ({error})")
        said = self._message.text
        next_ = self._run.broke_off(self._target, error)
        if next_ is Next.GIVE_UP or not self._message.is_text_only:
            return False
        # Some models begin with an empty chunk or a line break: then there is nothing to go on from.
        if said.strip():
            self._run.go_on_with(continued(self._request, said), _takes_a_beginning)
        try:
            self._target, self._stream = self._run.answer()
        except LLMManagerError as exhausted:
            self._error = exhausted
            return False
        if self._closed:
            self._stream.close()
            return False
        self._run.record.warnings.append(
            f"the stream broke after {len(said)} characters ({error}) and was continued in "
            f"{self._target.region}; get_usage() covers the continuation only"
        )
        self._is_continued = True
        self._seam = Seam(said)
        self._base_index = self._message.last_index
        return True


def _text_delta(index: int, text: str) -> Event:
    return {"contentBlockDelta": {"contentBlockIndex": index, "delta": {"text": text}}}


def _takes_a_beginning(target: ModelAccess) -> bool:
    """Whether the model goes on with an assistant turn; only a known refusal rules it out."""
    facts = facts_of(target.model_id)
    return facts is None or facts.supports.get("assistant_prefill") is not False
