"""Everything that can be known to be wrong with a Converse request before it costs a call."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from llmmanager.bedrock.invocation.request_problems import MAX_PROBLEMS, Path, Problems, TooManyProblems
from llmmanager.bedrock.invocation.request_shapes import CONVERSE_REQUEST, CONVERSE_STREAM_REQUEST
from llmmanager.bedrock.models.llm_manager_constants import ContentLimits

__all__ = ["validate_request"]

MEDIA_LIMITS = {
    "image": ContentLimits.MAX_IMAGES_PER_REQUEST,
    "document": ContentLimits.MAX_DOCUMENTS_PER_REQUEST,
    "video": ContentLimits.MAX_VIDEOS_PER_REQUEST,
}


def validate_request(request: Mapping[str, object], *, stream: bool = False) -> list[str]:
    """Say everything that is wrong with a Converse request (Bedrock's own keys; `modelId` may be left out).

    Content blocks, request fields and other members that this version does not know are passed over, so
    that what AWS adds next can be used; a known name in another spelling (`max_tokens`) is reported.

    Args:
        request: the request. It is not changed, and bytes in it are not copied.
        stream: whether it is for ConverseStream, which takes `guardrailConfig.streamProcessingMode`.

    Returns:
        One sentence a problem, `path: what the field takes (got what was given)`; empty for a sound
        request. After the first thousand, one last sentence says that there are more. Nothing is raised,
        whatever `request` is.
    """
    problems = Problems()
    try:
        value = dict(request) if isinstance(request, Mapping) else request
        (CONVERSE_STREAM_REQUEST if stream else CONVERSE_REQUEST).check(value, (), problems)
        if isinstance(value, dict):
            _check_conversation(value.get("messages"), problems)
    except TooManyProblems:
        problems.found.append(f"request: has more problems than the {MAX_PROBLEMS} listed")
    except Exception as error:  # a value of some class may raise whenever it is looked at
        problems.found.append(f"request: must be plain data (reading it raised {type(error).__name__})")
    return problems.found


class _Block(NamedTuple):
    path: Path
    type: str
    value: object


class _Turn(NamedTuple):
    path: Path
    role: object
    blocks: Sequence[_Block]


def _check_conversation(messages: object, problems: Problems) -> None:
    """Report what no field shows by itself: who may say what, and what the messages hold together.

    What the shapes have refused already is stepped over here.
    """
    turns = list(_turns(messages))
    _check_opening(turns, problems)
    for turn in turns:
        _check_turn(turn, problems)
    _check_tool_results(turns, problems)
    _check_media_counts(turns, problems)


def _turns(messages: object) -> Iterator[_Turn]:
    path: Path = ((), "messages")
    for index, message in enumerate(messages if isinstance(messages, (list, tuple)) else ()):
        known = message if isinstance(message, dict) else {}
        here: Path = (path, index)
        yield _Turn(here, known.get("role"), list(_blocks(known.get("content"), (here, "content"))))


def _blocks(content: object, path: Path) -> Iterator[_Block]:
    for index, block in enumerate(content if isinstance(content, (list, tuple)) else ()):
        for type_, value in block.items() if isinstance(block, dict) else ():
            yield _Block(((path, index), type_), type_, value)


def _check_opening(turns: Sequence[_Turn], problems: Problems) -> None:
    first = next((turn for turn in turns if turn.role != "system"), None)
    if first is None and turns:
        problems.add(((), "messages"), "must hold a message of the user")
    elif first is not None and first.role == "assistant":
        problems.add((first.path, "role"), 'must be "user", which begins a conversation (got "assistant")')


def _check_turn(turn: _Turn, problems: Problems) -> None:
    types = {block.type for block in turn.blocks}
    if "document" in types and types.isdisjoint(("text", "guardContent")):
        problems.add((turn.path, "content"), "must hold a text block beside its document")
    for block in turn.blocks:
        if turn.role == "user":
            text = block.value
            if block.type == "text" and isinstance(text, str) and (not text or text.isspace()):
                problems.add(block.path, "must not be blank")
        elif block.type in ("image", "document") and turn.role in ("assistant", "system"):
            problems.add(block.path, f'must be in a message of the user (got role "{turn.role}")')


def _check_tool_results(turns: Sequence[_Turn], problems: Problems) -> None:
    """A user's tool results answer tool uses of the assistant's turn before them, if the request has one."""
    asked: set[str] | None = None
    previous: object = None
    for turn in turns:
        if turn.role == "assistant":
            earlier = asked if asked is not None and previous == "assistant" else set()
            asked = earlier | {id_ for _, id_ in _tool_use_ids(turn, "toolUse")}
        elif turn.role == "user" and asked is not None:
            for path, id_ in _tool_use_ids(turn, "toolResult"):
                if id_ not in asked:
                    problems.add(path, "must be the id of a toolUse in the assistant message before it")
        previous = turn.role


def _tool_use_ids(turn: _Turn, type_: str) -> Iterator[tuple[Path, str]]:
    for block in turn.blocks:
        if block.type == type_ and isinstance(block.value, dict):
            id_ = block.value.get("toolUseId")
            if isinstance(id_, str):
                yield (block.path, "toolUseId"), id_


def _check_media_counts(turns: Sequence[_Turn], problems: Problems) -> None:
    counts = Counter(block.type for turn in turns for block in _with_tool_results(turn.blocks))
    for type_, limit in MEDIA_LIMITS.items():
        if counts[type_] > limit:
            most = f"{limit} {type_}{'s' if limit > 1 else ''}"
            problems.add(
                ((), "messages"), f"must hold at most {most}, tool results included (got {counts[type_]})"
            )


def _with_tool_results(blocks: Sequence[_Block]) -> Iterator[_Block]:
    for block in blocks:
        yield block
        if block.type == "toolResult" and isinstance(block.value, dict):
            yield from _blocks(block.value.get("content"), (block.path, "content"))
