"""Generated requests to each route are answered, or rejected with a documented error."""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmmanager.testing import FakeBedrock
from tests.integration.lambdas.streaming_api.request_examples import EXAMPLES

MODELS = ("Nova Lite", "Claude Haiku 4.5", "Claude Opus 5.5", "Llama 3.3 70B Instruct")
REJECTIONS = {400, 404, 422}
Path = tuple[str | int, ...]

VALUES = st.sampled_from(
    [
        None,
        True,
        False,
        0,
        1,
        -1,
        2,
        0.5,
        10**9,
        "",
        " ",
        "auto",
        "none",
        "text",
        "user",
        "assistant",
        "é\ud83d",
        [],
        {},
    ]
) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


def paths_of(value: Any, path: Path = ()) -> Iterator[Path]:
    """Yield the path of each value inside a document."""
    members = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for name, member in members:
        yield (*path, name)
        yield from paths_of(member, (*path, name))


@st.composite
def bodies(draw: st.DrawFn, example: dict[str, Any]) -> dict[str, Any]:
    """Draw the example with another model and some fields removed, and some values replaced or repeated."""
    body = copy.deepcopy(example)
    body["model"] = draw(st.sampled_from(MODELS))
    optional = sorted(set(body) - {"model", "messages", "input", "max_tokens"})
    for name in draw(st.sets(st.sampled_from(optional), max_size=len(optional))):
        del body[name]
    for _ in range(draw(st.integers(0, 2))):
        *parents, last = draw(st.sampled_from(list(paths_of(body))))
        parent: Any = body
        for name in parents:
            parent = parent[name]
        match draw(st.sampled_from(["replace", "remove", "repeat", "add"])):
            case "replace":
                parent[last] = draw(VALUES)
            case "remove":
                del parent[last]
            case "repeat" if isinstance(parent, list):
                parent.append(copy.deepcopy(parent[last]))
            case _ if isinstance(parent, dict):
                parent[draw(st.text(max_size=8))] = draw(VALUES)
    return body


@pytest.fixture
def models(deployed: FakeBedrock, cold_start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Configure models of several families."""
    monkeypatch.setenv("LLMMANAGER_MODELS", json.dumps(MODELS))
    cold_start()


def is_complete(route: str, received: Any) -> bool:
    """Whether a streamed answer ends as a complete one does."""
    last = received.events[-1]
    match route:
        case "/chat/completions":
            return last == "[DONE]"
        case "/responses":
            return last["type"] in ("response.completed", "response.incomplete")
    return last["type"] == "message_stop"


@pytest.mark.parametrize("route", EXAMPLES)
def test_a_generated_request_is_answered_or_rejected(api: Any, models: None, route: str) -> None:
    client, statuses = api(), Counter[int]()

    @settings(max_examples=300)
    @given(bodies(EXAMPLES[route]))
    def check(body: dict[str, Any]) -> None:
        received = client.post(route, body)
        statuses[received.status] += 1
        if received.status == 200:
            streamed = received.headers["Content-Type"].startswith("text/event-stream")
            assert is_complete(route, received) if streamed else received.document
            return
        assert received.status in REJECTIONS, received.body
        error = received.document["error"]
        assert error["message"]
        assert error["type"]

    check()
    # Most mutations of a valid request are valid too.
    assert statuses[200] > 60
