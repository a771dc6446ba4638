"""`infra.replay_dlq` sends the messages of the dead-letter queue again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from infra import replay_dlq
from infra.replay_dlq import main
from llmmanager.testing import FakeBedrock, Fault


def question(**more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [{"text": "Again?"}]}], **more}


@pytest.fixture
def dead_letters(deployed: Any, fake_bedrock: FakeBedrock) -> Any:
    """Two messages that failed on every try, and one that is invalid."""
    fake_bedrock.add_fault(Fault(error="ServiceUnavailableException"))
    bodies = [question(requestId="a"), question(requestId="b"), question(temprature=1)]
    assert deployed.deliver(deployed.receive(*bodies, receives=5)) == []
    fake_bedrock.reset()
    boto3.client("sqs").purge_queue(QueueUrl=deployed.urls["requests"])
    deployed.published()
    return deployed


def run(function: Any, *more: str) -> None:
    urls = (
        "--dead-letter-queue-url",
        function.urls["dead"],
        "--request-queue-url",
        function.urls["requests"],
    )
    assert main([*urls, *more]) == 0


def test_messages_of_one_problem_are_sent_again_and_answered(
    dead_letters: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    run(dead_letters, "--problem", "all-targets-failed")
    assert capsys.readouterr().out == "2 sent again, 1 left\n"
    assert dead_letters.deliver(dead_letters.receive()) == []
    outcomes = {event["detail"]["requestId"]: event["detail"]["status"] for event in dead_letters.published()}
    assert outcomes == {"a": "answered", "b": "answered"}


def test_all_messages_are_sent_again_and_an_invalid_one_returns(
    dead_letters: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    run(dead_letters)
    assert capsys.readouterr().out == "3 sent again, 0 left\n"
    assert dead_letters.deliver(dead_letters.receive()) == []
    (dead,) = dead_letters.messages("dead")
    assert dead["MessageAttributes"]["problem"]["StringValue"] == "invalid-request"


def test_a_message_that_fails_again_meanwhile_is_left_for_the_next_run(
    dead_letters: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay_dlq, "time", SimpleNamespace(time=lambda: 0.0))
    run(dead_letters)
    assert capsys.readouterr().out == "0 sent again, 3 left\n"


def test_an_empty_queue_is_accepted(deployed: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run(deployed)
    assert capsys.readouterr().out == "0 sent again, 0 left\n"


def test_an_error_of_aws_is_reported_without_a_stack_trace(
    dead_letters: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    urls = (dead_letters.urls["dead"], f"{dead_letters.urls['requests']}-that-does-not-exist")

    assert main(["--dead-letter-queue-url", urls[0], "--request-queue-url", urls[1]]) == 1
    assert "queue does not exist" in capsys.readouterr().err
