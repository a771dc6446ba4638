"""The dead-letter queue, sent again."""

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
def buried(deployed: Any, fake_bedrock: FakeBedrock) -> Any:
    """Two messages that failed to the last and one that can never work."""
    fake_bedrock.add_fault(Fault(error="ServiceUnavailableException"))
    bodies = [question(requestId="a"), question(requestId="b"), question(temprature=1)]
    assert deployed.deliver(deployed.receive(*bodies, receives=5)) == []
    fake_bedrock.reset()
    boto3.client("sqs").purge_queue(QueueUrl=deployed.urls["requests"])
    deployed.published()
    return deployed


def run(door: Any, *more: str) -> None:
    urls = ("--dead-letter-queue-url", door.urls["dead"], "--request-queue-url", door.urls["requests"])
    assert main([*urls, *more]) == 0


def test_messages_of_one_problem_are_sent_again_and_answered(
    buried: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    run(buried, "--problem", "all-targets-failed")
    assert capsys.readouterr().out == "2 sent again, 1 left\n"
    assert buried.deliver(buried.receive()) == []
    told = {event["detail"]["requestId"]: event["detail"]["status"] for event in buried.published()}
    assert told == {"a": "answered", "b": "answered"}


def test_all_messages_are_sent_again_and_what_cannot_work_comes_back(
    buried: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    run(buried)
    assert capsys.readouterr().out == "3 sent again, 0 left\n"
    assert buried.deliver(buried.receive()) == []
    (dead,) = buried.messages("dead")
    assert dead["MessageAttributes"]["problem"]["StringValue"] == "invalid-request"


def test_a_message_that_fails_again_meanwhile_is_left_for_the_next_time(
    buried: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay_dlq, "time", SimpleNamespace(time=lambda: 0.0))
    run(buried)
    assert capsys.readouterr().out == "0 sent again, 3 left\n"


def test_an_empty_queue_is_no_problem(deployed: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run(deployed)
    assert capsys.readouterr().out == "0 sent again, 0 left\n"


def test_what_aws_does_not_allow_is_said_without_a_stack_trace(
    buried: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    urls = (buried.urls["dead"], f"{buried.urls['requests']}-that-never-was")

    assert main(["--dead-letter-queue-url", urls[0], "--request-queue-url", urls[1]]) == 1
    assert "queue does not exist" in capsys.readouterr().err
