"""`tools` and `tool_choice` of a Messages request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lambdas.streaming_api.cache_points import read_cache_point
from lambdas.streaming_api.json_fields import (
    optional_flag,
    optional_list,
    optional_text,
    read_choice,
    read_flag,
    read_object,
    read_text,
    required,
)
from lambdas.streaming_api.mapping_error import missing, unsupported
from lambdas.streaming_api.tool_choice import choice_among, choice_by_name
from lambdas.streaming_api.tools import FunctionTool, RequestedChoice, RequestedTools

ONE_CALL = "tool_choice.disable_parallel_tool_use"
"""The path of the field that limits an answer to one tool call."""

_TYPES = ("auto", "any", "tool", "none")
# Fields of a tool without effect, and their neutral values.
_IGNORED: Mapping[str, tuple[Any, ...]] = {
    "allowed_callers": (["direct"],),
    "defer_loading": (False,),
    "eager_input_streaming": (False,),
    "input_examples": ([],),
}


def read_tools(body: Mapping[str, Any]) -> RequestedTools:
    """Return the tools of a request. With the choice `none` there are none.

    Raises:
        MappingError: a tool or the choice is invalid or cannot be mapped.
    """
    tools = tuple(_tool(item, f"tools[{index}]") for index, item in enumerate(_items(body)))
    if body.get("tool_choice") is None:
        return RequestedTools(tools, RequestedChoice(), one_call=False)
    choice = read_object(body["tool_choice"], "tool_choice")
    one_call = optional_flag(choice.get("disable_parallel_tool_use"), ONE_CALL)
    match read_choice(required(choice, "type", "tool_choice.type"), "tool_choice.type", _TYPES):
        case "none":
            return RequestedTools((), RequestedChoice("none"), one_call=False)
        case "any":
            tools, chosen = choice_among([tool.name for tool in tools], tools, is_required=True)
        case "tool":
            path = "tool_choice.name"
            tools, chosen = choice_by_name(read_text(required(choice, "name", path), path), tools, path=path)
        case _:
            chosen = RequestedChoice()
    return RequestedTools(tools, chosen, one_call=one_call and bool(tools))


def ignored_tool_fields(body: Mapping[str, Any]) -> list[str]:
    """Return the names of fields of tools without effect, such as `tools.defer_loading`."""
    return [
        f"tools.{name}"
        for name, neutral in _IGNORED.items()
        if any(item.get(name) not in (None, *neutral) for item in _items(body) if isinstance(item, dict))
    ]


def _items(body: Mapping[str, Any]) -> list[Any]:
    return optional_list(body.get("tools"), "tools")


def _tool(item: Any, path: str) -> FunctionTool:
    tool = read_object(item, path)
    if tool.get("type") not in (None, "custom"):
        raise unsupported(f"{path}.type", "describe the tool with input_schema, without a type")
    name = read_text(required(tool, "name", f"{path}.name"), f"{path}.name")
    if not name:
        raise missing(f"{path}.name")
    here, strict = f"{path}.input_schema", tool.get("strict")
    return FunctionTool(
        name=name,
        description=optional_text(tool.get("description"), f"{path}.description"),
        schema=read_object(required(tool, "input_schema", here), here),
        strict=None if strict is None else read_flag(strict, f"{path}.strict"),
        cache_point=read_cache_point(tool, path),
        path=path,
        schema_path=here,
    )
