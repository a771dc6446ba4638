"""Roles, formats and other values for `llmmanager.message_builder`. A member equals its text in Converse."""

from __future__ import annotations

from enum import StrEnum

__all__ = [
    "CachePointTTLEnum",
    "DetectionMethodEnum",
    "DocumentFormatEnum",
    "GuardContentQualifierEnum",
    "ImageFormatEnum",
    "RolesEnum",
    "ToolResultStatusEnum",
    "VideoFormatEnum",
]


class RolesEnum(StrEnum):
    """The author of a message.

    Attributes:
        USER, ASSISTANT: the caller, or the model.
    """

    USER = "user"
    ASSISTANT = "assistant"


class ImageFormatEnum(StrEnum):
    """The format of an image.

    Attributes:
        JPEG, PNG, GIF, WEBP: the formats.
    """

    JPEG = "jpeg"
    PNG = "png"
    GIF = "gif"
    WEBP = "webp"


class DocumentFormatEnum(StrEnum):
    """The format of a document.

    Attributes:
        PDF, CSV, DOC, DOCX, XLS, XLSX, HTML, TXT, MD: the formats.
    """

    PDF = "pdf"
    CSV = "csv"
    DOC = "doc"
    DOCX = "docx"
    XLS = "xls"
    XLSX = "xlsx"
    HTML = "html"
    TXT = "txt"
    MD = "md"


class VideoFormatEnum(StrEnum):
    """The format of a video.

    Attributes:
        MP4, MOV, WEBM, MKV, FLV, MPEG, MPG, WMV, THREE_GP: the formats.
    """

    MP4 = "mp4"
    MOV = "mov"
    WEBM = "webm"
    MKV = "mkv"
    FLV = "flv"
    MPEG = "mpeg"
    MPG = "mpg"
    WMV = "wmv"
    THREE_GP = "three_gp"


class DetectionMethodEnum(StrEnum):
    """How the format of a file was found.

    Attributes:
        EXTENSION: by the name of the file. Its bytes do not show the format.
        CONTENT: by the bytes. The name is missing or has no known extension.
        COMBINED: by both.
        MANUAL: it was given.
    """

    EXTENSION = "extension"
    CONTENT = "content"
    COMBINED = "combined"
    MANUAL = "manual"


class ToolResultStatusEnum(StrEnum):
    """Whether a tool succeeded.

    Attributes:
        SUCCESS, ERROR: the tool succeeded, or failed.
    """

    SUCCESS = "success"
    ERROR = "error"


class CachePointTTLEnum(StrEnum):
    """For how long a prefix stays in the prompt cache.

    Attributes:
        FIVE_MINUTES, ONE_HOUR: the times.
    """

    FIVE_MINUTES = "5m"
    ONE_HOUR = "1h"


class GuardContentQualifierEnum(StrEnum):
    """What a text is for a guardrail.

    Attributes:
        GROUNDING_SOURCE, QUERY: the source and the question of a check of grounding.
        GUARD_CONTENT: content that the guardrail checks.
    """

    GROUNDING_SOURCE = "grounding_source"
    QUERY = "query"
    GUARD_CONTENT = "guard_content"
