"""What AWS says, in its own words, and what follows: written down apart from the table that decides."""

from __future__ import annotations

import botocore.exceptions
import pytest
from botocore.eventstream import ParserError
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError
from urllib3.exceptions import DecodeError, ProtocolError
from urllib3.exceptions import SSLError as BrokenTls

from llmmanager.bedrock.routing.classification import StreamLostError, classify
from llmmanager.bedrock.routing.decision import Decision, Kind, Next

AGAIN, REGION, MODEL, STOP = Next.SAME_TARGET, Next.OTHER_REGION, Next.OTHER_MODEL, Next.GIVE_UP
OTHER_METHOD, DROP = Next.OTHER_ACCESS_METHOD, Next.DROP_FEATURE
VALIDATION, DENIED, NOT_FOUND = "ValidationException", "AccessDeniedException", "ResourceNotFoundException"

MEANINGS = [
    ("ThrottlingException", "Too many tokens, please wait before trying again.", AGAIN, Kind.THROTTLE),
    ("ThrottlingException", "Too many tokens per day, please wait.", REGION, Kind.QUOTA),
    (VALIDATION, "Too many tokens per day, please wait.", REGION, Kind.QUOTA),
    ("TooManyRequestsException", "", AGAIN, Kind.THROTTLE),
    ("LimitExceededException", "", AGAIN, Kind.THROTTLE),
    ("ServiceQuotaExceededException", "", REGION, Kind.QUOTA),
    ("ServiceUnavailableException", "Too many connections", AGAIN, Kind.UNAVAILABLE),
    (VALIDATION, "Bedrock is unable to process your request.", AGAIN, Kind.UNAVAILABLE),
    ("InternalServerException", "", AGAIN, Kind.UNAVAILABLE),
    ("InternalFailure", "", AGAIN, Kind.UNAVAILABLE),
    ("ModelNotReadyException", "", AGAIN, Kind.UNAVAILABLE),
    ("ModelTimeoutException", "", REGION, Kind.TIMEOUT),
    ("ModelErrorException", "", AGAIN, Kind.UNAVAILABLE),
    ("ModelStreamErrorException", "", AGAIN, Kind.UNAVAILABLE),
    (
        VALIDATION,
        "Invocation of x with on-demand throughput isn\u2019t supported.",
        OTHER_METHOD,
        Kind.ACCESS_METHOD,
    ),
    (VALIDATION, "The provided model doesn't support on-demand throughput.", REGION, Kind.ACCESS),
    (VALIDATION, "The provided model identifier is invalid.", REGION, Kind.MODEL),
    (VALIDATION, "This action doesn't support the model that you provided.", MODEL, Kind.MODEL),
    (VALIDATION, "The provided guardrail identifier is invalid.", REGION, Kind.REQUEST),
    (
        VALIDATION,
        "The guardrail identifier or version provided in the request does not exist.",
        REGION,
        Kind.REQUEST,
    ),
    (VALIDATION, "Input is too long for requested model.", MODEL, Kind.REQUEST),
    (VALIDATION, "prompt is too long: 210000 tokens > 200000 maximum", MODEL, Kind.REQUEST),
    (VALIDATION, "A conversation must start with a user message.", STOP, Kind.REQUEST),
    (
        VALIDATION,
        "A conversation must alternate between user and assistant roles. Make sure that it does.",
        STOP,
        Kind.REQUEST,
    ),
    (VALIDATION, 'roles must alternate between "user" and "assistant"', STOP, Kind.REQUEST),
    (
        VALIDATION,
        "The toolConfig field must be defined when using toolUse and toolResult content blocks.",
        STOP,
        Kind.REQUEST,
    ),
    (
        VALIDATION,
        "Expected toolResult blocks at messages.2.content for the following Ids: tooluse_1",
        STOP,
        Kind.REQUEST,
    ),
    (
        VALIDATION,
        "The number of toolResult blocks at messages.2.content exceeds the number of toolUse blocks of "
        "previous turn.",
        STOP,
        Kind.REQUEST,
    ),
    (
        VALIDATION,
        "The toolUse blocks at messages.1.content contain duplicate Ids: tooluse_1",
        STOP,
        Kind.REQUEST,
    ),
    (
        VALIDATION,
        "The text field in the ContentBlock object at messages.0.content.0 is blank. Add text to the text "
        "field, and try again.",
        STOP,
        Kind.REQUEST,
    ),
    (
        VALIDATION,
        "The content field at messages.1.content.0.toolResult cannot be empty when status value is error.",
        STOP,
        Kind.REQUEST,
    ),
    (VALIDATION, "You can't include more than 5 documents in a request.", STOP, Kind.REQUEST),
    (
        VALIDATION,
        "1 validation error detected: Value 'X Y' at 'toolConfig.tools.1.member.toolSpec.name' failed to "
        "satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_-]+",
        STOP,
        Kind.REQUEST,
    ),
    (
        VALIDATION,
        "1 validation error detected: Value 'x' at 'modelId' failed to satisfy constraint: Member must ...",
        MODEL,
        Kind.MODEL,
    ),
    (
        VALIDATION,
        "The model returned the following errors: Malformed input request: #/system: expected minimum items",
        MODEL,
        Kind.REQUEST,
    ),
    (VALIDATION, "Malformed input request: #/messages: required key not found", STOP, Kind.REQUEST),
    (VALIDATION, "Operation not allowed", STOP, Kind.ACCESS),
    (VALIDATION, "An unknown message", MODEL, Kind.REQUEST),
    ("SerializationException", "", STOP, Kind.REQUEST),
    (DENIED, "You don't have access to the model with the specified model ID.", REGION, Kind.ACCESS),
    (DENIED, "User: x is not authorized to perform: bedrock:InvokeModel", OTHER_METHOD, Kind.ACCESS),
    (DENIED, "Denied with an explicit deny in a service control policy", OTHER_METHOD, Kind.ACCESS),
    (DENIED, "User: x is not authorized to perform: kms:Decrypt on this resource", REGION, Kind.RESOURCE),
    (DENIED, "Authentication failed: Please make sure your API Key is valid.", REGION, Kind.CREDENTIALS),
    (DENIED, "Bearer Token has expired", STOP, Kind.EXPIRED_CREDENTIALS),
    (
        DENIED,
        "User: x is not authorized to perform: bedrock:CallWithBearerToken on resource: * because no "
        "identity-based policy allows the bedrock:CallWithBearerToken action",
        REGION,
        Kind.CREDENTIALS,
    ),
    (DENIED, "Model access is denied due to missing aws-marketplace:Subscribe", MODEL, Kind.ACCESS),
    (DENIED, "Your AWS Marketplace subscription failed: INVALID_PAYMENT_INSTRUMENT", MODEL, Kind.ACCESS),
    (DENIED, "This model is not available for this account.", MODEL, Kind.ACCESS),
    (DENIED, "", REGION, Kind.ACCESS),
    ("FTUFormNotFilled", "", MODEL, Kind.ACCESS),
    ("BadCScoreException", "", MODEL, Kind.ACCESS),
    ("MPAgreementBeingCreated", "", MODEL, Kind.ACCESS),
    (NOT_FOUND, "This model version has reached the end of its life.", MODEL, Kind.MODEL),
    (NOT_FOUND, "Access denied. This Model is marked by provider as Legacy", MODEL, Kind.MODEL),
    (NOT_FOUND, "Model use case details have not been submitted for this account.", MODEL, Kind.ACCESS),
    (NOT_FOUND, "Model not found.", REGION, Kind.MODEL),
    ("ExpiredTokenException", "", STOP, Kind.EXPIRED_CREDENTIALS),
    ("ExpiredToken", "", STOP, Kind.EXPIRED_CREDENTIALS),
    ("RequestExpired", "", STOP, Kind.CREDENTIALS),
    ("UnrecognizedClientException", "", REGION, Kind.CREDENTIALS),
    ("InvalidClientTokenId", "", REGION, Kind.CREDENTIALS),
    ("InvalidSignatureException", "", REGION, Kind.CREDENTIALS),
    ("SignatureDoesNotMatch", "", REGION, Kind.CREDENTIALS),
    ("MissingAuthenticationToken", "", REGION, Kind.CREDENTIALS),
    ("MissingAuthenticationTokenException", "", REGION, Kind.CREDENTIALS),
    ("IncompleteSignature", "", REGION, Kind.CREDENTIALS),
    ("NotAuthorized", "", REGION, Kind.CREDENTIALS),
    ("OptInRequired", "", REGION, Kind.ACCESS),
]

