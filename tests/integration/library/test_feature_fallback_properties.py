"""What holds for any sequence of rejections."""

from __future__ import annotations

import copy
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmmanager import LLMManager, RequestAttempt, RetryConfig, RetryExhaustedError
from llmmanager.testing import FakeBedrock, FakeCatalog, FakeModel, Fault

MODELS = {"Nova Lite": "amazon.nova-lite-v1:0", "Nova Pro": "amazon.nova-pro-v1:0"}
POINT = {"cachePoint": {"type": "default"}}
IMAGE = {"image": {"format": "png", "source": {"bytes": b"\x89PNG\r\n\x1a\n" + b"\x00" * 16}}}
REQUEST: dict[str, Any] = {
    "messages": [
        {"role": "user", "content": [{"text": "What is this?"}, IMAGE, POINT]},
        {
            "role": "assistant",
            "content": [
                {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "AAA"}}},
                {"toolUse": {"toolUseId": "t1", "name": "clock", "input": {}}},
            ],
        },
        {"role": "user", "content": [{"toolResult": {"toolUseId": "t1", "content": [{"json": {"h": 12}}]}}]},
    ],
    "system": [{"text": "Be brief."}],
    "tool_config": {
        "tools": [{"toolSpec": {"name": "clock", "inputSchema": {"json": {"type": "object"}}}}, POINT],
        "toolChoice": {"any": {}},
    },
    "guardrail_config": {"guardrailIdentifier": "abc123", "guardrailVersion": "1"},
    "inference_config": {"temperature": 0.5, "topP": 0.5, "stopSequences": ["END"]},
    "additional_model_request_fields": {"top_k": 5, "seed": 7},
}
# Models that accept all of it, so that only the faults of a test reject anything.
ACCEPTING = [
    FakeModel(
        model_id=model_id,
        on_demand=("us-east-1",),
        input_modalities=("TEXT", "IMAGE"),
        cache_min_tokens=1024,
    )
    for model_id in MODELS.values()
]
Body = dict[str, Any]


def _content(body: Body) -> str:
    return json.dumps(body["messages"])


# By name: a rejection of the feature, the part of it that names the feature, and whether a body contains it.
FEATURES: dict[str, tuple[str, str, Callable[[Body], bool]]] = {
    "tools": (
        "This model doesn't support tool use.",
        "doesn't support tool use",
        lambda body: "toolConfig" in body,
    ),
    "tool choice": (
        "This model doesn't support the toolConfig.toolChoice.any field.",
        "toolConfig.toolChoice.any",
        lambda body: "any" in body.get("toolConfig", {}).get("toolChoice", {}),
    ),
    "cache point in tools": (
        "Malformed input request: #/toolConfig/tools/1: extraneous key [cachePoint] is not permitted",
        "#/toolConfig/tools",
        lambda body: POINT in body.get("toolConfig", {}).get("tools", ()),
    ),
    "cache point in messages": (
        "Malformed input request: #/messages/0/content/2: extraneous key [cachePoint] is not permitted",
        "#/messages",
        lambda body: "cachePoint" in _content(body),
    ),
    "system": (
        "This model doesn't support system messages.",
        "system messages",
        lambda body: "system" in body,
    ),
    "image": (
        "This model doesn't support the image field for user messages.",
        "the image field",
        lambda body: '"image"' in _content(body),
    ),
    "reasoning": (
        "User messages cannot contain reasoning content.",
        "reasoning content",
        lambda body: "reasoningContent" in _content(body),
    ),
    "guardrail": (
        "This model doesn't support the guardrailConfig field.",
        "guardrailConfig",
        lambda body: body.get("guardrailConfig") == REQUEST["guardrail_config"],
    ),
    "temperature": (
        "This model doesn't support the temperature field.",
        "the temperature field",
        lambda body: "temperature" in body.get("inferenceConfig", {}),
    ),
    "top_p": (
        "This model doesn't support the topP field.",
        "the topP field",
        lambda body: "topP" in body.get("inferenceConfig", {}),
    ),
    "stop sequences": (
        "This model doesn't support the stopSequences field.",
        "the stopSequences field",
        lambda body: "stopSequences" in body.get("inferenceConfig", {}),
    ),
    "top_k": (
        "Malformed input request: #: extraneous key [top_k] is not permitted",
        "[top_k]",
        lambda body: "top_k" in body.get("additionalModelRequestFields", {}),
    ),
    "seed": (
        "seed: Extra inputs are not permitted",
        "seed",
        lambda body: "seed" in body.get("additionalModelRequestFields", {}),
    ),
}
# What goes together with another feature.
PARTS = {"tools": ("tool choice", "cache point in tools")}
CONTENT = {"tools", "system", "image", "reasoning"}

# Each example makes new connections; the unit tests of feature fallback try many more.
few = settings(max_examples=15, deadline=None)
rejections = st.lists(
    st.tuples(st.sampled_from(list(MODELS.values())), st.sampled_from(list(FEATURES))), max_size=12
)


