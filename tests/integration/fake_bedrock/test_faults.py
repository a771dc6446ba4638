"""Faults: errors, hangs and closed connections for the calls in a scope."""

from __future__ import annotations

import contextlib
import json
import urllib.error
import urllib.request
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError

from llmmanager.testing import FakeBedrock, Fault
from llmmanager.testing.errors import MESSAGE, STATUS
from tests.waiting import SILENCE_SECONDS, wait_until

TABLE = [
    ("ThrottlingException", 429, "Too many tokens, please wait"),
    ("ThrottlingException", 429, "Too many requests, please wait"),
    ("ThrottlingException", 429, "Too many tokens per day"),
    ("ThrottlingException", 429, "Rate exceeded"),
    ("ServiceQuotaExceededException", 400, ""),
    ("ServiceUnavailableException", 503, "Too many connections"),
    ("ServiceUnavailableException", 503, "Bedrock is unable to process your request"),
    ("InternalServerException", 500, ""),
    ("InternalFailure", 500, ""),
    ("ModelNotReadyException", 429, ""),
    ("ModelTimeoutException", 408, ""),
    ("ModelErrorException", 424, ""),
    ("ModelStreamErrorException", 424, ""),
    ("ValidationException", 400, "on-demand throughput isn\u2019t supported"),
    ("ValidationException", 400, "The provided model doesn't support on-demand throughput"),
    ("ValidationException", 400, "The provided model identifier is invalid"),
    ("ValidationException", 400, "This action doesn't support the model that you provided"),
    ("ValidationException", 400, "doesn't support tool use"),
    ("ValidationException", 400, "doesn't support tool use in streaming mode"),
    ("ValidationException", 400, "doesn't support system messages"),
    ("ValidationException", 400, "doesn't support the image"),
    ("ValidationException", 400, "doesn't support document"),
    ("ValidationException", 400, "cannot both be specified"),
    ("ValidationException", 400, "is deprecated for this model"),
    ("ValidationException", 400, "Input is too long for requested model"),
    ("ValidationException", 400, "prompt is too long"),
    ("ValidationException", 400, "maximum tokens you requested exceed"),
    (
        "ValidationException",
        400,
        "Conversation blocks and tool result blocks cannot be provided in the same turn",
    ),
    ("ValidationException", 400, "A conversation must start with a user message"),
    ("ValidationException", 400, "Malformed input request"),
    ("ValidationException", 400, "Operation not allowed"),
    ("ValidationException", 400, ""),
    ("AccessDeniedException", 403, "You don't have access to the model with the specified model ID"),
    ("AccessDeniedException", 403, "explicit deny in a service control policy"),
    ("AccessDeniedException", 403, "is not authorized to perform: bedrock:"),
    ("AccessDeniedException", 403, "aws-marketplace"),
    ("AccessDeniedException", 403, "INVALID_PAYMENT_INSTRUMENT"),
    ("AccessDeniedException", 403, "not available for this account"),
    ("FTUFormNotFilled", 404, "use case details have not been submitted"),
    ("BadCScoreException", 403, "not authorized to access this model"),
    ("MPAgreementBeingCreated", 403, "subscription for this model is still being processed"),
    ("ResourceNotFoundException", 404, "reached the end of its life"),
    ("ResourceNotFoundException", 404, "marked by provider as Legacy"),
    ("ResourceNotFoundException", 404, "Model not found"),
    ("ResourceNotFoundException", 404, ""),
    ("ExpiredTokenException", 403, ""),
    ("ExpiredToken", 400, ""),
    ("RequestExpired", 400, ""),
    ("UnrecognizedClientException", 403, ""),
    ("InvalidClientTokenId", 403, ""),
    ("InvalidSignatureException", 403, ""),
    ("SignatureDoesNotMatch", 403, ""),
    ("MissingAuthenticationToken", 403, ""),
    ("IncompleteSignature", 400, ""),
    ("NotAuthorized", 400, ""),
    ("OptInRequired", 403, ""),
]
BY_DEFAULT = {
    "ServiceUnavailableException": "Bedrock is unable to process your request",
    "AccessDeniedException": "You don't have access to the model with the specified model ID",
    "FTUFormNotFilled": "use case details have not been submitted",
    "BadCScoreException": "not authorized to access this model",
    "MPAgreementBeingCreated": "subscription for this model is still being processed",
    "ThrottlingException": "Too many requests, please wait",
}


