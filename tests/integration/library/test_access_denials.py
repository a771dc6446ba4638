"""An access denial rules out what it names, and one call finds it out for many."""

from __future__ import annotations

import threading
from collections import Counter

import pytest

from llmmanager import BedrockConverseRequest
from llmmanager.bedrock.routing.cooldown import Cooldowns
from llmmanager.testing import Call, FakeBedrock, Fault
from tests.waiting import PATIENCE_SECONDS

LITE, PRO = "amazon.nova-lite-v1:0", "amazon.nova-pro-v1:0"
EAST, WEST = "us-east-1", "us-west-2"
REASONS = (
    "because no identity-based policy allows the bedrock:InvokeModel action",
    "because no VPC endpoint policy allows the bedrock:InvokeModel action",
    "with an explicit deny in a resource control policy",
    "with an explicit deny in a service control policy",
)


def denial(resource: str, reason: str = REASONS[0], **scope: str) -> Fault:
    message = f"User: u is not authorized to perform: bedrock:InvokeModel on resource: {resource} {reason}"
    return Fault(error="AccessDeniedException", message=message, **scope)


def called(bedrock: FakeBedrock) -> list[tuple[str, str]]:
    return [(call.invoked_id, call.region) for call in bedrock.calls]


@pytest.mark.parametrize("reason", REASONS)
def test_a_model_denied_in_one_region_is_called_through_its_profile_there(
    fake_bedrock, make_manager, ask, reason
) -> None:
    resource = f"arn:aws:bedrock:{WEST}::foundation-model/{LITE}"
    fake_bedrock.add_fault(denial(resource, reason, region=WEST, model=LITE, access="on_demand"))
    manager = make_manager(("Nova Lite", "Nova Pro"), (WEST, EAST))
    first, second = manager.converse(ask), manager.converse(ask)
    assert [attempt.decision for attempt in first.attempts] == ["other_access_method", None]
    assert (first.inference_profile_id, first.region_used) == (f"us.{LITE}", WEST)
    assert [attempt.invoke_id for attempt in second.attempts] == [f"us.{LITE}"]


def test_a_model_denied_through_each_access_method_is_called_in_the_next_region(
    fake_bedrock, make_manager, ask
) -> None:
    fake_bedrock.add_fault(denial(f"arn:aws:bedrock:{WEST}::foundation-model/{LITE}", region=WEST))
    manager = make_manager(("Nova Lite", "Nova Pro"), (WEST, EAST))
    first, second = manager.converse(ask), manager.converse(ask)
    assert called(fake_bedrock)[:3] == [(LITE, WEST), (f"us.{LITE}", WEST), (LITE, EAST)]
    assert (first.model_used, first.region_used) == (LITE, EAST)
    assert [attempt.region for attempt in second.attempts] == [EAST]


def test_a_model_denied_in_each_region_leaves_the_next_model(fake_bedrock, make_manager, ask) -> None:
    fake_bedrock.add_fault(denial("arn:aws:bedrock:x::foundation-model/y", model=LITE))
    response = make_manager(("Nova Lite", "Nova Pro"), (WEST, EAST)).converse(ask)
    assert response.model_used == PRO
    assert len(response.attempts) == 5


def test_a_global_profile_denied_for_its_model_is_not_tried_in_another_region(
    fake_bedrock, make_manager, ask
) -> None:
    model = "anthropic.claude-haiku-4-5-20251001-v1:0"
    fake_bedrock.add_fault(denial(f"arn:aws:bedrock:::foundation-model/{model}", access="global"))
    order = ("global_profile", "geographic_profile")
    manager = make_manager(("Claude Haiku 4.5",), (EAST, WEST), retry={"access_method_order": order})
    fake_bedrock.add_fault(Fault(error="ServiceUnavailableException", access="geo", count=1))
    assert manager.converse(ask).success
    assert called(fake_bedrock) == [(f"global.{model}", EAST), (f"us.{model}", EAST), (f"us.{model}", WEST)]
    manager.converse(ask)
    assert called(fake_bedrock)[3:] == [(f"us.{model}", EAST)]


