"""The files of a request, held against the limits of each model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from llmmanager.bedrock.catalog.media_limits import MediaLimits, media_limits
from llmmanager.bedrock.invocation.request_conversation import read_turns, with_tool_results
from llmmanager.bedrock.invocation.request_problems import Path, Problems, TooManyProblems
from llmmanager.bedrock.invocation.request_vocabulary import size_of

_KINDS = ("image", "document", "video")


class MediaFile(NamedTuple):
    """One file: the path of its block, its kind (a content block's type), its format and its inline size."""

    path: Path
    kind: str
    format: object
    size: int | None


def media_files(messages: object) -> list[MediaFile]:
    """Return the files in the messages of a request, those in tool results included. Bytes are not read."""
    try:
        return [
            MediaFile(block.path, block.type, block.value.get("format"), _size(block.value.get("source")))
            for turn in (read_turns(messages) if _may_hold_files(messages) else ())
            for block in with_tool_results(turn.blocks)
            if block.type in _KINDS and isinstance(block.value, dict)
        ]
    except Exception:  # a value of some class may raise when it is read: `validate_request` reports it
        return []


def _may_hold_files(messages: object) -> bool:
    """Whether a content block is something else than text; quick, since most conversations are text."""
    for message in messages if isinstance(messages, (list, tuple)) else ():
        content = message.get("content") if isinstance(message, dict) else None
        for block in content if isinstance(content, (list, tuple)) else ():
            if isinstance(block, dict) and "text" not in block:
                return True
    return False


def exceeded_limits(files: Sequence[MediaFile], model_ids: Iterable[str]) -> dict[str, list[str]]:
    """Return, for each model whose limits the files exceed, one sentence a problem."""
    if not files:
        return {}
    found = {model_id: _problems(files, media_limits(model_id)) for model_id in model_ids}
    return {model_id: problems for model_id, problems in found.items() if problems}


def with_models(problems_by_model: Mapping[str, Sequence[str]]) -> list[str]:
    """Return each problem once, with the ids of the models that have it."""
    models: dict[str, list[str]] = {}
    for model_id, problems in problems_by_model.items():
        for problem in problems:
            models.setdefault(problem, []).append(model_id)
    return [f"{problem}, a limit of {', '.join(ids)}" for problem, ids in models.items()]


def _problems(files: Sequence[MediaFile], limits: MediaLimits) -> list[str]:
    problems = Problems()
    with suppress(TooManyProblems):
        _check(files, limits, problems)
    return problems.found


def _check(files: Sequence[MediaFile], limits: MediaLimits, problems: Problems) -> None:
    for file in files:
        largest = limits.max_bytes(file.kind, file.format)
        if largest is not None and file.size is not None and file.size > largest:
            path = ((file.path, "source"), "bytes")
            problems.add(path, f"must be at most {largest} bytes (got {file.size} bytes)")
    for kind, count in Counter(file.kind for file in files).items():
        most = limits.max_count(kind)
        if most is not None and count > most:
            plural = "s" if most > 1 else ""
            says = f"must hold at most {most} {kind}{plural}, tool results included (got {count})"
            problems.add(((), "messages"), says)


def _size(source: object) -> int | None:
    return size_of(source.get("bytes")) if isinstance(source, dict) else None
