"""What an error means."""

from __future__ import annotations

import ssl

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
    SSLError,
)
from urllib3.exceptions import LocationValueError
from urllib3.exceptions import SSLError as UrllibSSLError

from llmmanager.bedrock.routing.classification import classify
from llmmanager.bedrock.routing.decision import Decision, Kind, Next


def service_error(
    code: str, message: str = "", status: int = 400, headers: dict[str, str] | None = None, **members: object
) -> ClientError:
    response = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": headers or {}},
        **members,
    }
    return ClientError(response, "Converse")  # type: ignore[arg-type]


def decided(error: Exception, *extra: str | type[BaseException]) -> Decision:
    decision = classify(error, extra)
    assert decision is not None
    return decision


@pytest.mark.parametrize(
    ("code", "message", "next_", "kind"),
    [
        ("ThrottlingException", "Too many tokens, please wait", Next.SAME_TARGET, Kind.THROTTLE),
        ("ThrottlingException", "Too many tokens per day", Next.OTHER_REGION, Kind.QUOTA),
        ("throttlingException", "", Next.SAME_TARGET, Kind.THROTTLE),
        (
            "ValidationException",
            "Invocation of model ID x with on-demand throughput isn\u2019t supported.",
            Next.OTHER_ACCESS_METHOD,
            Kind.ACCESS_METHOD,
        ),
        ("ValidationException", "Input is too long for requested model.", Next.OTHER_MODEL, Kind.REQUEST),
        ("ValidationException", "something new", Next.OTHER_MODEL, Kind.REQUEST),
        (
            "ValidationException",
            "Bedrock is unable to process your request.",
            Next.SAME_TARGET,
            Kind.UNAVAILABLE,
        ),
        (
            "ResourceNotFoundException",
            "Access denied. This Model is marked by provider as Legacy",
            Next.OTHER_MODEL,
            Kind.MODEL,
        ),
        ("com.amazon.coral.service#UnrecognizedClientException", "", Next.OTHER_REGION, Kind.CREDENTIALS),
        ("OptInRequired", "", Next.OTHER_REGION, Kind.ACCESS),
        ("ValidationException", "Operation not allowed", Next.GIVE_UP, Kind.ACCESS),
    ],
)
def test_an_error_means_what_the_table_says(code: str, message: str, next_: Next, kind: Kind) -> None:
    decision = decided(service_error(code, message))
    assert (decision.next, decision.kind) == (next_, kind)


@pytest.mark.parametrize(
    ("status", "next_", "kind"),
    [
        (429, Next.SAME_TARGET, Kind.THROTTLE),
        (408, Next.OTHER_REGION, Kind.TIMEOUT),
        (401, Next.OTHER_REGION, Kind.ACCESS),
        (403, Next.OTHER_REGION, Kind.ACCESS),
        (400, Next.OTHER_MODEL, Kind.REQUEST),
        (499, Next.OTHER_MODEL, Kind.REQUEST),
        (399, Next.SAME_TARGET, Kind.UNAVAILABLE),
        (500, Next.SAME_TARGET, Kind.UNAVAILABLE),
        (503, Next.SAME_TARGET, Kind.UNAVAILABLE),
    ],
)
def test_an_unknown_code_is_judged_by_its_status(status: int, next_: Next, kind: Kind) -> None:
    decision = decided(service_error("SomethingNewException", status=status))
    assert (decision.next, decision.kind) == (next_, kind)


@pytest.mark.parametrize(
    ("response", "next_"),
    [
        ({"Error": {}}, Next.SAME_TARGET),
        ({"Error": {"Code": "SomethingNewException"}, "ResponseMetadata": {}}, Next.SAME_TARGET),
        ({"Error": {"Code": "ValidationException", "Message": None}}, Next.OTHER_MODEL),
    ],
)
def test_a_service_that_says_little_is_understood_as_far_as_it_goes(
    response: dict[str, object], next_: Next
) -> None:
    assert decided(ClientError(response, "Converse")).next is next_  # type: ignore[arg-type]


def test_a_response_without_an_error_is_no_word_of_a_service() -> None:
    error = ReadTimeoutError(endpoint_url="http://x")
    error.response = {"Error": "text"}
    assert decided(error).kind is Kind.TIMEOUT
    assert classify(OSError()) is None


def test_an_error_code_may_carry_a_link_to_its_documentation() -> None:
    error = service_error("ThrottlingException:http://internal.amazon.com/coral/com.amazon.coral/")
    assert decided(error).kind is Kind.THROTTLE


@pytest.mark.parametrize("code", ["ModelErrorException", "ModelStreamErrorException"])
def test_a_model_error_with_a_clients_status_inside_is_the_requests_fault(code: str) -> None:
    rejected = decided(service_error(code, originalStatusCode=400))
    assert (rejected.next, rejected.kind) == (Next.OTHER_MODEL, Kind.REQUEST)
    too_long = decided(service_error(code, "Malformed input request", originalStatusCode=400))
    assert too_long.next is Next.GIVE_UP
    assert decided(service_error(code, originalStatusCode=429)).next is Next.SAME_TARGET
    assert decided(service_error(code, originalStatusCode=499)).next is Next.OTHER_MODEL
    assert decided(service_error(code, originalStatusCode=500)).next is Next.SAME_TARGET
    assert decided(service_error(code)).next is Next.SAME_TARGET
    assert decided(service_error("InternalServerException", originalStatusCode=400)).transient