def test_a_denied_guardrail_leaves_the_region_and_not_the_model(fake_bedrock, make_manager, ask) -> None:
    message = (
        "User: u is not authorized to perform: bedrock:ApplyGuardrail on resource: "
        f"arn:aws:bedrock:{EAST}:111122223333:guardrail/abc because no identity-based policy allows it"
    )
    fault = fake_bedrock.add_fault(Fault(error="AccessDeniedException", message=message, region=EAST))
    manager = make_manager(("Nova Lite", "Nova Pro"))
    response = manager.converse(ask)
    assert [(attempt.model_id, attempt.region) for attempt in response.attempts] == [
        (LITE, EAST),
        (LITE, WEST),
    ]
    fake_bedrock.remove_fault(fault)
    assert manager.converse(ask).region_used == EAST


def test_streams_denied_for_a_model_leave_its_other_calls_and_the_reverse(
    fake_bedrock, make_manager, ask
) -> None:
    message = (
        "User: u is not authorized to perform: bedrock:InvokeModelWithResponseStream on resource: "
        f"arn:aws:bedrock:{EAST}::foundation-model/{LITE} because no identity-based policy allows it"
    )
    denied = Fault(error="AccessDeniedException", message=message, operation="ConverseStream", model=LITE)
    fake_bedrock.add_fault(denied)
    manager = make_manager(("Nova Lite", "Nova Pro"), (EAST,))
    for _ in range(2):
        with manager.converse_stream(ask) as stream:
            assert "".join(stream)
        assert manager.converse(ask).model_used == LITE
    streamed = [call.invoked_id for call in fake_bedrock.calls if call.operation == "ConverseStream"]
    assert streamed == [LITE, f"us.{LITE}", PRO, PRO]


@pytest.mark.parametrize(
    "error",
    [
        Fault(error="AccessDeniedException", message="not authorized: aws-marketplace:Subscribe", model=LITE),
        Fault(error="ResourceNotFoundException", message="It has reached the end of its life.", model=LITE),
    ],
    ids=lambda fault: fault.error,
)
def test_a_model_that_is_denied_in_every_region_costs_one_call(
    fake_bedrock, make_manager, ask, error
) -> None:
    fake_bedrock.add_fault(error)
    manager = make_manager(("Nova Lite", "Nova Pro"))
    for _ in range(3):
        assert manager.converse(ask).model_used == PRO
    assert [call.invoked_id for call in fake_bedrock.calls] == [LITE, PRO, PRO, PRO]


def requests(count: int, ask: list[dict]) -> list[BedrockConverseRequest]:
    return [BedrockConverseRequest(request_id=str(number), messages=ask) for number in range(count)]


def test_of_many_calls_at_once_one_finds_out_that_a_model_is_denied(fake_bedrock, make_parallel, ask) -> None:
    fake_bedrock.deny(LITE)
    manager = make_parallel(
        ("Nova Lite", "Nova Pro"),
        parallel={"max_concurrent_requests": 32, "request_timeout_seconds": 600},
        # Longer than a denial takes on the slowest machine.
        cooldowns=Cooldowns(patience=30),
    )
    result = manager.converse_parallel(requests(64, ask), target_regions_per_request=3)
    assert result.success
    assert {response.model_used for response in result.request_responses.values()} == {PRO}
    denied = Counter(call.region for call in fake_bedrock.calls if call.error_code)
    assert denied == {"us-east-1": 1, "us-west-2": 1, "us-east-2": 1}


def test_no_call_waits_for_the_answer_of_the_one_that_came_first(make_parallel, ask, monkeypatch) -> None:
    everyone_is_here = threading.Barrier(8, timeout=PATIENCE_SECONDS)

    def answer(call: Call) -> str:
        everyone_is_here.wait()
        return "Paris"

    with FakeBedrock(responder=answer) as bedrock:
        for name, value in bedrock.environment.items():
            monkeypatch.setenv(name, value)
        manager = make_parallel(
            ("Nova Lite", "Nova Pro"),
            (EAST,),
            parallel={"max_concurrent_requests": 8},
            retry={"max_retries": 0},
        )
        result = manager.converse_parallel(requests(8, ask), target_regions_per_request=1)
    assert result.parallel_execution_stats.successful_requests == 8
    assert {response.model_used for response in result.request_responses.values()} == {LITE}


def test_a_call_whose_every_target_is_denied_makes_its_own_attempts(fake_bedrock, make_parallel, ask) -> None:
    fake_bedrock.deny(LITE)
    manager = make_parallel(parallel={"max_concurrent_requests": 16})
    result = manager.converse_parallel(requests(16, ask), target_regions_per_request=3)
    for response in result.request_responses.values():
        assert sorted(attempt.region for attempt in response.attempts) == [
            "us-east-1",
            "us-east-2",
            "us-west-2",
        ]
        assert not response.success
