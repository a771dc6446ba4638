"""`text` of a request of the Responses API: the format of the answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lambdas.streaming_api.answer_form import AnswerFormat
from lambdas.streaming_api.json_fields import optional_object, read_choice, read_object
from lambdas.streaming_api.schema_fields import FORMATS, read_answer_schema


def read_text_format(body: Mapping[str, Any]) -> tuple[AnswerFormat, list[str]]:
    """Return the format of the answer, and the fields without effect.

    Raises:
        MappingError: the format is invalid.
    """
    text = optional_object(body.get("text"), "text")
    ignored = [] if text.get("verbosity") in (None, "medium") else ["text.verbosity"]
    path = "text.format"
    if text.get("format") is None:
        return "text", ignored
    given = read_object(text["format"], path)
    type_ = read_choice(given.get("type"), f"{path}.type", FORMATS)
    if type_ != "json_schema":
        return "text" if type_ == "text" else "json_object", ignored
    return read_answer_schema(given, path), ignored
