"""Clients that ask a question and note when each piece of the answer arrives."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from typing import Any, Protocol
from urllib.parse import urlsplit

_SECONDS = 60.0


@dataclass
class Received:
    """One answer as it arrived. Times are seconds of `time.monotonic()`.

    Attributes:
        asked: when the request was due.
        pieces: when each piece of text arrived.
        error: empty for a complete answer.
    """

    question: str
    asked: float
    pieces: list[float] = field(default_factory=list)
    text: str = ""
    ended: float = 0.0
    error: str = ""

    def add(self, text: str) -> None:
        """Note a piece of text that has just arrived."""
        self.pieces.append(time.monotonic())
        self.text += text


class Client(Protocol):
    """Asks questions. It is called by several threads at once."""

    def ask(self, question: str, *, stream: bool, due: float | None = None) -> Received:
        """Return the answer, complete or not. It never raises.

        Args:
            due: when the request should have been sent, if not now.
        """


@dataclass(frozen=True)
class HttpClient:
    """A client of a server with OpenAI's API. Each request has a connection of its own.

    Attributes:
        url: base URL.
        key: API key.
    """

    url: str
    key: str
    model: str

    def ask(self, question: str, *, stream: bool, due: float | None = None) -> Received:
        return _received(question, due, lambda answer: self._ask(answer, stream=stream))

    def _ask(self, answer: Received, *, stream: bool) -> bool:
        url = urlsplit(self.url)
        connection = HTTPConnection(url.netloc, timeout=_SECONDS)
        messages = [{"role": "user", "content": answer.question}]
        body = {"model": self.model, "messages": messages, "stream": stream}
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        try:
            connection.request("POST", f"{url.path}/chat/completions", json.dumps(body), headers)
            response = connection.getresponse()
            if response.status != 200:
                raise HTTPException(f"status {response.status}: {response.read(300)!r}")
            if stream:
                return _read_stream(response, answer)
            answer.add(json.load(response)["choices"][0]["message"]["content"])
            return True
        finally:
            connection.close()


@dataclass(frozen=True)
class Boto3Client:
    """boto3's converse_stream().

    Attributes:
        client: a client for Bedrock's runtime.
    """

    client: Any
    model: str

    def ask(self, question: str, *, stream: bool, due: float | None = None) -> Received:
        assert stream
        return _received(question, due, self._ask)

    def _ask(self, answer: Received) -> bool:
        response = self.client.converse_stream(
            modelId=self.model,
            messages=[{"role": "user", "content": [{"text": answer.question}]}],
        )
        has_ended = False
        for event in response["stream"]:
            if "contentBlockDelta" in event:
                answer.add(event["contentBlockDelta"]["delta"]["text"])
            has_ended = has_ended or "messageStop" in event
        return has_ended


def _received(question: str, due: float | None, ask: Callable[[Received], bool]) -> Received:
    answer = Received(question, time.monotonic() if due is None else due)
    try:
        if not ask(answer):
            answer.error = "the stream ended without an end of the answer"
    except Exception as error:
        answer.error = f"{type(error).__name__}: {error}"
    answer.ended = time.monotonic()
    return answer


def _read_stream(response: Iterator[bytes], answer: Received) -> bool:
    """Return whether the answer and the stream had an end. Like published clients, read all of the body."""
    finished = done = False
    for line in response:
        if line.startswith(b"data: [DONE]"):
            done = True
        elif line.startswith(b"data: "):
            chunk = json.loads(line.removeprefix(b"data: "))
            if "error" in chunk:
                raise HTTPException(f"error event: {json.dumps(chunk)[:300]}")
            for choice in chunk["choices"]:
                finished = finished or bool(choice.get("finish_reason"))
                _add_delta(choice["delta"], answer)
    return finished and done


def _add_delta(delta: Mapping[str, Any], answer: Received) -> None:
    if delta.get("content"):
        answer.add(delta["content"])
