"""What a call decides is logged, one line each, and never what was said."""

from __future__ import annotations

import logging

import pytest

from llmmanager import BedrockConverseRequest, LLMManagerError, ResponseValidationConfig, ValidationResult
from llmmanager.bedrock.catalog.catalog_entries import AccessMethod, ModelAccess
from llmmanager.bedrock.routing.cooldown import Cooldowns
from llmmanager.bedrock.routing.decision import Decision, Kind, Next
from llmmanager.testing import Fault

DENIED = Decision(Next.OTHER_REGION, Kind.ACCESS)

SECRET = "the-secret-of-the-message"
EAST, WEST = "us-east-1", "us-west-2"
LITE = "amazon.nova-lite-v1:0"
EAST_TO_WEST = f"failover from {LITE} in {EAST} (on_demand) to {LITE} in {WEST} (on_demand)"


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture):
    """The library's lines as (level, text)."""
    caplog.set_level(logging.DEBUG, logger="llmmanager")

    def read(level: int = logging.DEBUG) -> list[str]:
        return [
            record.getMessage()
            for record in caplog.records
            if record.name.startswith("llmmanager") and record.levelno >= level
        ]

    yield read
    assert SECRET not in caplog.text


def ask() -> list[dict]:
    return [{"role": "user", "content": [{"text": SECRET}]}]


def test_a_failover_is_one_line_with_both_targets_and_the_reason(make_manager, fake_bedrock, lines) -> None:
    fake_bedrock.add_fault(Fault(error="ThrottlingException", region=EAST, message=f"no: {SECRET}"))
    make_manager().converse(ask())
    assert lines(logging.INFO) == [f"{EAST_TO_WEST} after ThrottlingException"]


def test_a_dropped_feature_is_one_line(make_manager, fake_bedrock, lines) -> None:
    message = "The model returned the following errors: `temperature` is deprecated for this model."
    fake_bedrock.add_fault(Fault(error="ValidationException", message=message, count=1))
    make_manager().converse(ask(), inference_config={"temperature": 0.5})
    assert lines(logging.INFO) == [f"{LITE} in {EAST} (on_demand) is called again without temperature"]


def test_a_cooldown_is_one_line_when_it_starts(make_manager, fake_bedrock, lines) -> None:
    fake_bedrock.deny(LITE, region=EAST)
    manager = make_manager()
    manager.converse(ask())
    manager.converse(ask())
    assert f"{LITE} in {EAST} is tried last for 300 s (access)" in lines(logging.INFO)
    assert len(lines(logging.INFO)) == 2


def test_there_are_as_many_failovers_in_the_log_as_calls_that_failed(
    make_manager, fake_bedrock, lines
) -> None:
    cooldowns = Cooldowns()
    manager = make_manager(("Nova Lite", "Nova Pro"), (EAST,), cooldowns=cooldowns)
    fake_bedrock.deny("amazon.nova-pro-v1:0")
    cooldowns.attempt_failed(ModelAccess(LITE, "Nova Lite", EAST, AccessMethod.ON_DEMAND, LITE), DENIED)
    manager.converse(ask())
    failovers = [line for line in lines(logging.INFO) if line.startswith("failover")]
    assert len(failovers) == len([call for call in fake_bedrock.calls if call.error_code])


def test_attempts_and_retries_are_lines_for_debugging(make_manager, fake_bedrock, lines) -> None:
    fake_bedrock.add_fault(Fault(error="ServiceUnavailableException", count=1))
    make_manager(regions=(EAST,)).converse(ask())
    failed, retried, answered = lines()
    assert failed.startswith(f"attempt at {LITE} in {EAST} (on_demand) failed after ")
    assert failed.endswith(": ServiceUnavailableException (unavailable), next: same_target")
    assert retried.startswith(f"retry of {LITE} in {EAST} (on_demand) in ")
    assert answered.startswith(f"attempt at {LITE} in {EAST} (on_demand) answered after ")
    assert lines(logging.INFO) == []


def test_an_answer_that_the_caller_rejects_is_a_line_without_it(make_manager, fake_bedrock, lines) -> None:
    verdicts = iter([False, True])
    config = ResponseValidationConfig(
        lambda response: ValidationResult(success=next(verdicts), error_message=str(response.get_content()))
    )
    response = make_manager().converse(ask(), response_validation_config=config)
    assert f"answer of {LITE} in {EAST} (on_demand) is invalid, next: same_target" in lines()
    assert response.get_content() not in "\n".join(lines())


def test_a_stream_that_breaks_is_logged_with_its_next_target(make_manager, fake_bedrock, lines) -> None:
    fake_bedrock.add_fault(Fault(error="modelStreamErrorException", region=EAST, after_chunks=2))
    assert "".join(make_manager().converse_stream(ask()))
    assert lines(logging.INFO) == [f"{EAST_TO_WEST} after modelStreamErrorException"]


@pytest.mark.parametrize("error", ["ValidationException", "AccessDeniedException", "InternalServerException"])
def test_no_line_quotes_the_request_or_the_credentials(make_manager, fake_bedrock, lines, error) -> None:
    fake_bedrock.add_fault(Fault(error=error, message=f"1 validation error: {SECRET} and testing"))
    with pytest.raises(LLMManagerError):
        make_manager().converse(ask())
    assert lines()
    assert "testing" not in "\n".join(lines())


def test_a_parallel_run_logs_each_decision_too(make_parallel, fake_bedrock, lines) -> None:
    fake_bedrock.add_fault(Fault(error="ThrottlingException", count=1))
    requests = [BedrockConverseRequest(request_id=str(number), messages=ask()) for number in range(3)]
    assert make_parallel().converse_parallel(requests).success
    assert len(lines(logging.INFO)) == 1
