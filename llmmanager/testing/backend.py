"""Uses a server with OpenAI's chat completions API as the model behind FakeBedrock."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any

from .answers import Answer, counted, result_texts
from .errors import ServiceError, invalid

_STOP_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "content_filtered",
}
_TEXT_DOCUMENTS = ("csv", "html", "txt", "md")


class OpenAIBackend:
    """Answers Converse requests by `POST {url}/chat/completions` with `model`; `timeout` is in seconds."""

    def __init__(self, url: str, model: str, *, timeout: float = 300.0) -> None:
        self._url = url.rstrip("/") + "/chat/completions"
        self._model = model
        self._timeout = timeout
        # The model runs on this machine or in its network: no proxy.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def complete(self, body: Mapping[str, Any]) -> Answer:
        """Return the model's answer to a Converse request. Raise ServiceError (ModelErrorException)."""
        request = urllib.request.Request(
            self._url,
            data=json.dumps(_chat_request(body, self._model)).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with self._opener.open(request, timeout=self._timeout) as response:
                return _answer(json.load(response), body)
        except urllib.error.HTTPError as error:
            with error:
                detail = error.read(2000).decode("utf-8", "replace")
            message = f"The backend answered {error.code}: {detail}"
            raise ServiceError(
                "ModelErrorException", message, fields={"originalStatusCode": error.code}
            ) from error
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise ServiceError("ModelErrorException", f"The backend failed: {error!r}") from error


def _chat_request(body: Mapping[str, Any], model: str) -> dict[str, Any]:
    config = body.get("inferenceConfig") or {}
    request = {
        "model": model,
        "messages": list(_messages(body)),
        "max_tokens": config.get("maxTokens"),
        "temperature": config.get("temperature"),
        "top_p": config.get("topP"),
        "stop": config.get("stopSequences"),
        **_tools(body.get("toolConfig") or {}),
        "response_format": _response_format(body),
    }
    return {name: value for name, value in request.items() if value is not None}


def _messages(body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    system = "\n\n".join(block["text"] for block in body.get("system") or [] if "text" in block)
    if system:
        yield {"role": "system", "content": system}
    for message in body["messages"]:
        blocks = message["content"]
        yield from (_tool_message(block["toolResult"]) for block in blocks if "toolResult" in block)
        content_parts = [part for block in blocks for part in _content_parts(block)]
        calls = [_tool_call(block["toolUse"]) for block in blocks if "toolUse" in block]
        if content_parts or calls:
            plain = all(part["type"] == "text" for part in content_parts)
            content = "\n".join(part["text"] for part in content_parts) if plain else content_parts
            turn = {"role": message["role"], "content": content or None}
            yield {**turn, "tool_calls": calls} if calls else turn


def _content_parts(block: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    if "text" in block:
        yield {"type": "text", "text": block["text"]}
    elif "image" in block:
        image = block["image"]
        if "bytes" not in image["source"]:
            raise invalid("An image in S3 cannot be passed on to the backend. Send its bytes.")
        url = f"data:image/{image['format']};base64,{image['source']['bytes']}"
        yield {"type": "image_url", "image_url": {"url": url}}
    elif "document" in block:
        yield {"type": "text", "text": _document_text(block["document"])}


def _document_text(document: Mapping[str, Any]) -> str:
    source = document["source"]
    if "text" in source:
        text = source["text"]
    elif "content" in source:
        text = "\n".join(part["text"] for part in source["content"])
    elif "bytes" in source and document.get("format") in _TEXT_DOCUMENTS:
        text = base64.b64decode(source["bytes"]).decode("utf-8", "replace")
    else:
        raise invalid("This model doesn't support documents.")
    return f"{document['name']}:\n{text}"


def _tool_message(result: Mapping[str, Any]) -> dict[str, Any]:
    text = "\n".join(result_texts(result))
    return {"role": "tool", "tool_call_id": result["toolUseId"], "content": text}


def _tool_call(use: Mapping[str, Any]) -> dict[str, Any]:
    function = {"name": use["name"], "arguments": json.dumps(use["input"])}
    return {"id": use["toolUseId"], "type": "function", "function": function}


def _tools(config: Mapping[str, Any]) -> dict[str, Any]:
    specs = [tool["toolSpec"] for tool in config.get("tools", []) if "toolSpec" in tool]
    if not specs:
        return {}
    functions = [
        {
            "type": "function",
            "function": {
                "name": spec["name"],
                "description": spec.get("description", ""),
                "parameters": spec["inputSchema"]["json"],
            },
        }
        for spec in specs
    ]
    choice = config.get("toolChoice") or {}
    if "tool" in choice:
        return {
            "tools": functions,
            "tool_choice": {"type": "function", "function": {"name": choice["tool"]["name"]}},
        }
    return {"tools": functions, "tool_choice": "required" if "any" in choice else "auto"}


def _response_format(body: Mapping[str, Any]) -> dict[str, Any] | None:
    text_format = (body.get("outputConfig") or {}).get("textFormat")
    if not text_format:
        return None
    definition = text_format["structure"]["jsonSchema"]
    try:
        schema = json.loads(definition["schema"])
    except ValueError as error:
        raise invalid(f"The JSON schema in outputConfig.textFormat is invalid: {error}") from None
    return {
        "type": "json_schema",
        "json_schema": {"name": definition.get("name", "answer"), "schema": schema},
    }


def _answer(completion: Mapping[str, Any], body: Mapping[str, Any]) -> Answer:
    choice = completion["choices"][0]
    message = choice["message"]
    text = _without_prefill(message.get("content") or "", body)
    content: list[dict[str, Any]] = [{"text": text}] if text else []
    for call in message.get("tool_calls") or []:
        function = call["function"]
        use = {"toolUseId": call["id"], "name": function["name"], "input": json.loads(function["arguments"])}
        content.append({"toolUse": use})
    reason = (
        "tool_use" if message.get("tool_calls") else _STOP_REASONS.get(choice["finish_reason"], "end_turn")
    )
    answer = counted(Answer(tuple(content), reason))
    usage = completion.get("usage")
    if not usage:
        return answer
    return Answer(
        answer.content,
        reason,
        input_tokens=usage["prompt_tokens"],
        output_tokens=usage["completion_tokens"],
    )


def _without_prefill(text: str, body: Mapping[str, Any]) -> str:
    """Return `text` without the trailing assistant turn of the request, which some servers repeat."""
    last = body["messages"][-1]
    if last["role"] != "assistant":
        return text
    return text.removeprefix("".join(block.get("text", "") for block in last["content"]))
