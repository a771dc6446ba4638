"""The parser returns the same as botocore's, with the content that botocore does not know."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.parsers import EventStreamJSONParser, ResponseParserError, ResponseParserFactory
from botocore.session import Session
from hypothesis import given
from hypothesis import strategies as st

from llmmanager.bedrock.transport.event_parser import ParserFactory

MODEL = Session().get_service_model("bedrock-runtime")
SHAPE = MODEL.operation_model("ConverseStream").output_shape.members["stream"]
ANSWER = MODEL.operation_model("Converse").output_shape
OURS, THEIRS = ParserFactory(), ResponseParserFactory()


def event(body: object, kind: str = "contentBlockDelta") -> dict[str, Any]:
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {":event-type": kind, ":message-type": "event", ":content-type": "application/json"}
    return {"status_code": 200, "headers": headers, "body": payload}


def parse(factory: ResponseParserFactory, response: dict[str, Any]) -> Any:
    return factory.create_parser("rest-json")._event_stream_parser.parse(response, SHAPE)


def parsed_by(factory: ResponseParserFactory, response: dict[str, Any]) -> object:
    """Return the event, or the error that any exception becomes."""
    try:
        return parse(factory, response)
    except Exception as error:
        return ResponseParserError if factory is THEIRS else type(error)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=5,
)


@given(st.text(), st.integers(0, 99), st.text(max_size=20))
def test_a_text_chunk_is_parsed_equally_without_padding(text: str, index: int, padding: str) -> None:
    response = event({"contentBlockIndex": index, "delta": {"text": text}, "p": padding})
    expected = {"contentBlockDelta": {"delta": {"text": text}, "contentBlockIndex": index}}
    assert parsed_by(OURS, response) == parsed_by(THEIRS, response) == expected


@given(st.dictionaries(st.sampled_from(["contentBlockIndex", "delta", "p"]), JSON))
def test_an_unexpected_delta_is_parsed_by_botocore_unless_that_would_lose_content(
    body: dict[str, Any],
) -> None:
    parsed = parsed_by(OURS, event(body))
    if isinstance(body.get("delta"), dict):
        came = {kind: member for kind, member in body["delta"].items() if member is not None}
        assert parsed["contentBlockDelta"]["delta"] == came  # type: ignore[index]
    else:
        assert parsed == parsed_by(THEIRS, event(body))


@pytest.mark.parametrize(
    ("delta", "kept"),
    [
        ({"hologram": {"depth": 3}}, {"hologram": {"depth": 3}}),
        ({"text": "a", "hologram": {}}, {"text": "a", "hologram": {}}),
        ({"reasoningContent": {"mood": "calm"}}, {"reasoningContent": {"mood": "calm"}}),
        (
            {"image": {"source": {"url": "https://example.com"}}},
            {"image": {"source": {"url": "https://example.com"}}},
        ),
        ({"text": None, "__type": "x"}, {}),
    ],
)
def test_content_that_botocore_does_not_know_is_not_changed(
    delta: dict[str, Any], kept: dict[str, Any]
) -> None:
    parsed = parse(OURS, event({"contentBlockIndex": 0, "delta": delta}))
    assert parsed == {"contentBlockDelta": {"contentBlockIndex": 0, "delta": kept}}


@pytest.mark.parametrize(
    "body",
    [
        {"contentBlockIndex": 0, "delta": {"toolUse": {"input": "{"}}},
        {"contentBlockIndex": 0, "delta": {"reasoningContent": {"redactedContent": "AAEC"}}},
        {"contentBlockIndex": 0, "delta": {"text": "a", "__type": "x"}},
        {"delta": {"text": "a"}},
        [],
        b"",
    ],
)
def test_events_without_plain_text_are_parsed_by_botocore(body: object) -> None:
    assert parsed_by(OURS, event(body)) == parsed_by(THEIRS, event(body))


# Deeper than the JSON parser of any Python goes.
DEEP = b'{"delta":' * 20_000 + b"1" + b"}" * 20_000


@pytest.mark.parametrize("kind", ["contentBlockDelta", "messageStop", "metadata"])
@pytest.mark.parametrize("body", [b"{", b"\xff", b"null", b"[]", b'"text"', DEEP])
def test_an_invalid_event_is_an_error_and_not_an_event_without_content(kind: str, body: bytes) -> None:
    with pytest.raises(ResponseParserError, match="an event of Bedrock's stream is invalid: "):
        parse(OURS, event(body, kind))


@pytest.mark.parametrize("body", [b"null", b"[]", b'{"output": []}', DEEP])
def test_an_invalid_answer_is_an_error(body: bytes) -> None:
    response = {"status_code": 200, "headers": {}, "body": body}
    with pytest.raises(ResponseParserError, match="Bedrock's answer has an unexpected form: "):
        OURS.create_parser("rest-json").parse(response, ANSWER)


def test_an_exception_in_a_stream_whose_body_is_no_object_is_an_error() -> None:
    headers = {":exception-type": "throttlingException", ":message-type": "exception"}
    with pytest.raises(ResponseParserError, match="an event of Bedrock's stream is invalid: "):
        parse(OURS, {"status_code": 400, "headers": headers, "body": b"[]"})


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("messageStart", {"role": "assistant"}),
        ("messageStop", {"stopReason": "end_turn"}),
        ("metadata", {"usage": {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3}, "metrics": {}}),
        ("somethingNew", {"contentBlockIndex": 0, "delta": {"text": "a"}}),
    ],
)
def test_other_events_are_parsed_equally(kind: str, body: dict[str, Any]) -> None:
    assert parsed_by(OURS, event(body, kind)) == parsed_by(THEIRS, event(body, kind))


def test_text_is_parsed_without_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    def walk(*_: Any) -> None:
        raise AssertionError("walked")

    monkeypatch.setattr(EventStreamJSONParser, "parse", walk)
    assert parse(OURS, event({"contentBlockIndex": 0, "delta": {"text": "a"}}))
    with pytest.raises(AssertionError, match="walked"):
        parse(OURS, event({"role": "assistant"}, "messageStart"))


BLOCKS = st.sampled_from(
    [
        {"text": "Paris"},
        {"toolUse": {"toolUseId": "t1", "name": "clock", "input": {"zone": None, "deep": [{"a": 1.5}]}}},
        {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "AAA"}}},
        {"reasoningContent": {"redactedContent": "AAEC"}},
        {"image": {"format": "png", "source": {"bytes": "AAEC"}}},
    ]
)
COUNTS = st.dictionaries(
    st.sampled_from(["inputTokens", "outputTokens", "newTokens"]), st.none() | st.integers()
)
MEMBERS = {
    "output": st.builds(
        lambda content: {"message": {"role": "assistant", "content": content}}, st.lists(BLOCKS)
    ),
    "stopReason": st.none() | st.text(max_size=9),
    "usage": COUNTS,
    "metrics": st.just({"latencyMs": 7}),
    "additionalModelResponseFields": JSON,
    "trace": st.just({"guardrail": {"modelOutput": ["a"], "inputAssessment": {"x": {}}}}),
    "somethingNew": JSON,
}


@given(st.fixed_dictionaries({}, optional=MEMBERS))
def test_an_answer_with_known_content_is_parsed_equally(answer: dict[str, Any]) -> None:
    response = {"status_code": 200, "headers": {}, "body": json.dumps(answer).encode()}
    ours, theirs = (factory.create_parser("rest-json").parse(response, ANSWER) for factory in (OURS, THEIRS))
    del theirs["ResponseMetadata"]
    assert ours == theirs


def test_an_error_has_its_metadata() -> None:
    headers = {"x-amzn-errortype": "ThrottlingException", "retry-after": "7"}
    response = {"status_code": 429, "headers": headers, "body": b'{"message": "Too many tokens"}'}
    ours, theirs = (factory.create_parser("rest-json").parse(response, ANSWER) for factory in (OURS, THEIRS))
    assert ours == theirs
    assert ours["ResponseMetadata"]["HTTPHeaders"]["retry-after"] == "7"


@pytest.mark.parametrize("service", ["bedrock", "bedrock-runtime"])
def test_members_have_the_same_name_in_json_as_in_python(service: str) -> None:
    model = Session().get_service_model(service)
    shapes = [model.shape_for(name) for name in model.shape_names]
    members = [item for shape in shapes if shape.type_name == "structure" for item in shape.members.items()]
    in_body = [
        (name, shape.serialization) for name, shape in members if "location" not in shape.serialization
    ]
    assert in_body
    assert all(serialization.get("name", name) == name for name, serialization in in_body)


@pytest.mark.parametrize("protocol", ["json", "query", "ec2", "rest-xml"])
def test_responses_of_other_services_are_parsed_by_botocore(protocol: str) -> None:
    assert type(OURS.create_parser(protocol)) is type(THEIRS.create_parser(protocol))
