"""The forms in which the schema of an answer is sent: native, as a tool, or as an instruction.

A request has the native form, `outputConfig.textFormat`. For each model that a call uses, the feature
fallback replaces it by the form that the model supports.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from functools import partial
from typing import Any

from llmmanager.bedrock.catalog.managed_prompts import is_managed_prompt
from llmmanager.bedrock.catalog.model_table import model_data
from llmmanager.bedrock.invocation.parameter_edits import AnswerTool, Request, SchemaFormat, without_member
from llmmanager.bedrock.structured.native_support import base_id, has_structured_output
from llmmanager.bedrock.structured.output_schema import OutputSchema
from llmmanager.bedrock.structured.parsed_answer import parsed_answer
from llmmanager.bedrock.structured.schema_edits import Schema, native_schema, tool_schema

DEFAULT_RETRIES = 2

_CALL_ME = "Call this tool exactly once to give your final answer. Do not answer in any other way."
_INSTRUCTION = (
    "Answer with one JSON object that is valid for the following JSON Schema, and with nothing else: no "
    "explanation and no Markdown code block."
)
_MAX_NAME = 64
_OTHER_CHARACTERS = re.compile(r"[^a-zA-Z0-9_-]+")


def schema_output_config(output: OutputSchema, *, retries: int = DEFAULT_RETRIES) -> dict[str, Any]:
    """Return the `output_config` of a request whose answer must follow a schema.

    Args:
        retries: how often a model is called again after an invalid answer, if the call has no response
            validation of its own.
    """
    native = native_schema(output.schema)
    fields = text_format(
        output.name, output.description, native if native is not None else tool_schema(output.schema)
    )
    schema_format = SchemaFormat(
        fields,
        as_tool=partial(_as_tool, output),
        unsupported_by=partial(_unsupported_forms, native is not None),
        answer=partial(parsed_answer, output, tool_name=partial(_tool_name, output), retries=retries),
    )
    return {"textFormat": schema_format}


def text_format(name: str, description: str, schema: Schema) -> dict[str, Any]:
    """Return `outputConfig.textFormat` for a schema that `native_schema` returned."""
    definition = {"schema": json.dumps(schema, ensure_ascii=False), "name": schema_name(name)}
    if description:
        definition["description"] = description
    return {"type": "json_schema", "structure": {"jsonSchema": definition}}


def answer_tool_description(description: str) -> str:
    """Return the description of the tool whose arguments are the answer."""
    return f"{description}\n{_CALL_ME}".strip()


def schema_name(name: str) -> str:
    """Return a name with characters and a length that Converse accepts."""
    accepted = _OTHER_CHARACTERS.sub("_", name)
    if accepted == name and len(name) <= _MAX_NAME:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{accepted[: _MAX_NAME - 9]}_{digest}"


def _unsupported_forms(has_native_form: bool, model_id: str) -> tuple[str, ...]:
    """Return the features of the table that stand for forms without support by the model."""
    if is_managed_prompt(model_id):
        # Its tools and system prompt are fixed.
        return ()
    data = model_data(base_id(model_id))
    has_no_tools = data is not None and data.supports.get("tools") is False
    return (
        *(() if has_native_form and has_structured_output(model_id) else ("output_schema",)),
        *(("answer_tool",) if has_no_tools else ()),
    )


def _tool_name(output: OutputSchema, request: Request) -> str:
    """Return the name of the answer tool, which differs from the names of the request's tools."""
    tools = request.get("toolConfig", {}).get("tools", ())
    names = {tool["toolSpec"]["name"] for tool in tools if "toolSpec" in tool}
    name = schema_name(f"answer_{output.name}")
    while name in names:
        name = schema_name(f"{name}_again")
    return name


def _as_tool(output: OutputSchema, request: Request) -> Request:
    config: Mapping[str, Any] = request.get("toolConfig", {})
    name = _tool_name(output, request)
    spec = {
        "name": name,
        "description": answer_tool_description(output.description),
        "inputSchema": {"json": tool_schema(output.schema)},
    }
    schema = json.dumps(output.schema, ensure_ascii=False)
    tool = AnswerTool({"toolSpec": spec}, instruction={"text": f"{_INSTRUCTION}\n{schema}"})
    tools = config.get("tools", ())
    output_config = without_member(request["outputConfig"], "textFormat")
    return {
        **without_member(request, "outputConfig"),
        **({"outputConfig": output_config} if output_config else {}),
        "toolConfig": {
            **config,
            "tools": [*tools, tool],
            "toolChoice": {"any": {}} if tools else {"tool": {"name": name}},
        },
    }
