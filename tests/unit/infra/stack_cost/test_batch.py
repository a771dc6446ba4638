"""The cost estimate of a batch follows the implementation of the stack."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.stack_cost import batch
from infra.stack_cost.__main__ import main
from infra.stack_cost.batch import BatchCost, BatchStack, estimate_batch_cost, shard_sizes
from lambdas.batch import object_writer, parts, plan, stop_signal, worker
from llmmanager import ConfigurationError, estimate_cost
from llmmanager.batch_files import record_retries


def estimate(
    records: int = 100_000, *, model: str = "Nova Lite", latency: float = 3.0, **stack: int
) -> BatchCost:
    return estimate_batch_cost(
        model,
        records=records,
        input_tokens=500,
        output_tokens=200,
        latency_seconds=latency,
        stack=BatchStack(**stack),
    )


@given(records=st.integers(1, 5_000), shard_size=st.integers(1, 700), regions=st.integers(1, 5))
def test_the_shards_are_those_of_the_plan(records: int, shard_size: int, regions: int) -> None:
    cut = plan.cut_shards([b"x"] * records, shard_size=shard_size, spread=regions)

    assert shard_sizes(records, shard_size=shard_size, regions=regions) == Counter(map(len, cut))


def test_the_constants_are_those_of_the_functions() -> None:
    assert batch.FIRST_SHARD_SIZE == plan.FIRST_SHARD_SIZE
    assert batch.MAX_SHARD_BYTES == plan.MAX_SHARD_BYTES
    assert (batch.PART_RESULTS, batch.PART_SECONDS) == (parts.PART_RESULTS, parts.PART_SECONDS)
    assert batch.CHECK_SECONDS == stop_signal.CHECK_SECONDS
    assert batch.WRITER_PART_BYTES == object_writer.PART_BYTES
    assert batch.MARGIN_SECONDS == worker.MARGIN_SECONDS
    assert batch.REQUEST_SECONDS == record_retries.RECORD_SECONDS


def test_a_large_batch_needs_few_transitions_and_little_lambda_time() -> None:
    cost = estimate(100_000)

    assert cost.count("state transitions") / 100 <= 12
    # One invocation of 512 MB per record of 3 s takes 1,500 GB-seconds per thousand records.
    assert cost.count("GB-seconds") / 100 <= 1_500 / 15


def test_shards_of_large_records_have_fewer_records() -> None:
    tokens = 100_000
    cost = estimate_batch_cost(
        "Nova Lite", records=1_000, input_tokens=tokens, output_tokens=10, latency_seconds=3
    )

    record = b"x" * (batch.RECORD_BYTES + tokens * batch.BYTES_PER_TOKEN)
    shards = sum(1 for _ in plan.cut_shards([record] * 1_000, shard_size=500, spread=3))
    assert cost.count("invocations") == 2 + shards


def test_each_line_costs_its_count_at_the_list_price() -> None:
    cost = estimate(1_000)

    prices = {line.what: line.usd / line.count for line in cost.lines}
    assert prices["state transitions"] == pytest.approx(25e-6)
    assert prices["GB-seconds"] == pytest.approx(1.33334e-5)
    assert cost.total_usd == pytest.approx(sum(line.usd for line in cost.lines) + (cost.tokens_usd or 0))


def test_tokens_cost_the_list_price_and_half_of_it_with_batch_inference() -> None:
    cost = estimate(1_000)

    usage = {"inputTokens": 500_000, "outputTokens": 200_000}
    assert cost.tokens_usd == estimate_cost("amazon.nova-lite-v1:0", usage)
    assert cost.batch_tokens_usd == pytest.approx((cost.tokens_usd or 0) / 2)


def test_an_inference_profile_has_its_own_price() -> None:
    assert (estimate(model="eu.amazon.nova-lite-v1:0").tokens_usd or 0) > (estimate().tokens_usd or 0)


def test_a_model_without_batch_inference_has_no_batch_price() -> None:
    assert estimate(model="Claude Sonnet 5").batch_tokens_usd is None


def test_the_total_of_a_model_with_unknown_price_is_unknown() -> None:
    arn = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc"
    cost = estimate(model=arn)

    assert (cost.tokens_usd, cost.batch_tokens_usd, cost.total_usd) == (None, None, None)
    assert cost.services_usd > 0


def test_larger_shards_need_fewer_transitions() -> None:
    assert estimate(shard_size=1_000).count("state transitions") < estimate(shard_size=500).count(
        "state transitions"
    )


def test_higher_worker_concurrency_reduces_lambda_time_until_the_cpu_limits_it() -> None:
    slower, faster = estimate(worker_concurrency=16), estimate(worker_concurrency=64)

    assert faster.count("GB-seconds") < slower.count("GB-seconds") / 2
    assert estimate(worker_concurrency=500, latency=0.001).count("GB-seconds") > 0


def test_higher_map_concurrency_reduces_the_duration_but_not_lambda_time() -> None:
    narrow, wide = estimate(map_concurrency=10), estimate(map_concurrency=100)

    assert wide.seconds < narrow.seconds / 3
    assert wide.count("GB-seconds") == narrow.count("GB-seconds")


def test_a_shard_that_exceeds_the_worker_timeout_needs_further_workers() -> None:
    short, long = estimate(500, latency=1), estimate(500, latency=200)

    assert long.count("invocations") > short.count("invocations")
    assert long.count("state transitions") - short.count("state transitions") == 2 * (
        long.count("invocations") - short.count("invocations")
    )


@given(
    records=st.integers(1, 10**8),
    latency=st.floats(0, 240),
    shard_size=st.integers(1, 10_000),
    concurrency=st.integers(1, 512),
)
def test_cost_and_duration_are_positive(
    records: int, latency: float, shard_size: int, concurrency: int
) -> None:
    cost = estimate_batch_cost(
        "Nova Lite",
        records=records,
        input_tokens=0,
        output_tokens=0,
        latency_seconds=latency,
        stack=BatchStack(shard_size=shard_size, worker_concurrency=concurrency),
    )

    assert cost.tokens_usd == 0
    assert all(line.count > 0 and line.usd > 0 for line in cost.lines)
    assert cost.seconds >= latency


@pytest.mark.parametrize("invalid", [0, -1, 1.5, True, "10"])
def test_an_invalid_number_of_records_is_rejected(invalid: object) -> None:
    with pytest.raises(ConfigurationError, match="records must be a whole number"):
        estimate(invalid)  # type: ignore[arg-type]


def test_an_invalid_setting_is_rejected() -> None:
    with pytest.raises(ConfigurationError, match="worker_concurrency"):
        BatchStack(worker_concurrency=0)


@pytest.mark.parametrize("invalid", [-1, 240.1, float("nan"), "3"])
def test_an_invalid_latency_is_rejected(invalid: object) -> None:
    with pytest.raises(ConfigurationError, match="latency_seconds"):
        estimate(latency=invalid)  # type: ignore[arg-type]


def test_an_unknown_model_is_rejected() -> None:
    with pytest.raises(ConfigurationError):
        estimate(model="Nova Heavy")


def test_the_command_prints_every_line_and_row(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--records", "1000", "--worker-concurrency", "64"]) == 0

    printed = capsys.readouterr().out
    assert all(line.what in printed for line in estimate(1_000).lines)
    assert all(name in printed for name, _ in estimate(1_000).rows())


def test_the_total_is_the_sum_of_services_and_tokens() -> None:
    rows = dict(estimate(1_000).rows())

    services = [
        usd or 0 for name, usd in rows.items() if name in ("Step Functions", "Lambda", "S3", "DynamoDB")
    ]
    assert len(services) == 4
    assert rows["Total"] == pytest.approx(sum(services) + (rows["Tokens on demand"] or 0))


def test_the_command_reports_invalid_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--records", "0"])

    assert "records must be" in capsys.readouterr().err


def under_quotas(**arguments: float) -> BatchCost:
    """Estimate 10,000 records of 500 tokens of input and 200 of output of Claude Haiku 4.5."""
    return estimate_batch_cost(
        "Claude Haiku 4.5",
        records=10_000,
        input_tokens=500,
        output_tokens=200,
        latency_seconds=3,
        **arguments,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("quotas", "seconds"),
    [
        ({}, None),
        # An output token counts five times: 15 million tokens.
        ({"tokens_per_minute": 1_000_000, "quota_reserve": 0}, 15 * 60),
        ({"tokens_per_minute": 1_000_000}, 15 * 60 / 0.9),
        ({"requests_per_minute": 100}, 100 * 60 / 0.9),
        ({"tokens_per_minute": 1_000_000, "requests_per_minute": 100}, 100 * 60 / 0.9),
        ({"tokens_per_minute": 100_000, "requests_per_minute": 100_000}, 150 * 60 / 0.9),
    ],
)
def test_the_smaller_quota_determines_the_duration(quotas: dict[str, float], seconds: float | None) -> None:
    cost = under_quotas(**quotas)

    assert cost.quota_seconds == (seconds if seconds is None else pytest.approx(seconds))
    assert cost.seconds == under_quotas().seconds
    assert cost.warning is None


def test_a_deadline_that_cannot_be_met_causes_a_warning() -> None:
    assert under_quotas(deadline_seconds=3_600).warning is None
    assert under_quotas(deadline_seconds=3_600, tokens_per_minute=10_000_000).warning is None
    assert under_quotas(deadline_seconds=3_600, tokens_per_minute=100_000).warning == (
        "the batch takes about 10,000 s, longer than the deadline of 3,600 s"
    )
    warning = under_quotas(deadline_seconds=10).warning
    assert warning is not None
    assert "longer than the deadline of 10 s" in warning


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tokens_per_minute": 0}, "tokens_per_minute"),
        ({"requests_per_minute": -1}, "requests_per_minute"),
        ({"quota_reserve": 1}, "quota_reserve"),
    ],
)
def test_a_quota_out_of_range_is_rejected(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        under_quotas(**arguments)


def test_the_command_prints_the_effect_of_quotas(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--records", "100000", "--tokens-per-minute", "400000", "--deadline-seconds", "3600"]

    assert main(arguments) == 0

    printed = capsys.readouterr().out
    assert "Under the quotas: at least 11,667 s." in printed
    assert "Warning: the batch takes about 11,667 s" in printed
