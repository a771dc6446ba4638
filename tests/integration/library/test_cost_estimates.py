"""`estimate_cost` and `estimate_file_cost`: the cost of requests before they are sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llmmanager import (
    BedrockConverseRequest,
    ConfigurationError,
    Lane,
    LLMManager,
    ModelQuota,
    RequestValidationError,
    estimate_cost,
)
from llmmanager.testing import FakeBedrock, Fault
from tests.integration.library.conftest import MakeManager, MakeParallel

HAIKU, NOVA = "anthropic.claude-haiku-4-5-20251001-v1:0", "amazon.nova-lite-v1:0"
PROMPT = "arn:aws:bedrock:us-east-1:123456789012:prompt/ABCDEFGHIJ:1"
PROFILE = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/team"


def request(text: Any = "What is the capital of France?", **fields: Any) -> BedrockConverseRequest:
    fields.setdefault("inference_config", {"maxTokens": 100})
    return BedrockConverseRequest(messages=text, **fields)


def operations(bedrock: FakeBedrock) -> set[str]:
    return {call.operation for call in bedrock.calls}


# One request


def test_the_cost_is_that_of_the_counted_input_and_max_tokens_on_each_target(
    make_manager: MakeManager, fake_bedrock: FakeBedrock
) -> None:
    manager = make_manager(("Claude Haiku 4.5",), ("us-east-1",))
    estimate = manager.estimate_cost(request())
    tokens = manager.count_tokens("What is the capital of France?").input_tokens
    usage = {"inputTokens": tokens, "outputTokens": 100}
    assert [(target.access_method, target.usd) for target in estimate.targets] == [
        ("geographic_profile", estimate_cost(HAIKU, usage, inference_profile_id=f"us.{HAIKU}")),
        ("global_profile", estimate_cost(HAIKU, usage, inference_profile_id=f"global.{HAIKU}")),
    ]
    assert {target.input_tokens for target in estimate.targets} == {tokens}
    assert not any(target.is_estimate or target.reason for target in estimate.targets)
    assert estimate.usd == estimate.max_usd == estimate.targets[0].usd
    assert operations(fake_bedrock) == {"CountTokens"}


def test_each_model_is_counted_once_and_the_most_expensive_target_is_known(
    make_manager: MakeManager, fake_bedrock: FakeBedrock
) -> None:
    estimate = make_manager(("Nova Lite", "Claude Haiku 4.5")).estimate_cost(request())
    assert estimate.targets[0].model == NOVA
    assert {target.region for target in estimate.targets} == {"us-east-1", "us-west-2"}
    assert (estimate.usd or 0) < (estimate.max_usd or 0)
    counted = [call.invoked_id for call in fake_bedrock.calls]
    assert counted.count(HAIKU) == 1


def test_an_estimate_of_the_input_is_typical_and_not_the_upper_one(make_manager: MakeManager) -> None:
    manager = make_manager()
    text = "The quick brown fox jumps over the lazy dog. " * 100
    (first, *_) = manager.estimate_cost(request(text)).targets
    assert first.is_estimate
    assert first.input_tokens == pytest.approx(len(text) / 4, rel=0.01)
    assert manager.count_tokens(text).input_tokens > 2 * first.input_tokens


def test_an_expected_output_replaces_max_tokens_and_without_both_the_models_maximum_counts(
    make_manager: MakeManager,
) -> None:
    manager = make_manager()
    without = request(inference_config=None)
    outputs = [
        manager.estimate_cost(one, output_tokens=expected).targets[0].output_tokens
        for one, expected in ((request(), None), (request(), 7), (without, 0), (without, None))
    ]
    assert outputs == [100, 7, 0, 5000]
    default = make_manager(default_inference_config={"maxTokens": 50})
    assert default.estimate_cost(without).targets[0].output_tokens == 50


def test_the_estimate_is_the_cost_of_an_answer_with_these_tokens(make_manager: MakeManager) -> None:
    manager = make_manager(("Claude Haiku 4.5",))
    sent = request(service_tier={"type": "default"})
    response = manager.converse_with_request(sent)
    usage = response.get_usage() or {}
    estimate = manager.estimate_cost(sent, output_tokens=usage["output_tokens"])
    assert estimate.usd == response.estimated_cost_usd


def test_the_estimate_has_the_price_of_the_service_tier(make_manager: MakeManager) -> None:
    manager = make_manager(("Nova Pro",))
    usual, flex = (
        manager.estimate_cost(request(service_tier={"type": tier})) for tier in ("default", "flex")
    )
    assert flex.usd == pytest.approx((usual.usd or 0) / 2)


def test_a_request_is_sent_without_a_service_tier_that_the_model_does_not_offer(
    make_manager: MakeManager,
) -> None:
    manager = make_manager(("Claude Haiku 4.5",))
    usual, flex = (
        manager.estimate_cost(request(service_tier={"type": tier})) for tier in ("default", "flex")
    )
    assert flex.usd == usual.usd
    in_flex = manager.estimate_file_cost([line("a", serviceTier={"type": "flex"})])
    assert in_flex.models == manager.estimate_file_cost([line("a")]).models


RULES = "The rules are as follows. " * 1000
POINT = {"cachePoint": {"type": "default"}}


@pytest.mark.parametrize(
    "fields",
    [
        {"system": RULES, "prompt_cache": "auto"},
        {"system": [{"text": RULES}, POINT]},
        {"system": [{"text": RULES}, {"cachePoint": {"type": "default", "ttl": "1h"}}]},
        {"text": [{"role": "user", "content": [{"text": RULES}, POINT, {"text": "And?"}]}]},
    ],
    ids=["auto", "own point", "an hour", "message"],
)
def test_the_estimate_has_the_cost_of_writing_and_of_reading_the_cache(
    make_manager: MakeManager, fields: dict[str, Any]
) -> None:
    manager = make_manager(("Claude Haiku 4.5",), ("us-east-1",))
    sent = request(**fields)
    first, second = manager.converse_with_request(sent), manager.converse_with_request(sent)
    output_tokens = first.get_output_tokens()
    target = manager.estimate_cost(sent, output_tokens=output_tokens).targets[0]
    assert target.cached_tokens == pytest.approx(first.get_cache_write_tokens(), rel=0.05)
    assert target.usd == pytest.approx(first.estimated_cost_usd, rel=0.05)
    assert second.get_cache_read_tokens()
    assert target.usd_from_cache == pytest.approx(second.estimated_cost_usd, rel=0.05)


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        ("Claude Haiku 4.5", {"system": "Be brief.", "prompt_cache": "auto"}),
        ("Claude Haiku 4.5", {"system": RULES}),
        ("Llama 3.3 70B", {"system": RULES, "prompt_cache": "auto"}),
    ],
)
def test_a_prompt_that_is_not_cached_costs_its_input(
    make_manager: MakeManager, model: str, fields: dict[str, Any]
) -> None:
    target = make_manager((model,)).estimate_cost(request(**fields)).targets[0]
    usage = {"inputTokens": target.input_tokens, "outputTokens": target.output_tokens}
    assert (target.cached_tokens, target.usd_from_cache) == (0, None)
    assert target.usd == estimate_cost(
        target.model, usage, inference_profile_id=target.inference_profile_id, region=target.region
    )


def test_an_unknown_price_has_a_reason(make_manager: MakeManager, fake_bedrock: FakeBedrock) -> None:
    fake_bedrock.add_fault(Fault(error="AccessDeniedException", operation="GetInferenceProfile"))
    manager = make_manager(("Nova Lite", PROMPT, PROFILE), ("us-east-1",))
    estimate = manager.estimate_cost(request(inference_config=None))
    known, *others = {target.model: target for target in estimate.targets}.values()
    assert known.usd
    assert {target.model: (target.usd, target.reason) for target in others} == {
        PROMPT: (None, "the text of a managed prompt is unknown"),
        PROFILE: (None, "the price of the model is unknown"),
    }
    assert (estimate.usd, estimate.max_usd) == (known.usd, None)


def test_a_model_that_does_not_accept_the_request_has_a_reason(make_manager: MakeManager) -> None:
    estimate = make_manager((PROMPT, "Nova Lite"), ("us-east-1",)).estimate_cost(request())
    assert (estimate.usd, estimate.max_usd) == (None, None)
    assert "the model does not accept the request: inferenceConfig" in str(estimate.targets[0].reason)
    assert estimate.targets[-1].usd


def test_an_application_profile_has_the_price_of_its_source(
    make_manager: MakeManager, fake_bedrock: FakeBedrock
) -> None:
    fake_bedrock.add_resource(PROFILE, model=f"us.{HAIKU}")
    costs = [make_manager((name,)).estimate_cost(request()).usd for name in (PROFILE, f"us.{HAIKU}")]
    assert costs[0] == costs[1] is not None


@pytest.mark.parametrize("output_tokens", [-1, 1.5, True, "100"])
def test_an_invalid_number_of_output_tokens_is_rejected(
    make_manager: MakeManager, output_tokens: Any
) -> None:
    with pytest.raises(ConfigurationError, match="output_tokens must be an integer of at least 0"):
        make_manager().estimate_cost(request(), output_tokens=output_tokens)
    with pytest.raises(ConfigurationError, match="output_tokens must be an integer of at least 0"):
        make_manager().estimate_file_cost([], output_tokens=output_tokens)


def test_an_invalid_request_is_rejected(make_manager: MakeManager) -> None:
    with pytest.raises(RequestValidationError):
        make_manager().estimate_cost(request(inference_config={"maxTokens": 0}))


# A file


def line(text: str, **fields: Any) -> str:
    return json.dumps({"recordId": text[:9], "modelInput": {"messages": text, **fields}}) + "\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "records.jsonl"
    content = [
        line("word " * 800, inferenceConfig={"maxTokens": 100}),
        "\n",
        json.dumps({"messages": "word " * 800, "inference_config": {"maxTokens": 300}}) + "\n",
    ]
    path.write_text("\ufeff" + "".join(content), encoding="utf-8")
    return path


def test_the_records_of_a_file_are_priced_for_each_model(
    make_manager: MakeManager, fake_bedrock: FakeBedrock, file: Path
) -> None:
    estimate = make_manager(("Nova Lite", "Claude Haiku 4.5"), ("us-east-1",)).estimate_file_cost(file)
    assert (estimate.records, estimate.rejected_lines) == (2, 0)
    nova, haiku = estimate.models
    assert (nova.model, haiku.model) == (NOVA, HAIKU)
    assert (nova.input_tokens, nova.output_tokens) == (pytest.approx(2000, rel=0.01), 400)
    usage = {"inputTokens": nova.input_tokens, "outputTokens": 400}
    assert estimate.usd == nova.usd == pytest.approx(estimate_cost(NOVA, usage, region="us-east-1"))
    assert haiku.usd == pytest.approx(estimate_cost(HAIKU, usage, inference_profile_id=f"us.{HAIKU}"))
    assert nova.usd_per_record == pytest.approx((nova.usd or 0) / 2)
    assert (nova.quota_seconds, nova.reason) == (None, None)
    assert fake_bedrock.calls == ()


def test_a_file_is_read_line_by_line_from_any_iterable(make_manager: MakeManager, file: Path) -> None:
    manager = make_manager()
    read = 0

    def lines() -> Iterator[bytes]:
        nonlocal read
        for text in file.read_bytes().splitlines():
            read += 1
            yield text

    assert manager.estimate_file_cost(lines()) == manager.estimate_file_cost(str(file))
    assert read == 3
    with file.open() as opened:
        assert manager.estimate_file_cost(opened).records == 2


def test_lines_that_are_not_records_are_counted_and_not_priced(make_manager: MakeManager) -> None:
    rejected = [
        "not json",
        "[]",
        '{"recordId": "a"}',
        '{"modelInput": 5}',
        '{"modelInput": {"messages": 5}}',
        '{"messages": "a", "inferenceConfig": 5}',
        '{"messages": "a", "inferenceConfig": {"maxTokens": 0}}',
        '{"messages": "a", "serviceTier": "flex"}',
        '{"messages": "a", "unknown": 1}',
        "[" * 100_000,
    ]
    estimate = make_manager().estimate_file_cost([*rejected, line("a", inferenceConfig={"maxTokens": 1})])
    assert (estimate.records, estimate.rejected_lines) == (1, len(rejected))
    assert [problem.partition(":")[0] for problem in estimate.problems] == [f"line {n}" for n in range(1, 11)]
    assert estimate.problems[3].startswith("line 4: modelInput: must be an object")
    assert estimate.models[0].output_tokens == 1


def test_an_empty_file_costs_nothing(make_manager: MakeManager) -> None:
    estimate = make_manager().estimate_file_cost([])
    assert (estimate.records, estimate.usd, estimate.models[0].usd_per_record) == (0, 0, None)
    assert estimate.lanes is None


def test_each_record_has_the_price_of_its_service_tier(make_manager: MakeManager) -> None:
    manager = make_manager(("Nova Pro",))
    tiers = ("default", "flex", "priority")
    each = [manager.estimate_file_cost([line("a", serviceTier={"type": tier})]).usd or 0 for tier in tiers]
    together = manager.estimate_file_cost([line("a", serviceTier={"type": tier}) for tier in tiers])
    assert together.usd == pytest.approx(sum(each))
    assert each[1] < each[0] < each[2]


@pytest.mark.parametrize(
    "fields",
    [{"system": RULES}, {"system": RULES, "promptCache": "auto"}, {"system": [{"text": RULES}, POINT]}],
    ids=["shared", "auto", "own point"],
)
def test_records_with_the_same_prompt_cost_what_their_answers_cost(
    make_manager: MakeManager, make_parallel: MakeParallel, fields: dict[str, Any]
) -> None:
    lines = [line(f"Question {number}?", **fields, inferenceConfig={"maxTokens": 50}) for number in range(20)]
    parallel = make_parallel(("Claude Haiku 4.5",), ("us-east-1",))
    records = [json.loads(each)["modelInput"] for each in lines]
    run = parallel.converse_parallel(
        [
            BedrockConverseRequest(
                messages=record["messages"],
                system=record["system"],
                inference_config=record["inferenceConfig"],
                prompt_cache=None if record["system"] != RULES else "auto",
            )
            for record in records
        ]
    )
    output_tokens = (run.get_total_usage() or {})["output_tokens"] // 20
    manager = make_manager(("Claude Haiku 4.5", "Llama 3.3 70B"), ("us-east-1",))
    estimate = manager.estimate_file_cost(lines, output_tokens=output_tokens)
    cached, uncached = estimate.models
    assert cached.usd == pytest.approx(run.estimated_cost_usd, rel=0.05)
    assert estimate.lanes is not None
    assert estimate.lanes.estimates[0].usd == pytest.approx(cached.usd)
    usage = {"inputTokens": uncached.input_tokens, "outputTokens": uncached.output_tokens}
    assert uncached.usd == pytest.approx(
        estimate_cost(uncached.model, usage, access_method="geographic_profile", region="us-east-1")
    )


def test_media_in_base64_are_not_counted_as_text(make_manager: MakeManager) -> None:
    def tokens(kind: str, size: int) -> int:
        file_format = {"image": "png", "document": "pdf"}[kind]
        block = {kind: {"format": file_format, "source": {"bytes": "A" * size}}}
        if kind == "document":
            block[kind]["name"] = "a"
        content = [{"role": "user", "content": [{"text": "a"}, block]}]
        record = json.dumps({"modelInput": {"messages": content}})
        return make_manager().estimate_file_cost([record]).models[0].input_tokens

    assert tokens("image", 40_000) == tokens("image", 400) == pytest.approx(1600, abs=30)
    assert tokens("document", 400_000) == pytest.approx(50_000, abs=50)


def test_known_quotas_tell_how_long_the_file_takes(make_manager: MakeManager) -> None:
    records = [line("word " * 800, inferenceConfig={"maxTokens": 1000})] * 10
    quotas = [
        ModelQuota("Nova Lite", tokens_per_minute=10_000, access_method="on_demand"),
        ModelQuota("Nova Lite", tokens_per_minute=10_000, access_method="geographic_profile"),
        ModelQuota("Claude Haiku 4.5", tokens_per_minute=30_000, requests_per_minute=5),
    ]
    manager = make_manager(("Nova Lite", "Claude Haiku 4.5"), ("us-east-1",), quotas=quotas)
    nova, haiku = manager.estimate_file_cost(records).models
    # 20,000 tokens at 20,000 a minute; the output of Claude counts five times: 60,000 at 60,000 a minute.
    assert (nova.quota_seconds, haiku.quota_seconds) == (
        pytest.approx(60, rel=0.01),
        pytest.approx(60, rel=0.01),
    )
    shared = make_manager(("Nova Lite",), ("us-east-1",), quotas=quotas, quota_share=0.5, quota_reserve=0.5)
    assert shared.estimate_file_cost(records).models[0].quota_seconds == pytest.approx(240, rel=0.01)


TOOLS = {"tools": [{"toolSpec": {"name": "a", "inputSchema": {"json": {"type": "object"}}}}]}


@pytest.mark.parametrize(
    ("deadline", "records"), [(None, (1000, 0, 0)), (600, (1000, 0, 0)), (12 * 3600, (100, 0, 900))]
)
def test_the_lanes_of_a_file_are_those_of_a_batch_with_its_deadline(
    make_manager: MakeManager, deadline: float | None, records: tuple[int, int, int]
) -> None:
    manager = make_manager(("Claude Haiku 4.5",), ("us-east-1",))
    plain = [line("word " * 100, inferenceConfig={"maxTokens": 10})] * 900
    with_tools = [line("a", inferenceConfig={"maxTokens": 10}, toolConfig=TOOLS)] * 100
    estimate = manager.estimate_file_cost([*plain, *with_tools], deadline_seconds=deadline)
    halved = (manager.estimate_file_cost(plain).usd or 0) / 2

    lanes = estimate.lanes
    assert lanes is not None
    assert tuple(lanes.records[lane] for lane in Lane) == records
    on_demand, flex, managed = lanes.estimates
    assert (on_demand.usd, on_demand.records) == (pytest.approx(estimate.usd), 1000)
    assert (flex.usd, flex.obstacle) == (None, "Claude Haiku 4.5 has no price in the flex tier")
    assert (managed.usd, managed.records) == (pytest.approx((estimate.usd or 0) - halved, rel=1e-3), 900)
    assert managed.is_in_time == (deadline != 600)
    assert lanes.usd == (managed.usd if records[2] else on_demand.usd)
    assert ("toolConfig (100)" in lanes.explanation) == bool(records[2])


def test_the_price_of_a_lane_is_that_of_the_preferred_target(make_manager: MakeManager) -> None:
    manager = make_manager(("Claude Haiku 4.5",), ("us-east-1",))
    lines = [line("a", inferenceConfig={"maxTokens": 10})] * 100
    lanes = manager.estimate_file_cost(lines, lane="managed").lanes
    usage = {"inputTokens": manager.estimate_file_cost(lines).models[0].input_tokens, "outputTokens": 1000}
    expected = estimate_cost(HAIKU, usage, inference_profile_id=f"us.{HAIKU}", service_tier="batch")
    assert lanes is not None
    assert (lanes.usd, lanes.records[Lane.MANAGED]) == (pytest.approx(expected), 100)


def test_quotas_and_concurrency_make_the_lanes_slower(make_manager: MakeManager) -> None:
    lines = [line("a", inferenceConfig={"maxTokens": 10})] * 100
    manager = make_manager(("Nova Lite",), ("us-east-1",))
    limited = make_manager(
        ("Nova Lite",), ("us-east-1",), quotas=[ModelQuota("Nova Lite", requests_per_minute=1)]
    )

    def seconds(of: LLMManager, **options: Any) -> float:
        lanes = of.estimate_file_cost(lines, **options).lanes
        assert lanes is not None
        return lanes.estimates[0].seconds

    assert seconds(manager) < seconds(manager, concurrency=10) < seconds(limited)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"lane": "fast"}, "lane must be one of"),
        ({"deadline_seconds": 0}, "deadline_seconds must be"),
        ({"deadline_seconds": True}, "deadline_seconds must be"),
        ({"concurrency": 0}, "concurrency must be"),
        ({"concurrency": 1.5}, "concurrency must be"),
        ({"lane": "flex"}, "lane: flex is not available: .* has no price in the flex tier"),
        ({"lane": "managed"}, "lane: managed is not available: 1 record can run in a job"),
    ],
)
def test_options_of_lanes_are_checked(
    make_manager: MakeManager, options: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        make_manager(("Claude Haiku 4.5",)).estimate_file_cost([line("a")], **options)


@pytest.mark.parametrize("lines", [b"{}", None, 5])
def test_something_else_than_a_path_or_lines_is_rejected(make_manager: MakeManager, lines: Any) -> None:
    with pytest.raises(ConfigurationError, match="lines must be a path or an iterable of lines"):
        make_manager().estimate_file_cost(lines)


def test_a_record_that_is_not_a_line_of_text_is_rejected_with_its_index(make_manager: MakeManager) -> None:
    lines: Any = ["{}", {"messages": "Hi"}]
    with pytest.raises(ConfigurationError, match=r"lines\[1\] must be str or bytes \(got dict\)"):
        make_manager().estimate_file_cost(lines)
