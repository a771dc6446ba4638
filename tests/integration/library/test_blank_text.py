"""A model's own message goes back as history, whatever it holds."""

from __future__ import annotations

from typing import Any

import pytest

from llmmanager.testing import FakeBedrock

Json = dict[str, Any]

TOOLS = {"tools": [{"toolSpec": {"name": "weather", "inputSchema": {"json": {"type": "object"}}}}]}
QUESTION = {"role": "user", "content": [{"text": "How warm is it in Lima?"}]}
TOOL_USE = {"toolUse": {"toolUseId": "t1", "name": "weather", "input": {"city": "Lima"}}}
RESULT = {"toolResult": {"toolUseId": "t1", "content": [{"json": {"celsius": 19}}]}}


@pytest.mark.parametrize("ask", ["converse", "converse_stream"])
def test_a_tool_call_behind_blank_text_is_sent_back_without_the_text(
    fake_bedrock: FakeBedrock, make_manager, ask: str
) -> None:
    answer = {"role": "assistant", "content": [{"text": ""}, TOOL_USE]}
    history = [QUESTION, answer, {"role": "user", "content": [RESULT]}]
    response = getattr(make_manager(), ask)(history, tool_config=TOOLS)
    assert (response.success if ask == "converse" else "".join(response)) not in (False, "")
    assert fake_bedrock.calls[0].body["messages"][1] == {"role": "assistant", "content": [TOOL_USE]}
    assert answer["content"][0] == {"text": ""}


def test_an_empty_answer_is_sent_back_as_such_with_a_warning(fake_bedrock: FakeBedrock, make_manager) -> None:
    history = [QUESTION, {"role": "assistant", "content": []}, QUESTION]
    response = make_manager().converse(history)
    assert response.success
    assert fake_bedrock.calls[0].body["messages"][1]["content"] == [{"text": "[empty answer]"}]
    assert [warning for warning in response.warnings if warning.startswith("messages[1]")]
