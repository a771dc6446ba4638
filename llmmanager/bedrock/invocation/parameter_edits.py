"""Leaving a parameter of a request out: of its inference settings, tool choice and model-specific fields.

A request is never changed: the copy without the parameter shares with it what stays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Request = Mapping[str, Any]
Check = Callable[[Request], bool]
Edit = Callable[[Request], Request]

_ADDITIONAL = "additionalModelRequestFields"


def tool_choice(request: Request) -> str | None:
    """Return "auto", "any", "tool" or a later kind of choice; None without one."""
    return next(iter(request.get("toolConfig", {}).get("toolChoice") or {}), None)


def choose_tools_freely(request: Request) -> Request:
    """Let the model choose whether to call a tool."""
    return {**request, "toolConfig": {**request["toolConfig"], "toolChoice": {"auto": {}}}}


def drop_tool_choice(request: Request) -> Request:
    """Leave out the tool choice."""
    return {**request, "toolConfig": without_member(request["toolConfig"], "toolChoice")}


def without_member(of: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return a copy without one member."""
    return {key: value for key, value in of.items() if key != name}


def has_member(name: str) -> Check:
    """Check for a member of the request."""
    return lambda request: name in request


def drop_member(name: str) -> Edit:
    """Leave out a member of the request."""
    return lambda request: without_member(request, name)


def has_parameter(name: str, *own_names: str) -> Check:
    """Check for a member of `inferenceConfig`, or for a field of the model's own (`own_names`)."""
    return lambda request: (
        name in request.get("inferenceConfig", {})
        or any(has_additional_field((own,))(request) for own in own_names)
    )


def drop_parameter(name: str, *own_names: str) -> Edit:
    """Leave out a parameter, wherever it stands; arguments as for `has_parameter`."""

    def edit(request: Request) -> Request:
        request = drop_path("inferenceConfig", (name,))(request)
        for own in own_names:
            request = drop_path(_ADDITIONAL, (own,))(request)
        return request

    return edit


def drop_blank_stop_sequences(request: Request) -> Request:
    """Leave out stop sequences that hold nothing but white space."""
    config = request["inferenceConfig"]
    kept = [sequence for sequence in config["stopSequences"] if sequence.strip()]
    if not kept:
        return drop_parameter("stopSequences")(request)
    return {**request, "inferenceConfig": {**config, "stopSequences": kept}}


def has_blank_stop_sequence(request: Request) -> bool:
    """Check for a stop sequence that holds nothing but white space."""
    sequences = request.get("inferenceConfig", {}).get("stopSequences") or ()
    return any(not sequence.strip() for sequence in sequences)


def is_reasoning(request: Request) -> bool:
    """Whether the model is asked to reason before it answers."""
    thinking = additional_field(request, ("thinking",))
    return isinstance(thinking, Mapping) and thinking.get("type") != "disabled"


def additional_field(request: Request, path: tuple[str, ...]) -> Any:
    """Return a field of `additionalModelRequestFields`, or None."""
    value: Any = request.get(_ADDITIONAL)
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def has_additional_field(path: tuple[str, ...]) -> Check:
    """Check for a field of `additionalModelRequestFields`."""

    def has(request: Request) -> bool:
        parent = additional_field(request, path[:-1])
        return isinstance(parent, Mapping) and path[-1] in parent

    return has


def drop_additional_field(path: tuple[str, ...]) -> Edit:
    """Leave out a field of `additionalModelRequestFields`."""
    return drop_path(_ADDITIONAL, path)


def drop_path(member: str, path: tuple[str, ...]) -> Edit:
    """Leave out what is at `path` in a member of the request, and each object that holds nothing else."""

    def without(of: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
        name = names[0]
        inner = of.get(name)
        if len(names) == 1 or not isinstance(inner, Mapping):
            return without_member(of, name) if len(names) == 1 else dict(of)
        rest = without(inner, names[1:])
        return {**of, name: rest} if rest else without_member(of, name)

    return lambda request: without(request, (member, *path))
