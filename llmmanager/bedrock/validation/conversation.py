"""Checks the rules for conversations that Converse applies to every model.

Each rule corresponds to a ValidationException of Converse, such as "A conversation must alternate between
user and assistant roles". Rules of individual models, such as whether a model accepts an assistant message
at the end, are not checked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import NamedTuple

from llmmanager.bedrock.models.llm_manager_constants import ContentLimits
from llmmanager.bedrock.validation.request_problems import Path, Problems, quote

_MESSAGES: Path = ((), "messages")
_MESSAGE_MEMBERS = {"role", "content"}
_SERVER_TOOL = "server_tool_use"


class Block(NamedTuple):
    """One member of a content block: its path, its type such as "text", and its value."""

    path: Path
    type: str
    value: object


class Turn(NamedTuple):
    """One message: its path, its role, its valid content blocks, and their types."""

    path: Path
    role: object
    blocks: Sequence[Block]
    types: Set[str]


def is_plain_text(messages: object) -> bool:
    """Whether messages are valid and contain only text. They need no further check and no change.

    This function is fast, since most conversations are text only.
    """
    if type(messages) is not list or not messages:
        return False
    role = "user"
    for message in messages:
        if type(message) is not dict or message.keys() != _MESSAGE_MEMBERS or message["role"] != role:
            return False
        if type(message["content"]) is not list or not message["content"]:
            return False
        for block in message["content"]:
            text = block.get("text") if type(block) is dict and len(block) == 1 else None
            if type(text) is not str or not text or text.isspace():
                return False
        role = "assistant" if role == "user" else "user"
    return True


def check_conversation(
    request: Mapping[str, object], problems: Problems, *, after_prompt: bool = False
) -> None:
    """Report problems of the relations between messages, tools and documents.

    Values of a wrong type are ignored: the schema check reports them.

    Args:
        request: the request.
        problems: the report.
        after_prompt: whether the messages follow those of a managed prompt, which are unknown and may define
            tools.
    """
    if is_plain_text(request.get("messages")):
        return
    turns = read_turns(request.get("messages"))
    if not after_prompt:
        _check_first_role(turns, problems)
    before: Turn | None = None
    last_turn: Turn | None = None
    types: set[str] = set()
    for turn in turns:
        if before is not None and turn.role == before.role and turn.role in ("user", "assistant"):
            problems.add(
                (turn.path, "role"),
                "must differ from the role of the previous message: user and assistant alternate "
                f'(got "{turn.role}" twice)',
            )
        _check_blocks(turn, problems)
        if turn.role == "user" and not (after_prompt and last_turn is None):
            _check_results(turn, last_turn, problems)
        before = turn
        last_turn = last_turn if turn.role == "system" else turn
        types |= turn.types
    if not after_prompt and "toolConfig" not in request and not types.isdisjoint(("toolUse", "toolResult")):
        problems.add(((), "toolConfig"), "is required when messages contain toolUse or toolResult blocks")
    if not types.isdisjoint(("document", "toolResult")):
        _check_document_count(turns, problems)


def read_turns(messages: object) -> list[Turn]:
    """Return the messages as turns. Invalid messages and content blocks are ignored."""
    turns = []
    for index, message in enumerate(messages if isinstance(messages, (list, tuple)) else ()):
        known = message if isinstance(message, dict) else {}
        here: Path = (_MESSAGES, index)
        blocks = read_blocks(known.get("content"), (here, "content"))
        turns.append(Turn(here, known.get("role"), blocks, {block.type for block in blocks}))
    return turns


def read_blocks(content: object, path: Path) -> list[Block]:
    """Return the members of content blocks. Invalid content blocks are ignored."""
    return [
        Block(((path, index), type_), type_, value)
        for index, block in enumerate(content if isinstance(content, (list, tuple)) else ())
        if isinstance(block, dict)
        for type_, value in block.items()
    ]


def with_tool_results(blocks: Sequence[Block]) -> Iterator[Block]:
    """Yield the blocks, with the blocks inside each tool result after it."""
    for block in blocks:
        yield block
        if block.type == "toolResult" and isinstance(block.value, dict):
            yield from read_blocks(block.value.get("content"), (block.path, "content"))


def is_blank(text: object) -> bool:
    """Whether a value is a string that is empty or contains only white space."""
    return isinstance(text, str) and (not text or text.isspace())


def _check_first_role(turns: Sequence[Turn], problems: Problems) -> None:
    first = next((turn for turn in turns if turn.role != "system"), None)
    if first is None and turns:
        problems.add(_MESSAGES, "must contain a user message")
    elif first is not None and first.role == "assistant":
        problems.add((first.path, "role"), 'must be "user" in the first message (got "assistant")')


def _check_blocks(turn: Turn, problems: Problems) -> None:
    if "document" in turn.types and "text" not in turn.types and "guardContent" not in turn.types:
        problems.add((turn.path, "content"), "must contain a text block in addition to the document")
    if turn.role == "user":
        for block in turn.blocks:
            if block.type == "text" and is_blank(block.value):
                problems.add(block.path, "must not be blank")
    elif turn.role in ("assistant", "system"):
        for block in turn.blocks:
            if block.type in ("image", "document"):
                problems.add(block.path, f'must be in a user message (got role "{turn.role}")')
    if turn.role in ("user", "assistant"):
        _check_repeated(turn, "toolResult" if turn.role == "user" else "toolUse", problems)


def _check_repeated(turn: Turn, type_: str, problems: Problems) -> None:
    seen: set[str] = set()
    for block, id_ in _ids(turn, type_):
        if id_ in seen:
            problems.add(
                (block.path, "toolUseId"), f"must not repeat the id of an earlier {type_} in the message"
            )
        seen.add(id_)


def _check_results(turn: Turn, previous: Turn | None, problems: Problems) -> None:
    """Report tool results without a tool use in the previous message, and tool uses without a result."""
    uses = list(_ids(previous, "toolUse")) if previous is not None and previous.role == "assistant" else []
    expected = {id_ for _, id_ in uses}
    answered = set()
    for block, id_ in _ids(turn, "toolResult"):
        answered.add(id_)
        if id_ not in expected:
            problems.add(
                (block.path, "toolUseId"), "must be the id of a toolUse in the previous assistant message"
            )
    for block, id_ in uses:
        # Bedrock runs a server tool and adds its result to the assistant message.
        by_server = isinstance(block.value, dict) and block.value.get("type") == _SERVER_TOOL
        if id_ not in answered and not by_server:
            problems.add(
                (turn.path, "content"),
                f"must contain a toolResult for each toolUse of the previous message (missing: {quote(id_)})",
            )


def _ids(turn: Turn, type_: str) -> Iterator[tuple[Block, str]]:
    """Yield the tool blocks of a type with their ids."""
    for block in turn.blocks if type_ in turn.types else ():
        if block.type == type_ and isinstance(block.value, dict):
            id_ = block.value.get("toolUseId")
            if isinstance(id_, str):
                yield block, id_


def _check_document_count(turns: Sequence[Turn], problems: Problems) -> None:
    limit = ContentLimits.MAX_DOCUMENTS_PER_REQUEST
    count = sum(block.type == "document" for turn in turns for block in with_tool_results(turn.blocks))
    if count > limit:
        problems.add(
            _MESSAGES, f"must contain at most {limit} documents, including tool results (got {count})"
        )
