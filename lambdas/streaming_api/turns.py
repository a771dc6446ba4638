"""A conversation in the form that Converse accepts.

Converse demands that user and assistant alternate and the user begins, that the results of tool calls are in
the turn after the calls, and that no text is blank. The clients of other APIs do not follow these rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

from lambdas.streaming_api.mapping_error import MappingError
from llmmanager.bedrock.invocation.content_edits import drop_tools

Role = Literal["user", "assistant"]

START = "[start of the conversation]"
"""The user's turn before a conversation that the assistant begins."""


@dataclass(frozen=True, slots=True)
class Part:
    """One content block of a conversation, and the path of the client's field from which it was made."""

    role: Role
    block: Mapping[str, Any]
    path: str


@dataclass(frozen=True, slots=True)
class Turns:
    """Converse's `messages`, and the client's path for the path of each message and block."""

    messages: list[dict[str, Any]]
    origins: dict[str, str]


def as_turns(parts: Iterable[Part]) -> Turns:
    """Return a conversation as alternating turns.

    Consecutive parts of one role become one turn. In a turn of the user, the results of tools come first.
    Blank text is dropped, with the cache point behind it. A turn with a document and no text gets the
    document's name as text, and a conversation that the assistant begins gets a turn of the user before it.

    Raises:
        MappingError: a tool call has no result, or a result has no call.
    """
    turns = [_turn(list(group)) for _, group in groupby(_without_blank(parts), lambda part: part.role)]
    _check_results(turns)
    if turns and turns[0][0].role == "assistant":
        turns.insert(0, [Part("user", {"text": START}, turns[0][0].path)])
    if turns and turns[-1][-1].role == "assistant":
        turns[-1] = _without_trailing_space(turns[-1])
    origins: dict[str, str] = {}
    for index, turn in enumerate(turns):
        origins[f"messages[{index}]"] = turn[0].path
        for position, part in enumerate(turn):
            origins[f"messages[{index}].content[{position}]"] = part.path
    messages = [{"role": turn[0].role, "content": [dict(part.block) for part in turn]} for turn in turns]
    return Turns(messages, origins)


def tools_as_text(parts: Iterable[Part]) -> list[Part]:
    """Return the parts with tool calls and results as text, for a request without tools.

    Converse rejects tool calls and results in the history of a request without `toolConfig`.
    """
    changed = []
    for part in parts:
        if "toolUse" not in part.block and "toolResult" not in part.block:
            changed.append(part)
            continue
        message = {"role": part.role, "content": [part.block]}
        for block in drop_tools({"messages": [message]})["messages"][0]["content"]:
            changed.append(Part(part.role, block, part.path))
    return changed


def _without_blank(parts: Iterable[Part]) -> list[Part]:
    kept: list[Part] = []
    dropped = False
    for part in parts:
        text = part.block.get("text")
        if isinstance(text, str) and not text.strip():
            dropped = True
        elif not (dropped and "cachePoint" in part.block):
            kept.append(part)
            dropped = False
    return kept


def _turn(parts: list[Part]) -> list[Part]:
    if parts[0].role == "assistant":
        return parts
    # A cache point stays behind the block that it follows.
    units: list[list[Part]] = []
    for part in parts:
        if units and "cachePoint" in part.block:
            units[-1].append(part)
        else:
            units.append([part])
    units.sort(key=lambda unit: "toolResult" not in unit[0].block)
    ordered = [part for unit in units for part in unit]
    document = next((part for part in ordered if "document" in part.block), None)
    if document is not None and not any("text" in part.block for part in ordered):
        ordered.append(Part("user", {"text": document.block["document"]["name"]}, document.path))
    return ordered


def _check_results(turns: Sequence[Sequence[Part]]) -> None:
    open_calls: dict[str, str] = {}
    for turn in turns:
        results = {
            part.block["toolResult"]["toolUseId"]: part.path for part in turn if "toolResult" in part.block
        }
        for id_, path in results.items():
            if id_ not in open_calls:
                raise MappingError(path, "must be the result of a tool call in the assistant's last message")
        _check_answered(open_calls, results)
        open_calls = {
            part.block["toolUse"]["toolUseId"]: part.path for part in turn if "toolUse" in part.block
        }
    _check_answered(open_calls, {})


def _check_answered(open_calls: Mapping[str, str], results: Mapping[str, str]) -> None:
    for id_, path in open_calls.items():
        if id_ not in results:
            raise MappingError(path, "must be followed by the result of this tool call")


def _without_trailing_space(turn: list[Part]) -> list[Part]:
    """Return the last turn of the assistant without white space at its end, which Claude rejects."""
    last = turn[-1]
    if "text" not in last.block:
        return turn
    return [*turn[:-1], Part(last.role, {"text": last.block["text"].rstrip()}, last.path)]
