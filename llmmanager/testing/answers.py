"""Generates the answers of FakeBedrock. The same request gets the same answer."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from . import prose
from .call_log import prompt_of
from .errors import invalid
from .schema_sample import SchemaSampler
from .tokens import CHARS_PER_TOKEN, text_tokens

_WORD = re.compile(r"[^\W\d_][\w'-]{2,}")
_SCHEMA_IN_TEXT = re.compile(r"JSON Schema[^\n]*:[^\n]*\n(\{.*\})", re.IGNORECASE)
_COMMON = frozenset(
    re.findall(
        r"\w+",
        """about after also and are but can could did does for from give get had has have her him his how into
        its just make more not our out please say she should some tell than that the their them then there
        these they this use using was were what when where which while who why will with would write you your
        """,
    )
)


@dataclass(frozen=True)
class Answer:
    """A model's turn.

    Attributes:
        content: the content blocks.
        stop_reason: why the answer ended.
        stop_sequence: the stop sequence that ended it, or None.
        input_tokens, output_tokens: the billed tokens; None and 0 to have them estimated.
        service_tier: the tier that serves and bills the answer; empty for the tier that the request asks for.
    """

    content: tuple[dict[str, Any], ...]
    stop_reason: str = "end_turn"
    stop_sequence: str | None = None
    input_tokens: int | None = None
    output_tokens: int = 0
    service_tier: str = ""


def compose(body: Mapping[str, Any], text: str | None = None) -> Answer:
    """Return the answer to a Converse request. `text`, if not None, is its text."""
    config = body.get("inferenceConfig") or {}
    if text is None and (calls := _tool_calls(body)):
        return _limited_tool_calls(calls, config.get("maxTokens"))
    return shape_text(_continued(body, _full_text(body) if text is None else text), config)


def shape_text(text: str, config: Mapping[str, Any]) -> Answer:
    """Return an answer with `text`, truncated by `stopSequences` and `maxTokens` of `config`."""
    reason, stop_sequence = "end_turn", None
    starts = [(text.find(sequence), sequence) for sequence in config.get("stopSequences") or []]
    if found := [start for start in starts if start[0] >= 0]:
        end, stop_sequence = min(found)
        text, reason = text[:end], "stop_sequence"
    limit = config.get("maxTokens")
    if limit is not None and text_tokens(text) > limit:
        text, reason, stop_sequence = text[: limit * CHARS_PER_TOKEN], "max_tokens", None
    return counted(Answer(({"text": text},) if text else (), reason, stop_sequence))


def counted(answer: Answer) -> Answer:
    """Return `answer` with the output tokens of its content, at least 1."""
    text = "".join(block.get("text", "") for block in answer.content)
    calls = [block["toolUse"] for block in answer.content if "toolUse" in block]
    tokens = text_tokens(text) + sum(text_tokens(call["name"] + json.dumps(call["input"])) for call in calls)
    return replace(answer, output_tokens=max(1, tokens))


def _full_text(body: Mapping[str, Any]) -> str:
    messages = _conversation(body)
    if schema := _requested_schema(body):
        return _schema_text(schema, prompt_of(messages))
    results = [block["toolResult"] for block in messages[-1]["content"] if "toolResult" in block]
    if results:
        return _tool_report(messages, results)
    return prose.write(prompt_of(messages), _seed(body))


def _tool_report(messages: list[dict[str, Any]], results: list[Mapping[str, Any]]) -> str:
    names = {
        block["toolUse"]["toolUseId"]: block["toolUse"]["name"]
        for message in messages
        for block in message["content"]
        if "toolUse" in block
    }
    reports = []
    for result in results:
        name = names.get(result["toolUseId"], "the tool")
        outcome = "failed with" if result.get("status") == "error" else "returned"
        reports.append(f"{name} {outcome}: {' '.join(result_texts(result)) or 'nothing to read'}.")
    return f"{prose.LABEL} {' '.join(reports)} That answers the question."


def result_texts(result: Mapping[str, Any]) -> list[str]:
    """Return the text and JSON blocks of a tool result as texts."""
    return [
        block["text"] if "text" in block else json.dumps(block["json"], ensure_ascii=False)
        for block in result["content"]
        if "text" in block or "json" in block
    ]


def _continued(body: Mapping[str, Any], text: str) -> str:
    """Return the text after a trailing assistant turn: the rest of `text` if it starts with that turn."""
    last = body["messages"][-1]
    if last["role"] != "assistant":
        return text
    prefix = "".join(block.get("text", "") for block in last["content"])
    return text[len(prefix) :] if text.startswith(prefix) else f" {text}"


def _requested_schema(body: Mapping[str, Any]) -> str | None:
    """Return the JSON schema of the answer in `outputConfig`, or after the words "JSON Schema:" in a text."""
    text_format = (body.get("outputConfig") or {}).get("textFormat")
    if text_format:
        schema: str = text_format["structure"]["jsonSchema"]["schema"]
        return schema
    blocks = [*body.get("system", ()), *(block for turn in body["messages"] for block in turn["content"])]
    found = (_SCHEMA_IN_TEXT.search(block.get("text", "")) for block in blocks)
    return next((match[1] for match in found if match), None)


def _schema_text(schema: str, prompt: str) -> str:
    try:
        return json.dumps(SchemaSampler(json.loads(schema), prompt).sample(), ensure_ascii=False)
    except ValueError as error:
        raise invalid(f"The JSON schema in outputConfig.textFormat is invalid: {error}") from None


def _tool_calls(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the toolUse blocks that the tool choice forces or that the words of the prompt match."""
    config, messages = body.get("toolConfig") or {}, body["messages"]
    specs = [tool["toolSpec"] for tool in config.get("tools", []) if "toolSpec" in tool]
    choice = config.get("toolChoice") or {"auto": {}}
    prompt = prompt_of(messages)
    if "tool" in choice:
        called = [spec for spec in specs if spec["name"] == choice["tool"]["name"]][:1]
        if not called:
            raise invalid(f"toolConfig.toolChoice.tool.name {choice['tool']['name']} names no tool in tools.")
    elif "any" in choice:
        called = [spec for spec in specs if _matches_tool(prompt, spec)] or specs[:1]
    elif messages[-1]["role"] != "user" or any("toolResult" in block for block in messages[-1]["content"]):
        called = []
    else:
        called = [spec for spec in specs if _matches_tool(prompt, spec)]
    if not _parallel_calls(body):
        called = called[:1]
    return [_tool_call(body, spec, prompt) for spec in called]


