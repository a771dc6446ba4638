"""OpenAI's JavaScript client. The tests of every client include it too."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from llmmanager.testing import FakeBedrock
from tests.clients.client_adapters import JAVASCRIPT, node
from tests.clients.served_api import ServedApi
from tests.waiting import PATIENCE_SECONDS


def tool(name: str) -> dict[str, Any]:
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


def test_a_loop_of_parallel_streamed_tool_calls_ends_with_an_answer(
    api: ServedApi, bedrock: FakeBedrock, key: str
) -> None:
    question = {"role": "user", "content": "What is the weather in Lima, and what does the clock say?"}
    request = {
        "baseURL": api.url,
        "apiKey": key,
        "maxRetries": 0,
        "results": {"get_weather": "sunny", "read_clock": "noon"},
        "body": {
            "model": "Nova Lite",
            "messages": [question],
            "tools": [tool("get_weather"), tool("read_clock")],
        },
    }
    done = subprocess.run(
        [node(), JAVASCRIPT / "tools.mjs", json.dumps(request)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    assert printed["called"] == ["get_weather", "read_clock"]
    assert "sunny" in printed["answer"]
    assert "noon" in printed["answer"]
    assert len(bedrock.calls) == 2
