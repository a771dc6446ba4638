"""The schema of a Converse request, from the shapes of botocore 1.44.5.

Stricter than botocore, like Bedrock itself: messages are not empty, and JSON documents are objects. Less
strict: unknown members are accepted (see `schema_types`), and so are new values of fields that AWS extends.
The limits of files depend on the model (see `media_limits`).
"""

from __future__ import annotations

from llmmanager.bedrock.catalog.managed_prompts import PROMPT_FIELDS
from llmmanager.bedrock.validation.conversation import is_plain_text
from llmmanager.bedrock.validation.request_problems import Path, Problems
from llmmanager.bedrock.validation.schema_types import (
    Blob,
    Choice,
    Flag,
    Forbidden,
    Integer,
    JsonObject,
    ListOf,
    MapOf,
    Number,
    Shape,
    Struct,
    Text,
    Union,
)

ANY_TEXT = Text()
SOME_TEXT = Text(1)
JSON_OBJECT = JsonObject()
TOOL_NAME = Text(1, 64, r"[a-zA-Z0-9_-]+", "letters, digits, _ and -")
TOOL_USE_ID = Text(1, 64, r"[a-zA-Z0-9_.:-]+", "letters, digits, _, ., : and -")
METADATA = r"[a-zA-Z0-9\s:_@$#=/+,-.]*"
METADATA_LIKE = "letters, digits, spaces and : _ @ $ # = / + , - ."

S3_LOCATION = Struct(
    {
        "uri*": Text(1, 1024, r"s3://[a-z0-9][\.\-a-z0-9]{1,61}[a-z0-9](/.*)?", "s3://bucket/key"),
        "bucketOwner": Text(pattern=r"[0-9]{12}", like="the 12 digits of an account"),
    }
)
MEDIA_ERROR = Struct({"message": ANY_TEXT})
CITATIONS_CONFIG = Struct({"enabled*": Flag()})


FILE_SOURCE = Union({"bytes": Blob(1), "s3Location": S3_LOCATION})
IMAGE = Struct(
    {
        "format*": Choice("png", "jpeg", "gif", "webp"),
        "source*": FILE_SOURCE,
        "error": MEDIA_ERROR,
    }
)
DOCUMENT = Struct(
    {
        "format": Choice("pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md"),
        "name*": Text(1, 200),
        "source*": Union(
            {
                "bytes": Blob(1),
                "s3Location": S3_LOCATION,
                "text": ANY_TEXT,
                "content": ListOf(Union({"text": ANY_TEXT}), "content blocks"),
            }
        ),
        "context": ANY_TEXT,
        "citations": CITATIONS_CONFIG,
    }
)
VIDEO = Struct(
    {
        "format*": Choice("mkv", "mov", "mp4", "webm", "flv", "mpeg", "mpg", "wmv", "three_gp"),
        "source*": FILE_SOURCE,
    }
)
# fmt: off
AUDIO_FORMAT = Choice(
    "mp3", "opus", "wav", "aac", "flac", "mp4", "ogg", "mkv", "mka", "x-aac", "m4a", "mpeg", "mpga", "pcm",
    "webm",
)
# fmt: on
AUDIO = Struct({"format*": AUDIO_FORMAT, "source*": FILE_SOURCE, "error": MEDIA_ERROR})
SEARCH_RESULT = Struct(
    {
        "source*": ANY_TEXT,
        "title*": ANY_TEXT,
        "content*": ListOf(Struct({"text*": ANY_TEXT}), "content blocks"),
        "citations": CITATIONS_CONFIG,
    }
)
GUARD_QUALIFIER = Choice("grounding_source", "query", "guard_content", open_ended=True)
GUARD_CONTENT = Union(
    {
        "text": Struct({"text*": ANY_TEXT, "qualifiers": ListOf(GUARD_QUALIFIER, "qualifiers")}),
        "image": Struct({"format*": Choice("png", "jpeg"), "source*": Union({"bytes": Blob(1)})}),
    }
)
CACHE_POINT = Struct(
    {"type*": Choice("default", open_ended=True), "ttl": Choice("5m", "1h", open_ended=True)},
)
TOOL_USE = Struct(
    {
        "toolUseId*": TOOL_USE_ID,
        "name*": TOOL_NAME,
        "input*": JSON_OBJECT,
        "type": Choice("server_tool_use", open_ended=True),
    }
)
TOOL_RESULT_BLOCK = Union(
    {
        "json": JSON_OBJECT,
        "text": ANY_TEXT,
        "image": IMAGE,
        "document": DOCUMENT,
        "video": VIDEO,
        "searchResult": SEARCH_RESULT,
    }
)
TOOL_RESULT = Struct(
    {
        "toolUseId*": TOOL_USE_ID,
        "content*": ListOf(TOOL_RESULT_BLOCK, "content blocks"),
        "status": Choice("success", "error"),
        "type": ANY_TEXT,
    }
)
REASONING = Union(
    {
        "reasoningText": Struct({"text*": ANY_TEXT, "signature": ANY_TEXT}),
        "redactedContent": Blob(),
    }
)


