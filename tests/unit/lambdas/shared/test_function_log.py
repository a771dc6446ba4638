"""Prompts and answers are logged only if `log_payloads` is on."""

from __future__ import annotations

from typing import Any

import pytest

from lambdas.shared import function_log
from llmmanager import BedrockConverseRequest, BedrockResponse

REQUEST = BedrockConverseRequest(messages=[{"role": "user", "content": [{"text": "the question"}]}])
RESPONSE = BedrockResponse(
    success=True, response_data={"output": {"message": {"content": [{"text": "the answer"}]}}}
)


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    lines: list[Any] = []
    monkeypatch.setattr(function_log.logger, "info", lambda message, extra: lines.append((message, extra)))
    return lines


def test_prompts_and_answers_are_not_logged(logged: list[Any]) -> None:
    function_log.log_payload(REQUEST, RESPONSE)
    assert logged == []


@pytest.mark.usefixtures("fresh_settings")
def test_prompts_and_answers_are_logged_if_log_payloads_is_on(
    logged: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMMANAGER_LOG_PAYLOADS", "true")
    function_log.log_payload(REQUEST, RESPONSE)
    assert logged == [("payload", {"request": {"messages": REQUEST.messages}, "answer": "the answer"})]
