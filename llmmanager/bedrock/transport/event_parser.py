"""Response parsers that keep content unknown to botocore, with a fast path for text chunks.

This module imports botocore. It is imported with the first session.
"""

from __future__ import annotations

import json
from typing import Any

from botocore.parsers import (
    BaseJSONParser,
    EventStreamJSONParser,
    ResponseParserError,
    ResponseParserFactory,
    RestJSONParser,
)

_OK = 200
# Errors of botocore's parsers for JSON of an unexpected form, such as a string instead of a list.
_UNEXPECTED_FORM = (AttributeError, KeyError, RecursionError, TypeError, ValueError)
# Types whose JSON values need no further parsing.
_PLAIN_TYPES = frozenset({"boolean", "double", "float", "integer", "long", "string"})


class _KeepUnknownMembers(BaseJSONParser):  # type: ignore[misc]
    """Parses a union, such as a content block, with members that botocore does not know.

    botocore replaces an unknown member with `SDK_UNKNOWN_MEMBER`, and raises for a union without exactly one
    member. Both would lose a paid answer.
    """

    def _handle_structure(self, shape: Any, value: Any) -> Any:
        if shape.is_document_type or not isinstance(value, dict):
            return super()._handle_structure(shape, value)
        # In Bedrock's APIs, members have the same names in JSON and in Python.
        shapes = shape.members
        parsed = {}
        for name, member in value.items():
            if member is None:
                continue
            if name in shapes:
                known = shapes[name]
                is_plain = known.type_name in _PLAIN_TYPES
                parsed[name] = member if is_plain else self._parse_shape(known, member)
            elif shape.is_tagged_union and name != "__type":
                parsed[name] = member
        return parsed


class _EventParser(_KeepUnknownMembers, EventStreamJSONParser):  # type: ignore[misc]
    """Parses text chunks, which are almost all events, without botocore's shapes."""

    def parse(self, response: dict[str, Any], shape: Any) -> dict[str, Any]:
        """Return an event as botocore parses it, with the content that botocore does not know.

        Raises:
            ResponseParserError: the event has an unexpected form or is invalid JSON. botocore would return an
                event without content, and a part of the answer would be missing.
        """
        headers, body = response["headers"], response["body"]
        if headers.get(":event-type") == "contentBlockDelta":
            event = _text_event(body)
            if event is not None:
                return event
        try:
            if body and headers.get(":message-type") == "event":
                json.loads(body)
            parsed: dict[str, Any] = super().parse(response, shape)
        except _UNEXPECTED_FORM as error:
            raise ResponseParserError(f"an event of Bedrock's stream is invalid: {error}") from error
        return parsed


class _Parser(_KeepUnknownMembers, RestJSONParser):  # type: ignore[misc]
    EVENT_STREAM_PARSER_CLS = _EventParser

    def parse(self, response: dict[str, Any], shape: Any) -> dict[str, Any]:
        """Return a response as botocore parses it, with the content that botocore does not know.

        Only errors have `ResponseMetadata`, which is not used for answers.

        Raises:
            ResponseParserError: the response has an unexpected form, such as a string instead of a list.
        """
        parsed: dict[str, Any] = {}
        try:
            if response["status_code"] != _OK:
                return super().parse(response, shape)  # type: ignore[no-any-return]
            self._add_modeled_parse(response, shape, parsed)
        except _UNEXPECTED_FORM as error:
            raise ResponseParserError(f"Bedrock's answer has an unexpected form: {error}") from error
        return parsed


class ParserFactory(ResponseParserFactory):  # type: ignore[misc]
    """Creates botocore's parsers, except for the parser of Bedrock's responses."""

    def create_parser(self, protocol_name: str) -> Any:
        """Return the parser of a protocol."""
        return _Parser() if protocol_name == "rest-json" else super().create_parser(protocol_name)


def _text_event(body: bytes) -> dict[str, Any] | None:
    """Return the event if it is a text chunk, else None."""
    try:
        members = json.loads(body)
        index, delta = members["contentBlockIndex"], members["delta"]
        if len(delta) == 1 and isinstance(index, int) and isinstance(delta["text"], str):
            return {"contentBlockDelta": {"delta": delta, "contentBlockIndex": index}}
    except _UNEXPECTED_FORM:
        pass
    return None
