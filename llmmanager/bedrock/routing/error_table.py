"""The decision for each error of Converse and ConverseStream, as data.

The first row whose code matches and whose text is in the message decides. Case is ignored, a typographic
apostrophe equals a plain one, and "does not support" equals "doesn't support". A row without text is the
default of its code. Collected 2026-11-22 and 2026-11-29 from botocore 1.44.5's service model,
AWS's troubleshooting page and public issue reports.
"""

from __future__ import annotations

from llmmanager.bedrock.routing.decision import Decision, ErrorScope, Kind, Next
from llmmanager.bedrock.routing.error_rule import ANY, Rule
from llmmanager.bedrock.routing.unsupported_features import UNSUPPORTED_FEATURE_RULES

__all__ = ["ANY", "CLIENT_RULES", "RULES", "Rule"]


def _rule(code: str, text: str, next_: Next, kind: Kind, otherwise: Next = Next.OTHER_MODEL) -> Rule:
    return Rule(code, text, Decision(next_, kind, otherwise=otherwise))


_THROTTLED = (Next.SAME_TARGET, Kind.THROTTLE)
_NEEDS_PROFILE = Decision(
    Next.OTHER_ACCESS_METHOD, Kind.ACCESS_METHOD, otherwise=Next.OTHER_REGION, scope=ErrorScope.ACCESS_METHOD
)
_UNAVAILABLE = (Next.SAME_TARGET, Kind.UNAVAILABLE)
_OUT_OF_QUOTA = (Next.OTHER_REGION, Kind.QUOTA)
_NO_ACCESS_HERE = (Next.OTHER_REGION, Kind.ACCESS)
# The message names the denied resource; `denials` reads it.
_RESOURCE_DENIED = (Next.OTHER_ACCESS_METHOD, Kind.ACCESS, Next.OTHER_REGION)
_NO_ACCESS = Decision(Next.OTHER_MODEL, Kind.ACCESS, scope=ErrorScope.MODEL)
_UNKNOWN_MODEL = Decision(Next.OTHER_MODEL, Kind.MODEL, scope=ErrorScope.MODEL)
_NOT_THIS_MODEL = (Next.OTHER_MODEL, Kind.REQUEST)
_BAD_REQUEST = (Next.GIVE_UP, Kind.REQUEST)
# A region that the account has not enabled rejects valid credentials. The call ends if every region does.
_REJECTED_CREDENTIALS = Decision(Next.OTHER_REGION, Kind.CREDENTIALS, scope=ErrorScope.REGION)
# Expired credentials are expired in every region.
_EXPIRED_CREDENTIALS = Decision(Next.GIVE_UP, Kind.EXPIRED_CREDENTIALS)
_NO_REGION = Decision(Next.OTHER_REGION, Kind.ACCESS, scope=ErrorScope.REGION)
_DENIED_GUARDRAIL = Decision(Next.OTHER_REGION, Kind.RESOURCE, scope=ErrorScope.REGION)

