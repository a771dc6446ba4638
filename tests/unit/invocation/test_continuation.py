"""Continuing an interrupted answer."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from llmmanager.bedrock.invocation.continuation import RepetitionFilter, continuation_request

QUESTION = {"role": "user", "content": [{"text": "Tell me."}]}


def joined(said: str, chunks: list[str]) -> str:
    repetition = RepetitionFilter(said)
    return said + "".join(repetition.new_text(chunk) for chunk in chunks) + repetition.flush()


def test_the_received_text_becomes_an_assistant_turn_without_trailing_white_space() -> None:
    request = {"messages": [QUESTION]}
    assert continuation_request(request, "Once \n")["messages"] == [
        QUESTION,
        {"role": "assistant", "content": [{"text": "Once"}]},
    ]
    assert request == {"messages": [QUESTION]}


def test_a_prefill_of_the_caller_is_joined_with_the_received_text() -> None:
    given_beginning = {"role": "assistant", "content": [{"text": "Once"}]}
    request_ = continuation_request({"messages": [QUESTION, given_beginning]}, " upon")
    assert request_["messages"][-1] == {"role": "assistant", "content": [{"text": "Once upon"}]}
    assert given_beginning["content"] == [{"text": "Once"}]


def test_max_tokens_is_reduced_by_the_received_text_but_not_below_one() -> None:
    request = {"messages": [QUESTION], "inferenceConfig": {"maxTokens": 10, "temperature": 0.5}}
    assert continuation_request(request, "x" * 20)["inferenceConfig"] == {"maxTokens": 5, "temperature": 0.5}
    assert continuation_request(request, "x" * 400)["inferenceConfig"]["maxTokens"] == 1


chunked = st.lists(st.text(max_size=6), max_size=12)


@given(said=st.text(max_size=40), chunks=chunked)
def test_only_repeated_text_is_removed(said: str, chunks: list[str]) -> None:
    whole = "".join(chunks)
    result = joined(said, chunks)
    assert result.startswith(said)
    tail = said[len(said.rstrip()) :]
    assert result in {said + whole, said + whole.removeprefix(tail), said + whole.removeprefix(said)}


@given(said=st.text(min_size=16, max_size=40), rest=st.text(max_size=20), cut=st.integers(1, 7))
def test_the_text_of_a_model_that_starts_over_is_not_repeated(said: str, rest: str, cut: int) -> None:
    whole = said + rest
    chunks = [whole[start : start + cut] for start in range(0, len(whole), cut)]
    assert joined(said, chunks) == whole


def test_an_answer_that_begins_and_ends_with_white_space_is_not_repeated() -> None:
    said = " It begins and ends so. "
    assert joined(said, [" ", "It begins", " and ends so. ", "Then"]) == said + "Then"


@given(words=st.lists(st.text(alphabet="ab", min_size=1, max_size=4), min_size=2, max_size=6))
def test_white_space_at_the_interruption_is_not_repeated(words: list[str]) -> None:
    said = " ".join(words[:-1]) + " "
    assert joined(said, [" " + words[-1]]) == " ".join(words)


def test_a_prefill_of_several_blocks_continues_in_its_last_text() -> None:
    first, last = {"text": "One."}, {"text": "Two"}
    beginning = {"role": "assistant", "content": [first, last]}
    request_ = continuation_request({"messages": [QUESTION, beginning]}, " and")
    assert request_["messages"][-1]["content"] == [first, {"text": "Two and"}]


def test_a_prefill_that_does_not_end_with_text_gets_a_new_block() -> None:
    reasoning = {"reasoningContent": {"reasoningText": {"text": "Hm."}}}
    for content in ([reasoning], [{"text": "One."}, reasoning]):
        request_ = continuation_request(
            {"messages": [QUESTION, {"role": "assistant", "content": content}]}, "Paris"
        )
        assert request_["messages"][-1]["content"] == [*content, {"text": "Paris"}]


def test_max_tokens_is_not_added() -> None:
    assert "inferenceConfig" not in continuation_request({"messages": [QUESTION]}, "said")
    config = {"temperature": 0.5}
    request_ = continuation_request({"messages": [QUESTION], "inferenceConfig": config}, "said")
    assert request_["inferenceConfig"] == config


def test_short_repeated_text_is_kept() -> None:
    fifteen, sixteen = "a" * 15, "a" * 16
    assert joined(fifteen, [fifteen]) == fifteen * 2
    assert joined(sixteen, [sixteen, "b"]) == sixteen + "b"


def test_text_is_not_buffered_if_nothing_can_be_repeated() -> None:
    repetition = RepetitionFilter("said")
    assert [repetition.new_text("sa"), repetition.new_text("id"), repetition.flush()] == ["sa", "id", ""]


def test_buffered_text_is_returned_once_at_the_end() -> None:
    repetition = RepetitionFilter("Once upon a time there was")
    assert repetition.new_text("Once") == ""
    assert [repetition.flush(), repetition.flush()] == ["Once", ""]
    assert repetition.new_text(" upon") == " upon"
    assert repetition.flush() == ""


def test_only_the_last_turn_of_a_conversation_is_continued() -> None:
    again = {"role": "user", "content": [{"text": "Go on."}]}
    begun = {"role": "assistant", "content": [{"text": "Once"}]}
    request_ = continuation_request({"messages": [QUESTION, again, begun]}, " upon")
    joined_turn = {"role": "assistant", "content": [{"text": "Once upon"}]}
    assert request_["messages"] == [QUESTION, again, joined_turn]


def test_text_is_not_buffered_after_short_text_without_white_space() -> None:
    for chunk in ("a", "ab", "X", "XX", " "):
        assert RepetitionFilter("abc").new_text(chunk) == chunk
