"""The system prompt and the conversation of a request, collected in the order of its messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from lambdas.streaming_api.mapping_error import MappingError
from lambdas.streaming_api.tool_names import ToolIds, accepted_name
from lambdas.streaming_api.turns import Part, Role
from llmmanager.json_format.json_text import InvalidJson, parse


class LocatedBlock(NamedTuple):
    """A content block of Converse, and the client's path for it."""

    block: Mapping[str, Any]
    path: str


@dataclass(slots=True)
class ConversationParts:
    """The system prompt and the conversation.

    Attributes:
        system: Converse's `system`.
        origins: the client's path for the path of each system block.
        parts: the content of all other messages.
        tool_names: the names of the tools that were called.
    """

    system: list[Mapping[str, Any]] = field(default_factory=list)
    origins: dict[str, str] = field(default_factory=dict)
    parts: list[Part] = field(default_factory=list)
    tool_names: list[str] = field(default_factory=list)
    _ids: ToolIds = field(default_factory=ToolIds)

    def add_system(self, blocks: Iterable[LocatedBlock]) -> None:
        """Add blocks to the system prompt. Blank text is left out, with the cache point behind it."""
        is_blank = False
        for block, path in blocks:
            if "text" in block:
                is_blank = not block["text"].strip()
            if not is_blank:
                self.origins[f"system[{len(self.system)}]"] = path
                self.system.append(block)

    def add(self, role: Role, blocks: Iterable[LocatedBlock]) -> None:
        """Add content of the user or of the assistant."""
        self.parts += [Part(role, block, path) for block, path in blocks]

    def add_tool_call(self, id_: str, name: str, arguments: str | Mapping[str, Any], *, path: str) -> None:
        """Add a tool call of the assistant.

        Args:
            arguments: a JSON object, or JSON text. Text that is no JSON object becomes an argument: models
                write invalid JSON, which a client cannot repair.
        """
        use = {
            "toolUseId": self._ids.of_call(id_),
            "name": accepted_name(name),
            "input": _parsed(arguments) if isinstance(arguments, str) else arguments,
        }
        self.parts.append(Part("assistant", {"toolUse": use}, path))
        self.tool_names.append(name)

    def add_tool_result(
        self, id_: str, blocks: Iterable[LocatedBlock], *, path: str, is_error: bool = False
    ) -> None:
        """Add the result of a tool call. A cache point inside the result is moved behind it."""
        given = [block for block, _ in blocks]
        content = [block for block in given if "cachePoint" not in block]
        points = [block for block in given if "cachePoint" in block]
        result: dict[str, Any] = {"toolUseId": self._ids.of_result(id_), "content": content}
        if is_error:
            result["status"] = "error"
        self.parts += [Part("user", block, path) for block in ({"toolResult": result}, *points[-1:])]

    def require_content(self, param: str) -> None:
        """Use the system prompt as the message of the user if there is none, because Converse demands one.

        Args:
            param: the client's field with the messages.

        Raises:
            MappingError: there is no content at all.
        """
        if any(map(_has_content, self.parts)):
            return
        if not self.system:
            raise MappingError(param, "must contain text, a file or the result of a tool")
        paths = self.origins.values()
        self.parts = [Part("user", block, path) for block, path in zip(self.system, paths, strict=True)]
        self.system, self.origins = [], {}


def _parsed(arguments: str) -> Mapping[str, Any]:
    try:
        value = parse(arguments) if arguments.strip() else {}
    except InvalidJson:
        value = arguments
    return value if isinstance(value, dict) else {"arguments": value}


def _has_content(part: Part) -> bool:
    text = part.block.get("text")
    return bool(text.strip()) if isinstance(text, str) else "cachePoint" not in part.block