RULES: tuple[Rule, ...] = (
    # A gateway can return these errors with the status 400 or 424, so only the text identifies them.
    _rule(ANY, "too many tokens per day", *_OUT_OF_QUOTA),
    _rule(ANY, "bedrock is unable to process your request", *_UNAVAILABLE),
    # Bedrock API keys. They can be bound to a region.
    Rule(ANY, "please make sure your api key is valid", _REJECTED_CREDENTIALS),
    Rule(ANY, "bedrock:callwithbearertoken", _REJECTED_CREDENTIALS),
    Rule(ANY, "bearer token has expired", _EXPIRED_CREDENTIALS),
    _rule("ThrottlingException", "", *_THROTTLED),
    _rule("Throttling", "", *_THROTTLED),
    _rule("TooManyRequestsException", "", *_THROTTLED),
    _rule("LimitExceededException", "", *_THROTTLED),
    _rule("ServiceQuotaExceededException", "", *_OUT_OF_QUOTA),
    _rule("ServiceUnavailableException", "", *_UNAVAILABLE),
    _rule("InternalServerException", "", *_UNAVAILABLE),
    _rule("InternalFailure", "", *_UNAVAILABLE),
    _rule("ModelNotReadyException", "", *_UNAVAILABLE),
    # The model may have done the work, and AWS may bill it: the request is not sent to the target again.
    _rule("ModelTimeoutException", "", Next.OTHER_REGION, Kind.TIMEOUT),
    _rule("ModelErrorException", "", *_UNAVAILABLE),
    _rule("ModelStreamErrorException", "", *_UNAVAILABLE),
    # ValidationException: access methods
    Rule("ValidationException", "on-demand throughput isn't supported", _NEEDS_PROFILE),
    _rule("ValidationException", "doesn't support on-demand throughput", *_NO_ACCESS_HERE),
    _rule("ValidationException", "the provided model identifier is invalid", Next.OTHER_REGION, Kind.MODEL),
    Rule("ValidationException", "this action doesn't support the model", _UNKNOWN_MODEL),
    *UNSUPPORTED_FEATURE_RULES,
    # ValidationException: the request
    # A guardrail belongs to a region.
    _rule("ValidationException", "guardrail identifier", Next.OTHER_REGION, Kind.REQUEST),
    _rule("ValidationException", "input is too long", *_NOT_THIS_MODEL),
    _rule("ValidationException", "prompt is too long", *_NOT_THIS_MODEL),
    # ValidationException: Converse's own rules, which hold for every model
    _rule("ValidationException", "a conversation must start with a user message", *_BAD_REQUEST),
    _rule("ValidationException", "alternate between user and assistant roles", *_BAD_REQUEST),
    _rule("ValidationException", "roles must alternate", *_BAD_REQUEST),
    _rule("ValidationException", "toolconfig field must be defined", *_BAD_REQUEST),
    _rule("ValidationException", "expected toolresult blocks", *_BAD_REQUEST),
    _rule("ValidationException", "exceeds the number", *_BAD_REQUEST),
    _rule("ValidationException", "duplicate ids", *_BAD_REQUEST),
    _rule("ValidationException", "is blank", *_BAD_REQUEST),
    _rule("ValidationException", "cannot be empty when status value is error", *_BAD_REQUEST),
    _rule("ValidationException", "include more than 5 documents", *_BAD_REQUEST),
    Rule("ValidationException", "at 'modelid' failed to satisfy constraint", _UNKNOWN_MODEL),
    _rule("ValidationException", "failed to satisfy constraint", *_BAD_REQUEST),
    # The model's own schema: the next model may accept the request.
    _rule("ValidationException", "the model returned the following errors", *_NOT_THIS_MODEL),
    _rule("ValidationException", "malformed input request", *_BAD_REQUEST),
    _rule("ValidationException", "operation not allowed", Next.GIVE_UP, Kind.ACCESS),
    _rule("ValidationException", "", *_NOT_THIS_MODEL),
    _rule("SerializationException", "", *_BAD_REQUEST),
    # AccessDeniedException
    _rule("AccessDeniedException", "don't have access to the model", *_NO_ACCESS_HERE),
    Rule("AccessDeniedException", "aws-marketplace", _NO_ACCESS),
    Rule("AccessDeniedException", "invalid_payment_instrument", _NO_ACCESS),
    Rule("AccessDeniedException", "not available for this account", _NO_ACCESS),
    Rule("AccessDeniedException", "not authorized to perform: bedrock:applyguardrail", _DENIED_GUARDRAIL),
    _rule("AccessDeniedException", "not authorized to perform: bedrock:", *_RESOURCE_DENIED),
    _rule("AccessDeniedException", "not authorized to perform:", Next.OTHER_REGION, Kind.RESOURCE),
    _rule("AccessDeniedException", "explicit deny in", *_RESOURCE_DENIED),
    _rule("AccessDeniedException", "", *_NO_ACCESS_HERE),
    Rule("FTUFormNotFilled", "", _NO_ACCESS),
    Rule("BadCScoreException", "", _NO_ACCESS),
    Rule("MPAgreementBeingCreated", "", _NO_ACCESS),
    # ResourceNotFoundException
    Rule("ResourceNotFoundException", "reached the end of its life", _UNKNOWN_MODEL),
    Rule("ResourceNotFoundException", "marked by provider as legacy", _UNKNOWN_MODEL),
    Rule("ResourceNotFoundException", "use case details have not been submitted", _NO_ACCESS),
    _rule("ResourceNotFoundException", "", Next.OTHER_REGION, Kind.MODEL),
    # Credentials
    Rule("ExpiredTokenException", "", _EXPIRED_CREDENTIALS),
    Rule("ExpiredToken", "", _EXPIRED_CREDENTIALS),
    _rule("RequestExpired", "", Next.GIVE_UP, Kind.CREDENTIALS),
    Rule("UnrecognizedClientException", "", _REJECTED_CREDENTIALS),
    Rule("InvalidClientTokenId", "", _REJECTED_CREDENTIALS),
    Rule("InvalidSignatureException", "", _REJECTED_CREDENTIALS),
    Rule("SignatureDoesNotMatch", "", _REJECTED_CREDENTIALS),
    Rule("MissingAuthenticationToken", "", _REJECTED_CREDENTIALS),
    Rule("MissingAuthenticationTokenException", "", _REJECTED_CREDENTIALS),
    Rule("IncompleteSignature", "", _REJECTED_CREDENTIALS),
    Rule("IncompleteSignatureException", "", _REJECTED_CREDENTIALS),
    Rule("NotAuthorized", "", _REJECTED_CREDENTIALS),
    Rule("OptInRequired", "", _NO_REGION),
)

