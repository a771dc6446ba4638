"""Builds messages step by step, with files whose formats are detected."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from llmmanager.bedrock.exceptions.llm_manager_exceptions import ContentError, RequestValidationError
from llmmanager.bedrock.models.file_formats import FORMATS, DetectedFormat, detect_format, formats_of
from llmmanager.bedrock.models.request_parts import build_cache_point
from llmmanager.message_builder_enums import (
    CachePointTTLEnum,
    DetectionMethodEnum,
    DocumentFormatEnum,
    GuardContentQualifierEnum,
    ImageFormatEnum,
    RolesEnum,
    ToolResultStatusEnum,
    VideoFormatEnum,
)

if TYPE_CHECKING:
    from llmmanager.bedrock.models.converse_types import Message, ToolResultContentBlock

__all__ = [
    "CacheConfig",
    "MessageBuilder",
    "create_assistant_message",
    "create_message",
    "create_user_message",
]

_BYTES_PER_MB = 1_000_000

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CacheConfig:
    """Whether a `MessageBuilder` places cache points.

    Attributes:
        enabled: whether a block with `cacheable=True` is followed by a cache point.
    """

    enabled: bool = False


class MessageBuilder:
    """Builds one message. Each `add_...` method adds a content block and returns the builder.

    `bytes` are the raw bytes of a file. If `format` is None, it is detected from the bytes, then from the
    file name. With `cacheable=True`, the prompt cache keeps everything up to this block: `build` adds a cache
    point after the last such block.

    Args:
        role: the author of the message.
        cache_config: whether `cacheable` has an effect; None for yes.

    Raises:
        RequestValidationError: the role is invalid. The methods raise it for a blank text, for a value of the
            wrong type, for an unknown or invalid format, for a format that differs from the bytes or the file
            name, and for an empty file.
    """

    def __init__(self, role: RolesEnum | str, cache_config: CacheConfig | None = None) -> None:
        if role not in tuple(RolesEnum):
            raise _invalid(f"role: must be one of {', '.join(RolesEnum)} (got {role!r})")
        self._role = RolesEnum(role)
        self._caches = cache_config is None or cache_config.enabled
        self._blocks: list[dict[str, Any]] = []
        self._cached_blocks = 0

    @property
    def role(self) -> RolesEnum:
        """The author of the message."""
        return self._role

    @property
    def content_block_count(self) -> int:
        """The number of blocks that were added."""
        return len(self._blocks)

    def build(self) -> Message:
        """Return the message. The builder can be used again.

        Raises:
            RequestValidationError: the message has no content.
        """
        if not self._blocks:
            raise _invalid("content: must contain at least one block")
        blocks = list(self._blocks)
        following = blocks[self._cached_blocks : self._cached_blocks + 1]
        if self._cached_blocks and not any("cachePoint" in block for block in following):
            blocks.insert(self._cached_blocks, build_cache_point())
        return cast("Message", {"role": str(self._role), "content": blocks})

    def add_text(self, text: str, cacheable: bool | None = None) -> MessageBuilder:
        """Add a text."""
        if not isinstance(text, str) or not text.strip():
            raise _invalid(f"{self._path}.text: must be a text that is not blank (got {text!r})")
        return self._add("text", text, cacheable=cacheable)

    def add_image_bytes(
        self,
        bytes: bytes,
        format: ImageFormatEnum | str | None = None,
        filename: str | None = None,
        cacheable: bool | None = None,
    ) -> MessageBuilder:
        """Add an image."""
        image = self._file("image", bytes, format, filename)
        return self._add("image", image, cacheable=cacheable)

    def add_local_image(
        self,
        path_to_local_file: str | os.PathLike[str],
        format: ImageFormatEnum | str | None = None,
        max_size_mb: float = 3.75,
    ) -> MessageBuilder:
        """Add an image from a file.

        Args:
            path_to_local_file: the path.
            format: the format; None to detect it.
            max_size_mb: the maximum size in MB (1,000,000 bytes).

        Raises:
            ContentError: the file is larger, or empty.
            OSError: the file cannot be read.
        """
        data = self._read("image", path_to_local_file, max_size_mb)
        return self.add_image_bytes(data, format, os.fspath(path_to_local_file))

    def add_document_bytes(
        self,
        bytes: bytes,
        format: DocumentFormatEnum | str | None = None,
        filename: str | None = None,
        name: str | None = None,
        citations_enabled: bool = False,
        context: str | None = None,
    ) -> MessageBuilder:
        """Add a document.

        Args:
            bytes: the raw bytes.
            format: the format; None to detect it.
            filename: the name of the file.
            name: the name that the model sees; None for one made from the file name.
            citations_enabled: whether the model cites the document.
            context: what the model should know about the document.
        """
        document = self._file("document", bytes, format, filename)
        return self._add_document(document, name or _document_name(filename), citations_enabled, context)

    def add_local_document(
        self,
        path_to_local_file: str | os.PathLike[str],
        format: DocumentFormatEnum | str | None = None,
        name: str | None = None,
        max_size_mb: float = 4.5,
        citations_enabled: bool = False,
        context: str | None = None,
    ) -> MessageBuilder:
        """Add a document from a file. See `add_document_bytes` and `add_local_image`."""
        data = self._read("document", path_to_local_file, max_size_mb)
        path = os.fspath(path_to_local_file)
        return self.add_document_bytes(data, format, path, name, citations_enabled, context)

    def add_video_bytes(
        self, bytes: bytes, format: VideoFormatEnum | str | None = None, filename: str | None = None
    ) -> MessageBuilder:
        """Add a video."""
        return self._add("video", self._file("video", bytes, format, filename))

    def add_local_video(
        self,
        path_to_local_file: str | os.PathLike[str],
        format: VideoFormatEnum | str | None = None,
        max_size_mb: float = 100.0,
    ) -> MessageBuilder:
        """Add a video from a file. See `add_local_image`."""
        data = self._read("video", path_to_local_file, max_size_mb)
        return self.add_video_bytes(data, format, os.fspath(path_to_local_file))

    def add_image_s3(
        self, uri: str, format: ImageFormatEnum | str, bucket_owner: str | None = None
    ) -> MessageBuilder:
        """Add an image that Bedrock reads from S3 (`s3://bucket/key`). `bucket_owner` is an account's id."""
        return self._add("image", self._s3_file("image", uri, format, bucket_owner))

    def add_video_s3(
        self, uri: str, format: VideoFormatEnum | str, bucket_owner: str | None = None
    ) -> MessageBuilder:
        """Add a video that Bedrock reads from S3, as `add_image_s3` does."""
        return self._add("video", self._s3_file("video", uri, format, bucket_owner))

    def add_document_s3(
        self,
        uri: str,
        format: DocumentFormatEnum | str,
        name: str | None = None,
        bucket_owner: str | None = None,
        citations_enabled: bool = False,
        context: str | None = None,
    ) -> MessageBuilder:
        """Add a document that Bedrock reads from S3. See `add_image_s3` and `add_document_bytes`."""
        document = self._s3_file("document", uri, format, bucket_owner)
        return self._add_document(document, name or _document_name(uri), citations_enabled, context)

    def add_cache_point(
        self, cache_type: str = "default", ttl: CachePointTTLEnum | str | None = None
    ) -> MessageBuilder:
        """Add a cache point: the prompt cache keeps everything before it."""
        point = {"type": str(cache_type)}
        return self._add("cachePoint", point if ttl is None else {**point, "ttl": str(ttl)})

    def add_guard_content(
        self,
        text: str,
        qualifiers: GuardContentQualifierEnum | str | Sequence[GuardContentQualifierEnum | str] | None = None,
    ) -> MessageBuilder:
        """Add a text that a guardrail checks, for all purposes or for the given one or ones."""
        content: dict[str, Any] = {"text": text}
        if qualifiers:
            given = [qualifiers] if isinstance(qualifiers, str) else qualifiers
            content["qualifiers"] = [str(qualifier) for qualifier in given]
        return self._add("guardContent", {"text": content})

    def add_tool_use(self, tool_use_id: str, name: str, input: Mapping[str, Any]) -> MessageBuilder:
        """Add a tool call of the model."""
        if not isinstance(input, Mapping):
            raise _invalid(f"{self._path}.toolUse.input: must be a dict (got {type(input).__name__})")
        return self._add("toolUse", {"toolUseId": tool_use_id, "name": name, "input": dict(input)})

    def add_tool_result(
        self,
        tool_use_id: str,
        content: str | Mapping[str, Any] | Sequence[ToolResultContentBlock],
        status: ToolResultStatusEnum | str | None = None,
    ) -> MessageBuilder:
        """Add the result of a tool call.

        Args:
            tool_use_id: the id of the tool call.
            content: a text, a dict for JSON, or a list of content blocks.
            status: "error" if the tool failed; None for success.
        """
        blocks: Any = content
        if isinstance(content, str):
            blocks = [{"text": content}]
        elif isinstance(content, Mapping):
            blocks = [{"json": dict(content)}]
        elif not isinstance(content, list | tuple) or not all(isinstance(one, Mapping) for one in content):
            raise _invalid(
                f"{self._path}.toolResult.content: must be a text, a dict, or a list of content blocks "
                f"(got {content!r:.100})"
            )
        result = {"toolUseId": tool_use_id, "content": list(blocks)}
        return self._add("toolResult", result if status is None else {**result, "status": str(status)})

    def add_reasoning_content(
        self, text: str | None = None, signature: str | None = None, redacted_content: bytes | None = None
    ) -> MessageBuilder:
        """Add reasoning of the model: a text with its signature, or encrypted content."""
        if (text is None) == (redacted_content is None):
            raise _invalid(f"{self._path}.reasoningContent: must have either text or redacted_content")
        if text is None:
            return self._add("reasoningContent", {"redactedContent": redacted_content})
        reasoning = {"text": text} if signature is None else {"text": text, "signature": signature}
        return self._add("reasoningContent", {"reasoningText": reasoning})

    @property
    def _path(self) -> str:
        return f"content[{len(self._blocks)}]"

    def _add(self, type_: str, value: object, *, cacheable: bool | None = None) -> MessageBuilder:
        self._blocks.append({type_: value})
        if cacheable and self._caches:
            self._cached_blocks = len(self._blocks)
        return self

    def _add_document(
        self, document: dict[str, Any], name: str, citations_enabled: bool, context: str | None
    ) -> MessageBuilder:
        document = {**document, "name": name}
        if citations_enabled:
            document["citations"] = {"enabled": True}
        if context is not None:
            document["context"] = context
        return self._add("document", document)

    def _file(self, kind: str, data: bytes, format_: str | None, filename: str | None) -> dict[str, Any]:
        path = f"{self._path}.{kind}"
        if not isinstance(data, bytes | bytearray | memoryview):
            raise _invalid(f"{path}.source.bytes: must be raw bytes (got {type(data).__name__})")
        data = bytes(data)
        if not data:
            raise ContentError(f"{path}.source.bytes: must not be empty", kind, 0)
        try:
            found = _given(data, format_, kind) if format_ else detect_format(data, filename, kind=kind)
        except ValueError as error:
            raise _invalid(f"{path}.format: {error}") from None
        _log.debug("%s has the format %s (%s)", path, found.format, found.method)
        return {"format": found.format, "source": {"bytes": data}}

    def _s3_file(self, kind: str, uri: str, format_: str, bucket_owner: str | None) -> dict[str, Any]:
        if format_ not in FORMATS[kind]:
            accepted = ", ".join(FORMATS[kind])
            raise _invalid(f"{self._path}.{kind}.format: must be one of {accepted} (got {format_!r})")
        location = {"uri": uri} if bucket_owner is None else {"uri": uri, "bucketOwner": bucket_owner}
        return {"format": str(format_), "source": {"s3Location": location}}

    def _read(self, kind: str, path: str | os.PathLike[str], max_size_mb: float) -> bytes:
        size, limit = os.path.getsize(path), int(max_size_mb * _BYTES_PER_MB)
        if size > limit:
            message = f"{self._path}.{kind}: must be at most {limit} bytes ({os.fspath(path)!r} has {size})"
            raise ContentError(message, kind, size, limit)
        with open(path, "rb") as file:
            return file.read()