def _location(index: str) -> Struct:
    return Struct({index: Integer(0), "start": Integer(0), "end": Integer(0)})


CITATION = Struct(
    {
        "title": ANY_TEXT,
        "source": ANY_TEXT,
        "sourceContent": ListOf(Union({"text": ANY_TEXT}), "content blocks"),
        "location": Union(
            {
                "web": Struct({"url": ANY_TEXT, "domain": ANY_TEXT}),
                "documentChar": _location("documentIndex"),
                "documentPage": _location("documentIndex"),
                "documentChunk": _location("documentIndex"),
                "searchResultLocation": _location("searchResultIndex"),
            }
        ),
    }
)
CITED_CONTENT = Struct(
    {
        "content": ListOf(Union({"text": ANY_TEXT}), "content blocks"),
        "citations": ListOf(CITATION, "citations"),
    }
)
TOOL_REFERENCE = Struct(
    {"tool*": Struct({"type": Text(1, 64), "name": Text(1, 128), "serverName": Text(1, 128)})}
)
CONTENT_BLOCK = Union(
    {
        "text": ANY_TEXT,
        "image": IMAGE,
        "document": DOCUMENT,
        "video": VIDEO,
        "audio": AUDIO,
        "toolUse": TOOL_USE,
        "toolResult": TOOL_RESULT,
        "guardContent": GUARD_CONTENT,
        "cachePoint": CACHE_POINT,
        "reasoningContent": REASONING,
        "citationsContent": CITED_CONTENT,
        "searchResult": SEARCH_RESULT,
        "toolAddition": TOOL_REFERENCE,
        "toolRemoval": TOOL_REFERENCE,
    }
)
ROLE = Choice("user", "assistant", "system")
_TEXT_FORM = '[{"text": "..."}]'
# A model may return an empty answer, which is sent back in the history.
ASSISTANT_MESSAGE = Struct(
    {"role*": ROLE, "content*": ListOf(CONTENT_BLOCK, "content blocks", text_form=_TEXT_FORM)}
)


class MessageStruct(Struct):
    """One message. Only an assistant message may have no content block."""

    def check(self, value: object, path: Path, problems: Problems) -> None:
        """Report a wrong type, missing or misspelled members, and the problems of each known member."""
        if isinstance(value, dict) and value.get("role") == "assistant":
            ASSISTANT_MESSAGE.check(value, path, problems)
        else:
            super().check(value, path, problems)


MESSAGE = MessageStruct(
    {"role*": ROLE, "content*": ListOf(CONTENT_BLOCK, "content blocks", 1, text_form=_TEXT_FORM)}
)


class Messages(ListOf):
    """At least `low` messages of a conversation."""

    def __init__(self, low: int = 0) -> None:
        super().__init__(MESSAGE, "messages", low)

    def check(self, value: object, path: Path, problems: Problems) -> None:
        """Report a wrong type or length, and the problems of each message."""
        if not is_plain_text(value):
            super().check(value, path, problems)


