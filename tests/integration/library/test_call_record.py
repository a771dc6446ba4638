"""What a call tells of itself: its attempts, their decisions, its end and its causes."""

from __future__ import annotations

import contextlib
import http.server
import math
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from llmmanager import (
    AuthConfig,
    AuthenticationError,
    AuthenticationType,
    BedrockConverseRequest,
    BedrockResponse,
    ConfigurationError,
    LLMManager,
    RequestValidationError,
    ResponseValidationConfig,
    RetryExhaustedError,
    RetryStrategy,
    ValidationResult,
)
from llmmanager.bedrock.exceptions.llm_manager_exceptions import (
    DeadlineExceededError,
    InvalidResponseError,
)
from llmmanager.bedrock.invocation.invoker import CallOptions
from llmmanager.bedrock.models.deadline import NEVER, Deadline
from llmmanager.bedrock.transport import converse_api
from llmmanager.bedrock.validation.request import build_request
from llmmanager.testing import FakeBedrock, Fault

NOVA_LITE = "amazon.nova-lite-v1:0"
EAST, WEST = "us-east-1", "us-west-2"
TOOLS = {"tools": [{"toolSpec": {"name": "clock", "inputSchema": {"json": {"type": "object"}}}}]}


def never_valid(retries: int = 0, **settings: Any) -> ResponseValidationConfig:
    return ResponseValidationConfig(
        lambda _: ValidationResult(success=False, error_message="too plain"),
        response_validation_retries=retries,
        **settings,
    )


def test_attempts_are_numbered_timed_and_say_what_followed(
    fake_bedrock: FakeBedrock, make_manager, ask
) -> None:
    fake_bedrock.add_fault(Fault(error="ThrottlingException", region=EAST, count=1))
    fake_bedrock.add_fault(Fault(error="AccessDeniedException", region=WEST, count=1))
    response = make_manager().converse(ask)
    assert [attempt.attempt_number for attempt in response.attempts] == [1, 2, 3]
    assert [attempt.decision for attempt in response.attempts] == ["same_target", "other_region", None]
    assert [attempt.success for attempt in response.attempts] == [False, False, True]
    assert {attempt.model_id for attempt in response.attempts} == {NOVA_LITE}
    assert {attempt.invoke_id for attempt in response.attempts} == {NOVA_LITE}
    assert {attempt.access_method for attempt in response.attempts} == {"on_demand"}
    for before, after in zip(response.attempts, response.attempts[1:], strict=False):
        assert before.start_time <= before.end_time <= after.start_time
        assert before.start_time.utcoffset() == timedelta(0)
    assert response.attempts[-1].error is None


def test_the_data_of_an_answer_are_bedrocks_and_nothing_else(make_manager, ask) -> None:
    data = make_manager().converse(ask).response_data
    assert set(data) == {"output", "stopReason", "usage", "metrics"}


def test_the_duration_is_that_of_all_attempts_in_milliseconds(
    fake_bedrock: FakeBedrock, make_manager, ask, clock
) -> None:
    fake_bedrock.add_fault(Fault(error="ServiceUnavailableException", retry_after=0.05, count=1))
    clock.seconds_per_call = 0.2
    response = make_manager(regions=(EAST,)).converse(ask)
    assert response.total_duration_ms == pytest.approx(450)


def test_the_failure_of_a_call_is_caused_by_its_last_error(
    fake_bedrock: FakeBedrock, make_manager, ask
) -> None:
    fake_bedrock.add_fault(Fault(error="AccessDeniedException", message="east is full", region=EAST))
    fake_bedrock.add_fault(Fault(error="AccessDeniedException", message="west is shut", region=WEST))
    with pytest.raises(RetryExhaustedError, match="west is shut") as raised:
        make_manager().converse(ask)
    assert ["full" in str(error) for error in raised.value.last_errors] == [True, False]
    assert raised.value.__cause__ is raised.value.last_errors[-1]
    assert raised.value.response.get_last_error() is raised.value.last_errors[-1]


