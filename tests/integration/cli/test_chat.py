"""`llmmanager chat` as a process, with lines from a pipe and on a terminal."""

from __future__ import annotations

from llmmanager.testing import FakeBedrock, Fault
from tests.command_line import run, run_in_terminal


def questions(bedrock: FakeBedrock, call: int) -> list[str]:
    """Return the texts of the user in a call."""
    messages = bedrock.calls[call].body["messages"]
    return [message["content"][-1]["text"] for message in messages if message["role"] == "user"]


def test_each_line_is_answered_with_the_history(settings: dict[str, str], fake_bedrock: FakeBedrock) -> None:
    ended = run("chat", "-s", "Be brief", input="One\n\nTwo\n/clear\nThree\n/exit\nFour\n", settings=settings)

    assert (ended.status, ended.err) == (0, "")
    assert [questions(fake_bedrock, call) for call in range(3)] == [["One"], ["One", "Two"], ["Three"]]
    assert len(fake_bedrock.calls) == 3
    assert {str(call.body["system"]) for call in fake_bedrock.calls} == {"[{'text': 'Be brief'}]"}


def test_an_error_ends_a_conversation_from_a_pipe(
    settings: dict[str, str], fake_bedrock: FakeBedrock
) -> None:
    fake_bedrock.add_fault(Fault(error="ModelErrorException"))

    assert run("chat", input="One\nTwo\n", settings=settings).status == 1


def test_a_conversation_on_a_terminal_continues_after_an_error(
    settings: dict[str, str], fake_bedrock: FakeBedrock
) -> None:
    fake_bedrock.add_fault(Fault(error="AccessDeniedException", count=1))

    ended = run_in_terminal("chat", typed="One\nTwo\nThree\n/exit\n", settings={**settings, "NO_COLOR": "1"})

    assert ended.status == 0
    assert ended.out.count("llmmanager: ") == 1
    assert ended.out.count("amazon.nova-lite-v1:0 in us-east-1") == 2
    assert questions(fake_bedrock, -1) == ["Two", "Three"]
