"""What each error of Converse and ConverseStream means, as data.

The first row whose code matches and whose text is contained in the message decides (case is ignored, a
typographic apostrophe counts as a plain one, and "does not support" as "doesn't support"); a row without
text is the default of its code. Gathered 2026-11-22 and 2026-11-29 from botocore 1.44.5's service model,
AWS's troubleshooting page and public issue reports.
"""

from __future__ import annotations

from llmmanager.bedrock.routing.decision import Decision, Kind, Next, Scope
from llmmanager.bedrock.routing.error_rule import ANY, Rule
from llmmanager.bedrock.routing.feature_refusals import FEATURE_REFUSALS

__all__ = ["ANY", "CLIENT_RULES", "RULES", "Rule"]


def _rule(code: str, text: str, next_: Next, kind: Kind, otherwise: Next = Next.OTHER_MODEL) -> Rule:
    return Rule(code, text, Decision(next_, kind, otherwise=otherwise))


_THROTTLED = (Next.SAME_TARGET, Kind.THROTTLE)
_NEEDS_PROFILE = Decision(
    Next.OTHER_ACCESS_METHOD, Kind.ACCESS_METHOD, otherwise=Next.OTHER_REGION, scope=Scope.ACCESS_METHOD
)
_UNAVAILABLE = (Next.SAME_TARGET, Kind.UNAVAILABLE)
_OUT_OF_QUOTA = (Next.OTHER_REGION, Kind.QUOTA)
_NO_ACCESS_HERE = (Next.OTHER_REGION, Kind.ACCESS)
# Bedrock names the resource that was denied; `denials` reads it from the message.
_RESOURCE_DENIED = (Next.OTHER_ACCESS_METHOD, Kind.ACCESS, Next.OTHER_REGION)
_NO_ACCESS = Decision(Next.OTHER_MODEL, Kind.ACCESS, scope=Scope.MODEL)
_NO_SUCH_MODEL = Decision(Next.OTHER_MODEL, Kind.MODEL, scope=Scope.MODEL)
_NOT_THIS_MODEL = (Next.OTHER_MODEL, Kind.REQUEST)
_BAD_REQUEST = (Next.GIVE_UP, Kind.REQUEST)
# A region that the account has not enabled refuses good credentials: the call ends when every region does.
_REFUSED_CREDENTIALS = Decision(Next.OTHER_REGION, Kind.CREDENTIALS, scope=Scope.REGION)
# Time is the same in every region.
_EXPIRED_CREDENTIALS = Decision(Next.GIVE_UP, Kind.EXPIRED_CREDENTIALS)
_NO_REGION = Decision(Next.OTHER_REGION, Kind.ACCESS, scope=Scope.REGION)
_DENIED_GUARDRAIL = Decision(Next.OTHER_REGION, Kind.RESOURCE, scope=Scope.REGION)

