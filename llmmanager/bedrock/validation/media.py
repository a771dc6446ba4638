"""Checks the files of a request against the limits of each model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from llmmanager.bedrock.catalog.media_limits import MediaLimits, media_limits
from llmmanager.bedrock.validation.conversation import read_turns, with_tool_results
from llmmanager.bedrock.validation.request_problems import Path, Problems, TooManyProblems
from llmmanager.bedrock.validation.schema_types import size_of

_KINDS = ("image", "document", "video")


class MediaFile(NamedTuple):
    """One file: the path of its block, its kind (the block's type), its format and its inline size."""

    path: Path
    kind: str
    format: object
    size: int | None


def media_files(messages: object) -> list[MediaFile]:
    """Return the files in the messages of a request, including those in tool results."""
    try:
        return [
            MediaFile(block.path, block.type, block.value.get("format"), _size(block.value.get("source")))
            for turn in (read_turns(messages) if _may_contain_files(messages) else ())
            for block in with_tool_results(turn.blocks)
            if block.type in _KINDS and isinstance(block.value, dict)
        ]
    except Exception:  # reading a value of a caller's class can raise: `validate_request` reports it
        return []


def _may_contain_files(messages: object) -> bool:
    """Whether a content block is not text. Fast, since most conversations are text only."""
    for message in messages if isinstance(messages, (list, tuple)) else ():
        content = message.get("content") if isinstance(message, dict) else None
        for block in content if isinstance(content, (list, tuple)) else ():
            if isinstance(block, dict) and "text" not in block:
                return True
    return False


def exceeded_limits(files: Sequence[MediaFile], model_ids: Iterable[str]) -> dict[str, list[str]]:
    """Return the problems of each model whose limits the files exceed."""
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
        max_bytes = limits.max_bytes(file.kind, file.format)
        if max_bytes is not None and file.size is not None and file.size > max_bytes:
            path = ((file.path, "source"), "bytes")
            problems.add(path, f"must be at most {max_bytes} bytes (got {file.size} bytes)")
    for kind, count in Counter(file.kind for file in files).items():
        limit = limits.max_count(kind)
        if limit is not None and count > limit:
            plural = "s" if limit > 1 else ""
            problem = f"must contain at most {limit} {kind}{plural}, including tool results (got {count})"
            problems.add(((), "messages"), problem)


def _size(source: object) -> int | None:
    return size_of(source.get("bytes")) if isinstance(source, dict) else None