CLIENT_RULES: dict[str, Decision] = {
    # AWS may bill an answer that is still on its way: the request is not sent to the target again.
    "ReadTimeoutError": Decision(Next.OTHER_REGION, Kind.TIMEOUT),
    "ConnectTimeoutError": Decision(Next.SAME_TARGET, Kind.UNREACHABLE),
    "EndpointConnectionError": Decision(Next.SAME_TARGET, Kind.UNREACHABLE),
    "ConnectionClosedError": Decision(Next.SAME_TARGET, Kind.UNAVAILABLE),
    # Errors of urllib3 and botocore for a broken stream, and for an invalid answer.
    "ProtocolError": Decision(Next.SAME_TARGET, Kind.UNAVAILABLE),
    "ParserError": Decision(Next.SAME_TARGET, Kind.UNAVAILABLE),
    "ResponseParserError": Decision(Next.SAME_TARGET, Kind.UNAVAILABLE),
    "ProxyConnectionError": Decision(Next.SAME_TARGET, Kind.UNAVAILABLE),
    "ResponseStreamingError": Decision(Next.SAME_TARGET, Kind.UNAVAILABLE),
    "DecodeError": Decision(Next.SAME_TARGET, Kind.UNAVAILABLE),
    "IncompleteReadError": Decision(Next.SAME_TARGET, Kind.UNAVAILABLE),
    # A TLS connection that ends early. `classification` separates it from an invalid certificate.
    "SSLError": Decision(Next.SAME_TARGET, Kind.UNAVAILABLE),
    "SSLCertVerificationError": Decision(Next.GIVE_UP, Kind.CONFIGURATION),
    "NoCredentialsError": Decision(Next.GIVE_UP, Kind.CREDENTIALS),
    "PartialCredentialsError": Decision(Next.GIVE_UP, Kind.CREDENTIALS),
    "CredentialRetrievalError": Decision(Next.GIVE_UP, Kind.CREDENTIALS),
    "ProfileNotFound": Decision(Next.GIVE_UP, Kind.CREDENTIALS),
    "TokenRetrievalError": Decision(Next.GIVE_UP, Kind.CREDENTIALS),
    "SSOTokenLoadError": Decision(Next.GIVE_UP, Kind.CREDENTIALS),
    "SSOError": Decision(Next.GIVE_UP, Kind.CREDENTIALS),
    "LoginError": Decision(Next.GIVE_UP, Kind.CREDENTIALS),
    "LoginRefreshRequired": Decision(Next.GIVE_UP, Kind.CREDENTIALS),
    "NoAuthTokenError": Decision(Next.GIVE_UP, Kind.CREDENTIALS),
    "RefreshWithMFAUnsupportedError": Decision(Next.GIVE_UP, Kind.CREDENTIALS),
    "MetadataRetrievalError": Decision(Next.GIVE_UP, Kind.CREDENTIALS),
    "UnknownCredentialError": Decision(Next.GIVE_UP, Kind.CREDENTIALS),
    "UnknownTokenProviderError": Decision(Next.GIVE_UP, Kind.CREDENTIALS),
    # An invalid profile in the config file: a role without a source, or a circular chain of roles.
    "InvalidConfigError": Decision(Next.GIVE_UP, Kind.CREDENTIALS),
    "NoRegionError": Decision(Next.GIVE_UP, Kind.CONFIGURATION),
    "InvalidRegionError": Decision(Next.GIVE_UP, Kind.CONFIGURATION),
    "UnknownEndpointError": Decision(Next.GIVE_UP, Kind.CONFIGURATION),
    "EndpointVariantError": Decision(Next.GIVE_UP, Kind.CONFIGURATION),
    "ParamValidationError": Decision(Next.GIVE_UP, Kind.REQUEST),
    # The rest of botocore's transport errors, by their base class.
    "HTTPClientError": Decision(Next.SAME_TARGET, Kind.UNAVAILABLE),
    "ConnectionError": Decision(Next.SAME_TARGET, Kind.UNAVAILABLE),
    # botocore rejects the request before sending it, for every target.
    "BotoCoreError": Decision(Next.GIVE_UP, Kind.CONFIGURATION),
}
"""Client-side errors by class name. The first class in the MRO of an exception decides."""
