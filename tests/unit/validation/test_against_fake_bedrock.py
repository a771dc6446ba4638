"""The library's rules for conversations are compared with the independent ones of FakeBedrock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import event, given
from hypothesis import strategies as st

from llmmanager.bedrock.exceptions.llm_manager_exceptions import RequestValidationError
from llmmanager.bedrock.validation.request import build_request
from llmmanager.testing.conversation_rules import check_conversation
from llmmanager.testing.errors import ServiceError

Json = dict[str, Any]

TOOLS = {"tools": [{"toolSpec": {"name": "now", "inputSchema": {"json": {"type": "object"}}}}]}
IDS = st.sampled_from(["t1", "t2"])
TEXTS = st.sampled_from(["a", "b", " ", ""]).map(lambda text: {"text": text})
TOOL_USES = IDS.map(lambda id_: {"toolUse": {"toolUseId": id_, "name": "now", "input": {}}})
DOCUMENTS = st.just({"document": {"name": "report", "format": "txt", "source": {"text": "x"}}})
TOOL_RESULTS = st.builds(
    lambda id_, content: {"toolResult": {"toolUseId": id_, "content": content}},
    IDS,
    st.lists(TEXTS | DOCUMENTS, max_size=2),
)
WORDS = st.just({"text": "a"})
USER = st.lists(WORDS | TOOL_RESULTS, min_size=1, max_size=3) | st.lists(
    TEXTS | TOOL_RESULTS | DOCUMENTS, max_size=3
)
ASSISTANT = st.lists(WORDS | TOOL_USES, max_size=3) | st.lists(TEXTS | TOOL_USES, max_size=3)
ALTERNATING = st.lists(st.tuples(USER, ASSISTANT), min_size=1, max_size=3).map(
    lambda turns: [
        {"role": role, "content": content}
        for turn in turns
        for role, content in zip(("user", "assistant"), turn, strict=True)
    ]
)
ANY_ORDER = st.lists(
    st.builds(lambda content: {"role": "user", "content": content}, USER)
    | st.builds(lambda content: {"role": "assistant", "content": content}, ASSISTANT),
    max_size=4,
)


@st.composite
def conversations(draw: st.DrawFn) -> list[Json]:
    """Return any messages. In half of the conversations every tool use has a result."""
    if draw(st.booleans()):
        return draw(ALTERNATING | ANY_ORDER)
    messages: list[Json] = draw(ALTERNATING)
    pending: list[str] = []
    for message in messages:
        others = [block for block in message["content"] if "text" in block and block["text"].strip()]
        if message["role"] == "user":
            message["content"] = [*map(result_of, pending), {"text": "a"}, *others]
        else:
            uses = {
                block["toolUse"]["toolUseId"]: block for block in message["content"] if "toolUse" in block
            }
            pending = list(uses)
            message["content"] = [*draw(st.lists(TEXTS, max_size=1)), *others, *uses.values()]
    return messages


def result_of(id_: str) -> Json:
    return {"toolResult": {"toolUseId": id_, "content": [{"text": "12:00"}]}}


@given(conversations(), st.booleans())
def test_a_conversation_is_sent_exactly_when_bedrock_accepts_it(
    messages: list[Json], has_tools: bool
) -> None:
    fields: Json = {"messages": messages, **({"toolConfig": TOOLS} if has_tools else {})}
    sent = sendable(fields)
    event("rejected before the call" if sent is None else "sent")
    if sent is None:
        assert rejected_by_bedrock(fields)
    else:
        assert not rejected_by_bedrock(sent)


def sendable(fields: Json) -> Mapping[str, Any] | None:
    try:
        return build_request({"messages": fields["messages"], "tool_config": fields.get("toolConfig")}).fields
    except RequestValidationError:
        return None


def rejected_by_bedrock(request: Mapping[str, Any]) -> str | None:
    try:
        check_conversation(request)
    except ServiceError as error:
        return error.message
    return None
