"""An OpenAI-compatible backend: translation of requests and answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from llmmanager.testing import FakeBedrock

TEXT: dict[str, Any] = {
    "choices": [{"message": {"role": "assistant", "content": "Bees make honey."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 21, "completion_tokens": 4},
}
TOOL = {"toolSpec": {"name": "look", "description": "Look", "inputSchema": {"json": {"type": "object"}}}}


class Backend:
    """An OpenAI-compatible server that returns `answer` and records its requests."""

    def __init__(self) -> None:
        self.answer: Any = TEXT
        self.status = 200
        self.requests: list[Any] = []
        self.paths: list[str] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"

    def _handler(backend: Backend) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                backend.paths.append(self.path)
                backend.requests.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                answer = (
                    backend.answer
                    if isinstance(backend.answer, bytes)
                    else json.dumps(backend.answer).encode()
                )
                self.send_response(backend.status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *args: Any) -> None:
                pass

        return Handler


@pytest.fixture
def backend() -> Iterator[Backend]:
    backend = Backend()
    thread = threading.Thread(target=backend.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield backend
    backend.server.shutdown()
    backend.server.server_close()
    thread.join()


@pytest.fixture
def bedrock(catalog: Any, backend: Backend) -> Iterator[FakeBedrock]:
    with FakeBedrock(catalog, backend_url=backend.url, backend_model="llama") as fake:
        yield fake


def user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def test_a_request_and_its_answer_are_translated(send_prompt: Any, backend: Backend) -> None:
    answer = send_prompt(
        "Tell me about bees",
        system=[{"text": "Be brief."}, {"text": "Be kind."}],
        inferenceConfig={"maxTokens": 50, "temperature": 0.5, "topP": 0.25, "stopSequences": ["END"]},
    )
    assert answer["output"]["message"]["content"] == [{"text": "Bees make honey."}]
    assert answer["stopReason"] == "end_turn"
    assert (answer["usage"]["inputTokens"], answer["usage"]["outputTokens"]) == (21, 4)
    assert backend.paths == ["/v1/chat/completions"]
    assert backend.requests == [
        {
            "model": "llama",
            "messages": [
                {"role": "system", "content": "Be brief.\n\nBe kind."},
                {"role": "user", "content": "Tell me about bees"},
            ],
            "max_tokens": 50,
            "temperature": 0.5,
            "top_p": 0.25,
            "stop": ["END"],
        }
    ]


def test_the_answer_can_be_streamed(client: Any) -> None:
    events = list(client.converse_stream(modelId="acme.talk-v1:0", messages=[user({"text": "Hi"})])["stream"])
    text = "".join(e["contentBlockDelta"]["delta"]["text"] for e in events if "contentBlockDelta" in e)
    assert text == "Bees make honey."
    assert events[-1]["metadata"]["usage"]["outputTokens"] == 4


def test_images_documents_and_tool_turns_are_translated(send_prompt: Any, backend: Backend) -> None:
    call = {"toolUse": {"toolUseId": "one", "name": "look", "input": {"at": "sky"}}}
    result = {"toolResult": {"toolUseId": "one", "content": [{"text": "blue"}, {"json": {"clouds": 0}}]}}
    document = {"document": {"format": "md", "name": "notes", "source": {"bytes": b"# Sky"}}}
    image = {"image": {"format": "png", "source": {"bytes": b"png"}}}
    send_prompt(
        messages=[
            user({"text": "Look"}, image, document),
            {"role": "assistant", "content": [{"text": "I look."}, call]},
            user(result),
        ],
        toolConfig={"tools": [TOOL], "toolChoice": {"tool": {"name": "look"}}},
    )
    (request,) = backend.requests
    assert request["messages"] == [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Look"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,cG5n"}},
                {"type": "text", "text": "notes:\n# Sky"},
            ],
        },
        {
            "role": "assistant",
            "content": "I look.",
            "tool_calls": [
                {"id": "one", "type": "function", "function": {"name": "look", "arguments": '{"at": "sky"}'}}
            ],
        },
        {"role": "tool", "tool_call_id": "one", "content": 'blue\n{"clouds": 0}'},
    ]
    assert request["tool_choice"] == {"type": "function", "function": {"name": "look"}}
    assert request["tools"][0]["function"]["parameters"] == {"type": "object"}


@pytest.mark.parametrize(
    ("choice", "expected"), [({"any": {}}, "required"), ({"auto": {}}, "auto"), (None, "auto")]
)
def test_a_tool_choice_is_translated(send_prompt: Any, backend: Backend, choice: Any, expected: str) -> None:
    send_prompt(toolConfig={"tools": [TOOL], **({"toolChoice": choice} if choice else {})})
    assert backend.requests[0]["tool_choice"] == expected


def test_a_tool_call_of_the_backend_becomes_a_tool_use(send_prompt: Any, backend: Backend) -> None:
    function = {"name": "look", "arguments": '{"at": "sky"}'}
    backend.answer = {
        "choices": [
            {
                "message": {"content": None, "tool_calls": [{"id": "call_1", "function": function}]},
                "finish_reason": "tool_calls",
            }
        ]
    }
    answer = send_prompt(toolConfig={"tools": [TOOL]})
    assert answer["stopReason"] == "tool_use"
    assert answer["output"]["message"]["content"] == [
        {"toolUse": {"toolUseId": "call_1", "name": "look", "input": {"at": "sky"}}}
    ]
    assert answer["usage"]["outputTokens"] > 0


def test_a_schema_is_passed_to_the_backend(send_prompt: Any, backend: Backend) -> None:
    definition = {"schema": '{"type": "object"}', "name": "answer"}
    send_prompt(outputConfig={"textFormat": {"type": "json_schema", "structure": {"jsonSchema": definition}}})
    assert backend.requests[0]["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": {"type": "object"}},
    }


def test_a_prefill_repeated_by_the_backend_is_removed(send_prompt: Any, backend: Backend) -> None:
    answer = send_prompt(
        messages=[user({"text": "Bees?"}), {"role": "assistant", "content": [{"text": "Bees make"}]}]
    )
    assert answer["output"]["message"]["content"] == [{"text": " honey."}]
    assert backend.requests[0]["messages"][-1] == {"role": "assistant", "content": "Bees make"}


@pytest.mark.parametrize(
    ("finish", "reason"),
    [
        ("length", "max_tokens"),
        ("content_filter", "content_filtered"),
        ("stop", "end_turn"),
        (None, "end_turn"),
    ],
)
def test_the_stop_reason_is_translated(send_prompt: Any, backend: Backend, finish: Any, reason: str) -> None:
    backend.answer = {"choices": [{"message": {"content": "Bees"}, "finish_reason": finish}]}
    assert send_prompt()["stopReason"] == reason


def test_an_http_error_of_the_backend_is_a_model_error_with_its_status(
    client: Any, backend: Backend, bedrock: FakeBedrock
) -> None:
    backend.status, backend.answer = 503, {"error": "loading"}
    with pytest.raises(client.exceptions.ModelErrorException) as caught:
        client.converse(modelId="acme.talk-v1:0", messages=[user({"text": "Hi"})])
    assert caught.value.response["originalStatusCode"] == 503
    assert "loading" in caught.value.response["Error"]["Message"]
    assert bedrock.calls[-1].status == 424


@pytest.mark.parametrize("answer", [b"not json", {"choices": []}, {}, [], {"choices": [{"message": None}]}])
def test_an_unreadable_answer_is_a_model_error(
    send_prompt: Any, error_of: Any, backend: Backend, answer: Any
) -> None:
    backend.answer = answer
    assert error_of(send_prompt)[:2] == ("ModelErrorException", 424)


def test_an_unreachable_backend_is_a_model_error(catalog: Any, error_of: Any) -> None:
    with FakeBedrock(catalog, backend_url="http://127.0.0.1:9", backend_model="llama") as bedrock:
        error = error_of(bedrock.client().converse, modelId="acme.talk-v1:0", messages=[user({"text": "Hi"})])
    assert error[:2] == ("ModelErrorException", 424)


def test_a_document_without_text_is_rejected(send_prompt: Any, error_of: Any) -> None:
    document = {"document": {"format": "pdf", "name": "paper", "source": {"bytes": b"%PDF"}}}
    assert (
        error_of(send_prompt, messages=[user({"text": "Read"}, document)])[2]
        == "This model doesn't support documents."
    )


def test_an_image_in_s3_is_rejected(send_prompt: Any, error_of: Any) -> None:
    image = {"image": {"format": "png", "source": {"s3Location": {"uri": "s3://bucket/one.png"}}}}
    assert "S3" in error_of(send_prompt, messages=[user({"text": "Look"}, image)])[2]


@pytest.mark.parametrize(
    "source",
    [{"text": "# Sky"}, {"content": [{"text": "# Sky"}]}, {"bytes": b"# Sky"}],
    ids=["text", "parts", "bytes"],
)
def test_a_document_reaches_the_backend_as_text(send_prompt: Any, backend: Backend, source: Any) -> None:
    document = {"document": {"format": "md", "name": "notes", "source": source}}
    send_prompt(messages=[user({"text": "Read"}, document)])
    assert backend.requests[0]["messages"] == [{"role": "user", "content": "Read\nnotes:\n# Sky"}]


def test_a_responder_precedes_the_backend(catalog: Any, backend: Backend) -> None:
    with FakeBedrock(
        catalog, responder=lambda call: "mine", backend_url=backend.url, backend_model="llama"
    ) as bedrock:
        answer = bedrock.client().converse(modelId="acme.talk-v1:0", messages=[user({"text": "Hi"})])
    assert answer["output"]["message"]["content"] == [{"text": "mine"}]
    assert backend.requests == []
