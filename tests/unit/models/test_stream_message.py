"""StreamMessage assembles the events of a stream into a response in the form of Converse."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmmanager.bedrock.models.stream_message import StreamMessage


def delta(index: int, **members: Any) -> dict[str, Any]:
    return {"contentBlockDelta": {"contentBlockIndex": index, "delta": members}}


def message_of(*events: dict[str, Any]) -> StreamMessage:
    message = StreamMessage()
    for event in events:
        message.add(event)
    return message


def content_of(*events: dict[str, Any]) -> list[dict[str, Any]]:
    response = message_of(*events).response()
    assert response is not None
    return list(response["output"]["message"]["content"])


def test_there_is_no_response_before_any_content() -> None:
    message = message_of({"messageStart": {"role": "assistant"}})
    assert message.is_started
    assert not message.ended
    assert message.response() is None
    assert message.last_index == 0
    assert message.is_text_only
    assert not StreamMessage().is_started


def test_a_complete_message_has_the_form_of_converse() -> None:
    message = message_of(
        {"messageStart": {"role": "assistant"}},
        delta(0, text="Once "),
        delta(0, text="upon"),
        {"contentBlockStop": {"contentBlockIndex": 0}},
        {"messageStop": {"stopReason": "end_turn"}},
        {"metadata": {"usage": {"inputTokens": 3}, "metrics": {"latencyMs": 5}}},
    )
    assert message.ended
    assert message.text == "Once upon"
    assert message.response() == {
        "output": {"message": {"role": "assistant", "content": [{"text": "Once upon"}]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 3},
        "metrics": {"latencyMs": 5},
    }


def test_an_answer_without_content_has_a_response() -> None:
    message = message_of({"messageStop": {"stopReason": "guardrail_intervened"}})
    assert message.response() == {
        "output": {"message": {"role": "assistant", "content": []}},
        "stopReason": "guardrail_intervened",
    }


def test_adding_a_text_event_returns_its_text() -> None:
    message = StreamMessage()
    assert message.add(delta(0, text="Hm")) == "Hm"
    assert message.add({"messageStop": {"stopReason": "end_turn"}}) is None


def test_blocks_are_in_the_order_of_their_index() -> None:
    events = [delta(2, text="c"), delta(0, text="a"), delta(1, text="b")]
    assert content_of(*events) == [{"text": "a"}, {"text": "b"}, {"text": "c"}]
    assert message_of(*events).text == "abc"
    assert message_of(*events).last_index == 2


def start_of_tool(index: int = 0) -> dict[str, Any]:
    return {
        "contentBlockStart": {
            "contentBlockIndex": index,
            "start": {"toolUse": {"toolUseId": "t1", "name": "clock"}},
        }
    }


def test_a_tools_input_is_parsed_when_it_is_complete() -> None:
    events = [
        start_of_tool(),
        delta(0, toolUse={"input": '{"zone": '}),
        delta(0, toolUse={"input": '"CET"}'}),
    ]
    whole = {"toolUse": {"toolUseId": "t1", "name": "clock", "input": {"zone": "CET"}}}
    assert content_of(*events) == [whole]
    assert not message_of(*events).is_text_only
    assert content_of(*events[:2])[0]["toolUse"]["input"] == '{"zone": '


def test_a_tool_without_input_has_an_empty_one() -> None:
    assert content_of(start_of_tool())[0]["toolUse"]["input"] == {}
    assert content_of(start_of_tool(), delta(0, toolUse={}))[0]["toolUse"]["input"] == {}


def test_reasoning_and_its_signature_are_one_block() -> None:
    content = content_of(
        delta(0, reasoningContent={"text": "Let me "}),
        delta(0, reasoningContent={"text": "think."}),
        delta(0, reasoningContent={"signature": "abc"}),
        delta(1, text="Paris."),
    )
    assert content == [
        {"reasoningContent": {"reasoningText": {"text": "Let me think.", "signature": "abc"}}},
        {"text": "Paris."},
    ]


def test_reasoning_of_another_type_becomes_text() -> None:
    content = content_of(*(delta(0, reasoningContent={"text": part}) for part in ("Step ", 1)))
    assert content == [{"reasoningContent": {"reasoningText": {"text": "Step 1"}}}]


def test_redacted_reasoning_stays_bytes() -> None:
    events = [delta(0, reasoningContent={"redactedContent": part}) for part in (b"ab", b"c")]
    assert content_of(*events) == [{"reasoningContent": {"redactedContent": b"abc"}}]
    assert message_of(*events).text == ""


def test_cited_text_is_stored_with_its_citations() -> None:
    content = content_of(
        delta(0, text="Water "),
        delta(0, citation={"title": "one"}),
        delta(0, text="boils."),
        delta(0, citation={"title": "two"}),
    )
    assert content == [
        {
            "citationsContent": {
                "content": [{"text": "Water boils."}],
                "citations": [{"title": "one"}, {"title": "two"}],
            }
        }
    ]


def test_a_signature_in_several_events_is_joined() -> None:
    content = content_of(
        delta(0, reasoningContent={"text": "Hm."}),
        delta(0, reasoningContent={"signature": "AAA"}),
        delta(0, reasoningContent={"signature": "BBB"}),
    )
    assert content == [{"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "AAABBB"}}}]


def test_an_image_in_several_events_is_joined() -> None:
    start = {"contentBlockStart": {"contentBlockIndex": 0, "start": {"image": {"format": "png"}}}}
    parts = [delta(0, image={"source": {"bytes": part}}) for part in (b"ab", b"c")]
    assert content_of(start, *parts) == [{"image": {"format": "png", "source": {"bytes": b"abc"}}}]


def test_content_of_an_unknown_type_in_one_event_is_not_changed() -> None:
    scent = {"contentBlockStart": {"contentBlockIndex": 1, "start": {"scent": {"name": "rose"}}}}
    message = message_of(delta(0, hologram={"depth": 3}), scent, delta(2, text="Look."))
    data = message.response()
    assert data is not None
    assert data["output"]["message"]["content"] == [
        {"hologram": {"depth": 3}},
        {"scent": {"name": "rose"}},
        {"text": "Look."},
    ]
    assert message.warnings == []
    assert not message.is_text_only


def test_content_of_an_unknown_type_in_several_events_is_left_out_with_a_warning() -> None:
    message = message_of(
        delta(0, hologram={"depth": 3}),
        delta(0, hologram={"depth": 4}),
        delta(1, text="Look."),
        delta(1, gesture="wave"),
    )
    data = message.response()
    assert data is not None
    assert data["output"]["message"]["content"] == [{"text": "Look."}]
    assert ["hologram" in warning or "gesture" in warning for warning in message.warnings] == [True, True]


@pytest.mark.parametrize("blank", ["", " ", "\n\n"])
def test_blank_text_is_not_part_of_the_assembled_answer(blank: str) -> None:
    whole = {"toolUse": {"toolUseId": "t1", "name": "clock", "input": {}}}
    assert content_of(delta(0, text=blank), start_of_tool(1)) == [whole]
    assert content_of(start_of_tool(), delta(1, text=blank), {"contentBlockStop": {}}) == [whole]


def test_white_space_between_citations_is_kept() -> None:
    cited = delta(0, text="Lakes"), delta(0, citation={"title": "a"})
    content = content_of(*cited, delta(1, text=" "), delta(2, text=""), delta(3, text="are deep."))
    assert content[1:] == [{"text": " "}, {"text": "are deep."}]


def test_all_parts_of_a_tool_result_are_kept() -> None:
    content = content_of(
        delta(0, toolResult=[{"text": "a"}]),
        delta(0, toolResult=[{"text": "b"}]),
        delta(0, toolResult=[{"json": {"b": 1}}]),
    )
    assert content == [{"toolResult": {"content": [{"text": "ab"}, {"json": {"b": 1}}]}}]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=6,
)
EVENT_KINDS = ("messageStart", "contentBlockStart", "contentBlockDelta", "messageStop", "metadata", "new")


@given(st.lists(st.dictionaries(st.sampled_from(EVENT_KINDS), JSON, max_size=1), max_size=6))
def test_events_of_an_unexpected_form_do_not_raise(events: list[dict[str, Any]]) -> None:
    message = message_of(*events)
    message.response()
    assert isinstance(message.text, str)
    assert isinstance(message.warnings, list)


def test_an_unknown_event_has_no_effect() -> None:
    assert message_of({"somethingNew": {"x": 1}}).response() is None


@given(st.lists(st.tuples(st.integers(0, 3), st.text(max_size=5)), max_size=20))
def test_no_text_is_lost_for_any_split_into_events(pieces: list[tuple[int, str]]) -> None:
    message = message_of(*(delta(index, text=text) for index, text in pieces))
    assert message.text == "".join("".join(text for i, text in pieces if i == index) for index in range(4))
