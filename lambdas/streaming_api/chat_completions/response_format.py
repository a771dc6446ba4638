"""`response_format` of a Chat Completions request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lambdas.streaming_api.answer_form import AnswerFormat
from lambdas.streaming_api.json_fields import read_choice, read_object, required
from lambdas.streaming_api.schema_fields import FORMATS, read_answer_schema


def read_response_format(body: Mapping[str, Any]) -> AnswerFormat:
    """Return the format of the answer.

    Raises:
        MappingError: the format is invalid.
    """
    if body.get("response_format") is None:
        return "text"
    given = read_object(body["response_format"], "response_format")
    type_ = read_choice(given.get("type"), "response_format.type", FORMATS)
    if type_ != "json_schema":
        return "text" if type_ == "text" else "json_object"
    path = "response_format.json_schema"
    return read_answer_schema(read_object(required(given, "json_schema", path), path), path)
