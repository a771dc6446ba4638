"""Every answer that was paid for is counted once, and what was perhaps paid for is reported as unknown."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmmanager import (
    AuthenticationError,
    BedrockConverseRequest,
    BedrockResponse,
    ResponseValidationConfig,
    RetryExhaustedError,
    ValidationResult,
    estimate_cost,
)
from llmmanager.bedrock.exceptions.llm_manager_exceptions import LLMManagerError
from llmmanager.testing import FakeBedrock, Fault
from tests.waiting import wait_until

MODELS = ("Nova Lite", "Claude Haiku 4.5", "Nova Pro")
ACCESS_METHODS = {"on_demand": "on_demand", "geo": "geographic_profile", "global": "global_profile"}
KEYS = ("inputTokens", "outputTokens", "totalTokens", "cacheReadInputTokens", "cacheWriteInputTokens")
PATIENTLY = settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
REJECTED = (
    Fault(error="ThrottlingException", count=1),
    Fault(error="ServiceUnavailableException", count=1),
    Fault(error="AccessDeniedException", count=1),
    Fault(error="ValidationException", message="This model doesn't support tool use.", count=1),
)
LOST = (
    Fault(reset=True, count=1),
    Fault(reset=True, billed=True, count=1),
    Fault(error="InternalServerException", billed=True, count=1),
    Fault(error="ModelTimeoutException", billed=True, count=1),
    Fault(error="GatewayTimeout", status=504, billed=True, count=1),
)
BROKEN = (
    Fault(reset=True, after_chunks=0, count=1),
    Fault(reset=True, after_chunks=4, count=1),
    Fault(error="modelStreamErrorException", after_chunks=3, count=1),
)


def faults(*kinds: Sequence[Fault]) -> st.SearchStrategy[list[Fault]]:
    return st.lists(st.sampled_from([fault for kind in kinds for fault in kind]), max_size=2)


def settled(bedrock: FakeBedrock) -> FakeBedrock:
    """The same, once every call has ended on its side as well."""
    wait_until(lambda: not bedrock.in_flight)
    return bedrock


def outcome(call: Callable[[], BedrockResponse]) -> BedrockResponse:
    try:
        return call()
    except LLMManagerError as error:
        response: BedrockResponse | None = getattr(error, "response", None)
        assert response is not None
        return response


def reported(response: BedrockResponse) -> dict[tuple[str, str, str | None], dict[str, int]]:
    """The tokens of all attempts by model, region and access method."""
    sums: dict[Any, dict[str, int]] = defaultdict(lambda: dict.fromkeys(KEYS, 0))
    for attempt in response.attempts:
        for key in KEYS:
            sums[attempt.model_id, attempt.region, attempt.access_method][key] += (attempt.usage or {}).get(
                key, 0
            )
    return {place: tokens for place, tokens in sums.items() if tokens["totalTokens"]}


def assert_counted(bedrock: FakeBedrock, response: BedrockResponse) -> None:
    """The response reports what FakeBedrock says of every answer that arrived, and no lost one as known."""
    settled(bedrock)
    rows = [row for row in bedrock.usage() if row.delivered.total_tokens]
    places = {(row.model_id, row.region, ACCESS_METHODS[row.access_method]): row for row in rows}
    assert reported(response) == {place: row.delivered.usage for place, row in places.items()}
    total = response.get_total_usage()
    if rows:
        assert total is not None
        assert {key: total[key] for key in KEYS} == bedrock.delivered.usage
        assert response.estimated_cost_usd == pytest.approx(cost_of(rows))
    lost = [call.answer_lost or call.status is None for call in bedrock.calls]
    assert len(response.attempts) == len(lost)
    assert all(not a.usage_known for a, is_lost in zip(response.attempts, lost, strict=True) if is_lost)
    assert response.attempts_with_unknown_usage == [a.usage for a in response.attempts].count(None)
    if not rows and response.attempts_with_unknown_usage:
        assert total is response.estimated_cost_usd is None
    assert BedrockResponse.from_dict(response.to_dict()).get_total_usage() == total


def cost_of(rows: Iterable[Any]) -> float:
    prices = [
        estimate_cost(
            row.model_id,
            row.delivered.usage,
            access_method=ACCESS_METHODS[row.access_method],
            region=row.region,
        )
        for row in rows
    ]
    return sum(price or 0.0 for price in prices)


@PATIENTLY
@given(
    steps=st.lists(st.tuples(faults(REJECTED, LOST), st.booleans()), min_size=1, max_size=4),
    retries=st.integers(0, 3),
)
def test_the_total_is_that_of_every_answer_that_arrived_with_any_failures_and_rejections(
    fake_bedrock: FakeBedrock, make_manager, ask, steps: list[tuple[list[Fault], bool]], retries: int
) -> None:
    fake_bedrock.reset()
    left = iter(steps)
    verdicts: list[bool] = []

    def next_step() -> None:
        wanted, verdict = next(left, ([], True))
        for fault in wanted:
            fake_bedrock.add_fault(fault)
        verdicts.append(verdict)

    def check(_: BedrockResponse) -> ValidationResult:
        verdict = verdicts[-1]
        next_step()
        return ValidationResult(success=verdict, error_message="no")

    next_step()
    config = ResponseValidationConfig(check, response_validation_retries=retries)
    manager = make_manager(MODELS)
    response = outcome(lambda: manager.converse(ask, response_validation_config=config))
    assert_counted(fake_bedrock, response)
    answers = sum(bool(call.usage) and not call.answer_lost for call in fake_bedrock.calls)
    assert answers <= retries + 1


@PATIENTLY
@given(wanted=faults(REJECTED, LOST, BROKEN), valid=st.booleans())
def test_the_total_of_a_stream_has_every_part_that_reported_its_tokens(
    fake_bedrock: FakeBedrock, make_manager, ask, wanted: list[Fault], valid: bool
) -> None:
    fake_bedrock.reset()
    for fault in wanted:
        fake_bedrock.add_fault(fault)
    config = ResponseValidationConfig(lambda _: ValidationResult(success=valid, error_message="no"))
    manager = make_manager(MODELS)

    def stream() -> BedrockResponse:
        response = manager.converse_stream(ask, response_validation_config=config)
        response.get_full_content()
        assert response.get_total_usage() == response.get_response().get_total_usage()
        assert response.estimated_cost_usd == response.get_response().estimated_cost_usd
        return response.get_response()

    assert_counted(fake_bedrock, outcome(stream))


def test_an_attempt_that_timed_out_has_unknown_usage(
    fake_bedrock: FakeBedrock, make_manager, ask, clock
) -> None:
    fake_bedrock.add_fault(Fault(hang=True, billed=True, region="us-east-1"))
    clock.silent_regions = {"us-east-1"}
    response = make_manager().converse(ask)
    assert [attempt.usage_known for attempt in response.attempts] == [False, True]
    assert response.attempts_with_unknown_usage == 1
    assert response.get_total_usage() == response.get_usage()
    wait_until(lambda: len(fake_bedrock.calls) == 2 and not fake_bedrock.in_flight)
    assert fake_bedrock.billed.total_tokens == 2 * fake_bedrock.delivered.total_tokens


def test_a_call_whose_answers_were_all_lost_has_no_total_instead_of_zero(
    fake_bedrock: FakeBedrock, make_manager, ask
) -> None:
    fake_bedrock.add_fault(Fault(reset=True, billed=True))
    with pytest.raises(RetryExhaustedError) as raised:
        make_manager().converse(ask)
    response = raised.value.response
    assert response is not None
    assert response.get_total_usage() is response.estimated_cost_usd is None
    assert response.attempts_with_unknown_usage == len(response.attempts) > 0


def test_a_call_that_was_only_rejected_cost_nothing(fake_bedrock: FakeBedrock, make_manager, ask) -> None:
    fake_bedrock.add_fault(Fault(error="ThrottlingException"))
    with pytest.raises(RetryExhaustedError) as raised:
        make_manager().converse(ask)
    response = raised.value.response
    assert response is not None
    total = response.get_total_usage()
    assert total is not None
    assert not any(total.values())
    assert (response.estimated_cost_usd, response.attempts_with_unknown_usage) == (0.0, 0)


def test_a_call_that_never_left_this_machine_cost_nothing(make_manager, ask, monkeypatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "http://127.0.0.1:1")
    with pytest.raises(RetryExhaustedError) as raised:
        make_manager().converse(ask)
    assert raised.value.response is not None
    assert raised.value.response.attempts_with_unknown_usage == 0


def test_a_stream_that_its_caller_closes_early_has_unknown_usage(make_manager, ask) -> None:
    with make_manager().converse_stream(ask) as stream:
        next(iter(stream))
    assert stream.get_total_usage() is stream.estimated_cost_usd is None
    assert stream.attempts_with_unknown_usage == 1


def test_an_answer_in_flex_is_priced_by_the_tier_that_bedrock_reports(make_manager, ask) -> None:
    manager = make_manager(("Nova Pro",), regions=("us-east-1",))
    usual, flex = manager.converse(ask), manager.converse(ask, service_tier={"type": "flex"})
    assert flex.estimated_cost_usd == pytest.approx(usual.estimated_cost_usd / 2)


def test_a_paid_answer_is_reported_when_the_credentials_fail_afterwards(
    fake_bedrock: FakeBedrock, make_manager, ask
) -> None:
    def check(_: BedrockResponse) -> ValidationResult:
        fake_bedrock.reject_credentials("testing", error="InvalidSignatureException")
        return ValidationResult(success=False, error_message="no")

    manager = make_manager()
    response = outcome(
        lambda: manager.converse(ask, response_validation_config=ResponseValidationConfig(check))
    )
    assert not response.success
    assert_counted(fake_bedrock, response)


def test_a_paid_answer_is_reported_when_no_client_can_be_made_for_the_next_region(
    fake_bedrock: FakeBedrock, make_manager, ask, monkeypatch
) -> None:
    manager = make_manager()
    make_client = manager._clients.client

    def without_credentials_in_the_west(service: str, region: str, **arguments: Any) -> Any:
        if region == "us-west-2":
            raise AuthenticationError("the credentials are gone")
        return make_client(service, region, **arguments)

    def check(_: BedrockResponse) -> ValidationResult:
        fake_bedrock.add_fault(Fault(error="ThrottlingException", region="us-east-1"))
        return ValidationResult(success=False, error_message="no")

    monkeypatch.setattr(manager._clients, "client", without_credentials_in_the_west)
    with pytest.raises(AuthenticationError) as raised:
        manager.converse(ask, response_validation_config=ResponseValidationConfig(check))
    assert raised.value.response is not None
    assert_counted(fake_bedrock, raised.value.response)


def test_a_parallel_run_sums_up_every_answer_of_every_request(
    fake_bedrock: FakeBedrock, make_parallel, ask
) -> None:
    fake_bedrock.add_fault(Fault(error="ThrottlingException", share=0.2))
    fake_bedrock.add_fault(Fault(reset=True, billed=True, count=2))
    config = ResponseValidationConfig(
        lambda _: ValidationResult(success=False, error_message="no"), response_validation_retries=1
    )
    requests = [BedrockConverseRequest(messages=ask) for _ in range(8)]
    manager = make_parallel(MODELS, retry={"max_retries": 50})
    result = manager.converse_parallel(requests, response_validation_config=config)
    settled(fake_bedrock)
    assert sum(row.answers - row.lost_answers for row in fake_bedrock.usage()) == 2 * len(requests)
    total = result.get_total_usage()
    assert total == result.get_total_tokens_used()
    assert total is not None
    assert {key: total[key] for key in KEYS} == fake_bedrock.delivered.usage
    assert result.estimated_cost_usd == pytest.approx(cost_of(fake_bedrock.usage()))
    assert result.attempts_with_unknown_usage == 2
    assert result.to_dict()["total_usage"] == total


def test_a_response_stored_by_an_earlier_version_has_the_tokens_and_the_cost_of_its_answer(
    make_manager, ask
) -> None:
    original = make_manager().converse(ask)
    stored = original.to_dict()
    for name in ("total_usage", "estimated_cost_usd", "attempts_with_unknown_usage", "answers_without_price"):
        del stored[name]
    for attempt in stored["attempts"]:
        del attempt["usage"], attempt["estimated_cost_usd"]
    response = BedrockResponse.from_dict(stored)
    assert response.get_total_usage() == response.get_usage() is not None
    assert response.estimated_cost_usd == original.estimated_cost_usd is not None
    assert (response.attempts_with_unknown_usage, response.answers_without_price) == (0, 0)
