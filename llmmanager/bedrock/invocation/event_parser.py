"""botocore's parser of streamed answers, with a short cut for text.

Imports botocore, and is itself imported with the first session only.
"""

from __future__ import annotations

import json
from typing import Any

from botocore.parsers import EventStreamJSONParser, ResponseParserFactory, RestJSONParser


class _EventParser(EventStreamJSONParser):  # type: ignore[misc]
    """Spares a chunk of text, which is what nearly every event is, the walk along its shapes."""

    def parse(self, response: dict[str, Any], shape: Any) -> dict[str, Any]:
        """An event as botocore parses it: known members only."""
        if response["headers"].get(":event-type") == "contentBlockDelta":
            event = _text_event(response["body"])
            if event is not None:
                return event
        parsed: dict[str, Any] = super().parse(response, shape)
        return parsed


class _Parser(RestJSONParser):  # type: ignore[misc]
    EVENT_STREAM_PARSER_CLS = _EventParser


class ParserFactory(ResponseParserFactory):  # type: ignore[misc]
    """Makes botocore's own parsers, but for the one that Bedrock's answers need."""

    def create_parser(self, protocol_name: str) -> Any:
        """The parser of a protocol."""
        return _Parser() if protocol_name == "rest-json" else super().create_parser(protocol_name)


def _text_event(body: bytes) -> dict[str, Any] | None:
    """The event when it is a chunk of text, else None."""
    try:
        members = json.loads(body)
        index, delta = members["contentBlockIndex"], members["delta"]
        if len(delta) == 1 and isinstance(index, int) and isinstance(delta["text"], str):
            return {"contentBlockDelta": {"delta": delta, "contentBlockIndex": index}}
    except (ValueError, KeyError, TypeError):
        pass
    return None