@pytest.mark.parametrize(
    ("retries", "reason"), [(1, r"after 2 attempt\(s\): max_retries \(1\) used up"), (0, "max_retries")]
)
def test_the_message_of_a_failure_says_how_often_and_why(
    fake_bedrock: FakeBedrock, make_manager, ask, retries: int, reason: str
) -> None:
    fake_bedrock.add_fault(Fault(error="ThrottlingException"))
    with pytest.raises(RetryExhaustedError, match=reason) as raised:
        make_manager(retry={"max_retries": retries}).converse(ask)
    assert "the Converse operation: " in str(raised.value)


@pytest.mark.parametrize("operation", ["converse", "converse_stream"])
def test_no_error_of_an_attempt_counts_the_retries_of_botocore(
    fake_bedrock: FakeBedrock, make_manager, ask, operation: str
) -> None:
    fake_bedrock.add_fault(Fault(error="ThrottlingException", region=EAST))
    fake_bedrock.add_fault(Fault(error="ValidationException", message="roles must alternate", region=WEST))
    with pytest.raises(RequestValidationError) as raised:
        getattr(make_manager(), operation)(ask)
    errors = [str(attempt.error) for attempt in raised.value.response.attempts]
    assert [error.partition(" operation: ")[2][:5] for error in errors] == ["Too m", "roles"]
    assert raised.value.validation_errors == errors[1:]
    assert str(raised.value).endswith("operation: roles must alternate")


def test_when_every_target_is_out_the_message_says_so(fake_bedrock: FakeBedrock, make_manager, ask) -> None:
    fake_bedrock.deny(NOVA_LITE)
    with pytest.raises(RetryExhaustedError, match="every target failed"):
        make_manager().converse(ask)


def test_an_account_on_hold_ends_the_call_at_once(fake_bedrock: FakeBedrock, make_manager, ask) -> None:
    fake_bedrock.add_fault(Fault(error="ValidationException", message="Operation not allowed"))
    with pytest.raises(RetryExhaustedError, match="no target would accept the request") as raised:
        make_manager().converse(ask)
    assert len(raised.value.attempts) == len(fake_bedrock.calls) == 1
    assert raised.value.attempts[0].decision == "give_up"


