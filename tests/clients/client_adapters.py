"""The clients under test with one interface, for what must hold for every client."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import anthropic
import openai
from langchain_openai import ChatOpenAI

JAVASCRIPT = Path(__file__).parent / "javascript"


class Client(Protocol):
    """A client of the API.

    Attributes:
        url: the base URL.
        key: the API key; "" sends none.
        model: the requested model.
        max_retries: how often the client repeats a request that failed.
    """

    url: str
    key: str
    model: str
    max_retries: int

    def ask(self, prompt: str) -> str:
        """Return the text of the whole answer."""

    def stream(self, prompt: str) -> Iterator[str]:
        """Yield the text of the answer, as it arrives. Closing the generator closes the connection."""


@dataclass(frozen=True)
class _Client:
    url: str
    key: str
    model: str = "Nova Lite"
    max_retries: int = 0

    @property
    def options(self) -> dict[str, Any]:
        return {"base_url": self.url, "api_key": self.key, "max_retries": self.max_retries}


class OpenAIChat(_Client):
    """Chat Completions with OpenAI's Python client."""

    def ask(self, prompt: str) -> str:
        with openai.OpenAI(**self.options) as client:
            answer = client.chat.completions.create(model=self.model, messages=_user(prompt))
            return answer.choices[0].message.content or ""

    def stream(self, prompt: str) -> Iterator[str]:
        with (
            openai.OpenAI(**self.options) as client,
            client.chat.completions.create(model=self.model, messages=_user(prompt), stream=True) as chunks,
        ):
            for chunk in chunks:
                yield from (choice.delta.content for choice in chunk.choices if choice.delta.content)


class AsyncOpenAIChat(_Client):
    """Chat Completions with OpenAI's asynchronous Python client."""

    def ask(self, prompt: str) -> str:
        async def answer() -> str:
            async with openai.AsyncOpenAI(**self.options) as client:
                found = await client.chat.completions.create(model=self.model, messages=_user(prompt))
                return found.choices[0].message.content or ""

        return asyncio.run(answer())

    def stream(self, prompt: str) -> Iterator[str]:
        with asyncio.Runner() as runner:
            client = openai.AsyncOpenAI(**self.options)
            try:
                chunks = runner.run(
                    client.chat.completions.create(model=self.model, messages=_user(prompt), stream=True)
                )
                try:
                    while (chunk := runner.run(anext(chunks, None))) is not None:
                        yield from (choice.delta.content for choice in chunk.choices if choice.delta.content)
                finally:
                    runner.run(chunks.close())
            finally:
                runner.run(client.close())


class OpenAIResponses(_Client):
    """The Responses API with OpenAI's Python client."""

    def ask(self, prompt: str) -> str:
        with openai.OpenAI(**self.options) as client:
            return client.responses.create(model=self.model, input=prompt).output_text

    def stream(self, prompt: str) -> Iterator[str]:
        with (
            openai.OpenAI(**self.options) as client,
            client.responses.create(model=self.model, input=prompt, stream=True) as events,
        ):
            for event in events:
                match event.type:
                    case "response.output_text.delta":
                        yield event.delta
                    # The client does not raise an exception for it.
                    case "response.failed":
                        assert event.response.status == "failed"
                        raise ResponseFailed(event.response.error.message)


class Anthropic(_Client):
    """Messages with Anthropic's Python client."""

    @property
    def options(self) -> dict[str, Any]:
        return {**super().options, "base_url": self.url.removesuffix("/v1")}

    def ask(self, prompt: str) -> str:
        with anthropic.Anthropic(**self.options) as client:
            answer = client.messages.create(model=self.model, max_tokens=500, messages=_user(prompt))
            return "".join(block.text for block in answer.content if block.type == "text")

    def stream(self, prompt: str) -> Iterator[str]:
        with (
            anthropic.Anthropic(**self.options) as client,
            client.messages.stream(model=self.model, max_tokens=500, messages=_user(prompt)) as stream,
        ):
            yield from stream.text_stream


class LangChainOpenAI(_Client):
    """LangChain's ChatOpenAI."""

    @property
    def chat(self) -> ChatOpenAI:
        return ChatOpenAI(model=self.model, **self.options)

    def ask(self, prompt: str) -> str:
        return self.chat.invoke(prompt).text

    def stream(self, prompt: str) -> Iterator[str]:
        for chunk in self.chat.stream(prompt):
            if chunk.text:
                yield chunk.text


class OpenAIJavaScript(_Client):
    """Chat Completions with OpenAI's JavaScript client."""

    def ask(self, prompt: str) -> str:
        return "".join(self._run(prompt, stream=False))

    def stream(self, prompt: str) -> Iterator[str]:
        yield from self._run(prompt, stream=True)

    def _run(self, prompt: str, *, stream: bool) -> Iterator[str]:
        """Run the script, which prints a line of JSON for each piece of text, and for an error."""
        request = {
            "baseURL": self.url,
            "apiKey": self.key,
            "maxRetries": self.max_retries,
            "body": {"model": self.model, "messages": _user(prompt), "stream": stream},
        }
        with subprocess.Popen(
            [node(), JAVASCRIPT / "chat.mjs", json.dumps(request)], stdout=subprocess.PIPE, text=True
        ) as process:
            try:
                assert process.stdout is not None
                for line in process.stdout:
                    message = json.loads(line)
                    if "error" in message:
                        raise JavaScriptError(message["error"], message["status"], message["message"])
                    yield message["text"]
                assert process.wait() == 0
            finally:
                process.kill()


class ResponseFailed(Exception):
    """The last event of a streamed response is `response.failed`."""


class JavaScriptError(Exception):
    """An error of a JavaScript client.

    Attributes:
        name: the name of its class.
        status_code: the HTTP status; None for an error of another kind.
    """

    def __init__(self, name: str, status_code: int | None, message: str) -> None:
        super().__init__(message)
        self.name = name
        self.status_code = status_code


def node() -> str:
    """Return the path of Node.js."""
    path = shutil.which("node")
    assert path, "Node.js is not on PATH"
    return path


def error_name(error: BaseException) -> str:
    """Return the name of the class of an error, or of OpenAI's class from which it is derived."""
    if isinstance(error, JavaScriptError):
        return error.name
    names = [kind.__name__ for kind in type(error).__mro__ if kind.__module__.partition(".")[0] == "openai"]
    return next(iter(names), type(error).__name__)


def status_of(error: BaseException) -> int | None:
    """Return the HTTP status of an error; None if it has none."""
    return getattr(error, "status_code", None)


def _user(prompt: str) -> Any:
    return [{"role": "user", "content": prompt}]


CLIENTS: tuple[type[_Client], ...] = (
    OpenAIChat,
    AsyncOpenAIChat,
    OpenAIResponses,
    Anthropic,
    LangChainOpenAI,
    OpenAIJavaScript,
)