ON_THIS_SIDE = [
    ("ReadTimeoutError", REGION, Kind.TIMEOUT),
    ("ConnectTimeoutError", AGAIN, Kind.UNREACHABLE),
    ("EndpointConnectionError", AGAIN, Kind.UNREACHABLE),
    ("ConnectionClosedError", AGAIN, Kind.UNAVAILABLE),
    ("ProxyConnectionError", AGAIN, Kind.UNAVAILABLE),
    ("ResponseStreamingError", AGAIN, Kind.UNAVAILABLE),
    ("HTTPClientError", AGAIN, Kind.UNAVAILABLE),
    ("ConnectionError", AGAIN, Kind.UNAVAILABLE),
    ("SSLError", AGAIN, Kind.UNAVAILABLE),
    ("IncompleteReadError", AGAIN, Kind.UNAVAILABLE),
    ("NoCredentialsError", STOP, Kind.CREDENTIALS),
    ("PartialCredentialsError", STOP, Kind.CREDENTIALS),
    ("CredentialRetrievalError", STOP, Kind.CREDENTIALS),
    ("ProfileNotFound", STOP, Kind.CREDENTIALS),
    ("TokenRetrievalError", STOP, Kind.CREDENTIALS),
    ("SSOTokenLoadError", STOP, Kind.CREDENTIALS),
    ("SSOError", STOP, Kind.CREDENTIALS),
    ("UnauthorizedSSOTokenError", STOP, Kind.CREDENTIALS),
    ("LoginError", STOP, Kind.CREDENTIALS),
    ("LoginRefreshRequired", STOP, Kind.CREDENTIALS),
    ("LoginInsufficientPermissions", STOP, Kind.CREDENTIALS),
    ("LoginTokenLoadError", STOP, Kind.CREDENTIALS),
    ("LoginAuthorizationCodeError", STOP, Kind.CREDENTIALS),
    ("RefreshWithMFAUnsupportedError", STOP, Kind.CREDENTIALS),
    ("MetadataRetrievalError", STOP, Kind.CREDENTIALS),
    ("UnknownCredentialError", STOP, Kind.CREDENTIALS),
    ("UnknownTokenProviderError", STOP, Kind.CREDENTIALS),
    ("InvalidConfigError", STOP, Kind.CREDENTIALS),
    ("InfiniteLoopConfigError", STOP, Kind.CREDENTIALS),
    ("NoAuthTokenError", STOP, Kind.CREDENTIALS),
    ("NoRegionError", STOP, Kind.CONFIGURATION),
    ("InvalidRegionError", STOP, Kind.CONFIGURATION),
    ("UnknownEndpointError", STOP, Kind.CONFIGURATION),
    ("EndpointVariantError", STOP, Kind.CONFIGURATION),
    ("ParamValidationError", STOP, Kind.REQUEST),
    ("DataNotFoundError", STOP, Kind.CONFIGURATION),
]


