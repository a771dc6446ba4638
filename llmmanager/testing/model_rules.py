"""Rules of individual models for Converse requests, with Bedrock's error messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .conversation_rules import blocks_of, unsupported_field
from .errors import ServiceError, invalid, rejected_by_model
from .models import FakeModel
from .tokens import parts

_MODALITIES = {"image": ("IMAGE",), "video": ("VIDEO",), "audio": ("AUDIO", "SPEECH")}
_MAX_DOCUMENT_BYTES = 4_500_000
_MAX_CACHE_POINTS = 4


def check_model(model: FakeModel, body: Mapping[str, Any], *, streaming: bool) -> None:
    """Raise ServiceError if `model` does not support the request."""
    messages = body["messages"]
    _check_service_tier(model, body)
    _check_features(model, body, streaming=streaming)
    _check_content(model, messages)
    _check_media(model, messages)
    _check_reasoning(model, messages)
    _check_cache_points(model, body)
    _check_last_turn(model, messages[-1])
    _check_inference_config(model, body)
    _check_additional_fields(model, body.get("additionalModelRequestFields") or {})


def malformed(path: str, problem: str) -> ServiceError:
    """Return the error of a model that validates its native request against a schema."""
    return invalid(f"Malformed input request: {path}: {problem}, please reformat your input and try again.")


def _unsupported(field: str) -> ServiceError:
    return invalid(f"This model doesn't support the {field} field. Remove {field} and try again.")


def _check_service_tier(model: FakeModel, body: Mapping[str, Any]) -> None:
    tier = (body.get("serviceTier") or {}).get("type", "default")
    if tier == "reserved":
        raise invalid("Reservation not found.")
    if tier != "default" and tier not in model.service_tiers:
        raise invalid("The provided service tier is not supported for this model")


def _check_features(model: FakeModel, body: Mapping[str, Any], *, streaming: bool) -> None:
    tools = body.get("toolConfig")
    if tools and not model.tools:
        raise invalid(f"This model doesn't support tool use{' in streaming mode' if streaming else ''}.")
    choice = next(iter((tools or {}).get("toolChoice") or {}), "auto")
    if choice != "auto" and not model.forced_tools:
        raise _unsupported(f"toolConfig.toolChoice.{choice}")
    if body.get("system") and not model.system:
        raise invalid(
            "This model doesn't support system messages. Try again without system messages or use a model "
            "that supports them."
        )
    if (body.get("outputConfig") or {}).get("textFormat") and not model.structured_output:
        raise _unsupported("outputConfig.textFormat")
    if (body.get("inferenceConfig") or {}).get("stopSequences") and not model.stop_sequences:
        raise _unsupported("stopSequences")


def _check_content(model: FakeModel, messages: list[dict[str, Any]]) -> None:
    for _, block, role, in_tool_result in blocks_of(messages):
        for kind, modalities in _MODALITIES.items():
            unsupported = kind == "image" and in_tool_result and not model.tool_result_images
            if kind in block and (unsupported or not set(modalities) & set(model.input_modalities)):
                raise unsupported_field(kind, role)
        if "document" in block and not model.documents:
            raise invalid("This model doesn't support documents.")
    for turn, message in enumerate(messages):
        kinds = {kind for block in message["content"] for kind in block}
        for kind, name in (("toolUse", "tool use"), ("toolResult", "tool result")):
            if kind in kinds and kinds != {kind} and not model.mixed_tool_turns:
                raise invalid(
                    f"messages.{turn}.content: Conversation blocks and {name} blocks cannot be provided in "
                    "the same turn."
                )


def _check_media(model: FakeModel, messages: list[dict[str, Any]]) -> None:
    images, documents, videos = 0, 0, 0
    for path, block, _, _ in blocks_of(messages):
        data = _data_of(block)
        images, documents, videos = (
            images + ("image" in block),
            documents + ("document" in block),
            videos + ("video" in block),
        )
        limit = model.max_image_chars
        if "image" in block and limit is not None and len(data) > limit:
            raise rejected_by_model(
                f"{path}.image.source.base64.data: image exceeds {limit / 1024**2:g} MB maximum: "
                f"{len(data)} bytes > {limit} bytes"
            )
        if "document" in block and block["document"].get("format") not in model.large_documents:
            _check_document_size(data)
        limit = model.max_video_chars
        if "video" in block and limit is not None and len(data) > limit:
            raise malformed(
                f"#/{path.replace('.', '/')}/video/source/bytes",
                f"expected maxLength: {limit}, actual: {len(data)}",
            )
    if model.max_images is not None and images > model.max_images:
        raise rejected_by_model(f"too many images and documents: {images} + {documents} > {model.max_images}")
    if model.max_videos is not None and videos > model.max_videos:
        raise rejected_by_model(f"too many videos: {videos} > {model.max_videos}")


def _data_of(block: Mapping[str, Any]) -> str:
    """Return the base64 data of an image, document, video or audio block; empty for data in S3."""
    for kind in ("image", "document", "video", "audio"):
        if kind in block:
            data: str = (block[kind].get("source") or {}).get("bytes", "")
            return data
    return ""


def _check_document_size(data: str) -> None:
    if len(data) * 3 // 4 - data[-2:].count("=") > _MAX_DOCUMENT_BYTES:
        raise invalid(
            "The maximum document size is 4.5 MB. Reduce the size of your document and retry your request."
        )


def _check_reasoning(model: FakeModel, messages: list[dict[str, Any]]) -> None:
    for path, block, role, _ in blocks_of(messages):
        reasoning = block.get("reasoningContent")
        if reasoning is None:
            continue
        text = reasoning.get("reasoningText")
        if model.reasoning_history == "none":
            raise invalid(
                "User messages cannot contain reasoning content. Please remove the reasoning content and try "
                "again."
            )
        if model.reasoning_history == "encrypted" and text is not None:
            raise unsupported_field("reasoningContent.reasoningText.text", role)
        if model.reasoning_history == "signed" and text is not None and not text.get("signature"):
            raise rejected_by_model(f"{path}.thinking.signature: Field required")


def _check_cache_points(model: FakeModel, body: Mapping[str, Any]) -> None:
    points = [part["cachePoint"] for part in parts(body) if "cachePoint" in part]
    if not points:
        return
    if model.cache_min_tokens is None:
        raise ServiceError(
            "AccessDeniedException",
            "You invoked an unsupported model or your request did not allow prompt caching. See the "
            "documentation for more information.",
        )
    if not model.tool_cache_points:
        _check_no_tool_cache_points(body)
    if len(points) > _MAX_CACHE_POINTS:
        raise rejected_by_model(
            f"A maximum of {_MAX_CACHE_POINTS} blocks with cache_control may be provided. "
            f"Found {len(points)}."
        )
    _check_cache_lifetimes(body)


def _check_no_tool_cache_points(body: Mapping[str, Any]) -> None:
    """Raise ServiceError for cache points in tools, and in messages with tool blocks."""
    problem = "extraneous key [cachePoint] is not permitted"
    for index, tool in enumerate((body.get("toolConfig") or {}).get("tools") or []):
        if "cachePoint" in tool:
            raise malformed(f"#/toolConfig/tools/{index}", problem)
    for turn, message in enumerate(body["messages"]):
        kinds = {kind for block in message["content"] for kind in block}
        if "cachePoint" in kinds and kinds & {"toolUse", "toolResult"}:
            index = next(i for i, block in enumerate(message["content"]) if "cachePoint" in block)
            raise malformed(f"#/messages/{turn}/content/{index}", problem)


def _check_cache_lifetimes(body: Mapping[str, Any]) -> None:
    """Raise ServiceError if a one-hour cache point follows a five-minute cache point."""
    sections = [("tools", (body.get("toolConfig") or {}).get("tools") or []), ("system", body.get("system"))]
    sections += [
        (f"messages.{turn}.content", message["content"]) for turn, message in enumerate(body["messages"])
    ]
    short_before = False
    for path, blocks in sections:
        index = -1
        for block in blocks or []:
            if "cachePoint" not in block:
                index += 1
                continue
            if block["cachePoint"].get("ttl", "5m") == "5m":
                short_before = True
            elif short_before:
                raise rejected_by_model(
                    f"{path}.{max(index, 0)}.cache_control.ttl: a ttl='1h' cache_control block must not "
                    "come after a ttl='5m' cache_control block. Note that blocks are processed in the "
                    "following order: `tools`, `system`, `messages`."
                )


def _check_last_turn(model: FakeModel, last: Mapping[str, Any]) -> None:
    if last["role"] != "assistant":
        return
    if not model.prefill:
        raise rejected_by_model(
            "This model does not support assistant message prefill. The conversation must end with a user "
            "message."
        )
    text = last["content"][-1].get("text", "")
    if model.is_claude and text != text.rstrip():
        raise rejected_by_model("messages: final assistant content cannot end with trailing whitespace")


def _check_inference_config(model: FakeModel, body: Mapping[str, Any]) -> None:
    config = body.get("inferenceConfig") or {}
    limit, wanted = model.max_output_tokens, config.get("maxTokens")
    if limit is not None and wanted is not None and wanted > limit:
        raise invalid(
            f"The maximum tokens you requested exceeds the model limit of {limit}. Try again with a maximum "
            f"tokens value that is lower than {limit}."
        )
    native = body.get("additionalModelRequestFields") or {}
    sent = [
        name
        for name, value in (
            ("temperature", config.get("temperature", native.get("temperature"))),
            ("top_p", config.get("topP", native.get("top_p"))),
            ("top_k", native.get("top_k")),
        )
        if value is not None
    ]
    if sent and model.sampling == "none":
        raise rejected_by_model(f"`{sent[0]}` is deprecated for this model.")
    if {"temperature", "top_p"} <= set(sent) and model.sampling == "one":
        raise rejected_by_model(
            "`temperature` and `top_p` cannot both be specified for this model. Please use only one."
        )


def _check_additional_fields(model: FakeModel, fields: Mapping[str, Any]) -> None:
    if model.additional_fields is None:
        return
    for name in fields:
        if name not in model.additional_fields:
            if model.is_claude:
                raise rejected_by_model(f"{name}: Extra inputs are not permitted")
            raise malformed("#", f"extraneous key [{name}] is not permitted")