@pytest.mark.parametrize(
    ("error", "next_", "kind"),
    [
        (ReadTimeoutError(endpoint_url="http://x"), Next.OTHER_REGION, Kind.TIMEOUT),
        (ConnectTimeoutError(endpoint_url="http://x"), Next.SAME_TARGET, Kind.UNREACHABLE),
        (EndpointConnectionError(endpoint_url="http://x"), Next.SAME_TARGET, Kind.UNREACHABLE),
        (NoCredentialsError(), Next.GIVE_UP, Kind.CREDENTIALS),
        (SSLError(endpoint_url="http://x", error="bad"), Next.SAME_TARGET, Kind.UNAVAILABLE),
        (ParamValidationError(report="bad"), Next.GIVE_UP, Kind.REQUEST),
    ],
)
def test_an_error_of_the_client_side_means_what_its_class_says(
    error: Exception, next_: Next, kind: Kind
) -> None:
    decision = decided(error)
    assert (decision.next, decision.kind) == (next_, kind)


@pytest.mark.parametrize(
    "cause",
    [
        ssl.SSLEOFError(8, "EOF occurred in violation of protocol (_ssl.c:2633)"),
        ssl.SSLZeroReturnError(6, "TLS/SSL connection has been closed (EOF)"),
        ssl.SSLError(1, "[SSL: SSLV3_ALERT_HANDSHAKE_FAILURE] sslv3 alert handshake failure"),
        ConnectionResetError(104, "Connection reset by peer"),
    ],
)
def test_a_tls_connection_that_ends_early_is_transient(cause: Exception) -> None:
    error = SSLError(endpoint_url="https://x", error=UrllibSSLError(cause))
    assert decided(error) == Decision(Next.SAME_TARGET, Kind.UNAVAILABLE)


@pytest.mark.parametrize(
    "cause",
    [
        ssl.SSLCertVerificationError(1, "self-signed certificate"),
        ssl.SSLError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable to get issuer"),
        ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"),
        FileNotFoundError(2, "No such file or directory"),
    ],
)
def test_a_certificate_that_cannot_be_verified_is_a_matter_of_configuration(cause: Exception) -> None:
    error = SSLError(endpoint_url="https://x", error=UrllibSSLError(cause))
    assert decided(error) == Decision(Next.GIVE_UP, Kind.CONFIGURATION)


def test_an_error_that_is_not_from_aws_has_no_decision() -> None:
    assert classify(ZeroDivisionError()) is None
    assert classify(ConnectionError()) is None


@pytest.mark.parametrize(
    ("code", "status", "decision"),
    [
        ("AccessDenied", 403, Decision(Next.GIVE_UP, Kind.CREDENTIALS)),
        ("InvalidIdentityToken", 400, Decision(Next.GIVE_UP, Kind.CREDENTIALS)),
        ("ResourceNotFoundException", 404, Decision(Next.GIVE_UP, Kind.CREDENTIALS)),
        ("ExpiredTokenException", 400, Decision(Next.GIVE_UP, Kind.EXPIRED_CREDENTIALS)),
        ("Throttling", 400, Decision(Next.SAME_TARGET, Kind.THROTTLE)),
        ("InternalFailure", 500, Decision(Next.SAME_TARGET, Kind.UNAVAILABLE)),
    ],
)
def test_what_the_giver_of_credentials_rejects_is_a_matter_of_credentials(
    code: str, status: int, decision: Decision
) -> None:
    response = service_error(code, status=status).response
    assert classify(ClientError(response, "AssumeRoleWithWebIdentity")) == decision  # type: ignore[arg-type]


def test_what_the_caller_holds_for_transient_is_nothing_else() -> None:
    assert decided(ReadTimeoutError(endpoint_url="http://x"), "SomethingElse", KeyError).kind is Kind.TIMEOUT


def test_a_plain_error_of_the_callers_choice_is_transient() -> None:
    assert decided(ZeroDivisionError(), ArithmeticError) == decided(ZeroDivisionError(), "ArithmeticError")
    assert decided(ZeroDivisionError(), ArithmeticError) == Decision(Next.SAME_TARGET, Kind.UNAVAILABLE)


def test_a_client_side_error_that_the_table_does_not_know_is_not_decided_upon() -> None:
    assert classify(LocationValueError()) is None


@pytest.mark.parametrize("extra", ["ValidationException", "ClientError", ClientError])
def test_the_caller_may_hold_further_errors_for_transient(extra: str | type[BaseException]) -> None:
    decision = decided(service_error("ValidationException", "Malformed input request"), extra)
    assert (decision.next, decision.transient) == (Next.SAME_TARGET, True)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "3"}, 3.0),
        ({"x-amz-retry-after": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({"x-amz-retry-after": "-1", "retry-after": "9"}, 9.0),
        ({"retry-after": "0"}, 0.0),
        ({}, None),
    ],
)
def test_the_servers_hint_is_read_from_its_headers(headers: dict[str, str], seconds: float | None) -> None:
    error = service_error("ThrottlingException", "Rate exceeded", 429, headers)
    assert decided(error).retry_after == seconds


def test_what_the_caller_holds_for_transient_is_waited_for_as_the_server_asks() -> None:
    error = service_error("MyException", headers={"retry-after": "3"})
    assert decided(error, "MyException").retry_after == 3
