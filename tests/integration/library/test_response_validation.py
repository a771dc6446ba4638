"""An invalid answer asks the model again, a bounded number of times over all targets together."""

from __future__ import annotations

import pytest

from llmmanager import BedrockResponse, ResponseValidationConfig, RetryExhaustedError, ValidationResult
from llmmanager.bedrock.exceptions.llm_manager_exceptions import InvalidResponseError
from llmmanager.testing import FakeBedrock, Fault


def valid_from(attempt: int) -> ResponseValidationConfig:
    """A validation that is content with the given answer and all later ones."""
    seen: list[BedrockResponse] = []

    def check(response: BedrockResponse) -> ValidationResult:
        seen.append(response)
        if len(seen) >= attempt:
            return ValidationResult(success=True)
        return ValidationResult(success=False, error_message="too short", error_details={"n": len(seen)})

    return ResponseValidationConfig(check, response_validation_retries=3)


def test_a_valid_answer_is_requested_once(fake_bedrock: FakeBedrock, make_manager, ask) -> None:
    response = make_manager().converse(ask, response_validation_config=valid_from(1))
    assert response.success
    assert not response.had_validation_failures()
    assert len(fake_bedrock.calls) == 1


def test_an_invalid_answer_is_requested_again_from_the_same_target(
    fake_bedrock: FakeBedrock, make_manager, ask
) -> None:
    response = make_manager().converse(ask, response_validation_config=valid_from(3))
    assert response.success
    assert [call.region for call in fake_bedrock.calls] == ["us-east-1"] * 3
    assert response.get_validation_errors() == [
        {"error_message": "too short", "error_details": {"n": 1}, "attempt": 1},
        {"error_message": "too short", "error_details": {"n": 2}, "attempt": 2},
    ]
    assert [attempt.success for attempt in response.attempts] == [False, False, True]


@pytest.mark.parametrize("retries", [0, 1, 3])
@pytest.mark.parametrize("models", [("Nova Lite",), ("Nova Lite", "Nova Micro", "Nova Pro")])
def test_models_are_called_one_time_more_than_the_retries_for_any_targets(
    fake_bedrock: FakeBedrock, make_manager, ask, models: tuple[str, ...], retries: int
) -> None:
    config = ResponseValidationConfig(
        lambda _: ValidationResult(success=False, error_message="no"), response_validation_retries=retries
    )
    response = make_manager(models).converse(ask, response_validation_config=config)
    assert len(fake_bedrock.calls) == len(response.get_validation_errors()) == retries + 1
    assert {call.region for call in fake_bedrock.calls} == {"us-east-1"}


def test_failed_attempts_between_invalid_answers_are_not_counted_as_answers(
    fake_bedrock: FakeBedrock, make_manager, ask
) -> None:
    answers: list[BedrockResponse] = []

    def check(response: BedrockResponse) -> ValidationResult:
        answers.append(response)
        fake_bedrock.add_fault(Fault(error="ThrottlingException", count=1))
        return ValidationResult(success=False, error_message="no")

    config = ResponseValidationConfig(check, response_validation_retries=2)
    response = make_manager().converse(ask, response_validation_config=config)
    assert len(answers) == len(response.get_validation_errors()) == 3
    assert len(fake_bedrock.calls) == 5
    assert [answer.region_used for answer in answers] == ["us-east-1", "us-west-2", "us-east-1"]


def test_without_any_valid_answer_the_last_one_comes_back_as_a_failure(
    fake_bedrock: FakeBedrock, make_manager, ask
) -> None:
    response = make_manager().converse(ask, response_validation_config=valid_from(99))
    assert not response.success
    assert response.get_content()
    assert len(response.get_validation_errors()) == len(fake_bedrock.calls) == 4
    assert "too short" in str(response.get_last_error())


def test_invalid_answers_do_not_use_up_the_retries_of_failed_attempts(
    fake_bedrock: FakeBedrock, make_manager, ask
) -> None:
    response = make_manager(retry={"max_retries": 0}).converse(ask, response_validation_config=valid_from(4))
    assert response.success
    assert len(fake_bedrock.calls) == 4


