"""What a request can do without: dropping one feature that a model refuses."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

Request = Mapping[str, Any]
Block = Mapping[str, Any]

_OMITTED = "(omitted: this model does not take it)"

# As the models that refuse them spell them.
_SAMPLING_FIELDS = frozenset({"temperature", "top_p", "top_k"})

# What was refused here is a value, not the feature: another value may be welcome in the next call.
_NOT_REMEMBERED = frozenset({"max_tokens", "additional_fields"})


class FeatureMemory:
    """Which features each model has refused. Thread-safe; never shared between models."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._refused: dict[str, tuple[str, ...]] = {}

    def refused_by(self, model_id: str) -> tuple[str, ...]:
        """The features that the model is known to refuse, in the order in which it did."""
        return self._refused.get(model_id, ())

    def remember(self, model_id: str, feature: str) -> None:
        """The model answered once the feature was gone."""
        with self._lock:
            known = self._refused.get(model_id, ())
            if feature not in known and feature not in _NOT_REMEMBERED:
                self._refused[model_id] = (*known, feature)

    def forget(self, model_id: str) -> None:
        """What was remembered did not help: the model is asked in full again."""
        with self._lock:
            self._refused.pop(model_id, None)


def holds(request: Request, feature: str) -> bool:
    """Whether there is anything of the feature in the request."""
    return _FEATURES[feature][0](request)


def without(request: Request, features: Iterable[str]) -> Request:
    """The request less these features; what is unchanged is shared with the original."""
    for feature in features:
        if holds(request, feature):
            request = _FEATURES[feature][1](request)
    return request


def first_held(request: Request, features: Iterable[str]) -> str | None:
    """The first of the features that the request holds, or None."""
    return next((feature for feature in features if feature in _FEATURES and holds(request, feature)), None)


def _less(request: Request, left_out: str) -> dict[str, Any]:
    return {key: value for key, value in request.items() if key != left_out}


def _has_block(*kinds: str) -> Callable[[Request], bool]:
    return lambda request: any(kind in block for block in _blocks(request) for kind in kinds)


def _blocks(request: Request) -> Iterable[Block]:
    for message in request["messages"]:
        for block in message["content"]:
            yield block
            if "toolResult" in block:
                yield from block["toolResult"]["content"]


def _map_blocks(request: Request, change: Callable[[Block], Block | None]) -> dict[str, Any]:
    """The request with every content block changed; None leaves the block out."""

    def content(blocks: Iterable[Block]) -> list[Block]:
        kept = []
        for block in blocks:
            if "toolResult" in block:
                result = block["toolResult"]
                block = {**block, "toolResult": {**result, "content": content(result["content"])}}
            changed = change(block)
            if changed is not None:
                kept.append(changed)
        return kept or [{"text": _OMITTED}]

    messages = [{**message, "content": content(message["content"])} for message in request["messages"]]
    return {**request, "messages": messages}


def _drop_block(kind: str) -> Callable[[Request], Request]:
    return lambda request: _map_blocks(request, lambda block: None if kind in block else block)


def _drop_tools(request: Request) -> Request:
    """Tool calls and results of earlier turns stay as text: Bedrock refuses them without toolConfig."""
    return _map_blocks(_less(request, "toolConfig"), _tool_block_as_text)


def _tool_block_as_text(block: Block) -> Block:
    if "toolUse" in block:
        use = block["toolUse"]
        return {"text": f"[called {use.get('name')} with {json.dumps(use.get('input'), default=str)}]"}
    if "toolResult" in block:
        parts = [
            part["text"] if "text" in part else json.dumps(part.get("json", _OMITTED), default=str)
            for part in block["toolResult"]["content"]
        ]
        return {"text": f"[tool result: {' '.join(parts)}]"}
    return block


def _has_tools(request: Request) -> bool:
    return "toolConfig" in request or _has_block("toolUse", "toolResult")(request)


def _fold_system(request: Request) -> Request:
    """The system prompt becomes the beginning of the first user message, what a guardrail minds included."""
    texts = [block for block in request["system"] if "cachePoint" not in block]
    messages = list(request["messages"])
    first = messages[0]
    messages[0] = {**first, "content": [*texts, *first["content"]]}
    return {**_less(request, "system"), "messages": messages}


def _has_parameter(*names: str, together: bool = False) -> Callable[[Request], bool]:
    def has(request: Request) -> bool:
        given = request.get("inferenceConfig", {})
        return (all if together else any)(name in given for name in names)

    return has


def _drop_parameter(*names: str) -> Callable[[Request], Request]:
    def drop(request: Request) -> Request:
        kept = {key: value for key, value in request["inferenceConfig"].items() if key not in names}
        rest = _less(request, "inferenceConfig")
        return {**rest, "inferenceConfig": kept} if kept else rest

    return drop


def _has_sampling(request: Request) -> bool:
    return _has_parameter("temperature", "topP")(request) or not _SAMPLING_FIELDS.isdisjoint(
        request.get("additionalModelRequestFields", ())
    )


def _drop_sampling(request: Request) -> Request:
    """Both where Converse has them and where a model's own are: top_k is nowhere else."""
    if "inferenceConfig" in request:
        request = _drop_parameter("temperature", "topP")(request)
    own = request.get("additionalModelRequestFields")
    if not own:
        return request
    kept = {key: value for key, value in own.items() if key not in _SAMPLING_FIELDS}
    rest = _less(request, "additionalModelRequestFields")
    return {**rest, "additionalModelRequestFields": kept} if kept else rest


def _has_cache_points(request: Request) -> bool:
    tools = request.get("toolConfig", {}).get("tools", ())
    return any("cachePoint" in block for block in (*_blocks(request), *request.get("system", ()), *tools))


def _drop_cache_points(request: Request) -> Request:
    changed = _drop_block("cachePoint")(request)
    result = dict(changed)
    if "system" in result:
        result["system"] = [block for block in result["system"] if "cachePoint" not in block]
        if not result["system"]:
            del result["system"]
    if "toolConfig" in result:
        tools = [tool for tool in result["toolConfig"]["tools"] if "cachePoint" not in tool]
        result["toolConfig"] = {**result["toolConfig"], "tools": tools}
    return result


def _member(key: str) -> tuple[Callable[[Request], bool], Callable[[Request], Request]]:
    return lambda request: key in request, lambda request: _less(request, key)


_FEATURES: dict[str, tuple[Callable[[Request], bool], Callable[[Request], Request]]] = {
    "tools": (_has_tools, _drop_tools),
    "system": (lambda request: "system" in request, _fold_system),
    "images": (_has_block("image"), _drop_block("image")),
    "documents": (_has_block("document"), _drop_block("document")),
    "guardrail": _member("guardrailConfig"),
    "cache_points": (_has_cache_points, _drop_cache_points),
    # What is refused is the two together: either alone stays.
    "top_p": (_has_parameter("temperature", "topP", together=True), _drop_parameter("topP")),
    "sampling": (_has_sampling, _drop_sampling),
    "max_tokens": (_has_parameter("maxTokens"), _drop_parameter("maxTokens")),
    "additional_fields": _member("additionalModelRequestFields"),
}
