"""Converse's `toolConfig` from the tools of a request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from lambdas.streaming_api.mapping_error import MappingError
from lambdas.streaming_api.model_features import is_claude
from lambdas.streaming_api.tool_names import accepted_name

ChoiceKind = Literal["auto", "any", "tool", "none"]


@dataclass(frozen=True, slots=True)
class FunctionTool:
    """A function that the model may call.

    Attributes:
        name: the client's name.
        schema: the JSON schema of the arguments; None for a function without arguments.
        cache_point: the block behind the tool, or None.
        path: the path of the tool in the client's request.
        schema_path: the path of the schema.
    """

    name: str
    description: str
    schema: Mapping[str, Any] | None
    strict: bool | None
    cache_point: Mapping[str, Any] | None
    path: str
    schema_path: str


@dataclass(frozen=True, slots=True)
class RequestedChoice:
    """Whether the model may or must call a tool, or which one (`name` is the client's)."""

    kind: ChoiceKind = "auto"
    name: str = ""


@dataclass(frozen=True, slots=True)
class RequestedTools:
    """The tools that the model may call, and whether it must call one.

    Attributes:
        one_call: whether an answer may have at most one tool call.
    """

    tools: tuple[FunctionTool, ...]
    choice: RequestedChoice
    one_call: bool


@dataclass(frozen=True, slots=True)
class ToolConfig:
    """Converse's `toolConfig`, and the client's path for the path of each tool."""

    fields: dict[str, Any]
    origins: dict[str, str]


def tool_config(tools: Sequence[FunctionTool], choice: RequestedChoice) -> ToolConfig:
    """Return the configuration of at least one tool.

    The choice "auto" is Converse's default and is left out.

    Raises:
        MappingError: two tools have the same name.
    """
    entries: list[Mapping[str, Any]] = []
    origins: dict[str, str] = {}
    names: set[str] = set()
    for tool in tools:
        if tool.name in names:
            raise MappingError(f"{tool.path}.name", "must differ from the names of the other tools")
        names.add(tool.name)
        here = f"toolConfig.tools[{len(entries)}]"
        origins |= {here: tool.path, f"{here}.toolSpec.inputSchema": tool.schema_path}
        entries.append({"toolSpec": _tool_spec(tool)})
        if tool.cache_point is not None:
            entries.append(tool.cache_point)
    fields: dict[str, Any] = {"tools": entries}
    if choice.kind == "any":
        fields["toolChoice"] = {"any": {}}
    elif choice.kind == "tool":
        fields["toolChoice"] = {"tool": {"name": accepted_name(choice.name)}}
    return ToolConfig(fields, origins)


def one_tool_call_fields(choice: RequestedChoice, model_id: str) -> Mapping[str, Any]:
    """Return the fields of `additionalModelRequestFields` that limit an answer to one tool call.

    They are empty for models without such a limit. When the call fails over to one of these, the library
    removes the fields.
    """
    if not is_claude(model_id):
        return {}
    fields: dict[str, Any] = {"disable_parallel_tool_use": True}
    # Bedrock rejects a type beside `toolConfig.toolChoice`, and the field without a type otherwise.
    return {"tool_choice": fields if choice.kind in ("any", "tool") else {"type": "auto", **fields}}


def _tool_spec(tool: FunctionTool) -> dict[str, Any]:
    schema = dict(tool.schema or {})
    schema.setdefault("type", "object")
    spec: dict[str, Any] = {"name": accepted_name(tool.name), "inputSchema": {"json": schema}}
    if tool.description:
        spec["description"] = tool.description
    if tool.strict is not None:
        spec["strict"] = tool.strict
    return spec
