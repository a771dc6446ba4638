"""Removes unsupported parameters from a request: inference settings, tool choice, model-specific fields.

Functions return a changed copy that shares the unchanged parts. The given request is not changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Request = Mapping[str, Any]
Check = Callable[[Request], bool]
Edit = Callable[[Request], Request]

_ADDITIONAL = "additionalModelRequestFields"


class SchemaFormat(dict[str, Any]):
    """A `textFormat` of Converse whose schema can also be sent in another form.

    Args:
        fields: the members of `textFormat`.
        as_tool: returns the request with a tool, an `AnswerTool`, instead of this format.
        unsupported_by: returns the forms that a model is known not to support, as keys of the feature table.
        answer: returns the answer of a call: (its `AttemptLoop`, the request, the caller's validation or
            None) -> `BedrockResponse`.
    """

    def __init__(
        self,
        fields: Mapping[str, Any],
        *,
        as_tool: Edit,
        unsupported_by: Callable[[str], tuple[str, ...]],
        answer: Callable[..., Any],
    ) -> None:
        super().__init__(fields)
        self.as_tool = as_tool
        self.unsupported_by = unsupported_by
        self.answer = answer


class AnswerTool(dict[str, Any]):
    """A tool whose arguments are the answer.

    Args:
        fields: the tool, as Converse expects it.
        instruction: a text block that asks for the same answer.
    """

    def __init__(self, fields: Mapping[str, Any], *, instruction: Mapping[str, Any]) -> None:
        super().__init__(fields)
        self.instruction = instruction


class OptionalTier(dict[str, Any]):
    """A `serviceTier` that the caller of the library did not ask for.

    A model that does not offer it gets the request without it, even if feature fallback is disabled.
    """


def has_optional_tier(request: Request) -> bool:
    """Whether the service tier of the request is an `OptionalTier`."""
    return isinstance(request.get("serviceTier"), OptionalTier)


def service_tier(request: Request) -> str:
    """Return the service tier of the request; empty for the default one."""
    tier = request.get("serviceTier")
    name = tier.get("type") if isinstance(tier, Mapping) else None
    return name if isinstance(name, str) and name != "default" else ""


def schema_format(request: Request) -> SchemaFormat | None:
    """Return the request's format if it is a `SchemaFormat`, or None."""
    config = request.get("outputConfig")
    text_format = config.get("textFormat") if isinstance(config, Mapping) else None
    return text_format if isinstance(text_format, SchemaFormat) else None


def has_schema_format(request: Request) -> bool:
    """Whether the request has a `SchemaFormat`."""
    return schema_format(request) is not None


def schema_format_as_tool(request: Request) -> Request:
    """Send the schema as a tool."""
    text_format = schema_format(request)
    return request if text_format is None else text_format.as_tool(request)


def has_answer_tool(request: Request) -> bool:
    """Whether the request has an `AnswerTool`."""
    tools = request.get("toolConfig", {}).get("tools", ())
    return any(isinstance(tool, AnswerTool) for tool in tools)


def answer_tool_as_instruction(request: Request) -> Request:
    """Ask for the answer in a text instead of with a tool. Other tools can be called freely.

    The text is at the end of the system prompt. Without one, it is at the end of the last message, which
    every model supports.
    """
    config = request["toolConfig"]
    instructions = [tool.instruction for tool in config["tools"] if isinstance(tool, AnswerTool)]
    tools = [tool for tool in config["tools"] if not isinstance(tool, AnswerTool)]
    rest = without_member(request, "toolConfig")
    if tools:
        rest["toolConfig"] = without_member(config, "toolChoice") | {"tools": tools}
    messages = request.get("messages")
    if "system" in request or not messages or messages[-1]["role"] != "user":
        return {**rest, "system": [*request.get("system", ()), *instructions]}
    last = {**messages[-1], "content": [*messages[-1]["content"], *instructions]}
    return {**rest, "messages": [*messages[:-1], last]}


def tool_choice(request: Request) -> str | None:
    """Return "auto", "any", "tool" or an unknown choice; None without a tool choice."""
    return next(iter(request.get("toolConfig", {}).get("toolChoice") or {}), None)


def choose_tools_freely(request: Request) -> Request:
    """Set the tool choice to "auto"."""
    return {**request, "toolConfig": {**request["toolConfig"], "toolChoice": {"auto": {}}}}


def drop_tool_choice(request: Request) -> Request:
    """Remove the tool choice."""
    return {**request, "toolConfig": without_member(request["toolConfig"], "toolChoice")}


def without_member(mapping: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return a copy without one member."""
    return {key: value for key, value in mapping.items() if key != name}


def has_member(name: str) -> Check:
    """Return a check for a member of the request."""
    return lambda request: name in request


def drop_member(name: str) -> Edit:
    """Return an edit that removes a member of the request."""
    return lambda request: without_member(request, name)


def has_parameter(name: str, *native_names: str) -> Check:
    """Return a check for a member of `inferenceConfig` or its `native_names` in the additional fields."""
    return lambda request: (
        name in request.get("inferenceConfig", {})
        or any(has_additional_field((native,))(request) for native in native_names)
    )


def drop_parameter(name: str, *native_names: str) -> Edit:
    """Return an edit that removes a parameter. The arguments are those of `has_parameter`."""

    def edit(request: Request) -> Request:
        request = drop_path("inferenceConfig", (name,))(request)
        for native in native_names:
            request = drop_path(_ADDITIONAL, (native,))(request)
        return request

    return edit


def drop_blank_stop_sequences(request: Request) -> Request:
    """Remove stop sequences that contain only white space."""
    config = request["inferenceConfig"]
    kept = [sequence for sequence in config["stopSequences"] if sequence.strip()]
    if not kept:
        return drop_parameter("stopSequences")(request)
    return {**request, "inferenceConfig": {**config, "stopSequences": kept}}


def has_blank_stop_sequence(request: Request) -> bool:
    """Whether a stop sequence contains only white space."""
    sequences = request.get("inferenceConfig", {}).get("stopSequences") or ()
    return any(not sequence.strip() for sequence in sequences)


def is_reasoning(request: Request) -> bool:
    """Whether reasoning is enabled."""
    thinking = additional_field(request, ("thinking",))
    return isinstance(thinking, Mapping) and thinking.get("type") != "disabled"


def additional_field(request: Request, path: tuple[str, ...]) -> Any:
    """Return a field of `additionalModelRequestFields`, or None."""
    value: Any = request.get(_ADDITIONAL)
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def has_additional_field(path: tuple[str, ...]) -> Check:
    """Return a check for a field of `additionalModelRequestFields`."""

    def has(request: Request) -> bool:
        parent = additional_field(request, path[:-1])
        return isinstance(parent, Mapping) and path[-1] in parent

    return has


def drop_additional_field(path: tuple[str, ...]) -> Edit:
    """Return an edit that removes a field of `additionalModelRequestFields`."""
    return drop_path(_ADDITIONAL, path)


def drop_path(member: str, path: tuple[str, ...]) -> Edit:
    """Return an edit that removes the value at `path` in a member, and parent objects that are empty then."""

    def without(parent: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
        name = names[0]
        inner = parent.get(name)
        if len(names) == 1 or not isinstance(inner, Mapping):
            return without_member(parent, name) if len(names) == 1 else dict(parent)
        rest = without(inner, names[1:])
        return {**parent, name: rest} if rest else without_member(parent, name)

    return lambda request: without(request, (member, *path))
