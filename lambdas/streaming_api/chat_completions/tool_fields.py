"""`tools`, `tool_choice` and `parallel_tool_calls` of a Chat Completions request."""

from __future__ import annotations

from collections.abc import Mapping
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
from lambdas.streaming_api.tool_choice import Tools, check_name, choice_among, choice_by_name, choice_by_word
from lambdas.streaming_api.tools import FunctionTool, RequestedChoice, RequestedTools

_CUSTOM = "describe the tool as a function"


def read_tools(body: Mapping[str, Any]) -> RequestedTools:
    """Return the tools of a request. With `"tool_choice": "none"` there are none.

    Raises:
        MappingError: a tool or the choice is invalid or cannot be mapped.
    """
    tools = tuple(
        _tool(read_object(item, f"tools[{index}]"), f"tools[{index}]")
        for index, item in enumerate(optional_list(body.get("tools"), "tools"))
    )
    parallel = body.get("parallel_tool_calls")
    one_call = parallel is not None and not read_flag(parallel, "parallel_tool_calls")
    tools, choice = _choice(body.get("tool_choice"), tools)
    return RequestedTools(tools, choice, one_call and bool(tools))


def _tool(item: Mapping[str, Any], path: str) -> FunctionTool:
    if required(item, "type", f"{path}.type") != "function":
        raise unsupported(f"{path}.type", _CUSTOM)
    here = f"{path}.function"
    function = read_object(required(item, "function", here), here)
    name = read_text(required(function, "name", f"{here}.name"), f"{here}.name")
    if not name:
        raise missing(f"{here}.name")
    schema, strict = function.get("parameters"), function.get("strict")
    return FunctionTool(
        name=name,
        description=optional_text(function.get("description"), f"{here}.description"),
        schema=None if schema is None else read_object(schema, f"{here}.parameters"),
        strict=None if strict is None else read_flag(strict, f"{here}.strict"),
        cache_point=read_cache_point(item, path) or read_cache_point(function, here),
        path=here,
        schema_path=f"{here}.parameters",
    )


def _choice(value: Any, tools: Tools) -> tuple[Tools, RequestedChoice]:
    """Return the tools that are allowed, and the choice among them."""
    path = "tool_choice"
    if value is None:
        return tools, RequestedChoice()
    if isinstance(value, str):
        return choice_by_word(value, tools)
    choice = read_object(value, path)
    type_ = required(choice, "type", f"{path}.type")
    if type_ == "custom":
        raise unsupported(f"{path}.type", _CUSTOM)
    if read_choice(type_, f"{path}.type", ("function", "allowed_tools")) == "function":
        return choice_by_name(_function_name(choice, path), tools, path=f"{path}.function.name")
    return _allowed_tools(choice, tools)


def _allowed_tools(choice: Mapping[str, Any], tools: Tools) -> tuple[Tools, RequestedChoice]:
    path = "tool_choice.allowed_tools"
    allowed = read_object(required(choice, "allowed_tools", path), path)
    mode = read_choice(allowed.get("mode"), f"{path}.mode", ("auto", "required"))
    names = []
    for index, item in enumerate(read_list(required(allowed, "tools", f"{path}.tools"), f"{path}.tools")):
        here = f"{path}.tools[{index}]"
        name = _function_name(read_object(item, here), here)
        check_name(name, tools, path=f"{here}.function.name")
        names.append(name)
    return choice_among(names, tools, is_required=mode == "required")


def _function_name(fields: Mapping[str, Any], path: str) -> str:
    function = read_object(required(fields, "function", f"{path}.function"), f"{path}.function")
    return read_text(required(function, "name", f"{path}.function.name"), f"{path}.function.name")