@pytest.fixture
def plain_server() -> Iterator[str]:
    """The address of a server that answers whatever comes with plain text."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection:
                        connection.recv(65536)
                        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)


def test_an_endpoint_that_speaks_no_tls_is_a_configuration_error(
    fake_bedrock: FakeBedrock, make_manager, ask, monkeypatch, plain_server: str
) -> None:
    for name, value in fake_bedrock.environment.items():
        if value.startswith("http://"):
            monkeypatch.setenv(name, f"https://{plain_server}")
    with pytest.raises(ConfigurationError, match="SSL"):
        make_manager().converse(ask)


ANSWER = b'{"output": {"message": {"role": "assistant", "content": [{"text": "Paris"}]}}}'


@pytest.fixture
def half_answers() -> Iterator[list[bytes]]:
    """What a server says with status 200 in place of an answer, one after the other; the first is its URL."""
    replies: list[bytes] = []

    class Cutting(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(ANSWER)))
            self.end_headers()
            self.wfile.write(replies.pop(0))

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with http.server.HTTPServer(("127.0.0.1", 0), Cutting) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        replies.append(f"http://127.0.0.1:{server.server_port}".encode())
        yield replies
        server.shutdown()
        thread.join()


def test_an_answer_that_was_cut_off_is_no_answer(
    fake_bedrock: FakeBedrock, make_manager, ask, monkeypatch, half_answers: list[bytes]
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", half_answers.pop().decode())
    half_answers += [ANSWER[:40], b"", b"<html>Sign in</html>", ANSWER]
    response = make_manager().converse(ask)
    assert response.get_content() == "Paris"
    assert [attempt.decision for attempt in response.attempts] == ["same_target"] * 3 + [None]
    assert "response is incomplete or is not from Bedrock" in str(response.get_last_error())


def test_a_profile_name_counts_for_profiles_only(make_manager, ask) -> None:
    auth = AuthConfig(
        AuthenticationType.CREDENTIALS,
        profile_name="unknown",
        access_key_id="testing",
        secret_access_key="testing",
    )
    assert make_manager(auth_config=auth).converse(ask).success


def test_a_value_that_json_cannot_hold_is_rejected_before_any_call(
    fake_bedrock: FakeBedrock, make_manager, ask
) -> None:
    with pytest.raises(RequestValidationError):
        make_manager().converse(ask, extra_request_fields={"quantumConfig": {1, 2}})
    assert fake_bedrock.calls == ()


def test_a_request_that_json_cannot_hold_fails_alone_in_a_run(
    fake_bedrock: FakeBedrock, make_parallel, ask
) -> None:
    unknown = [{"role": "user", "content": [{"text": "hi"}, {"hologram": {1, 2}}]}]
    requests = [BedrockConverseRequest(messages=ask), BedrockConverseRequest(messages=unknown)]
    result = make_parallel().converse_parallel(requests)
    responses = list(result.request_responses.values())
    assert [response.success for response in responses] == [True, False]
    assert "messages: must be plain data" in str(responses[1].get_last_error())


def test_what_is_no_error_of_aws_is_raised_as_it_is(make_manager, ask, monkeypatch) -> None:
    manager = make_manager()

    def broken(**_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("llmmanager.bedrock.transport.converse_api._fill_in", broken)
    with pytest.raises(ZeroDivisionError):
        manager.converse(ask)


def test_an_invalid_answer_is_an_attempt_that_failed(fake_bedrock: FakeBedrock, make_manager, ask) -> None:
    response = make_manager().converse(ask, response_validation_config=never_valid(1))
    assert [attempt.decision for attempt in response.attempts] == ["same_target", "give_up"]
    assert [type(error) for error in response.get_all_errors()] == [InvalidResponseError] * 2
    assert [error["attempt"] for error in response.get_validation_errors()] == [1, 2]
    assert [attempt.region for attempt in response.attempts] == [EAST, EAST]


def test_answers_rejected_in_one_call_count_in_the_statistics(
    fake_bedrock: FakeBedrock, make_manager, ask
) -> None:
    manager = make_manager()
    manager.converse(ask, response_validation_config=never_valid(1))
    stats = manager.get_retry_stats()
    counters = ("requests", "attempts", "retries", "failovers")
    assert [stats[name] for name in counters] == [1, 2, 1, 0]


def test_an_error_on_asking_again_leaves_the_last_answer(
    fake_bedrock: FakeBedrock, make_manager, ask
) -> None:
    seen: list[BedrockResponse] = []

    def check(response: BedrockResponse) -> ValidationResult:
        seen.append(response)
        fake_bedrock.add_fault(Fault(error="AccessDeniedException", message="shut"))
        return ValidationResult(success=False)

    response = make_manager().converse(ask, response_validation_config=ResponseValidationConfig(check))
    assert len(seen) == 1
    assert not response.success
    assert response.get_content() == seen[0].get_content()
    assert response.get_validation_errors()[0]["error_message"] == "the answer is invalid"
    assert "shut" in str(response.get_last_error())
    assert [attempt.region for attempt in response.attempts] == [EAST, EAST, WEST]


def test_a_delay_that_would_outlast_the_deadline_is_not_begun(
    fake_bedrock: FakeBedrock, make_manager, ask, clock
) -> None:
    config = never_valid(3, response_validation_delay=60.0)
    response = make_manager().converse(ask, response_validation_config=config, deadline=20)
    assert clock.sleeps == []
    assert not response.success
    assert len(fake_bedrock.calls) == 1
    assert isinstance(response.get_last_error(), InvalidResponseError)


def test_a_feature_rejected_again_after_it_was_restored_is_dropped_again(
    fake_bedrock: FakeBedrock, make_manager, ask
) -> None:
    rejected = "This model doesn't support tool use."
    manager = make_manager(regions=(EAST,))
    fake_bedrock.add_fault(Fault(error="ValidationException", message=rejected, count=1))
    manager.converse(ask, tool_config=TOOLS)
    fake_bedrock.add_fault(Fault(error="ValidationException", message="Something is missing.", count=1))
    fake_bedrock.add_fault(Fault(error="ValidationException", message=rejected, count=1))
    response = manager.converse(ask, tool_config=TOOLS)
    assert [attempt.decision for attempt in response.attempts] == ["same_target_now", "drop_feature", None]
    assert response.features_disabled == ["tools"]


def test_a_request_that_stays_wrong_without_memory_goes_to_the_next_model(
    fake_bedrock: FakeBedrock, make_manager, ask
) -> None:
    manager = make_manager(("Nova Lite", "Nova Micro"), (EAST,))
    fake_bedrock.add_fault(
        Fault(error="ValidationException", message="`temperature` is deprecated for this model.", count=1)
    )
    config = {"temperature": 0.5}
    manager.converse(ask, inference_config=config)
    fake_bedrock.add_fault(
        Fault(error="ValidationException", message="Something is missing.", model=NOVA_LITE)
    )
    response = manager.converse(ask, inference_config=config)
    assert [attempt.decision for attempt in response.attempts] == ["same_target_now", "other_model", None]
    assert response.model_used == "amazon.nova-micro-v1:0"


def test_features_that_are_rejected_one_after_the_other_are_all_dropped(
    fake_bedrock: FakeBedrock, make_manager, ask
) -> None:
    for message in ("This model doesn't support tool use.", "This model doesn't support system messages."):
        fake_bedrock.add_fault(Fault(error="ValidationException", message=message, count=1))
    manager = make_manager(regions=(EAST,))
    arguments = {"tool_config": TOOLS, "system": [{"text": "Be brief."}]}
    first, second = manager.converse(ask, **arguments), manager.converse(ask, **arguments)
    assert first.features_disabled == second.features_disabled == ["tools", "system"]
    assert (len(first.attempts), len(second.attempts)) == (3, 1)
    assert [NOVA_LITE in warning for warning in first.get_warnings()] == [True, True]


def test_without_another_access_method_a_rejected_on_demand_call_goes_to_the_next_region(
    fake_bedrock: FakeBedrock, make_manager, ask
) -> None:
    message = "Invocation with on-demand throughput isn\u2019t supported."
    fake_bedrock.add_fault(Fault(error="ValidationException", message=message, region=EAST))
    manager = make_manager(("gpt-oss-20b",), (EAST, WEST))
    response = manager.converse(ask)
    assert response.region_used == WEST
    assert response.attempts[-2].decision == "other_region"


def test_an_access_method_rejected_for_one_model_is_used_for_the_others(
    fake_bedrock: FakeBedrock, make_manager, ask
) -> None:
    message = "Invocation with on-demand throughput isn\u2019t supported."
    fake_bedrock.add_fault(
        Fault(error="ValidationException", message=message, model=NOVA_LITE, access="on_demand")
    )
    manager = make_manager(("Nova Lite", "Nova Pro"), (EAST,))
    assert manager.converse(ask).access_method == "geographic_profile"
    fake_bedrock.deny(NOVA_LITE)
    other = manager.converse(ask)
    assert (other.model_used, other.access_method) == ("amazon.nova-pro-v1:0", "on_demand")


def test_expired_credentials_are_read_from_where_they_are_now(
    fake_bedrock: FakeBedrock, make_manager, ask, monkeypatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOLD")
    manager = make_manager()
    assert manager.converse(ask).success
    fake_bedrock.reject_credentials("AKIAOLD", error="ExpiredTokenException")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIANEW")
    response = manager.converse(ask)
    assert [attempt.decision for attempt in response.attempts] == ["same_target_now", None]
    assert {attempt.region for attempt in response.attempts} == {EAST}


def test_credentials_are_renewed_once_in_a_call(fake_bedrock: FakeBedrock, make_manager, ask) -> None:
    fake_bedrock.add_fault(Fault(error="ExpiredTokenException"))
    with pytest.raises(AuthenticationError) as raised:
        make_manager().converse(ask)
    assert [attempt.decision for attempt in raised.value.response.attempts] == ["same_target_now", "give_up"]
    assert raised.value.response.success is False


def test_a_deadline_that_passes_between_attempts_is_reported_with_them(
    fake_bedrock: FakeBedrock, make_manager, ask, clock
) -> None:
    fake_bedrock.add_fault(Fault(error="ThrottlingException"))
    clock.seconds_per_call = 0.4
    with pytest.raises(DeadlineExceededError, match="deadline") as raised:
        make_manager(retry={"retry_strategy": RetryStrategy.REGION_FIRST}).converse(ask, deadline=0.6)
    response = raised.value.response
    assert len(response.attempts) == 2
    assert not response.success
    assert isinstance(response.get_last_error(), DeadlineExceededError)


def test_a_model_or_region_named_twice_is_called_once(fake_bedrock: FakeBedrock, make_manager, ask) -> None:
    fake_bedrock.deny(NOVA_LITE)
    with pytest.raises(RetryExhaustedError) as raised:
        make_manager(("Nova Lite", NOVA_LITE, "nova-lite"), (EAST, WEST, EAST)).converse(ask)
    assert [attempt.region for attempt in raised.value.attempts] == [EAST, WEST]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (
            {"models": "Nova Lite"},
            r"^models must be a list or tuple of names, not a string: use \['Nova Lite'\]",
        ),
        ({"models": [None]}, "models must contain only names"),
        ({"models": [" "]}, "models must contain only names"),
        ({"regions": "us-east-1"}, "^regions must be a list or tuple of names, not a string"),
        ({"regions": {"us-east-1"}}, "^regions must be a list or tuple of at least one name"),
        ({"regions": b"us-east-1"}, "^regions must be a list or tuple of at least one name"),
        ({"regions": ()}, "^regions must be a list or tuple of at least one name"),
        ({"regions": [3]}, "regions must contain only names"),
    ],
)
def test_names_are_taken_from_sequences_of_names_only(
    fake_bedrock: FakeBedrock, arguments: dict[str, Any], named: str
) -> None:
    with pytest.raises(ConfigurationError, match=named):
        LLMManager(**{"models": ["Nova Lite"], "regions": [EAST], **arguments})


def test_bedrock_is_queried_about_the_regions_of_the_manager_only(
    fake_bedrock: FakeBedrock, make_manager
) -> None:
    make_manager(regions=(EAST, WEST)).refresh_model_data()
    assert {call.region for call in fake_bedrock.calls} == {EAST, WEST}


def test_an_id_that_the_catalog_does_not_know_has_no_access_method(make_manager, ask) -> None:
    manager = make_manager((f"arn:aws:bedrock:{EAST}:123456789012:provisioned-model/abcdefghijkl",), (EAST,))
    assert [attempt.access_method for attempt in manager.converse(ask).attempts] == [None]


@pytest.mark.parametrize("wrong", [0, -1, True, 1.5, "8"])
def test_an_invalid_number_of_connections_is_rejected(make_manager, wrong: object) -> None:
    with pytest.raises(ConfigurationError, match="max_connections"):
        make_manager(max_connections=wrong)


def test_a_profile_that_cannot_be_read_makes_the_configuration_invalid(make_manager) -> None:
    manager = make_manager(auth_config=AuthConfig(AuthenticationType.PROFILE, profile_name="unknown"))
    result = manager.validate_configuration()
    assert (result["valid"], result["auth_status"]) == (False, "missing")
    assert "unknown" in result["errors"][0]


def test_a_streamed_answer_that_is_valid_stays_a_success(make_manager, ask) -> None:
    config = ResponseValidationConfig(lambda _: ValidationResult(success=True))
    stream = make_manager().converse_stream(ask, response_validation_config=config)
    assert stream.get_full_content()
    assert stream.success
    assert not stream.had_validation_failures()


class Cancelled(threading.Event):
    """An event that is waited for without real time, and may be set during a wait.

    Attributes:
        waits: seconds of each wait.
    """

    def __init__(self, *, during_a_wait: bool) -> None:
        super().__init__()
        self.waits: list[float | None] = []
        self._during_a_wait = during_a_wait

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout)
        if self._during_a_wait:
            self.set()
        return self.is_set()


def test_a_cancelled_wait_ends_the_call_and_says_so(
    fake_bedrock: FakeBedrock, make_manager, ask, clock
) -> None:
    fake_bedrock.add_fault(Fault(error="ServiceUnavailableException", retry_after=20))
    cancelled = Cancelled(during_a_wait=True)
    manager = make_manager(regions=(EAST,), retry={"max_retry_delay": 30.0})
    with pytest.raises(RetryExhaustedError, match=r"after 1 attempt\(s\): cancelled"):
        manager._invoker.converse(build_request({"messages": ask}), CallOptions(NEVER, cancelled=cancelled))
    assert cancelled.waits == [pytest.approx(20)]


@dataclass(frozen=True)
class Left(Deadline):
    """A deadline that is always the same time away."""

    seconds: float = 0.0

    def remaining(self) -> float:
        return self.seconds


@pytest.mark.parametrize(("left", "kind"), [(0.0, DeadlineExceededError), (0.9, RetryExhaustedError)])
def test_a_call_is_out_of_time_when_nothing_is_left_of_it(
    fake_bedrock: FakeBedrock, make_manager, ask, left: float, kind: type[Exception]
) -> None:
    fake_bedrock.deny(NOVA_LITE)
    with pytest.raises(RetryExhaustedError) as raised:
        make_manager()._invoker.converse(build_request({"messages": ask}), CallOptions(Left(math.inf, left)))
    assert type(raised.value) is kind


def test_a_connection_is_made_with_an_eye_on_what_the_deadline_leaves(
    make_manager, ask, monkeypatch, clock
) -> None:
    manager = make_manager()
    left: list[float] = []
    client = manager._clients.client

    def remembering(service: str, region: str, *, remaining: float = math.inf) -> Any:
        left.append(remaining)
        return client(service, region, remaining=remaining)

    monkeypatch.setattr(manager._clients, "client", remembering)
    manager.converse(ask, deadline=50)
    manager.converse(ask)
    assert left == [pytest.approx(50), math.inf]


def test_no_target_is_called_if_creating_the_client_took_the_time(
    fake_bedrock: FakeBedrock, make_manager, ask, monkeypatch, clock
) -> None:
    manager = make_manager(retry={"retryable_errors": (Exception,)})
    client = manager._clients.client

    def slow(service: str, region: str, *, remaining: float) -> Any:
        clock.now += remaining
        return client(service, region)

    monkeypatch.setattr(manager._clients, "client", slow)
    with pytest.raises(DeadlineExceededError, match="before the target could be called") as raised:
        manager.converse(ask, deadline=0.05)
    assert raised.value.attempts == []
    assert fake_bedrock.calls == ()


@pytest.mark.parametrize(("left", "silence"), [(0.25, 0.25), (90.0, 7.0)])
def test_a_server_may_be_silent_for_the_timeout_or_what_the_deadline_leaves(
    make_manager, ask, monkeypatch, left: float, silence: float
) -> None:
    allowed: list[float] = []
    converse = converse_api.converse

    def remembering(
        client: Any, invoke_id: str, body: bytes, read_timeout: float, **options: Any
    ) -> dict[str, Any]:
        allowed.append(read_timeout)
        return converse(client, invoke_id, body, 30.0, **options)

    monkeypatch.setattr(converse_api, "converse", remembering)
    manager = make_manager(timeout=7.0)
    manager._invoker.converse(build_request({"messages": ask}), CallOptions(Left(math.inf, left)))
    assert allowed == [silence]


def test_a_call_that_is_not_cancelled_waits_and_continues(
    fake_bedrock: FakeBedrock, make_manager, ask, clock
) -> None:
    fake_bedrock.add_fault(Fault(error="ServiceUnavailableException", count=1, retry_after=20))
    request = build_request({"messages": ask})
    invoker = make_manager(regions=(EAST,))._invoker
    cancelled = Cancelled(during_a_wait=False)
    assert invoker.converse(request, CallOptions(NEVER, cancelled=cancelled)).success
    assert cancelled.waits == [pytest.approx(20)]


def test_a_cancelled_call_sends_no_request(fake_bedrock: FakeBedrock, make_manager, ask) -> None:
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(RetryExhaustedError, match="cancelled"):
        make_manager()._invoker.converse(
            build_request({"messages": ask}), CallOptions(NEVER, cancelled=cancelled)
        )
    assert fake_bedrock.calls == ()


def test_an_error_that_the_caller_holds_for_transient_is_tried_again(
    fake_bedrock: FakeBedrock, make_manager, ask
) -> None:
    fake_bedrock.add_fault(Fault(error="AccessDeniedException", count=1))
    manager = make_manager(regions=(EAST,), retry={"retryable_errors": ("AccessDeniedException",)})
    assert [attempt.decision for attempt in manager.converse(ask).attempts] == ["same_target", None]