@pytest.mark.parametrize(("code", "status", "message"), TABLE)
def test_every_bedrock_error_can_be_injected(
    bedrock: FakeBedrock, send_prompt: Any, error_of: Any, code: str, status: int, message: str
) -> None:
    bedrock.add_fault(Fault(error=code, message=message))
    assert error_of(send_prompt) == (code, status, message or MESSAGE[code])
    call = bedrock.calls[-1]
    assert (call.status, call.error_code) == (status, code)


@pytest.mark.parametrize(("code", "status"), sorted(STATUS.items()))
def test_an_error_without_a_message_gets_the_default_message(
    bedrock: FakeBedrock, send_prompt: Any, error_of: Any, code: str, status: int
) -> None:
    bedrock.add_fault(Fault(error=code))
    error = error_of(send_prompt)
    assert error[:2] == (code, status)
    assert BY_DEFAULT.get(code, "") in error[2]
    assert error[2]


def test_modeled_errors_are_raised_as_botocore_classes(
    bedrock: FakeBedrock, client: Any, send_prompt: Any
) -> None:
    bedrock.add_fault(
        Fault(error="ModelErrorException", fields={"originalStatusCode": 503, "resourceName": "acme"})
    )
    with pytest.raises(client.exceptions.ModelErrorException) as caught:
        client.converse(modelId="acme.talk-v1:0", messages=[{"role": "user", "content": [{"text": "Hi"}]}])
    assert caught.value.response["originalStatusCode"] == 503
    assert caught.value.response["resourceName"] == "acme"


def test_a_fault_sets_status_and_headers(bedrock: FakeBedrock, client: Any) -> None:
    bedrock.add_fault(
        Fault(error="ThrottlingException", status=503, retry_after=1.5, headers={"x-extra": "1"})
    )
    with pytest.raises(client.exceptions.ThrottlingException) as caught:
        client.converse(modelId="acme.talk-v1:0", messages=[{"role": "user", "content": [{"text": "Hi"}]}])
    metadata = caught.value.response["ResponseMetadata"]
    assert metadata["HTTPStatusCode"] == 503
    headers = metadata["HTTPHeaders"]
    assert (headers["retry-after"], headers["x-amz-retry-after"], headers["x-extra"]) == ("1.5", "1500", "1")


@pytest.mark.parametrize(
    ("scope", "hit", "missed"),
    [
        ({"region": "us-east-1"}, ("acme.talk-v1:0", "us-east-1"), ("acme.talk-v1:0", "us-west-2")),
        ({"model": "acme.talk-v1:0"}, ("us.acme.talk-v1:0", "us-east-1"), ("acme.plain", "us-east-1")),
        ({"model": "us.acme.talk-v1:0"}, ("us.acme.talk-v1:0", "us-east-1"), ("acme.talk-v1:0", "us-east-1")),
        ({"model": "us."}, ("us.acme.profiled", "us-east-1"), ("acme.plain", "us-east-1")),
        (
            {"model": "us."},
            ("arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.acme.profiled", "us-east-1"),
            ("arn:aws:bedrock:us-east-1::foundation-model/acme.plain", "us-east-1"),
        ),
        ({"model": "acme.*"}, ("global.acme.talk-v1:0", "eu-west-1"), ("anthropic.narrow", "us-east-1")),
        ({"access": "geo"}, ("eu.acme.talk-v1:0", "eu-west-1"), ("global.acme.talk-v1:0", "eu-west-1")),
        ({"access": "global"}, ("global.acme.talk-v1:0", "eu-west-1"), ("acme.talk-v1:0", "us-east-1")),
        ({"access": "on_demand"}, ("acme.talk-v1:0", "us-east-1"), ("us.acme.talk-v1:0", "us-east-1")),
    ],
)
def test_a_fault_applies_to_its_scope_only(
    bedrock: FakeBedrock,
    send_prompt: Any,
    error_of: Any,
    scope: Any,
    hit: tuple[str, str],
    missed: tuple[str, str],
) -> None:
    bedrock.add_fault(Fault(error="ThrottlingException", **scope))
    assert error_of(send_prompt, modelId=hit[0], region=hit[1])[0] == "ThrottlingException"
    send_prompt(modelId=missed[0], region=missed[1])


