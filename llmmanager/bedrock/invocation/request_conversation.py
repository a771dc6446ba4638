"""The rules of a conversation that Converse applies to every model.

Each rule here stands for a ValidationException of Converse itself, such as "A conversation must alternate
between user and assistant roles". What a model decides, such as whether it continues an assistant message at
the end, is left to the model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from llmmanager.bedrock.invocation.request_problems import Path, Problems, quote
from llmmanager.bedrock.models.llm_manager_constants import ContentLimits

_MESSAGES: Path = ((), "messages")
_SERVER_TOOL = "server_tool_use"


class Block(NamedTuple):
    """One member of a content block: its path, its type such as "text", and its value."""

    path: Path
    type: str
    value: object


class Turn(NamedTuple):
    """One message: its path, its role and the content blocks that can be read."""

    path: Path
    role: object
    blocks: Sequence[Block]


def check_conversation(
    request: Mapping[str, object], problems: Problems, *, after_prompt: bool = False
) -> None:
    """Report what a single field cannot show: how messages, tools and documents belong together.

    Values of the wrong type are skipped here, since the schema check has reported them.

    Args:
        after_prompt: the messages follow those of a managed prompt, which are not known and may define tools.
    """
    turns = read_turns(request.get("messages"))
    if not after_prompt:
        _check_first_role(turns, problems)
    _check_alternation(turns, problems)
    for turn in turns:
        _check_turn(turn, problems)
    _check_tools(turns, problems, after_prompt=after_prompt)
    if not after_prompt and "toolConfig" not in request and any(map(_has_tool_blocks, turns)):
        problems.add(((), "toolConfig"), "is required when messages hold toolUse or toolResult blocks")
    _check_document_count(turns, problems)


def read_turns(messages: object) -> list[Turn]:
    """Return the messages as turns; what is not a message or a content block is left out."""
    turns = []
    for index, message in enumerate(messages if isinstance(messages, (list, tuple)) else ()):
        known = message if isinstance(message, dict) else {}
        here: Path = (_MESSAGES, index)
        turns.append(Turn(here, known.get("role"), list(_blocks(known.get("content"), (here, "content")))))
    return turns


def with_tool_results(blocks: Sequence[Block]) -> Iterator[Block]:
    """Yield the blocks, and after each tool result the blocks in it."""
    for block in blocks:
        yield block
        if block.type == "toolResult" and isinstance(block.value, dict):
            yield from _blocks(block.value.get("content"), (block.path, "content"))


def _blocks(content: object, path: Path) -> Iterator[Block]:
    for index, block in enumerate(content if isinstance(content, (list, tuple)) else ()):
        for type_, value in block.items() if isinstance(block, dict) else ():
            yield Block(((path, index), type_), type_, value)


def _check_first_role(turns: Sequence[Turn], problems: Problems) -> None:
    first = next((turn for turn in turns if turn.role != "system"), None)
    if first is None and turns:
        problems.add(_MESSAGES, "must hold a message of the user")
    elif first is not None and first.role == "assistant":
        problems.add((first.path, "role"), 'must be "user", which begins a conversation (got "assistant")')


def _check_alternation(turns: Sequence[Turn], problems: Problems) -> None:
    previous: object = None
    for turn in turns:
        if turn.role == previous and turn.role in ("user", "assistant"):
            problems.add(
                (turn.path, "role"),
                "must differ from the role of the message before it: user and assistant alternate "
                f'(got "{turn.role}" twice)',
            )
        previous = turn.role


def _check_turn(turn: Turn, problems: Problems) -> None:
    types = {block.type for block in turn.blocks}
    if "document" in types and types.isdisjoint(("text", "guardContent")):
        problems.add((turn.path, "content"), "must hold a text block beside its document")
    for block in turn.blocks:
        if turn.role == "user":
            if block.type == "text" and is_blank(block.value):
                problems.add(block.path, "must not be blank")
        elif block.type in ("image", "document") and turn.role in ("assistant", "system"):
            problems.add(block.path, f'must be in a message of the user (got role "{turn.role}")')


def is_blank(text: object) -> bool:
    """Whether a value is a string without anything but white space."""
    return isinstance(text, str) and (not text or text.isspace())


def _check_tools(turns: Sequence[Turn], problems: Problems, *, after_prompt: bool) -> None:
    """Report tool results without their tool uses, tool uses without results, and repeated ids."""
    previous: Turn | None = None
    for turn in turns:
        if turn.role == "system":
            continue
        if turn.role == "assistant":
            _check_repeated(turn, "toolUse", problems)
        elif turn.role == "user":
            _check_repeated(turn, "toolResult", problems)
            if previous is not None or not after_prompt:
                _check_results(turn, previous, problems)
        previous = turn


def _check_repeated(turn: Turn, type_: str, problems: Problems) -> None:
    seen: set[str] = set()
    for block, id_ in _ids(turn, type_):
        if id_ in seen:
            problems.add(
                (block.path, "toolUseId"), f"must not repeat the id of an earlier {type_} in the message"
            )
        seen.add(id_)


def _check_results(turn: Turn, previous: Turn | None, problems: Problems) -> None:
    uses = list(_ids(previous, "toolUse")) if previous is not None and previous.role == "assistant" else []
    asked = {id_ for _, id_ in uses}
    answered = set()
    for block, id_ in _ids(turn, "toolResult"):
        answered.add(id_)
        if id_ not in asked:
            problems.add(
                (block.path, "toolUseId"), "must be the id of a toolUse in the assistant message before it"
            )
    for block, id_ in uses:
        # The service itself answers a server tool, in the assistant's own message.
        by_server = isinstance(block.value, dict) and block.value.get("type") == _SERVER_TOOL
        if id_ not in answered and not by_server:
            problems.add(
                (turn.path, "content"),
                f"must hold a toolResult for each toolUse of the message before it (missing: {quote(id_)})",
            )


def _ids(turn: Turn, type_: str) -> Iterator[tuple[Block, str]]:
    for block in turn.blocks:
        if block.type == type_ and isinstance(block.value, dict):
            id_ = block.value.get("toolUseId")
            if isinstance(id_, str):
                yield block, id_


def _has_tool_blocks(turn: Turn) -> bool:
    return any(block.type in ("toolUse", "toolResult") for block in turn.blocks)


def _check_document_count(turns: Sequence[Turn], problems: Problems) -> None:
    limit = ContentLimits.MAX_DOCUMENTS_PER_REQUEST
    count = sum(block.type == "document" for turn in turns for block in with_tool_results(turn.blocks))
    if count > limit:
        problems.add(_MESSAGES, f"must hold at most {limit} documents, tool results included (got {count})")
