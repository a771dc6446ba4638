"""What an error means."""

from __future__ import annotations

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
        ("com.amazon.coral.service#UnrecognizedClientException", "", Next.GIVE_UP, Kind.CREDENTIALS),
        ("OptInRequired", "", Next.OTHER_REGION, Kind.ACCESS),
        ("ValidationException", "Operation not allowed", Next.GIVE_UP, Kind.ACCESS),
    ],
)
def test_an_error_means_what_the_table_says(code: str, message: str, next_: Next, kind: Kind) -> None:
    decision = decided(service_error(code, message))
    assert (decision.next, decision.kind) == (next_, kind)


@pytest.mark.parametrize(
    ("status", "next_"),
    [
        (429, Next.SAME_TARGET),
        (503, Next.SAME_TARGET),
        (408, Next.OTHER_REGION),
        (403, Next.OTHER_REGION),
        (418, Next.OTHER_MODEL),
    ],
)
def test_an_unknown_code_is_judged_by_its_status(status: int, next_: Next) -> None:
    assert decided(service_error("SomethingNewException", status=status)).next is next_


def test_a_model_error_with_a_clients_status_inside_is_the_requests_fault() -> None:
    assert decided(service_error("ModelErrorException", originalStatusCode=400)).next is Next.OTHER_MODEL
    assert decided(service_error("ModelErrorException", originalStatusCode=429)).next is Next.SAME_TARGET
    assert decided(service_error("ModelErrorException", originalStatusCode=500)).next is Next.SAME_TARGET
    assert decided(service_error("ModelErrorException")).next is Next.SAME_TARGET


@pytest.mark.parametrize(
    ("error", "next_", "kind"),
    [
        (ReadTimeoutError(endpoint_url="http://x"), Next.OTHER_REGION, Kind.TIMEOUT),
        (ConnectTimeoutError(endpoint_url="http://x"), Next.SAME_TARGET, Kind.UNREACHABLE),
        (EndpointConnectionError(endpoint_url="http://x"), Next.SAME_TARGET, Kind.UNREACHABLE),
        (NoCredentialsError(), Next.GIVE_UP, Kind.CREDENTIALS),
        (SSLError(endpoint_url="http://x", error="bad"), Next.GIVE_UP, Kind.CONFIGURATION),
        (ParamValidationError(report="bad"), Next.GIVE_UP, Kind.REQUEST),
    ],
)
def test_an_error_of_the_client_side_means_what_its_class_says(
    error: Exception, next_: Next, kind: Kind
) -> None:
    decision = decided(error)
    assert (decision.next, decision.kind) == (next_, kind)


def test_an_error_that_is_none_of_awss_is_not_decided_upon() -> None:
    assert classify(ZeroDivisionError()) is None
    assert classify(ConnectionError()) is None


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
        ({}, None),
    ],
)
def test_the_servers_hint_is_read_from_its_headers(headers: dict[str, str], seconds: float | None) -> None:
    error = service_error("ThrottlingException", "Rate exceeded", 429, headers)
    assert decided(error).retry_after == seconds
