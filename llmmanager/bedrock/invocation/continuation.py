"""Continues an interrupted answer: the received text is sent back as an assistant turn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CHARACTERS_PER_TOKEN = 4
"""Estimate for the rest of `maxTokens`. Bedrock does not report the tokens of an interrupted stream."""

MIN_RESTART_LENGTH = 16
"""Minimum length of repeated text that shows that a model started over."""


def continuation_request(request: Mapping[str, Any], received: str) -> dict[str, Any]:
    """Return the request for the rest of an answer after the text `received`.

    Trailing white space is removed: models reject an assistant turn that ends with it.
    """
    messages = list(request.get("messages") or ())
    turn = {"text": received.rstrip()}
    if messages and messages[-1]["role"] == "assistant":
        messages[-1] = {**messages[-1], "content": _joined(messages[-1]["content"], turn)}
    else:
        messages.append({"role": "assistant", "content": [turn]})
    continuation = {**request, "messages": messages}
    config = request.get("inferenceConfig", {})
    if "maxTokens" in config:
        left = max(1, int(config["maxTokens"]) - len(received) // CHARACTERS_PER_TOKEN)
        continuation["inferenceConfig"] = {**config, "maxTokens": left}
    return continuation


class RepetitionFilter:
    """Removes repeated text from the start of a continuation.

    A model can repeat the trailing white space that the continuation request does not contain, or start over
    and repeat the whole text.
    """

    def __init__(self, received: str) -> None:
        restart = received if len(received) >= MIN_RESTART_LENGTH else ""
        self._candidates = [text for text in (restart, received[len(received.rstrip()) :]) if text]
        self._buffer = ""
        self._open = bool(self._candidates)

    def new_text(self, text: str) -> str:
        """Return the new part of `text`. Text that may be a repetition is buffered until that is decided."""
        if not self._open:
            return text
        self._buffer += text
        if any(old != self._buffer and old.startswith(self._buffer) for old in self._candidates):
            return ""
        return self.flush()

    def flush(self) -> str:
        """Return the new part of the buffered text, at the end of the stream or of the repetition."""
        if not self._open:
            return ""
        self._open = False
        repeated = [len(old) for old in self._candidates if self._buffer.startswith(old)]
        return self._buffer[max(repeated, default=0) :]


def _joined(content: list[Mapping[str, Any]], turn: Mapping[str, str]) -> list[Mapping[str, Any]]:
    """Append the turn to the last text block of the caller's assistant message."""
    if content and "text" in content[-1]:
        return [*content[:-1], {**content[-1], "text": content[-1]["text"] + turn["text"]}]
    return [*content, turn]
