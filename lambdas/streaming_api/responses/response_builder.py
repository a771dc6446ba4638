"""Builds a response from the events of an answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lambdas.streaming_api.answer_events import (
    AnswerEnd,
    AnswerEvent,
    AnswerUsage,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
)
from lambdas.streaming_api.api_error import ApiError
from lambdas.streaming_api.responses.output_items import (
    Event,
    FunctionCallItem,
    MessageItem,
    OutputItem,
    Place,
    ReasoningItem,
    Status,
)
from lambdas.streaming_api.responses.request import ResponsesRequest
from lambdas.streaming_api.responses.tool_namespaces import ToolName

_INCOMPLETE = {
    "max_tokens": "max_output_tokens",
    "model_context_window_exceeded": "max_output_tokens",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}


class ResponseBuilder:
    """Builds a response: each content block becomes an item.

    An item ends when the next one begins or the answer ends, because only then it is known whether the answer
    was cut off inside it.
    """

    def __init__(self, request: ResponsesRequest, *, id_: str, created: int) -> None:
        self._request = request
        self._base = {"id": id_, "object": "response", "created_at": created, **request.repeated}
        self._suffix = id_.removeprefix("resp_")
        self._done: list[dict[str, Any]] = []
        self._open: OutputItem | None = None
        self._block = 0
        self._end: AnswerEnd | None = None
        self._usage: dict[str, Any] | None = None

    @property
    def has_ended(self) -> bool:
        """Whether the answer has an end. An interrupted stream has none."""
        return self._end is not None

    def add(self, event: AnswerEvent) -> Iterator[Event]:
        """Yield the events of the response for an event of the answer."""
        match event:
            case TextDelta() | ReasoningDelta():
                if self._open is None or event.block != self._block:
                    yield from self._begin(event)
                yield from self._add(event)
            case ToolCallStart():
                yield from self._begin(event)
            case ToolCallDelta():
                yield from self._add(event)
            case AnswerEnd():
                self._end = event
                yield from self._end_item()
            case AnswerUsage():
                self._usage = _usage(event)

    def in_progress(self, *, model: str | None) -> dict[str, Any]:
        """Return the response before its first item."""
        return self._response("in_progress", model)

    def ended(self, *, model: str | None, service_tier: str | None) -> dict[str, Any]:
        """Return the response of an answer that has ended: complete, or cut off."""
        reason = self._incomplete_reason
        response = self._response("incomplete" if reason else "completed", model)
        if reason:
            response["incomplete_details"] = {"reason": reason}
        if service_tier is not None:
            response["service_tier"] = service_tier
        return response

    def failed(self, error: ApiError, *, model: str | None) -> dict[str, Any]:
        """Return the response of an answer that was interrupted.

        OpenAI has no code for a lost stream. Codex does not retry `insufficient_quota`.
        """
        response = self._response("failed", model)
        code = "insufficient_quota" if error.code == "insufficient_quota" else "server_error"
        response["error"] = {"code": code, "message": error.message}
        return response

    @property
    def _incomplete_reason(self) -> str | None:
        return _INCOMPLETE.get(self._end.stop_reason) if self._end is not None else None

    def _begin(self, event: TextDelta | ReasoningDelta | ToolCallStart) -> Iterator[Event]:
        yield from self._end_item()
        self._block = event.block
        self._open = self._item(event)
        yield from self._open.begin()

    def _item(self, event: TextDelta | ReasoningDelta | ToolCallStart) -> OutputItem:
        match event:
            case TextDelta():
                return MessageItem(self._place("msg"))
            case ReasoningDelta():
                return ReasoningItem(self._place("rs"))
        name = self._request.namespaced.get(event.name) or ToolName(event.name)
        return FunctionCallItem(self._place("fc"), event.id, name)

    def _place(self, prefix: str) -> Place:
        index = len(self._done)
        return Place(f"{prefix}_{self._suffix}_{index}", index)

    def _add(self, event: TextDelta | ReasoningDelta | ToolCallDelta) -> Iterator[Event]:
        if self._open is not None:
            yield from self._open.add(event)

    def _end_item(self) -> Iterator[Event]:
        if self._open is None:
            return
        status: Status = "incomplete" if self._incomplete_reason else "completed"
        item, self._open = self._open, None
        self._done.append(item.document(status))
        yield from item.end(status)

    def _response(self, status: str, model: str | None) -> dict[str, Any]:
        open_item = [self._open.document("incomplete")] if self._open is not None else []
        return {
            **self._base,
            "model": model or self._request.models[0],
            "status": status,
            "error": None,
            "incomplete_details": None,
            "output": [*self._done, *open_item],
            "usage": self._usage,
        }


def _usage(event: AnswerUsage) -> dict[str, Any]:
    """Return OpenAI's token counts. `input_tokens` includes tokens read from and written to the cache."""
    return {
        "input_tokens": event.all_input,
        "input_tokens_details": {
            "cached_tokens": event.cache_read,
            "cache_write_tokens": event.cache_written,
        },
        "output_tokens": event.output,
        # Converse counts tokens of reasoning as output, and does not report them apart.
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": event.all_input + event.output,
    }
