"""`tools`, `tool_choice` and `parallel_tool_calls` of a request of the Responses API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lambdas.streaming_api.cache_points import read_cache_point
from lambdas.streaming_api.json_fields import (
    optional_list,
    optional_text,
    read_choice,
    read_flag,
    read_list,
    read_object,
    read_text,
    required,
)
from lambdas.streaming_api.mapping_error import missing, unsupported
from lambdas.streaming_api.responses.tool_namespaces import ToolName
from lambdas.streaming_api.tool_choice import Tools, check_name, choice_among, choice_by_name, choice_by_word
from lambdas.streaming_api.tools import FunctionTool, RequestedChoice, RequestedTools

CUSTOM_TOOL = "describe the tool as a function"
_OWN_TOOL = "only function tools are supported; use a tool of your own"
_WEB_SEARCH = "web_search"


@dataclass(frozen=True, slots=True)
class ResponseTools:
    """The tools of a request.

    Attributes:
        requested: the functions that the model may call.
        names: the names of the functions in namespaces, by full name.
        ignored: the fields without effect.
    """

    requested: RequestedTools
    names: Mapping[str, ToolName]
    ignored: Sequence[str]


def read_tools(body: Mapping[str, Any]) -> ResponseTools:
    """Return the tools of a request. With `"tool_choice": "none"` there are none.

    A web search beside functions is ignored, because agents such as Codex offer it in every request.

    Raises:
        MappingError: a tool or the choice is invalid or cannot be mapped.
    """
    functions: list[FunctionTool] = []
    names: dict[str, ToolName] = {}
    searches: list[str] = []
    for index, item in enumerate(optional_list(body.get("tools"), "tools")):
        path = f"tools[{index}]"
        tool = read_object(item, path)
        type_ = read_text(required(tool, "type", f"{path}.type"), f"{path}.type")
        if type_ == "function":
            functions.append(_function(tool, path))
        elif type_ == "namespace":
            for name, function in _namespace(tool, path):
                functions.append(function)
                names[name.full] = name
        elif type_.startswith(_WEB_SEARCH):
            searches.append(f"{path}.type")
        else:
            raise unsupported(f"{path}.type", CUSTOM_TOOL if type_ == "custom" else _OWN_TOOL)
    if searches and not functions:
        raise unsupported(searches[0], _OWN_TOOL)
    parallel = body.get("parallel_tool_calls")
    one_call = parallel is not None and not read_flag(parallel, "parallel_tool_calls")
    tools, choice = _choice(body.get("tool_choice"), tuple(functions))
    requested = RequestedTools(tools, choice, one_call and bool(tools))
    return ResponseTools(requested, names, [f"tools.{_WEB_SEARCH}"] if searches else [])


def _namespace(tool: Mapping[str, Any], path: str) -> Iterator[tuple[ToolName, FunctionTool]]:
    namespace = _name(tool, path)
    for index, item in enumerate(read_list(required(tool, "tools", f"{path}.tools"), f"{path}.tools")):
        here = f"{path}.tools[{index}]"
        inner = read_object(item, here)
        if required(inner, "type", f"{here}.type") != "function":
            raise unsupported(f"{here}.type", CUSTOM_TOOL)
        yield ToolName(_name(inner, here), namespace), _function(inner, here, namespace)


def _function(tool: Mapping[str, Any], path: str, namespace: str = "") -> FunctionTool:
    schema, strict = tool.get("parameters"), tool.get("strict")
    return FunctionTool(
        name=ToolName(_name(tool, path), namespace).full,
        description=optional_text(tool.get("description"), f"{path}.description"),
        schema=None if schema is None else read_object(schema, f"{path}.parameters"),
        # False is the default of every model, and some models do not know the field.
        strict=None if strict is None else read_flag(strict, f"{path}.strict") or None,
        cache_point=read_cache_point(tool, path),
        path=path,
        schema_path=f"{path}.parameters",
    )


def _name(fields: Mapping[str, Any], path: str) -> str:
    name = read_text(required(fields, "name", f"{path}.name"), f"{path}.name")
    if not name:
        raise missing(f"{path}.name")
    return name


def _choice(value: Any, tools: Tools) -> tuple[Tools, RequestedChoice]:
    """Return the tools that are allowed, and the choice among them."""
    path = "tool_choice"
    if value is None:
        return tools, RequestedChoice()
    if isinstance(value, str):
        return choice_by_word(value, tools)
    choice = read_object(value, path)
    match required(choice, "type", f"{path}.type"):
        case "function":
            return choice_by_name(_full_name(choice, path), tools, path=f"{path}.name")
        case "allowed_tools":
            return _allowed_tools(choice, tools)
        case "custom":
            raise unsupported(f"{path}.type", CUSTOM_TOOL)
    raise unsupported(f"{path}.type", _OWN_TOOL)


def _allowed_tools(choice: Mapping[str, Any], tools: Tools) -> tuple[Tools, RequestedChoice]:
    path = "tool_choice"
    mode = read_choice(choice.get("mode"), f"{path}.mode", ("auto", "required"))
    names = []
    for index, item in enumerate(read_list(required(choice, "tools", f"{path}.tools"), f"{path}.tools")):
        here = f"{path}.tools[{index}]"
        allowed = read_object(item, here)
        type_ = read_text(required(allowed, "type", f"{here}.type"), f"{here}.type")
        if type_.startswith(_WEB_SEARCH):
            continue
        if type_ != "function":
            raise unsupported(f"{here}.type", CUSTOM_TOOL if type_ == "custom" else _OWN_TOOL)
        names.append(_full_name(allowed, here))
        check_name(names[-1], tools, path=f"{here}.name")
    return choice_among(names, tools, is_required=mode == "required")


def _full_name(fields: Mapping[str, Any], path: str) -> str:
    return ToolName(_name(fields, path), optional_text(fields.get("namespace"), f"{path}.namespace")).full