RULES: tuple[Rule, ...] = (
    # A gateway's 400 or 424 can wrap what is really a shortage: the text tells, not the code.
    _rule(ANY, "too many tokens per day", *_OUT_OF_QUOTA),
    _rule(ANY, "bedrock is unable to process your request", *_UNAVAILABLE),
    # Bedrock API keys. They can be bound to a region.
    Rule(ANY, "please make sure your api key is valid", _REFUSED_CREDENTIALS),
    Rule(ANY, "bedrock:callwithbearertoken", _REFUSED_CREDENTIALS),
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
    # The work may be done and billed already: never asked of the same target again.
    _rule("ModelTimeoutException", "", Next.OTHER_REGION, Kind.TIMEOUT),
    _rule("ModelErrorException", "", *_UNAVAILABLE),
    _rule("ModelStreamErrorException", "", *_UNAVAILABLE),
    # ValidationException: the ways in
    Rule("ValidationException", "on-demand throughput isn't supported", _NEEDS_PROFILE),
    _rule("ValidationException", "doesn't support on-demand throughput", *_NO_ACCESS_HERE),
    _rule("ValidationException", "the provided model identifier is invalid", Next.OTHER_REGION, Kind.MODEL),
    Rule("ValidationException", "this action doesn't support the model", _NO_SUCH_MODEL),
    *FEATURE_REFUSALS,
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
    Rule("ValidationException", "at 'modelid' failed to satisfy constraint", _NO_SUCH_MODEL),
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
    Rule("ResourceNotFoundException", "reached the end of its life", _NO_SUCH_MODEL),
    Rule("ResourceNotFoundException", "marked by provider as legacy", _NO_SUCH_MODEL),
    Rule("ResourceNotFoundException", "use case details have not been submitted", _NO_ACCESS),
    _rule("ResourceNotFoundException", "", Next.OTHER_REGION, Kind.MODEL),
    # Who is asking
    Rule("ExpiredTokenException", "", _EXPIRED_CREDENTIALS),
    Rule("ExpiredToken", "", _EXPIRED_CREDENTIALS),
    _rule("RequestExpired", "", Next.GIVE_UP, Kind.CREDENTIALS),
    Rule("UnrecognizedClientException", "", _REFUSED_CREDENTIALS),
    Rule("InvalidClientTokenId", "", _REFUSED_CREDENTIALS),
    Rule("InvalidSignatureException", "", _REFUSED_CREDENTIALS),
    Rule("SignatureDoesNotMatch", "", _REFUSED_CREDENTIALS),
    Rule("MissingAuthenticationToken", "", _REFUSED_CREDENTIALS),
    Rule("MissingAuthenticationTokenException", "", _REFUSED_CREDENTIALS),
    Rule("IncompleteSignature", "", _REFUSED_CREDENTIALS),
    Rule("IncompleteSignatureException", "", _REFUSED_CREDENTIALS),
    Rule("NotAuthorized", "", _REFUSED_CREDENTIALS),
    Rule("OptInRequired", "", _NO_REGION),
)

CLIENT_RULES: dict[str, Decision] = {
    # The answer may be on its way and billed: never asked of the same target again.
    "ReadTimeoutError": Decision(Next.OTHER_REGION, Kind.TIMEOUT),
    "ConnectTimeoutError": Decision(Next.SAME_TARGET, Kind.UNREACHABLE),
    "EndpointConnectionError": Decision(Next.SAME_TARGET, Kind.UNREACHABLE),
    "ConnectionClosedError": Decision(Next.SAME_TARGET, Kind.UNAVAILABLE),
    # urllib3's and botocore's own words for a stream that broke, and for an answer that makes no sense.
    "ProtocolError": Decision(Next.SAME_TARGET, Kind.UNAVAILABLE),
    "ParserError": Decision(Next.SAME_TARGET, Kind.UNAVAILABLE),
    "ResponseParserError": Decision(Next.SAME_TARGET, Kind.UNAVAILABLE),
    "ProxyConnectionError": Decision(Next.SAME_TARGET, Kind.UNAVAILABLE),
    "ResponseStreamingError": Decision(Next.SAME_TARGET, Kind.UNAVAILABLE),
    "DecodeError": Decision(Next.SAME_TARGET, Kind.UNAVAILABLE),
    "IncompleteReadError": Decision(Next.SAME_TARGET, Kind.UNAVAILABLE),
    # A TLS connection that ends early; see `classification` for which of the two an SSLError is.
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
    # Raised for the profiles of a config file only: a role without a source, an endless chain of roles.
    "InvalidConfigError": Decision(Next.GIVE_UP, Kind.CREDENTIALS),
    "NoRegionError": Decision(Next.GIVE_UP, Kind.CONFIGURATION),
    "InvalidRegionError": Decision(Next.GIVE_UP, Kind.CONFIGURATION),
    "UnknownEndpointError": Decision(Next.GIVE_UP, Kind.CONFIGURATION),
    "EndpointVariantError": Decision(Next.GIVE_UP, Kind.CONFIGURATION),
    "ParamValidationError": Decision(Next.GIVE_UP, Kind.REQUEST),
    # The rest of botocore's transport errors, by their base class.
    "HTTPClientError": Decision(Next.SAME_TARGET, Kind.UNAVAILABLE),
    "ConnectionError": Decision(Next.SAME_TARGET, Kind.UNAVAILABLE),
    # What botocore refuses to send at all, to any target.
    "BotoCoreError": Decision(Next.GIVE_UP, Kind.CONFIGURATION),
}
"""Errors of the client side by the name of a botocore class, the most specific first in its MRO."""