@pytest.fixture(scope="module")
def bedrock() -> Iterator[FakeBedrock]:
    with FakeBedrock(FakeCatalog(*ACCEPTING)) as server, pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment.items():
            patch.setenv(name, value)
        yield server


@pytest.fixture(scope="module")
def new_manager() -> Callable[..., LLMManager]:
    def make(**config: Any) -> LLMManager:
        retry = RetryConfig(retry_delay=0.001, **config)
        return LLMManager(list(MODELS), ["us-east-1"], retry_config=retry)

    return make


class Calls:
    """The calls of one manager, and what each of them was sent without.

    Attributes:
        wrongly_missing: (features that were missing, features that the model had rejected) of each call in
            which more was missing than rejected.
        losses: the features of the class "content" that each call was sent without, with its model.
    """

    def __init__(self, bedrock: FakeBedrock, manager: LLMManager) -> None:
        self._bedrock = bedrock
        self._manager = manager
        self._rejected: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        self.wrongly_missing: list[tuple[set[str], set[str]]] = []
        self.losses: list[tuple[str, set[str]]] = []

    def make(self, faults: Sequence[tuple[str, str]] = (), *, stream: bool = False) -> None:
        """Make one call that meets these rejections in their order; whether it is answered is no matter."""
        self._bedrock.reset()
        for model, feature in faults:
            message = FEATURES[feature][0]
            self._bedrock.add_fault(Fault(error="ValidationException", message=message, model=model, count=1))
        self._read(self._attempts(stream))

    def _attempts(self, stream: bool) -> Sequence[RequestAttempt]:
        try:
            if not stream:
                return self._manager.converse(**REQUEST).attempts
            opened = self._manager.converse_stream(**REQUEST)
            opened.get_full_content()
            return opened.attempts
        except RetryExhaustedError as error:
            return error.attempts

    def _read(self, attempts: Sequence[RequestAttempt]) -> None:
        for call, attempt in zip(self._bedrock.calls, attempts, strict=True):
            rejected = self._rejected[call.operation, call.model_id]
            missing = {name for name, (_, _, is_in) in FEATURES.items() if not is_in(call.body)}
            if not missing <= rejected - {"guardrail"}:
                self.wrongly_missing.append((missing, set(rejected)))
            self.losses.append((call.model_id, missing & CONTENT))
            if attempt.error is not None:
                named = [name for name, (_, part, _) in FEATURES.items() if part in str(attempt.error)]
                assert named, f"an error that this test does not know: {attempt.error}"
                for name in named:
                    rejected |= {name, *PARTS.get(name, ())}


@few
@given(first=rejections, second=rejections)
def test_only_rejected_features_are_missing_and_never_the_guardrail(
    bedrock: FakeBedrock,
    new_manager: Callable[..., LLMManager],
    first: list[tuple[str, str]],
    second: list[tuple[str, str]],
) -> None:
    before = copy.deepcopy(REQUEST)
    with closing(new_manager()) as manager:
        calls = Calls(bedrock, manager)
        calls.make(first)
        calls.make(second)
        calls.make()
    assert calls.wrongly_missing == []
    assert before == REQUEST


@few
@given(faults=rejections, first_streams=st.booleans())
def test_what_one_operation_rejects_is_sent_again_by_the_other(
    bedrock: FakeBedrock,
    new_manager: Callable[..., LLMManager],
    faults: list[tuple[str, str]],
    first_streams: bool,
) -> None:
    with closing(new_manager()) as manager:
        calls = Calls(bedrock, manager)
        calls.make(faults, stream=first_streams)
        calls.make(stream=not first_streams)
    assert calls.wrongly_missing == []


@few
@given(faults=rejections)
def test_content_is_left_out_only_where_every_model_has_rejected_some(
    bedrock: FakeBedrock, new_manager: Callable[..., LLMManager], faults: list[tuple[str, str]]
) -> None:
    with closing(new_manager()) as manager:
        calls = Calls(bedrock, manager)
        calls.make(faults)
    in_full = [model for model, lost in calls.losses if not lost]
    first_loss = next((place for place, (_, lost) in enumerate(calls.losses) if lost), None)
    if first_loss is not None:
        assert {model for model, _ in calls.losses[:first_loss]} == set(MODELS.values())
        assert set(in_full) == set(MODELS.values())


@few
@given(faults=rejections)
def test_nothing_is_ever_left_out_without_fallback(
    bedrock: FakeBedrock, new_manager: Callable[..., LLMManager], faults: list[tuple[str, str]]
) -> None:
    with closing(new_manager(enable_feature_fallback=False)) as manager:
        calls = Calls(bedrock, manager)
        for stream in (False, False, True):
            calls.make(faults, stream=stream)
            assert all(FEATURES[name][2](call.body) for name in FEATURES for call in bedrock.calls)
