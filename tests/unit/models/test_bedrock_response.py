"""BedrockResponse: accessors and JSON."""

from __future__ import annotations

import copy
import json
import pickle
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmmanager import BedrockResponse, RequestAttempt
from llmmanager.bedrock.models.bedrock_response import RecordedError
from llmmanager.bedrock.models.json_codec import decode_bytes, encode_bytes

START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def attempt(number: int, error: Exception | None = None) -> RequestAttempt:
    return RequestAttempt(
        model_id="m",
        region="us-east-1",
        access_method="on_demand",
        attempt_number=number,
        start_time=START,
        end_time=START + timedelta(milliseconds=12.5),
        success=error is None,
        error=error,
        invoke_id="m",
        decision="same_target" if error else None,
    )


def response(*blocks: dict[str, object], **members: object) -> BedrockResponse:
    data = {"output": {"message": {"role": "assistant", "content": list(blocks)}}, **members}
    return BedrockResponse(success=True, response_data=data)


def test_the_text_blocks_are_joined() -> None:
    assert response({"text": "one"}, {"toolUse": {"input": {}}}, {"text": "two"}).get_content() == "one\ntwo"


def test_cited_text_is_part_of_the_content() -> None:
    cited = {"content": [{"text": "Lakes are deep"}], "citations": [{"title": "Lakes"}]}
    content = [{"text": "Well: "}, {"citationsContent": cited}, {"citationsContent": None}, {"text": "."}]
    response = BedrockResponse(success=True, response_data={"output": {"message": {"content": content}}})
    assert response.get_content() == "Well: Lakes are deep."


def test_an_answer_without_text_has_no_content() -> None:
    assert response({"toolUse": {"input": {}}}).get_content() is None
    assert BedrockResponse(success=False).get_content() is None


def test_an_empty_text_is_content() -> None:
    assert response({"text": ""}).get_content() == ""


def test_usage_has_both_key_styles_and_zero_for_missing_counts() -> None:
    usage = response(usage={"inputTokens": 3, "outputTokens": 4, "totalTokens": 7}).get_usage()
    assert usage is not None
    assert usage["inputTokens"] == usage["input_tokens"] == 3
    assert usage["cacheReadInputTokens"] == usage["cache_read_tokens"] == 0
    assert BedrockResponse(success=False).get_usage() is None


def test_metrics_name_the_attempt_that_succeeded() -> None:
    full = BedrockResponse(
        success=True,
        response_data={"metrics": {"latencyMs": 321}},
        attempts=[attempt(1, ValueError("x")), attempt(2)],
        total_duration_ms=500.0,
    )
    assert full.get_metrics() == {
        "api_latency_ms": 321,
        "total_duration_ms": 500.0,
        "attempts_made": 2,
        "successful_attempt_number": 2,
    }
    assert full.attempts[0].duration_ms == 12.5


def test_errors_are_those_of_the_attempts_in_order() -> None:
    first, second = ValueError("first"), KeyError("second")
    failed = BedrockResponse(success=False, attempts=[attempt(1, first), attempt(2, second)])
    assert failed.get_all_errors() == [first, second]
    assert failed.get_last_error() is second
    assert BedrockResponse(success=True).get_last_error() is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
blocks = st.one_of(
    st.builds(lambda text: {"text": text}, st.text()),
    st.builds(lambda data: {"image": {"format": "png", "source": {"bytes": data}}}, st.binary()),
    st.builds(lambda data: {"reasoningContent": {"redactedContent": data}}, st.binary()),
    st.builds(
        lambda value: {"toolUse": {"toolUseId": "t", "name": "n", "input": {"bytes": value}}}, json_values
    ),
)


@given(content=st.lists(blocks, max_size=5), errors=st.lists(st.text(), max_size=3))
def test_a_response_survives_a_json_round_trip(content: list[dict[str, object]], errors: list[str]) -> None:
    before = BedrockResponse(
        success=True,
        response_data={"output": {"message": {"role": "assistant", "content": content}}},
        model_used="m",
        attempts=[attempt(number, ValueError(text)) for number, text in enumerate(errors, start=1)],
        total_duration_ms=1.5,
        warnings=["w"],
        features_disabled=["tools"],
        validation_errors=[{"error_message": "e", "error_details": None, "attempt": 1}],
    )
    after = BedrockResponse.from_dict(json.loads(before.to_json(indent=2)))
    assert after.response_data == before.response_data
    assert after.to_dict() == before.to_dict()
    assert [str(error) for error in after.get_all_errors()] == errors


class FailingRepr:
    """A caller's class whose repr raises."""

    def __repr__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("details", "read_back"),
    [
        ({"x": {1, 2}}, {"x": "{1, 2}"}),
        ({"score": float("nan"), "scores": (0.5, float("inf"))}, {"score": "nan", "scores": [0.5, "inf"]}),
        ({("row", 1): b"\xff", 2: None}, {"('row', 1)": "/w==", "2": None}),
        ({"x": FailingRepr()}, {"x": "<FailingRepr>"}),
        ("no dict", "no dict"),
    ],
)
def test_details_that_json_does_not_support_become_their_repr(details: object, read_back: object) -> None:
    odd = BedrockResponse(success=False, validation_errors=[{"error_message": "e", "error_details": details}])
    restored = json.loads(odd.to_json(), parse_constant=pytest.fail)
    assert restored["validation_errors"][0]["error_details"] == read_back


def test_half_a_surrogate_pair_is_escaped_so_that_the_json_is_valid_utf8() -> None:
    content = [{"text": "Zürich \ud83d"}]
    cut = BedrockResponse(success=True, response_data={"output": {"message": {"content": content}}})
    assert json.loads(cut.to_json().encode())["response_data"] == cut.response_data


def test_a_deserialized_response_can_be_copied_and_pickled() -> None:
    recorded = BedrockResponse(success=False, error=RecordedError("m", error_type="T", code="C"))
    for copied in (copy.deepcopy(recorded), pickle.loads(pickle.dumps(recorded))):
        assert copied.to_dict() == recorded.to_dict()


@given(json_values)
def test_json_without_bytes_is_not_changed_by_the_codec(value: object) -> None:
    assert encode_bytes(value) == value


def test_text_that_is_not_base64_is_rejected_with_its_path() -> None:
    with pytest.raises(ValueError, match=r"messages\[0\].content\[0\].image.source.bytes"):
        decode_bytes(
            {"messages": [{"content": [{"image": {"source": {"bytes": "not base64!"}}}]}]},
        )
