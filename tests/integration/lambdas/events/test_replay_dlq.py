"""infra.replay_dlq moves messages from the dead-letter queue to the request queue."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from infra import replay_dlq
from infra.replay_dlq import main
from llmmanager.testing import FakeBedrock, Fault


def request(**more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [{"text": "Again?"}]}], **more}


@pytest.fixture
def dead_letters(deployed: Any, fake_bedrock: FakeBedrock) -> Any:
    """Put two requests that failed at every try and one invalid request into the dead-letter queue."""
    fake_bedrock.add_fault(Fault(error="ServiceUnavailableException"))
    bodies = [request(requestId="a"), request(requestId="b"), request(temprature=1)]
    assert deployed.deliver(deployed.receive(*bodies, receives=5)) == []
    fake_bedrock.reset()
    boto3.client("sqs").purge_queue(QueueUrl=deployed.urls["requests"])
    deployed.published()
    return deployed


def run(deployed: Any, *more: str) -> None:
    urls = (
        "--dead-letter-queue-url",
        deployed.urls["dead"],
        "--request-queue-url",
        deployed.urls["requests"],
    )
    assert main([*urls, *more]) == 0


def test_messages_with_one_problem_are_moved_and_answered(
    dead_letters: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    run(dead_letters, "--problem", "all-targets-failed")
    assert capsys.readouterr().out == "2 messages moved, 1 left in the dead-letter queue\n"
    assert dead_letters.deliver(dead_letters.receive()) == []
    outcomes = {event["detail"]["requestId"]: event["detail"]["status"] for event in dead_letters.published()}
    assert outcomes == {"a": "answered", "b": "answered"}


def test_all_messages_are_moved_and_invalid_ones_return(
    dead_letters: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    run(dead_letters)
    assert capsys.readouterr().out == "3 messages moved, 0 left in the dead-letter queue\n"
    assert dead_letters.deliver(dead_letters.receive()) == []
    (dead,) = dead_letters.messages("dead")
    assert dead["MessageAttributes"]["problem"]["StringValue"] == "invalid-request"


def test_a_message_that_fails_again_during_the_run_is_left(
    dead_letters: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay_dlq, "time", SimpleNamespace(time=lambda: 0.0))
    run(dead_letters)
    assert capsys.readouterr().out == "0 messages moved, 3 left in the dead-letter queue\n"


def test_an_empty_queue_is_not_an_error(deployed: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run(deployed)
    assert capsys.readouterr().out == "0 messages moved, 0 left in the dead-letter queue\n"


def test_an_error_of_aws_is_reported_without_a_stack_trace(
    dead_letters: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    urls = (dead_letters.urls["dead"], f"{dead_letters.urls['requests']}-missing")

    assert main(["--dead-letter-queue-url", urls[0], "--request-queue-url", urls[1]]) == 1
    assert "queue does not exist" in capsys.readouterr().err
