"""Going on with an answer whose stream was lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from llmmanager.bedrock.invocation.continuation import Seam, continued

QUESTION = {"role": "user", "content": [{"text": "Tell me."}]}


def joined(said: str, chunks: list[str]) -> str:
    seam = Seam(said)
    return said + "".join(seam.pass_on(chunk) for chunk in chunks) + seam.rest()


def test_what_was_said_becomes_an_assistant_turn_without_its_trailing_white_space() -> None:
    request = {"messages": [QUESTION]}
    assert continued(request, "Once \n")["messages"] == [
        QUESTION,
        {"role": "assistant", "content": [{"text": "Once"}]},
    ]
    assert request == {"messages": [QUESTION]}


def test_a_beginning_that_the_caller_gave_is_joined_with_what_followed() -> None:
    given_beginning = {"role": "assistant", "content": [{"text": "Once"}]}
    asked = continued({"messages": [QUESTION, given_beginning]}, " upon")
    assert asked["messages"][-1] == {"role": "assistant", "content": [{"text": "Once upon"}]}
    assert given_beginning["content"] == [{"text": "Once"}]


def test_max_tokens_shrinks_by_what_was_said_but_not_to_nothing() -> None:
    request = {"messages": [QUESTION], "inferenceConfig": {"maxTokens": 10, "temperature": 0.5}}
    assert continued(request, "x" * 20)["inferenceConfig"] == {"maxTokens": 5, "temperature": 0.5}
    assert continued(request, "x" * 400)["inferenceConfig"]["maxTokens"] == 1


chunked = st.lists(st.text(max_size=6), max_size=12)


@given(said=st.text(max_size=40), chunks=chunked)
def test_a_repeated_beginning_is_left_out_and_nothing_else_is(said: str, chunks: list[str]) -> None:
    whole = "".join(chunks)
    result = joined(said, chunks)
    assert result.startswith(said)
    tail = said[len(said.rstrip()) :]
    assert result in {said + whole, said + whole.removeprefix(tail), said + whole.removeprefix(said)}


@given(said=st.text(min_size=16, max_size=40), rest=st.text(max_size=20), cut=st.integers(1, 7))
def test_a_model_that_starts_over_repeats_nothing(said: str, rest: str, cut: int) -> None:
    whole = said + rest
    chunks = [whole[start : start + cut] for start in range(0, len(whole), cut)]
    assert joined(said, chunks) == whole


def test_an_answer_that_begins_and_ends_with_white_space_is_not_repeated() -> None:
    said = " It begins and ends so. "
    assert joined(said, [" ", "It begins", " and ends so. ", "Then"]) == said + "Then"


@given(words=st.lists(st.text(alphabet="ab", min_size=1, max_size=4), min_size=2, max_size=6))
def test_white_space_at_the_seam_comes_once(words: list[str]) -> None:
    said = " ".join(words[:-1]) + " "
    assert joined(said, [" " + words[-1]]) == " ".join(words)


def test_a_beginning_of_several_blocks_goes_on_in_its_last_text() -> None:
    first, last = {"text": "One."}, {"text": "Two"}
    beginning = {"role": "assistant", "content": [first, last]}
    asked = continued({"messages": [QUESTION, beginning]}, " and")
    assert asked["messages"][-1]["content"] == [first, {"text": "Two and"}]


def test_a_beginning_that_does_not_end_in_text_is_followed_by_what_was_said() -> None:
    reasoning = {"reasoningContent": {"reasoningText": {"text": "Hm."}}}
    for content in ([reasoning], [{"text": "One."}, reasoning]):
        asked = continued({"messages": [QUESTION, {"role": "assistant", "content": content}]}, "Paris")
        assert asked["messages"][-1]["content"] == [*content, {"text": "Paris"}]


def test_without_max_tokens_nothing_bounds_the_rest() -> None:
    assert "inferenceConfig" not in continued({"messages": [QUESTION]}, "said")
    config = {"temperature": 0.5}
    asked = continued({"messages": [QUESTION], "inferenceConfig": config}, "said")
    assert asked["inferenceConfig"] == config


def test_a_short_beginning_may_come_again_as_part_of_the_text() -> None:
    fifteen, sixteen = "a" * 15, "a" * 16
    assert joined(fifteen, [fifteen]) == fifteen * 2
    assert joined(sixteen, [sixteen, "b"]) == sixteen + "b"


def test_text_passes_at_once_when_nothing_can_repeat() -> None:
    seam = Seam("said")
    assert [seam.pass_on("sa"), seam.pass_on("id"), seam.rest()] == ["sa", "id", ""]


def test_held_back_text_is_given_out_once_at_the_end() -> None:
    seam = Seam("Once upon a time there was")
    assert seam.pass_on("Once") == ""
    assert [seam.rest(), seam.rest()] == ["Once", ""]
    assert seam.pass_on(" upon") == " upon"
    assert seam.rest() == ""


def test_only_the_last_turn_of_a_longer_conversation_goes_on() -> None:
    again = {"role": "user", "content": [{"text": "Go on."}]}
    begun = {"role": "assistant", "content": [{"text": "Once"}]}
    asked = continued({"messages": [QUESTION, again, begun]}, " upon")
    joined_turn = {"role": "assistant", "content": [{"text": "Once upon"}]}
    assert asked["messages"] == [QUESTION, again, joined_turn]


def test_after_a_short_beginning_without_white_space_nothing_is_held_back() -> None:
    for chunk in ("a", "ab", "X", "XX", " "):
        assert Seam("abc").pass_on(chunk) == chunk
