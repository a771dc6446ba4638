"""Going on with an answer whose stream was lost: what was said is said back as an assistant turn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CHARACTERS_PER_TOKEN = 4
"""A rough rate, for what `maxTokens` has left; Bedrock counts a lost stream's tokens for nobody."""

SHORTEST_RESTART = 16
"""Characters that must repeat before a model is held to have started over."""


def continued(request: Mapping[str, Any], said: str) -> dict[str, Any]:
    """The request that asks for the rest of an answer of which `said` has come.

    Trailing white space is left out: models refuse an assistant turn that ends with it.
    """
    messages = list(request.get("messages") or ())
    turn = {"text": said.rstrip()}
    if messages and messages[-1]["role"] == "assistant":
        messages[-1] = {**messages[-1], "content": _joined(messages[-1]["content"], turn)}
    else:
        messages.append({"role": "assistant", "content": [turn]})
    asked = {**request, "messages": messages}
    config = request.get("inferenceConfig", {})
    if "maxTokens" in config:
        left = max(1, int(config["maxTokens"]) - len(said) // CHARACTERS_PER_TOKEN)
        asked["inferenceConfig"] = {**config, "maxTokens": left}
    return asked


class Seam:
    """Joins the rest of an answer to what was said, so that no text is repeated.

    Two things can repeat: the white space that was left out of the question, and the whole beginning, by a
    model that starts over instead of going on.
    """

    def __init__(self, said: str) -> None:
        restart = said if len(said) >= SHORTEST_RESTART else ""
        self._candidates = [text for text in (restart, said[len(said.rstrip()) :]) if text]
        self._held = ""
        self._open = bool(self._candidates)

    def pass_on(self, text: str) -> str:
        """What of this text is new; it is held back while it could still be a repetition."""
        if not self._open:
            return text
        self._held += text
        if any(said != self._held and said.startswith(self._held) for said in self._candidates):
            return ""
        return self.rest()

    def rest(self) -> str:
        """What is new of the text that was held back, when the stream ended or no longer repeats."""
        if not self._open:
            return ""
        self._open = False
        repeated = [len(said) for said in self._candidates if self._held.startswith(said)]
        return self._held[max(repeated, default=0) :]


def _joined(content: list[Mapping[str, Any]], turn: Mapping[str, str]) -> list[Mapping[str, Any]]:
    """The caller's own beginning of the answer and what followed it are one text."""
    if content and "text" in content[-1]:
        return [*content[:-1], {**content[-1], "text": content[-1]["text"] + turn["text"]}]
    return [*content, turn]