def test_an_exception_in_the_validation_is_an_invalid_answer(make_manager, ask) -> None:
    def broken(response: BedrockResponse) -> ValidationResult:
        raise KeyError("price")

    config = ResponseValidationConfig(broken, response_validation_retries=0)
    response = make_manager(regions=("us-east-1",)).converse(ask, response_validation_config=config)
    assert not response.success
    assert "KeyError" in response.get_validation_errors()[0]["error_message"]
    assert response.get_validation_errors()[0]["error_details"] == {"exception": "KeyError"}


def test_a_validation_that_returns_something_else_is_an_invalid_answer(make_manager, ask) -> None:
    config = ResponseValidationConfig(lambda _: True, response_validation_retries=0)  # type: ignore[arg-type, return-value]
    response = make_manager(regions=("us-east-1",)).converse(ask, response_validation_config=config)
    assert "bool" in response.get_validation_errors()[0]["error_message"]
    assert not response.success


def test_the_validation_is_shown_where_the_answer_comes_from(make_manager, ask) -> None:
    seen: list[BedrockResponse] = []

    def check(response: BedrockResponse) -> ValidationResult:
        seen.append(response)
        return ValidationResult(success=True)

    response = make_manager().converse(ask, response_validation_config=ResponseValidationConfig(check))
    assert seen == [response]
    assert (seen[0].success, seen[0].region_used) == (True, "us-east-1")
    assert seen[0].model_used == "amazon.nova-lite-v1:0"


@pytest.mark.parametrize("retries", [0, 2])
def test_what_ends_without_a_valid_answer_says_so_with_a_plain_false(
    make_manager, ask, clock, retries: int
) -> None:
    config = ResponseValidationConfig(
        lambda _: ValidationResult(success=False, error_message="no"),
        response_validation_retries=retries,
        response_validation_delay=30.0,
    )
    response = make_manager().converse(ask, response_validation_config=config, deadline=10)
    assert response.success is False
    assert response.get_content()
    assert response.region_used is not None


def test_an_invalid_streamed_answer_is_reported_as_a_failure(make_manager, ask) -> None:
    config = ResponseValidationConfig(lambda _: ValidationResult(success=False, error_message="too plain"))
    stream = make_manager().converse_stream(ask, response_validation_config=config)
    stream.get_full_content()
    assert stream.success is False
    assert stream.get_validation_errors() == [
        {"error_message": "too plain", "error_details": None, "attempt": 1}
    ]
    assert isinstance(stream.get_last_error(), InvalidResponseError)
    assert str(stream.get_last_error()) == "too plain"


def test_errors_between_invalid_answers_do_not_hide_them(
    fake_bedrock: FakeBedrock, make_manager, ask
) -> None:
    config = valid_from(99)
    fake_bedrock.add_fault(Fault(error="ServiceUnavailableException", region="us-west-2"))
    response = make_manager().converse(ask, response_validation_config=config)
    assert not response.success
    assert response.get_content()
    assert response.region_used == "us-east-1"


def test_a_call_without_any_answer_still_raises(fake_bedrock: FakeBedrock, make_manager, ask) -> None:
    fake_bedrock.add_fault(Fault(error="ThrottlingException"))
    with pytest.raises(RetryExhaustedError):
        make_manager().converse(ask, response_validation_config=valid_from(1))


def test_the_deadline_ends_the_asking(fake_bedrock: FakeBedrock, make_manager, ask, clock) -> None:
    config = ResponseValidationConfig(
        lambda _: ValidationResult(success=False, error_message="no"),
        response_validation_retries=100,
        response_validation_delay=8.0,
    )
    response = make_manager().converse(ask, response_validation_config=config, deadline=20)
    assert not response.success
    assert clock.sleeps == [8.0, 8.0]
    assert len(fake_bedrock.calls) == 3
