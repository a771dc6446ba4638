"""The content of an answer, as it comes over the wire, can be sent back as history."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from llmmanager import BedrockResponse, LLMManager
from llmmanager.testing import FakeBedrock
from llmmanager.testing.event_stream import CONTENT_TYPE, event

TOOL_USE = {"toolUse": {"toolUseId": "t1", "name": "clock", "input": {"zone": "CET"}}}
TOOL_RESULT = {"toolResult": {"toolUseId": "t1", "content": [{"text": "noon"}]}}
TOOLS = {"tools": [{"toolSpec": {"name": "clock", "inputSchema": {"json": {"type": "object"}}}}]}
SIGNED = {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "AAABBB"}}}
HOLOGRAM = {"hologram": {"depth": 3, "layers": [{"bytes": "not base64!"}]}}


class Bedrock:
    """A server that gives the same answer to every Converse and ConverseStream, and keeps the requests."""

    def __init__(self) -> None:
        self.content: list[Any] = []
        self.deltas: list[dict[str, Any]] = []
        self.requests: list[dict[str, Any]] = []
        self.usage: dict[str, Any] = USAGE

    def answer(self) -> bytes:
        message = {"role": "assistant", "content": self.content}
        return json.dumps(
            {"output": {"message": message}, "stopReason": "end_turn", "usage": self.usage}
        ).encode()

    def frames(self) -> bytes:
        events = [("messageStart", {"role": "assistant"})]
        events += [(kind, members) for delta in self.deltas for kind, members in delta.items()]
        events += [("messageStop", {"stopReason": "end_turn"}), ("metadata", {"usage": USAGE, "metrics": {}})]
        return b"".join(event(kind, members) for kind, members in events)


USAGE = {"inputTokens": 3, "outputTokens": 4, "totalTokens": 7}


@pytest.fixture
def bedrock(monkeypatch: pytest.MonkeyPatch, aws_credentials: None) -> Iterator[Bedrock]:
    answers = Bedrock()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            answers.requests.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            is_stream = self.path.endswith("/converse-stream")
            body = answers.frames() if is_stream else answers.answer()
            self.send_response(200)
            self.send_header("Content-Type", CONTENT_TYPE if is_stream else "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Print nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", f"http://127.0.0.1:{server.server_port}")
        yield answers
        server.shutdown()
        thread.join()


@pytest.fixture
def manager(bedrock: Bedrock) -> Iterator[LLMManager]:
    manager = LLMManager(["Claude Haiku 4.5"], ["us-east-1"])
    yield manager
    manager.close()


def start(index: int, **members: Any) -> dict[str, Any]:
    return {"contentBlockStart": {"contentBlockIndex": index, "start": members}}


def delta(index: int, **members: Any) -> dict[str, Any]:
    return {"contentBlockDelta": {"contentBlockIndex": index, "delta": members}}


def streamed(manager: LLMManager, ask: list[dict[str, Any]]) -> BedrockResponse:
    stream = manager.converse_stream(ask, tool_config=TOOLS)
    stream.get_full_content()
    return stream.get_response()


def tool_deltas(index: int) -> list[dict[str, Any]]:
    return [
        start(index, toolUse={"toolUseId": "t1", "name": "clock"}),
        delta(index, toolUse={"input": '{"zone": '}),
        delta(index, toolUse={"input": '"CET"}'}),
    ]


@pytest.mark.parametrize("blank", ["", " ", "\n\n", "\u3000"])
def test_a_blank_text_is_no_part_of_an_answer(manager, bedrock: Bedrock, ask, blank: str) -> None:
    bedrock.content = [{"text": blank}, TOOL_USE, {"text": blank}]
    assert manager.converse(ask, tool_config=TOOLS).get_content_blocks() == [TOOL_USE]
    bedrock.deltas = [delta(0, text=blank), *tool_deltas(1), delta(2, text=blank)]
    assert streamed(manager, ask).get_content_blocks() == [TOOL_USE]


def test_an_answer_with_a_blank_text_can_be_sent_back(
    fake_bedrock: FakeBedrock, bedrock: Bedrock, manager, ask, monkeypatch
) -> None:
    bedrock.content = [{"text": ""}, TOOL_USE]
    bedrock.deltas = [delta(0, text=""), *tool_deltas(1)]
    responses = [manager.converse(ask, tool_config=TOOLS), streamed(manager, ask)]
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", fake_bedrock.endpoint_url)
    other = LLMManager(["Claude Haiku 4.5"], ["us-east-1"])
    for response in responses:
        assert response.response_data is not None
        message = response.response_data["output"]["message"]
        history = [*ask, message, {"role": "user", "content": [TOOL_RESULT]}]
        assert other.converse(history, tool_config=TOOLS).success
    assert len(fake_bedrock.calls) == 2
    other.close()


def test_a_signature_in_several_parts_is_whole(manager, bedrock: Bedrock, ask) -> None:
    bedrock.deltas = [
        delta(0, reasoningContent={"text": "Hm."}),
        delta(0, reasoningContent={"signature": "AAA"}),
        delta(0, reasoningContent={"signature": "BBB"}),
        delta(1, text="Noon."),
    ]
    assert streamed(manager, ask).get_content_blocks() == [SIGNED, {"text": "Noon."}]


def test_a_block_that_the_sdk_does_not_know_is_kept_and_sent_back_unchanged(
    manager, bedrock: Bedrock, ask
) -> None:
    bedrock.content = [HOLOGRAM, {"text": "Look."}]
    response = manager.converse(ask)
    assert response.get_content_blocks() == [HOLOGRAM, {"text": "Look."}]
    assert response.get_content() == "Look."
    assert BedrockResponse.from_dict(response.to_dict()).response_data == response.response_data
    assert response.response_data is not None
    manager.converse([*ask, response.response_data["output"]["message"], *ask])
    assert bedrock.requests[-1]["messages"][1]["content"] == [HOLOGRAM, {"text": "Look."}]


@pytest.mark.parametrize(
    "content",
    [
        [{"text": "Look.", "hologram": {}}, {}, {"text": None}],
        [{"text": "Look."}, {"reasoningContent": {"mood": "calm"}}],
        [{"text": "Look."}, {"image": {"format": "png", "source": {"url": "https://example.com"}}}],
    ],
)
def test_an_answer_with_a_block_of_an_unexpected_form_is_not_lost(
    manager, bedrock: Bedrock, ask, content: list[Any]
) -> None:
    bedrock.content = content
    response = manager.converse(ask)
    assert (response.get_content(), len(response.attempts)) == ("Look.", 1)
    assert response.get_content_blocks() == [block for block in content if block and block.get("text", "x")]


def test_an_answer_of_another_form_is_requested_again_and_its_usage_is_unknown(
    manager, bedrock: Bedrock, ask
) -> None:
    bedrock.content = ["Look."]
    with pytest.raises(Exception, match="unexpected form") as raised:
        manager.converse(ask)
    assert raised.value.response.attempts_with_unknown_usage == len(bedrock.requests) > 1  # type: ignore[attr-defined]


def test_streamed_content_that_the_sdk_does_not_know_is_kept_whole_or_left_out_with_a_warning(
    manager, bedrock: Bedrock, ask
) -> None:
    bedrock.deltas = [
        start(0, **HOLOGRAM),
        delta(1, text="Look."),
        delta(2, smell="r"),
        delta(2, smell="ose"),
    ]
    stream = manager.converse_stream(ask)
    seen = [event["contentBlockDelta"]["delta"] for event in stream.events() if "contentBlockDelta" in event]
    assert seen == [{"text": "Look."}, {"smell": "r"}, {"smell": "ose"}]
    response = stream.get_response()
    assert response.success
    assert response.get_content_blocks() == [HOLOGRAM, {"text": "Look."}]
    assert ["smell" in warning for warning in response.get_warnings()] == [True]


@pytest.mark.parametrize(
    "marked",
    [
        {"SDK_UNKNOWN_MEMBER": {"name": "hologram"}},
        {"reasoningContent": {"SDK_UNKNOWN_MEMBER": {"name": "mood"}}},
    ],
)
def test_a_history_with_what_another_sdk_did_not_know_is_sent_without_it(
    manager, bedrock: Bedrock, ask, marked: dict[str, Any]
) -> None:
    bedrock.content = [{"text": "Look."}]
    history = [
        *ask,
        {"role": "assistant", "content": [marked, {"text": "Look."}]},
        *ask,
        {"role": "assistant", "content": [marked]},
        *ask,
    ]
    before = json.dumps(history)
    response = manager.converse(history)
    assert json.dumps(history) == before
    sent = [message["content"] for message in bedrock.requests[-1]["messages"]]
    assert sent == [
        ask[0]["content"],
        [{"text": "Look."}],
        ask[0]["content"],
        [{"text": "[omitted]"}],
        ask[0]["content"],
    ]
    assert ["SDK_UNKNOWN_MEMBER" in warning for warning in response.get_warnings()] == [True]
    stream = manager.converse_stream(history)
    stream.get_full_content()


@pytest.mark.parametrize("odd", ["3", 3.5, None, [], {}, True])
@pytest.mark.parametrize("name", ["inputTokens", "outputTokens", "cacheWriteInputTokens"])
def test_an_answer_is_not_lost_for_an_odd_token_count(manager, bedrock: Bedrock, name: str, odd: Any) -> None:
    bedrock.content = [{"text": "noon"}]
    bedrock.usage = {**USAGE, name: odd}
    response = manager.converse("What time is it?")
    assert (response.get_content(), len(bedrock.requests)) == ("noon", 1)
    assert response.get_usage()["totalTokens"] == 7