def _parallel_calls(body: Mapping[str, Any]) -> bool:
    """Whether an answer may have several tool calls. Claude has a field to prevent it."""
    choice = (body.get("additionalModelRequestFields") or {}).get("tool_choice")
    return not (isinstance(choice, Mapping) and choice.get("disable_parallel_tool_use"))


def _tool_call(body: Mapping[str, Any], spec: Mapping[str, Any], prompt: str) -> dict[str, Any]:
    try:
        value = SchemaSampler(spec["inputSchema"]["json"], prompt).sample()
    except ValueError as error:
        raise invalid(f"The input schema of tool {spec['name']} is invalid: {error}") from None
    digest = hashlib.sha256((_seed(body) + spec["name"]).encode()).digest()
    tool_use_id = "tooluse_" + base64.urlsafe_b64encode(digest[:16]).decode().rstrip("=")
    return {"toolUse": {"toolUseId": tool_use_id, "name": spec["name"], "input": value}}


def _matches_tool(prompt: str, spec: Mapping[str, Any]) -> bool:
    """Whether the prompt has one word of the tool's name, or two words of its description."""
    words = _stems(prompt)
    name = re.sub(r"(?<=[a-z])(?=[A-Z])|[_-]", " ", spec["name"])
    return bool(words & _stems(name)) or len(words & _stems(spec.get("description", ""))) >= 2


def _stems(text: str) -> set[str]:
    return {word.lower().rstrip("s") for word in _WORD.findall(text) if word.lower() not in _COMMON}


def _limited_tool_calls(calls: list[dict[str, Any]], limit: int | None) -> Answer:
    """Return an answer with the calls, or with truncated text if they exceed the limit.

    Several calls follow a sentence, as models often write one.
    """
    text = f"{prose.LABEL} I will look that up."
    start = [{"text": text}] if len(calls) > 1 else []
    answer = counted(Answer((*start, *calls), "tool_use"))
    if limit is None or answer.output_tokens <= limit:
        return answer
    return counted(Answer(({"text": text[: limit * CHARS_PER_TOKEN]},), "max_tokens"))


def _seed(body: Mapping[str, Any]) -> str:
    """Return the input of the random generator: the conversation without the settings."""
    return json.dumps([body.get("system"), _conversation(body)], sort_keys=True)


def _conversation(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the conversation without a trailing assistant turn."""
    messages: list[dict[str, Any]] = body["messages"]
    return messages[:-1] if messages[-1]["role"] == "assistant" else messages
