"""The choice of tools in OpenAI's APIs."""

from __future__ import annotations

from collections.abc import Collection

from lambdas.streaming_api.json_fields import read_choice
from lambdas.streaming_api.mapping_error import MappingError
from lambdas.streaming_api.tools import FunctionTool, RequestedChoice

_PATH = "tool_choice"

Tools = tuple[FunctionTool, ...]


def choice_by_word(word: str, tools: Tools) -> tuple[Tools, RequestedChoice]:
    """Return the tools and the choice for `none`, `auto` or `required`. With `none`, there are no tools.

    Raises:
        MappingError: another word, or `required` without tools.
    """
    match read_choice(word, _PATH, ("none", "auto", "required")):
        case "none":
            return (), RequestedChoice("none")
        case "required":
            return _not_empty(tools), RequestedChoice("any")
    return tools, RequestedChoice()


def choice_by_name(name: str, tools: Tools, *, path: str) -> tuple[Tools, RequestedChoice]:
    """Return the tools and the choice of one of them.

    Args:
        path: the path of the name.

    Raises:
        MappingError: no tool has this name.
    """
    check_name(name, tools, path=path)
    return tools, RequestedChoice("tool", name)


def choice_among(names: Collection[str], tools: Tools, *, is_required: bool) -> tuple[Tools, RequestedChoice]:
    """Return the tools with these names, and whether one of them must be called.

    Raises:
        MappingError: no tool is left.
    """
    kept = tuple(tool for tool in tools if tool.name in names)
    return _not_empty(kept), RequestedChoice("any" if is_required else "auto")


def check_name(name: str, tools: Tools, *, path: str) -> None:
    """Raise MappingError unless one of the tools has this name."""
    if not any(tool.name == name for tool in tools):
        raise MappingError(path, "must be the name of one of the tools")


def _not_empty(tools: Tools) -> Tools:
    if not tools:
        raise MappingError(_PATH, "must be none or auto without tools")
    return tools
