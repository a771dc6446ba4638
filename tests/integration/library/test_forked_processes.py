"""A process that forks after its first call: parent and children each get their own answers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from llmmanager import BedrockConverseRequest, LLMManager, ParallelLLMManager
from llmmanager.testing import Call, FakeBedrock

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork"),
    # Python 3.12 and newer warn of forks in processes with threads.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
CHILDREN = 4
CALLS = 15


def question(text: str) -> list[dict]:
    return [{"role": "user", "content": [{"text": text}]}]


@pytest.fixture
def echo(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeBedrock]:
    """A Bedrock that answers with what it was asked."""

    def answer(call: Call) -> str:
        assert call.body is not None
        return call.body["messages"][0]["content"][0]["text"]

    with FakeBedrock(responder=answer) as bedrock:
        for name, value in bedrock.environment.items():
            monkeypatch.setenv(name, value)
        yield bedrock


def in_forks(check: Callable[[str], bool]) -> list[bool]:
    """Whether `check` holds in each of several forks and, at the same time, in this process."""
    children = []
    for number in range(CHILDREN):
        child = os.fork()
        if child == 0:
            holds = False
            try:
                holds = check(f"child {number}")
            finally:
                os._exit(0 if holds else 1)
        children.append(child)
    here = check("parent")
    return [here, *(os.waitpid(child, 0)[1] == 0 for child in children)]


def test_no_answer_is_swapped_between_parent_and_children(echo: FakeBedrock) -> None:
    manager = LLMManager(["Nova Lite"], ["us-east-1"])
    manager.converse(question("before the fork"))

    def check(who: str) -> bool:
        texts = [f"{who} {number}" for number in range(CALLS)]
        return [manager.converse(question(text)).get_content() for text in texts] == texts

    assert in_forks(check) == [True] * (CHILDREN + 1)
    manager.close()


def test_no_streamed_answer_is_swapped_either(echo: FakeBedrock) -> None:
    manager = LLMManager(["Nova Lite"], ["us-east-1"])
    "".join(manager.converse_stream(question("before the fork")))

    def check(who: str) -> bool:
        texts = [f"{who} {number}" for number in range(CALLS)]
        return ["".join(manager.converse_stream(question(text))) for text in texts] == texts

    assert in_forks(check) == [True] * (CHILDREN + 1)
    manager.close()


def test_a_parallel_manager_works_in_children_too(echo: FakeBedrock) -> None:
    manager = ParallelLLMManager(["Nova Lite"], ["us-east-1", "us-west-2"])

    def check(who: str) -> bool:
        texts = {str(number): f"{who} {number}" for number in range(CALLS)}
        requests = [
            BedrockConverseRequest(request_id=id_, messages=question(text)) for id_, text in texts.items()
        ]
        answers = manager.converse_parallel(requests).request_responses
        return {id_: answer.get_content() for id_, answer in answers.items()} == texts

    assert check("before the fork")
    assert in_forks(check) == [True] * (CHILDREN + 1)
    manager.close()