def create_message(role: RolesEnum | str, cache_config: CacheConfig | None = None) -> MessageBuilder:
    """Return a builder of a message.

    Args:
        role: the author of the message.
        cache_config: as in `MessageBuilder`.
    """
    return MessageBuilder(role, cache_config)


def create_user_message(cache_config: CacheConfig | None = None) -> MessageBuilder:
    """Return a builder of a message of the user.

    Args:
        cache_config: as in `MessageBuilder`.
    """
    return MessageBuilder(RolesEnum.USER, cache_config)


def create_assistant_message(cache_config: CacheConfig | None = None) -> MessageBuilder:
    """Return a builder of a message of the model.

    Args:
        cache_config: as in `MessageBuilder`.
    """
    return MessageBuilder(RolesEnum.ASSISTANT, cache_config)


def _given(data: bytes, format_: str, kind: str) -> DetectedFormat:
    """Return the format that the caller gives, if it agrees with the bytes."""
    if format_ not in FORMATS[kind]:
        raise ValueError(f"must be one of {', '.join(FORMATS[kind])} (got {format_!r})")
    by_content = formats_of(data)
    if by_content and format_ not in by_content:
        raise ValueError(f"must be the format of the bytes, {by_content[0]} (got {str(format_)!r})")
    return DetectedFormat(str(format_), DetectionMethodEnum.MANUAL)


def _document_name(filename: str | None) -> str:
    """Return a name that Bedrock accepts for a document from the name of its file."""
    from llmmanager.bedrock.validation.document_names import accepted_name

    stem = os.path.splitext(os.path.basename(filename or ""))[0]
    return accepted_name(stem)[:200].strip() or "document"


def _invalid(problem: str) -> RequestValidationError:
    return RequestValidationError(problem, [problem])