def decided(code: str, message: str) -> Decision | None:
    return classify(ClientError({"Error": {"Code": code, "Message": message}}, "Converse"))


@pytest.mark.parametrize(("code", "message", "next_", "kind"), MEANINGS)
def test_what_aws_says_is_understood(code: str, message: str, next_: Next, kind: Kind) -> None:
    decision = decided(code, message)
    assert decision is not None
    assert (decision.next, decision.kind) == (next_, kind)


def test_a_model_that_is_not_ready_is_no_throttle_though_its_status_says_so() -> None:
    response = {"Error": {"Code": "ModelNotReadyException"}, "ResponseMetadata": {"HTTPStatusCode": 429}}
    decision = classify(ClientError(response, "Converse"))  # type: ignore[arg-type]
    assert decision is not None
    assert (decision.next, decision.kind) == (AGAIN, Kind.UNAVAILABLE)


def test_without_another_access_method_the_next_region_is_tried() -> None:
    decision = decided(VALIDATION, "on-demand throughput isn\u2019t supported")
    assert decision is not None
    assert decision.otherwise is REGION


@pytest.mark.parametrize(("name", "next_", "kind"), ON_THIS_SIDE)
def test_what_botocore_says_is_understood(name: str, next_: Next, kind: Kind) -> None:
    error = getattr(botocore.exceptions, name)
    decision = classify(error.__new__(error))
    assert decision is not None
    assert (decision.next, decision.kind) == (next_, kind)


@pytest.mark.parametrize(
    "error",
    [
        ProtocolError("cut off"),
        DecodeError("not gzip"),
        BrokenTls("EOF occurred in violation of protocol (_ssl.c:2633)"),
        ParserError("half a message"),
        ResponseParserError("no member set"),
        StreamLostError("closed by the server"),
    ],
)
def test_a_broken_stream_may_be_requested_again(error: Exception) -> None:
    assert classify(error) == Decision(AGAIN, Kind.UNAVAILABLE)