def test_a_model_id_does_not_match_longer_ids(bedrock: FakeBedrock, send_prompt: Any) -> None:
    bedrock.add_fault(Fault(error="ThrottlingException", model="acme.talk-v1"))
    send_prompt()


def test_a_fault_for_one_operation_does_not_affect_others(
    bedrock: FakeBedrock, client: Any, send_prompt: Any
) -> None:
    bedrock.add_fault(Fault(error="ThrottlingException", operation="CountTokens"))
    send_prompt()
    with pytest.raises(client.exceptions.ThrottlingException):
        client.count_tokens(modelId="acme.talk-v1:0", input={"converse": {"messages": []}})


def test_a_fault_precedes_the_validation_of_the_request(
    bedrock: FakeBedrock, send_prompt: Any, error_of: Any
) -> None:
    bedrock.add_fault(Fault(error="ServiceUnavailableException"))
    assert error_of(send_prompt, modelId="unknown.model")[0] == "ServiceUnavailableException"
    assert error_of(send_prompt, messages=[])[0] == "ServiceUnavailableException"


def test_a_count_limits_a_fault_to_the_first_calls(
    bedrock: FakeBedrock, send_prompt: Any, error_of: Any
) -> None:
    bedrock.add_fault(Fault(error="ThrottlingException", count=2))
    assert [error_of(send_prompt)[0] for _ in range(2)] == ["ThrottlingException"] * 2
    send_prompt()


def test_the_first_matching_fault_applies_to_a_call(
    bedrock: FakeBedrock, send_prompt: Any, error_of: Any
) -> None:
    bedrock.add_fault(Fault(error="ThrottlingException", count=1))
    bedrock.add_fault(Fault(error="InternalServerException", count=1))
    assert [error_of(send_prompt)[0], error_of(send_prompt)[0]] == [
        "ThrottlingException",
        "InternalServerException",
    ]
    send_prompt()


def statuses(catalog: Any, seed: int) -> list[int | None]:
    with FakeBedrock(catalog, seed=seed) as bedrock:
        bedrock.add_fault(Fault(error="ThrottlingException", share=0.3))
        client = bedrock.client()
        for _ in range(60):
            with contextlib.suppress(client.exceptions.ThrottlingException):
                client.converse(
                    modelId="acme.talk-v1:0", messages=[{"role": "user", "content": [{"text": "Hi"}]}]
                )
        return [call.status for call in bedrock.calls]


def test_a_share_is_the_same_for_the_same_seed(catalog: Any) -> None:
    first, again, other = statuses(catalog, 1), statuses(catalog, 1), statuses(catalog, 2)
    assert first == again
    assert first != other
    assert 8 <= first.count(429) <= 28


@pytest.mark.parametrize(("share", "status"), [(0, 200), (1, 429)])
def test_a_share_of_zero_and_of_one(
    bedrock: FakeBedrock, send_prompt: Any, error_of: Any, share: float, status: int
) -> None:
    bedrock.add_fault(Fault(error="ThrottlingException", share=share))
    for _ in range(5):
        error_of(send_prompt) if status == 429 else send_prompt()
    assert {call.status for call in bedrock.calls} == {status}


def test_a_fault_can_be_removed(bedrock: FakeBedrock, send_prompt: Any, error_of: Any) -> None:
    handle = bedrock.add_fault(Fault(error="ThrottlingException"))
    error_of(send_prompt)
    bedrock.remove_fault(handle)
    send_prompt()
    with pytest.raises(KeyError):
        bedrock.remove_fault(handle)
    bedrock.add_fault(Fault(error="ThrottlingException"))
    bedrock.clear_faults()
    send_prompt()


