"""Where `prompt_cache="auto"` places cache points, for every model of FakeBedrock."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmmanager.bedrock.tokens.cache_placement import (
    MAX_CACHE_POINTS,
    min_cached_tokens,
    tokens_before_last_point,
    with_cache_points,
)
from llmmanager.testing import FakeCatalog
from llmmanager.testing.errors import ServiceError
from llmmanager.testing.validation import check_request

SONNET, HAIKU = "anthropic.claude-sonnet-4-6", "anthropic.claude-haiku-4-5-20251001-v1:0"
NOVA, LLAMA = "amazon.nova-lite-v1:0", "meta.llama3-3-70b-instruct-v1:0"
POINT = {"cachePoint": {"type": "default"}}
HOUR = {"cachePoint": {"type": "default", "ttl": "1h"}}
LONG, SHORT = "word " * 1000, "Hello"  # 1,250 tokens, and about 1
Request = dict[str, Any]


def turn(role: str, *content: Any) -> Request:
    return {"role": role, "content": [{"text": c} if isinstance(c, str) else c for c in content]}


def tool(description: str) -> Request:
    return {
        "toolSpec": {"name": "t", "description": description, "inputSchema": {"json": {"type": "object"}}}
    }


def request(*messages: Request, system: Any = None, tools: Any = None) -> Request:
    body: Request = {"messages": list(messages) or [turn("user", SHORT)]}
    if system:
        body["system"] = [{"text": s} if isinstance(s, str) else s for s in system]
    if tools:
        body["toolConfig"] = {"tools": list(tools)}
    return body


HISTORY = (
    turn("user", LONG),
    turn("assistant", SHORT),
    turn("user", SHORT),
    turn("assistant", SHORT),
    turn("user", SHORT),
)
USE = {"toolUse": {"toolUseId": "1", "name": "t", "input": {}}}
RESULT = {"toolResult": {"toolUseId": "1", "content": [{"text": SHORT}]}}
TOOL_LOOP = (turn("user", LONG), turn("assistant", USE), turn("user", RESULT))


def placed(body: Request, model_id: str = SONNET) -> list[str]:
    """Return where the cache points are: "tools", "system", or the index of the message."""
    changed = with_cache_points(body, model_id)
    found = ["tools"] * (changed.get("toolConfig", {}).get("tools", [])).count(POINT)
    found += ["system"] * changed.get("system", []).count(POINT)
    for index, message in enumerate(changed["messages"]):
        found += [str(index)] * message["content"].count(POINT)
    return found


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (request(), []),
        (request(turn("user", LONG)), []),
        (request(system=[LONG]), ["system"]),
        (request(system=[SHORT]), []),
        (request(tools=[tool(LONG)]), ["tools"]),
        (request(tools=[tool(SHORT)]), []),
        (request(tools=[tool(LONG)], system=[SHORT]), ["tools", "system"]),
        (request(tools=[tool("word " * 500)], system=["word " * 500]), ["system"]),
        (request(*HISTORY), ["2", "4"]),
        (request(*HISTORY[:3]), ["0", "2"]),
        (request(*HISTORY[:4]), ["0", "2"]),
        (request(*HISTORY[:2]), []),
        (request(*HISTORY, system=[LONG], tools=[tool(LONG)]), ["tools", "system", "2", "4"]),
        (request(*TOOL_LOOP, tools=[tool(SHORT)]), ["0", "2"]),
        (request(turn("user", SHORT), turn("assistant", SHORT), turn("user", LONG)), ["2"]),
        (request(turn("assistant", SHORT)), []),
        ({"system": [{"text": SHORT}]} | request(), []),
    ],
)
def test_points_follow_the_static_prefix_and_the_history(body: Request, where: list[str]) -> None:
    assert placed(body) == where


def test_nova_gets_no_point_in_tools_and_beside_tool_blocks() -> None:
    assert placed(request(tools=[tool(LONG)]), NOVA) == []
    assert placed(request(tools=[tool(LONG)], system=[SHORT]), NOVA) == ["system"]
    assert placed(request(*TOOL_LOOP, tools=[tool(SHORT)]), NOVA) == ["0"]


def test_a_prefix_must_have_the_models_minimum() -> None:
    assert (min_cached_tokens(SONNET), min_cached_tokens(HAIKU)) == (1024, 4096)
    assert placed(request(system=[LONG]), HAIKU) == []
    assert placed(request(system=[LONG * 4]), HAIKU) == ["system"]


@pytest.mark.parametrize("model_id", [LLAMA, "acme.talk-v1", "arn:aws:bedrock:us-east-1:1:prompt/A"])
def test_a_model_without_caching_gets_the_same_request(model_id: str) -> None:
    body = request(*HISTORY, system=[LONG])
    assert with_cache_points(body, model_id) is body


@pytest.mark.parametrize(
    ("body", "where"),
    [
        # A part with a point of the caller is left as it is.
        (request(*HISTORY, system=[LONG, POINT, SHORT]), ["system", "2", "4"]),
        (request(turn("user", LONG, POINT), *HISTORY[1:], system=[LONG]), ["system", "0"]),
        (request(*HISTORY, tools=[tool(LONG), POINT], system=[LONG]), ["tools", "system", "2", "4"]),
        # At most four in all, and the last turns before the tools.
        (request(*HISTORY, system=[LONG, POINT, LONG, POINT, LONG, POINT]), ["system"] * 3 + ["4"]),
        (request(*HISTORY, system=[LONG, POINT] * 4), ["system"] * 4),
        (
            request(*HISTORY, system=[LONG, POINT, LONG, POINT], tools=[tool(LONG)]),
            ["system"] * 2 + ["2", "4"],
        ),
        # One hour must not follow five minutes.
        (request(turn("user", LONG, HOUR), *HISTORY[1:], system=[LONG], tools=[tool(LONG)]), []),
        (request(*HISTORY, system=[LONG, HOUR], tools=[tool(LONG)]), ["2", "4"]),
    ],
)
def test_points_of_the_caller_are_respected(body: Request, where: list[str]) -> None:
    assert placed(body) == where


def test_the_tokens_before_the_last_point_are_those_of_everything_before_it() -> None:
    assert tokens_before_last_point(request(*HISTORY)) is None
    body = request(turn("user", LONG, POINT, LONG * 9), tools=[tool(LONG)], system=[LONG, POINT])
    assert tokens_before_last_point(body) == pytest.approx(3 * 1250, abs=30)


TEXTS = st.sampled_from([SHORT, LONG, LONG * 4])
USER_BLOCKS = st.one_of(
    TEXTS.map(lambda text: {"text": text}),
    st.just({"image": {"format": "png", "source": {"bytes": b"1"}}}),
)
POINTS = st.sampled_from([[], [], [POINT], [HOUR]])


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """Conversations with and without tools, a tool loop at the end, and cache points of the caller."""
    messages: list[Request] = []
    for _ in range(draw(st.integers(0, 3))):
        content = draw(st.lists(USER_BLOCKS, min_size=1, max_size=2)) + draw(POINTS)
        messages += [turn("user", *content), turn("assistant", draw(TEXTS))]
    messages.append(turn("user", *draw(st.lists(USER_BLOCKS, min_size=1, max_size=2)), *draw(POINTS)))
    tools: list[Any] = []
    if draw(st.booleans()):
        tools = [tool(draw(TEXTS)), *draw(POINTS)]
        if draw(st.booleans()):
            messages += [turn("assistant", USE), turn("user", RESULT)]
    system = [draw(TEXTS), *draw(POINTS)] if draw(st.booleans()) else None
    return request(*messages, system=system, tools=tools)


def without_points(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_points(member) for key, member in value.items()}
    if isinstance(value, list):
        return [without_points(member) for member in value if member not in (POINT, HOUR)]
    return value


def problem(model: Any, body: Request) -> str | None:
    try:
        check_request(model, body, streaming=False)
    except ServiceError as error:
        return str(error)
    return None


CHAT_MODELS = [model for model in FakeCatalog.bundled().models.values() if model.is_chat]


@given(st.sampled_from(CHAT_MODELS), requests())
def test_only_cache_points_are_added_and_every_model_accepts_them(model: Any, body: Request) -> None:
    before = copy.deepcopy(body)
    changed = with_cache_points(body, model.model_id)
    assert body == before
    assert without_points(changed) == without_points(before)
    assert with_cache_points(changed, model.model_id) == changed
    given, now = (str(value).count("cachePoint") for value in (before, changed))
    assert given <= now <= max(given, MAX_CACHE_POINTS)
    assert problem(model, _encoded(changed)) == problem(model, _encoded(before))


def _encoded(body: Any) -> Any:
    """Return the body as FakeBedrock receives it, with base64 instead of bytes."""
    if isinstance(body, dict):
        return {key: _encoded(member) for key, member in body.items()}
    if isinstance(body, list):
        return [_encoded(member) for member in body]
    return "MQ==" if isinstance(body, bytes) else body
