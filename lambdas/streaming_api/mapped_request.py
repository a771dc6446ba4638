"""A request of a client, mapped to Converse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lambdas.streaming_api.field_origins import Origins


@dataclass(frozen=True, kw_only=True)
class MappedRequest:
    """A request, and what is needed to map its answer.

    Attributes:
        models: the names of the requested models, preferred first.
        converse: the keyword arguments for `LLMManager.converse` and `LLMManager.converse_stream`, which
            validate them.
        stream: whether the answer is streamed.
        ignored: the client's fields without effect, for the header `x-llmmanager-ignored`.
        origins: the client's path for paths of the Converse request, for errors of the library's validation.
        tool_names: the client's names of tools by the names that were sent, for names that differ.
        answer_tool: the tool whose arguments are the answer, by the name that was sent, or None.
        one_tool_call: whether only the first tool call of an answer is returned.
        json_object: whether the answer must be a JSON object without a schema.
    """

    models: tuple[str, ...]
    converse: Mapping[str, Any]
    stream: bool
    ignored: tuple[str, ...]
    origins: Origins
    tool_names: Mapping[str, str]
    answer_tool: str | None = None
    one_tool_call: bool = False
    json_object: bool = False