def test_a_hang_lasts_until_the_client_disconnects(bedrock: FakeBedrock) -> None:
    client = bedrock.client(config=Config(read_timeout=SILENCE_SECONDS))
    bedrock.add_fault(Fault(hang=True, count=1))
    request: Any = {"modelId": "acme.talk-v1:0", "messages": [{"role": "user", "content": [{"text": "Hi"}]}]}
    with pytest.raises(ReadTimeoutError):
        client.converse(**request)
    wait_until(lambda: bedrock.calls and not bedrock.in_flight)
    bedrock.client().converse(**request)
    first = bedrock.calls[0]
    assert (first.status, first.error_code) == (None, "hang")


def test_a_reset_closes_the_connection(bedrock: FakeBedrock, send_prompt: Any) -> None:
    bedrock.add_fault(Fault(reset=True, count=1))
    with pytest.raises(ConnectionClosedError):
        send_prompt()
    send_prompt()
    assert [(call.status, call.error_code) for call in bedrock.calls] == [(None, "reset"), (200, "")]


def test_a_call_with_a_delayed_fault_is_in_flight_during_the_delay(
    bedrock: FakeBedrock, send_prompt: Any, error_of: Any
) -> None:
    bedrock.add_fault(Fault(error="ServiceUnavailableException", delay=0.2))
    assert error_of(send_prompt)[1] == 503
    call = bedrock.calls[-1]
    assert call.ended_at is not None
    assert call.ended_at - call.started_at >= 0.2


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({}, "exactly one of error, hang, reset and stream_fault"),
        ({"error": "X", "hang": True}, "exactly one"),
        ({"hang": True, "reset": True}, "exactly one"),
        ({"error": 7}, "error must be a string"),
        ({"error": "X", "status": 200}, "status"),
        ({"error": "X", "share": 1.5}, "share"),
        ({"error": "X", "share": "half"}, "share"),
        ({"error": "X", "count": -1}, "count"),
        ({"error": "X", "count": 1.5}, "count"),
        ({"error": "X", "after_chunks": True}, "after_chunks"),
        ({"error": "X", "delay": -1}, "delay"),
        ({"error": "X", "operation": "InvokeModel"}, "operation"),
        ({"error": "X", "access": "local"}, "access"),
        ({"error": "X", "headers": {"a": "b\r\nc: d"}}, "headers"),
        ({"error": "X", "headers": ["a"]}, "headers"),
        ({"error": "ThrotlingException"}, "ThrotlingException"),
        ({"stream_fault": "late_end"}, "one of early_end, garbled_event, no_metadata"),
        ({"stream_fault": "early_end"}, "requires after_chunks"),
        ({"stream_fault": "garbled_event"}, "requires after_chunks"),
        ({"stream_fault": "no_metadata", "after_chunks": 3}, "after_chunks cannot be set"),
        ({"stream_fault": "early_end", "after_chunks": 3, "billed": True}, "billed cannot be set"),
        ({"hang": True, "model": "Nova Lite"}, "not a display name"),
    ],
)
def test_an_invalid_fault_is_rejected_by_field(fields: Any, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Fault(**fields)


def test_an_unknown_error_name_requires_a_status(
    bedrock: FakeBedrock, send_prompt: Any, error_of: Any
) -> None:
    bedrock.add_fault(Fault(error="TeapotException", status=418))
    assert error_of(send_prompt)[:2] == ("TeapotException", 418)


@pytest.mark.parametrize("no_fault", ["ThrottlingException", {"error": "ThrottlingException"}, None])
def test_adding_a_value_that_is_not_a_fault_is_rejected(bedrock: FakeBedrock, no_fault: Any) -> None:
    with pytest.raises(TypeError, match="a fault must be a Fault"):
        bedrock.add_fault(no_fault)
    assert bedrock.faults == {}


def test_error_bodies_are_json_with_only_the_message(bedrock: FakeBedrock) -> None:
    request = urllib.request.Request(f"{bedrock.endpoint_url}/foundation-models")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)
    with caught.value as answer:
        assert json.loads(answer.read()) == {"message": "Missing Authentication Token"}
