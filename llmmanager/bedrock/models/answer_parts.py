"""The parts of an answer: types of content blocks, tool calls, reasoning, citations, cache details.

Values of a response are not validated. What is missing or has another type is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from llmmanager.bedrock.models.converse_types import ContentBlock

T = TypeVar("T")


class ResponseContentType(StrEnum):
    """The type of a content block: its only member in Converse.

    Attributes:
        TEXT, IMAGE, DOCUMENT, VIDEO, AUDIO: text and files.
        TOOL_USE, TOOL_RESULT: a call of a tool, and its result.
        TOOL_ADDITION, TOOL_REMOVAL: changes of the tools.
        REASONING_CONTENT, CITATIONS_CONTENT: reasoning of the model, and text with its sources.
        GUARD_CONTENT, CACHE_POINT, SEARCH_RESULT: other blocks of requests.
        UNKNOWN: a type that this library does not know.
    """

    TEXT = "text"
    IMAGE = "image"
    DOCUMENT = "document"
    VIDEO = "video"
    AUDIO = "audio"
    TOOL_USE = "toolUse"
    TOOL_RESULT = "toolResult"
    GUARD_CONTENT = "guardContent"
    CACHE_POINT = "cachePoint"
    REASONING_CONTENT = "reasoningContent"
    CITATIONS_CONTENT = "citationsContent"
    SEARCH_RESULT = "searchResult"
    TOOL_ADDITION = "toolAddition"
    TOOL_REMOVAL = "toolRemoval"
    UNKNOWN = "unknown"

    @classmethod
    def from_block(cls, block: object) -> ResponseContentType:
        """Return the type of a content block, or UNKNOWN."""
        members = block if isinstance(block, Mapping) else {}
        return next((kind for kind in cls if kind.value in members), cls.UNKNOWN)


def get_block_type(block: object) -> ResponseContentType:
    """Return the type of a content block, or `ResponseContentType.UNKNOWN`.

    Args:
        block: the content block.
    """
    return ResponseContentType.from_block(block)


@dataclass(frozen=True)
class ToolUse:
    """A tool call of the model.

    Attributes:
        tool_use_id: the id that the tool's result must have.
        name: the name of the tool.
        input: the arguments.
    """

    tool_use_id: str
    name: str
    # Not part of the hash: a dict is not hashable.
    input: dict[str, Any] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class ReasoningContent:
    """Reasoning of the model.

    Attributes:
        text: the text, or None if it is encrypted.
        signature: the signature of the text, or None. Bedrock rejects a changed one.
        redacted_content: the encrypted reasoning, or None.
    """

    text: str | None = None
    signature: str | None = None
    redacted_content: bytes | None = None

    def to_content_block(self) -> ContentBlock:
        """Return the content block to send back to the model.

        Raises:
            ValueError: there is neither text nor encrypted reasoning.
        """
        if self.text is not None:
            if self.signature is None:
                return {"reasoningContent": {"reasoningText": {"text": self.text}}}
            return {"reasoningContent": {"reasoningText": {"text": self.text, "signature": self.signature}}}
        if self.redacted_content is not None:
            return {"reasoningContent": {"redactedContent": self.redacted_content}}
        raise ValueError("reasoning content must have text or redacted_content (both are None)")


@dataclass(frozen=True)
class Citation:
    """A source of an answer.

    Attributes:
        title: the title of the source, or None.
        source: the source, such as its URL, or None.
        source_content: the cited passages.
        location: the place in the source in the form of Converse, such as `{"documentPage": {...}}`; or None.
    """

    title: str | None = None
    source: str | None = None
    source_content: tuple[str, ...] = ()
    location: dict[str, Any] | None = field(default=None, hash=False)


@dataclass(frozen=True)
class CacheDetail:
    """Tokens that a request wrote to the prompt cache.

    Attributes:
        input_tokens: the number of tokens.
        ttl: for how long they stay, "5m" or "1h".
    """

    input_tokens: int
    ttl: str


def tool_uses(blocks: Iterable[Mapping[str, Any]]) -> list[ToolUse]:
    """Return the tool calls in content blocks."""
    calls = [block.get("toolUse") for block in blocks]
    return [
        ToolUse(call["toolUseId"], call["name"], _value(call, "input", dict) or {})
        for call in calls
        if isinstance(call, Mapping)
        and isinstance(call.get("toolUseId"), str)
        and isinstance(call.get("name"), str)
    ]


def first_reasoning(blocks: Iterable[Mapping[str, Any]]) -> ReasoningContent | None:
    """Return the first reasoning in content blocks, or None."""
    for block in blocks:
        reasoning = block.get("reasoningContent")
        if isinstance(reasoning, Mapping):
            text = _value(reasoning, "reasoningText", dict) or {}
            return ReasoningContent(
                _value(text, "text", str),
                _value(text, "signature", str),
                _value(reasoning, "redactedContent", bytes),
            )
    return None


def citations(blocks: Iterable[Mapping[str, Any]]) -> list[Citation]:
    """Return the citations in content blocks."""
    cited = [_value(block, "citationsContent", dict) or {} for block in blocks]
    return [
        Citation(
            _value(citation, "title", str),
            _value(citation, "source", str),
            tuple(_texts(_value(citation, "sourceContent", list) or ())),
            _value(citation, "location", dict),
        )
        for content in cited
        for citation in _value(content, "citations", list) or ()
        if isinstance(citation, Mapping)
    ]


def cache_details(details: object) -> list[CacheDetail]:
    """Return the `cacheDetails` of a usage."""
    return [
        CacheDetail(detail["inputTokens"], detail["ttl"])
        for detail in (details if isinstance(details, list) else ())
        if isinstance(detail, Mapping)
        and isinstance(detail.get("inputTokens"), int)
        and isinstance(detail.get("ttl"), str)
    ]


def _texts(parts: Sequence[object]) -> list[str]:
    found = [_value(part, "text", str) for part in parts if isinstance(part, Mapping)]
    return [text for text in found if text is not None]


def _value(members: Mapping[str, Any], name: str, kind: type[T]) -> T | None:
    """Return a member if it has the type, or None."""
    value = members.get(name)
    return value if isinstance(value, kind) else None
