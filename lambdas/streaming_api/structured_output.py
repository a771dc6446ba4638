"""Answers in JSON: a schema in `outputConfig`, or a tool that the model must call to give its answer.

`outputConfig.textFormat` guarantees the schema. A model without it rejects the request, and the library then
calls the next model. The tool works with every model that supports tools: where a model cannot be forced to
call it, the library's feature fallback lets the model choose, and the tool's description asks for the call.
So the schema is sent in `outputConfig` only if every requested model is known to support it.
"""

from __future__ import annotations

import json
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

_CALL_ME = "Call this tool exactly once to give your final answer. Do not answer in any other way."
_SCHEMAS_IN_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_SCHEMAS_BY_NAME = ("properties", "$defs", "definitions", "patternProperties")
_SCHEMAS = ("items", "not", "if", "then", "else")


@dataclass(frozen=True, slots=True)
class AnswerSchema:
    """The JSON schema of an answer. `path` is the path of the schema in the client's request."""

    name: str
    description: str
    schema: Mapping[str, Any]
    path: str


def output_config(answer: AnswerSchema, model_ids: Sequence[str]) -> dict[str, Any] | None:
    """Return Converse's `outputConfig` for a schema, or None if a tool must be used.

    Converse demands `"additionalProperties": false` in every object, which is added where it is missing.
    """
    if not model_ids or not all(map(has_structured_output, model_ids)):
        return None
    closed = _closed(answer.schema)
    if closed is None:
        return None
    definition: dict[str, Any] = {
        "schema": json.dumps(closed, ensure_ascii=False),
        "name": accepted_name(answer.name),
    }
    if answer.description:
        definition["description"] = answer.description
    return {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": definition}}}


def answer_tool(answer: AnswerSchema, names: Collection[str]) -> FunctionTool:
    """Return the tool whose arguments are the answer.

    Args:
        names: the names of the client's tools. The tool gets another name.
    """
    name = f"answer_{answer.name}"
    while name in names:
        name += "_"
    return FunctionTool(
        name=name,
        description=f"{answer.description}\n{_CALL_ME}".strip(),
        schema=answer.schema,
        strict=None,
        cache_point=None,
        path=answer.path,
        schema_path=answer.path,
    )


def _closed(schema: Any) -> Any:
    """Return a schema whose objects have no additional properties; None if one requires them."""
    if not isinstance(schema, dict):
        return schema
    closed = dict(schema)
    if schema.get("type") == "object" or "properties" in schema:
        if schema.get("additionalProperties", False) is not False:
            return None
        closed["additionalProperties"] = False
    for key in _SCHEMAS:
        if key in schema:
            closed[key] = _closed(schema[key])
    for key in _SCHEMAS_IN_LISTS:
        if isinstance(schema.get(key), list):
            closed[key] = [_closed(item) for item in schema[key]]
    for key in _SCHEMAS_BY_NAME:
        if isinstance(schema.get(key), dict):
            closed[key] = {name: _closed(item) for name, item in schema[key].items()}
    inner = [closed[key] for key in _SCHEMAS if key in closed]
    inner += [item for key in _SCHEMAS_IN_LISTS if key in closed for item in closed[key]]
    inner += [
        item for key in _SCHEMAS_BY_NAME if isinstance(closed.get(key), dict) for item in closed[key].values()
    ]
    return None if any(item is None for item in inner) else closed
