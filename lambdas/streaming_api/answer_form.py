"""The form of the answer that a request demands: tools, a JSON schema, or a JSON object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from lambdas.streaming_api.structured_output import (
    JSON_OBJECT_INSTRUCTION,
    AnswerSchema,
    answer_tool,
    output_config,
)
from lambdas.streaming_api.tool_names import accepted_name
from lambdas.streaming_api.tools import RequestedChoice, RequestedTools, tool_config

AnswerFormat: TypeAlias = Literal["text", "json_object"] | AnswerSchema
"""The format of an answer: text, a JSON object, or JSON for a schema."""


@dataclass(frozen=True, slots=True)
class AnswerForm:
    """The fields of a Converse request that decide the form of the answer.

    Attributes:
        tool_config: Converse's `toolConfig`; empty without tools.
        output_config: Converse's `outputConfig`, or None.
        instructions: blocks for the end of the system prompt.
        answer_tool: the name that was sent for the tool whose arguments are the answer, or None.
        origins: the client's path for paths of these fields.
    """

    tool_config: Mapping[str, Any]
    output_config: Mapping[str, Any] | None
    instructions: Sequence[Mapping[str, Any]]
    answer_tool: str | None
    origins: Mapping[str, str]


def answer_form(
    wanted: AnswerFormat,
    requested: RequestedTools,
    *,
    model_ids: Sequence[str],
) -> AnswerForm:
    """Return the form of an answer.

    If a schema becomes a tool, the model must call this tool or one of the client's. If the client demands
    the call of a tool, there is no room for an answer, and the schema has no effect.

    Args:
        wanted: the format of the answer.
        requested: the client's tools.
        model_ids: the models that may answer.

    Raises:
        MappingError: two tools have the same name.
    """
    tools, choice = requested.tools, requested.choice
    config, tool_name = None, None
    if not isinstance(wanted, str):
        config = output_config(wanted, model_ids)
        if config is None and choice.kind in ("auto", "none"):
            tool = answer_tool(wanted, [tool.name for tool in tools])
            tool_name = accepted_name(tool.name)
            choice = RequestedChoice("any") if tools else RequestedChoice("tool", tool.name)
            tools = (*tools, tool)
    configured = tool_config(tools, choice) if tools else None
    return AnswerForm(
        tool_config=configured.fields if configured else {},
        output_config=config,
        instructions=[{"text": JSON_OBJECT_INSTRUCTION}] if wanted == "json_object" else [],
        answer_tool=tool_name,
        origins=configured.origins if configured else {},
    )
