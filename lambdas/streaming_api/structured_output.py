"""Answers in JSON: a schema in `outputConfig`, or a tool that the model must call to give its answer.

`outputConfig.textFormat` guarantees the schema. A model without it rejects the request, and the library then
calls the next model. The tool works with every model that supports tools: where a model cannot be forced to
call it, the library's feature fallback lets the model choose, and the tool's description asks for the call.
So the schema is sent in `outputConfig` only if every requested model is known to support it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lambdas.streaming_api.tool_names import accepted_name
from lambdas.streaming_api.tools import FunctionTool
from llmmanager.bedrock.structured.native_support import has_structured_output

JSON_OBJECT_INSTRUCTION = (
    "Answer with one JSON object and nothing else: no explanation and no Markdown code block."
)
"""The system prompt for a JSON object without a schema."""


@dataclass(frozen=True, slots=True)
class AnswerSchema:
    """The JSON schema of an answer. `path` is the path of the schema in the client's request."""

    name: str
    description: str
    schema: Mapping[str, Any]
    path: str


def output_config(answer: AnswerSchema, model_ids: Sequence[str]) -> dict[str, Any] | None:
    """Return Converse's `outputConfig` for a schema, or None if a tool must be used."""
    if not model_ids or not all(map(has_structured_output, model_ids)):
        return None
    # Imported here, since few requests have a schema, to keep cold starts short.
    from llmmanager.bedrock.structured.request_form import text_format
    from llmmanager.bedrock.structured.schema_edits import native_schema

    schema = native_schema(answer.schema)
    if schema is None:
        return None
    return {"textFormat": text_format(accepted_name(answer.name), answer.description, schema)}


def answer_tool(answer: AnswerSchema, names: Collection[str]) -> FunctionTool:
    """Return the tool whose arguments are the answer.

    Args:
        names: the names of the client's tools. The tool gets another name.
    """
    from llmmanager.bedrock.structured.request_form import answer_tool_description

    name = f"answer_{answer.name}"
    while name in names:
        name += "_"
    return FunctionTool(
        name=name,
        description=answer_tool_description(answer.description),
        schema=answer.schema,
        strict=None,
        cache_point=None,
        path=answer.path,
        schema_path=answer.path,
    )
