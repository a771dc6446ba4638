"""What Bedrock refuses about a well-formed Converse request, in its own words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from .catalog import FakeModel
from .errors import ServiceError, invalid, refused_by_model
from .tokens import parts

_MODALITIES = {"image": ("IMAGE",), "video": ("VIDEO",), "audio": ("AUDIO", "SPEECH")}
_MAX_IMAGES, _MAX_DOCUMENTS = 20, 5
_DOCUMENT_NAME = re.compile(r"[A-Za-z0-9\-()\[\]]+(\s[A-Za-z0-9\-()\[\]]+)*")


def check_request(model: FakeModel, body: Mapping[str, Any], *, streaming: bool) -> None:
    """Refuse what `model` cannot serve. Raises ServiceError."""
    if not model.is_chat:
        raise invalid(
            "This action doesn't support the model that you provided. Try again with a supported text or "
            "chat model."
        )
    if streaming and not model.streaming:
        raise invalid("The model is unsupported for streaming.")
    messages = body.get("messages") or []
    _check_turns(messages)
    _check_features(model, body, streaming=streaming)
    _check_content(model, messages)
    _check_tool_turns(body, messages)
    _check_last_turn(model, messages[-1])
    _check_sampling(model, body)


def check_context(model: FakeModel, tokens: int) -> None:
    """Refuse an input of more tokens than `model` can hold. Raises ServiceError."""
    limit = model.max_context_tokens
    if limit is None or tokens <= limit:
        return
    if model.model_id.startswith("anthropic."):
        raise refused_by_model(f"prompt is too long: {tokens} tokens > {limit} maximum")
    raise invalid("Input is too long for requested model.")


def _check_turns(messages: list[dict[str, Any]]) -> None:
    spoken = [message for message in messages if message["role"] != "system"]
    if not spoken or spoken[0]["role"] != "user":
        raise invalid(
            "A conversation must start with a user message. Try again with a conversation that starts with a "
            "user message."
        )
    if any(one["role"] == two["role"] for one, two in pairwise(spoken)):
        raise invalid(
            "A conversation must alternate between user and assistant roles. Make sure the conversation "
            "alternates between user and assistant roles and try again."
        )
    for turn, message in enumerate(messages):
        if not message["content"]:
            raise invalid(
                f"The content field in the Message object at messages.{turn} is empty. Add a ContentBlock "
                "object to the content field and try again."
            )
        for index, block in enumerate(message["content"]):
            if "text" in block and not block["text"].strip():
                raise invalid(
                    f"The text field in the ContentBlock object at messages.{turn}.content.{index} is blank. "
                    "Add text to the text field, and try again."
                )


def _check_features(model: FakeModel, body: Mapping[str, Any], *, streaming: bool) -> None:
    tools = body.get("toolConfig")
    if tools and not model.tools:
        raise invalid(f"This model doesn't support tool use{' in streaming mode' if streaming else ''}.")
    choice = next(iter((tools or {}).get("toolChoice") or {}), "auto")
    if choice != "auto" and not model.forced_tools:
        raise invalid(
            f"This model doesn't support the toolConfig.toolChoice.{choice} field. Remove "
            f"toolConfig.toolChoice.{choice} and try again."
        )
    if body.get("system") and not model.system:
        raise invalid(
            "This model doesn't support system messages. Try again without system messages or use a model "
            "that supports them."
        )
    if (body.get("outputConfig") or {}).get("textFormat") and not model.structured_output:
        raise invalid(
            "This model doesn't support the outputConfig.textFormat field. Remove outputConfig.textFormat "
            "and try again."
        )

    if model.cache_min_tokens is None and any("cachePoint" in part for part in parts(body)):
        raise ServiceError(
            "AccessDeniedException",
            "You invoked an unsupported model or your request did not allow prompt caching. See the "
            "documentation for more information.",
        )


def _check_content(model: FakeModel, messages: list[dict[str, Any]]) -> None:
    images = 0
    documents: list[str] = []
    for block, role, in_tool_result in _blocks(messages):
        for kind, modalities in _MODALITIES.items():
            refused = kind == "image" and in_tool_result and not model.tool_result_images
            if kind in block and (refused or not set(modalities) & set(model.input_modalities)):
                raise invalid(
                    f"This model doesn't support the {kind} field for {role} messages. Remove {kind} and try "
                    "again."
                )
        if "document" in block and not model.documents:
            raise invalid("This model doesn't support documents.")
        if "document" in block and not _DOCUMENT_NAME.fullmatch(block["document"]["name"]):
            raise invalid(
                "The document file name can only contain alphanumeric characters, whitespace characters, "
                "hyphens, parentheses, and square brackets. The name can't contain more than one "
                "consecutive whitespace character."
            )
        images += "image" in block
        if "document" in block:
            documents.append(block["document"]["name"].casefold())
    if images > _MAX_IMAGES:
        raise refused_by_model(f"too many images: {images} > {_MAX_IMAGES} maximum")
    if len(documents) > _MAX_DOCUMENTS:
        raise refused_by_model(f"too many documents: {len(documents)} > {_MAX_DOCUMENTS} maximum")
    if len(set(documents)) < len(documents):
        raise invalid(
            "Messages can't contain duplicate document names. Rename the document and retry your request."
        )
    for message in messages:
        kinds = {kind for block in message["content"] for kind in block}
        if "document" in kinds and "text" not in kinds:
            raise invalid("A text block must be included when using documents.")


def _blocks(messages: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], str, bool]]:
    for message in messages:
        for block in message["content"]:
            yield block, message["role"], False
            for inner in (block.get("toolResult") or {}).get("content") or []:
                yield inner, message["role"], True


def _check_tool_turns(body: Mapping[str, Any], messages: list[dict[str, Any]]) -> None:
    asked: list[str] = []
    for turn, message in enumerate(messages):
        calls = [block["toolUse"]["toolUseId"] for block in message["content"] if "toolUse" in block]
        results = [block["toolResult"]["toolUseId"] for block in message["content"] if "toolResult" in block]
        if (calls or results) and not body.get("toolConfig"):
            raise invalid(
                "The toolConfig field must be defined when using toolUse and toolResult content blocks."
            )
        if missing := [tool_use_id for tool_use_id in asked if tool_use_id not in results]:
            raise invalid(
                f"Expected toolResult blocks at messages.{turn}.content for the following Ids: "
                f"{', '.join(missing)}"
            )
        if len(results) > len(asked):
            raise invalid(
                f"The number of toolResult blocks at messages.{turn}.content exceeds the number of toolUse "
                "blocks of previous turn."
            )
        asked = calls


def _check_last_turn(model: FakeModel, last: Mapping[str, Any]) -> None:
    if last["role"] != "assistant":
        return
    if not model.prefill:
        raise refused_by_model(
            "This model does not support assistant message prefill. The conversation must end with a user "
            "message."
        )
    text = last["content"][-1].get("text", "")
    if model.model_id.startswith("anthropic.") and text != text.rstrip():
        raise refused_by_model("messages: final assistant content cannot end with trailing whitespace")


def _check_sampling(model: FakeModel, body: Mapping[str, Any]) -> None:
    config = body.get("inferenceConfig") or {}
    limit, wanted = model.max_output_tokens, config.get("maxTokens")
    if limit is not None and wanted is not None and wanted > limit:
        raise invalid(
            f"The maximum tokens you requested exceeds the model limit of {limit}. Try again with a maximum "
            f"tokens value that is lower than {limit}."
        )
    native = body.get("additionalModelRequestFields")
    native = native if isinstance(native, dict) else {}
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
        raise refused_by_model(f"`{sent[0]}` is deprecated for this model.")
    if {"temperature", "top_p"} <= set(sent) and model.sampling == "one":
        raise refused_by_model(
            "`temperature` and `top_p` cannot both be specified for this model. Please use only one."
        )