SYSTEM_BLOCK = Union({"text": SOME_TEXT, "guardContent": GUARD_CONTENT, "cachePoint": CACHE_POINT})

INFERENCE_CONFIG = Struct(
    {
        "maxTokens": Integer(1),
        "temperature": Number(0, 1),
        "topP": Number(0, 1),
        "stopSequences": ListOf(SOME_TEXT, "stop sequences", 0, 2500),
    }
)
TOOL_SPEC = Struct(
    {
        "name*": TOOL_NAME,
        "description": SOME_TEXT,
        "inputSchema*": Union({"json": JSON_OBJECT}),
        "strict": Flag(),
    }
)
TOOL_CONFIG = Struct(
    {
        "tools*": ListOf(
            Union(
                {"toolSpec": TOOL_SPEC, "systemTool": Struct({"name*": TOOL_NAME}), "cachePoint": CACHE_POINT}
            ),
            "tools",
            1,
        ),
        "toolChoice": Union({"auto": Struct({}), "any": Struct({}), "tool": Struct({"name*": TOOL_NAME})}),
    }
)
OUTPUT_CONFIG = Struct(
    {
        "textFormat": Struct(
            {
                "type*": Choice("json_schema", open_ended=True),
                "structure*": Union(
                    {"jsonSchema": Struct({"schema*": ANY_TEXT, "name": ANY_TEXT, "description": ANY_TEXT})}
                ),
            }
        ),
        "effort": Text(0, 16),
    }
)


def _members(stream_processing_mode: Shape) -> dict[str, Shape]:
    return {
        "modelId": Text(1, 2048),
        "messages*": Messages(1),
        "system": ListOf(SYSTEM_BLOCK, "system blocks"),
        "inferenceConfig": INFERENCE_CONFIG,
        "toolConfig": TOOL_CONFIG,
        "guardrailConfig": Struct(
            {
                "guardrailIdentifier": Text(0, 2048),
                "guardrailVersion": Text(pattern=r"|[1-9][0-9]{0,7}|DRAFT", like="a number or DRAFT"),
                "trace": Choice("enabled", "disabled", "enabled_full"),
                "streamProcessingMode": stream_processing_mode,
            }
        ),
        "additionalModelRequestFields": JSON_OBJECT,
        "promptVariables": MapOf(ANY_TEXT, Union({"text": ANY_TEXT})),
        "additionalModelResponseFieldPaths": ListOf(Text(1, 256), "paths", 0, 10),
        "requestMetadata": MapOf(
            Text(1, 256, METADATA, METADATA_LIKE, private=True),
            Text(0, 256, METADATA, METADATA_LIKE, private=True),
            1,
            16,
        ),
        "performanceConfig": Struct({"latency": Choice("standard", "optimized")}),
        "serviceTier": Struct({"type*": Choice("priority", "default", "flex", "reserved", open_ended=True)}),
        "outputConfig": OUTPUT_CONFIG,
    }


def _after_prompt(members: dict[str, Shape]) -> Struct:
    """Return the schema of a request with a managed prompt. Messages are optional and follow the prompt's."""
    fixed = {name: Forbidden("it is defined in the managed prompt") for name in PROMPT_FIELDS}
    others = {name: shape for name, shape in members.items() if name != "messages*"}
    return Struct({"messages": Messages(), **others, **fixed})


_CONVERSE = _members(Forbidden("it is for streamed requests"))
_CONVERSE_STREAM = _members(Choice("sync", "async"))

CONVERSE_REQUEST = Struct(_CONVERSE)
CONVERSE_STREAM_REQUEST = Struct(_CONVERSE_STREAM)
PROMPT_REQUEST = _after_prompt(_CONVERSE)
PROMPT_STREAM_REQUEST = _after_prompt(_CONVERSE_STREAM)
