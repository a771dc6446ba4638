"""Map an exception to a decision, with the error table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from llmmanager.bedrock.routing.decision import Decision, Kind, Next, QuotaUnit
from llmmanager.bedrock.routing.denials import limit_to_resource
from llmmanager.bedrock.routing.error_table import CLIENT_RULES, RULES
from llmmanager.bedrock.routing.unsupported_features import with_named_fields

_TIMEOUT_STATUS = 408
_THROTTLE_STATUS = 429
_OPERATIONS = ("Converse", "ConverseStream")
_STREAM_LOST = Decision(Next.SAME_TARGET, Kind.UNAVAILABLE)
_FLEX = "flex"
_FLEX_THROTTLED = Decision(Next.SAME_TARGET, Kind.THROTTLE, quota=QuotaUnit.TOKENS)
_NO_CREDENTIALS = Decision(Next.GIVE_UP, Kind.CREDENTIALS)
_SSL_ERROR = "SSLError"
# Compared by name, because importing the ssl module would slow down the import of the library.
_BAD_CERTIFICATE = "SSLCertVerificationError"
_UNVERIFIED = frozenset({_BAD_CERTIFICATE, "CertificateError", "FileNotFoundError"})
# OpenSSL's reasons. The second one occurs with an endpoint that uses plain HTTP.
_NO_TLS = ("certificate_verify_failed", "wrong_version_number")


class StreamLostError(Exception):
    """A stream ended before its answer was complete."""


def classify(
    error: Exception, extra_retryable: Iterable[str | type[BaseException]] = (), *, tier: str = ""
) -> Decision | None:
    """Return the decision for an error, or None if neither AWS nor the transport raised it.

    Args:
        extra_retryable: error codes, exception class names or classes that are transient for the caller
            (`RetryConfig.retryable_errors`); they take precedence over the table.
        tier: the service tier of the call. Flex is served only when there is capacity, so a flex call that is
            unavailable counts as throttled.
    """
    response = _service_response(error)
    code = _normalised(str(response["Error"].get("Code", ""))) if response else ""
    retry_after = _retry_after(response) if response else None
    names = [cls.__name__ for cls in type(error).__mro__]
    for extra in extra_retryable:
        if isinstance(error, extra) if isinstance(extra, type) else extra == code or extra in names:
            return Decision(Next.SAME_TARGET, Kind.UNAVAILABLE, retry_after=retry_after)
    if response:
        throttled = tier == _FLEX and code == "ServiceUnavailableException"
        found = _FLEX_THROTTLED if throttled else _service_decision(code, response)
        decision = replace(found, retry_after=retry_after)
        return decision if _is_from_bedrock(error) else _from_credentials_service(decision)
    if isinstance(error, StreamLostError):
        return _STREAM_LOST
    if not type(error).__module__.startswith(("botocore", "urllib3")):
        return None
    if _SSL_ERROR in names and _is_certificate_invalid(error):
        return CLIENT_RULES[_BAD_CERTIFICATE]
    return next((CLIENT_RULES[name] for name in names if name in CLIENT_RULES), None)


def is_throttled(error: Exception | None) -> bool:
    """Whether an attempt failed because a quota, per minute or per day, is exhausted."""
    decision = classify(error) if error is not None else None
    return decision is not None and decision.kind in (Kind.THROTTLE, Kind.QUOTA)


def _is_from_bedrock(error: Exception) -> bool:
    operation = getattr(error, "operation_name", None)
    return operation is None or operation in _OPERATIONS


def _from_credentials_service(decision: Decision) -> Decision:
    """Return the decision for an error of STS or IAM Identity Center: the credentials fail in all regions.

    These services are called when credentials are refreshed during a call. A transient error is retried.
    """
    if decision.transient:
        return replace(decision, quota=None)
    return decision if decision.kind is Kind.EXPIRED_CREDENTIALS else _NO_CREDENTIALS


def _is_certificate_invalid(error: Exception) -> bool:
    """Whether TLS failed because a certificate cannot be verified, rather than because the connection ended.

    botocore keeps urllib3's error in `kwargs`, which holds the one of the ssl module. A missing file of CA
    certificates is a FileNotFoundError there.
    """
    cause = getattr(error, "kwargs", {}).get("error")
    cause = cause if isinstance(cause, Exception) else error
    related = (cause, cause.__cause__, cause.__context__, *cause.args)
    names = {cls.__name__ for each in related for cls in type(each).__mro__}
    return not _UNVERIFIED.isdisjoint(names) or any(words in str(error).lower() for words in _NO_TLS)


def _service_response(error: Exception) -> Mapping[str, Any] | None:
    """Return the parsed response of a service's error, or None for any other error."""
    response = getattr(error, "response", None)
    is_service_error = isinstance(response, Mapping) and isinstance(response.get("Error"), Mapping)
    return response if is_service_error else None


def _service_decision(code: str, response: Mapping[str, Any]) -> Decision:
    original_message = str(response["Error"].get("Message", "")).replace("\u2019", "'")
    message = original_message.lower().replace("does not support", "doesn't support")
    if code in ("ModelErrorException", "ModelStreamErrorException"):
        original = response.get("originalStatusCode")
        if isinstance(original, int) and original < 500 and original != _THROTTLE_STATUS:
            code = "ValidationException"
    for rule in RULES:
        if rule.matches(code, message):
            features = with_named_fields(rule.decision.features, original_message)
            decision = limit_to_resource(replace(rule.decision, features=features), original_message)
            return _with_quota(decision, message)
    return _with_quota(_by_status(response.get("ResponseMetadata", {}).get("HTTPStatusCode")), message)


def _with_quota(decision: Decision, message: str) -> Decision:
    """Return the decision with the quota of a throttle: requests if in the message, or else tokens."""
    if decision.kind is not Kind.THROTTLE:
        return decision
    return replace(decision, quota=QuotaUnit.REQUESTS if "request" in message else QuotaUnit.TOKENS)


def _by_status(status: object) -> Decision:
    """Return the decision for an unknown error code, from the HTTP status."""
    if status == _THROTTLE_STATUS:
        return Decision(Next.SAME_TARGET, Kind.THROTTLE)
    if status == _TIMEOUT_STATUS:
        return Decision(Next.OTHER_REGION, Kind.TIMEOUT)
    if status in (401, 403):
        return Decision(Next.OTHER_REGION, Kind.ACCESS)
    if isinstance(status, int) and 400 <= status < 500:
        return Decision(Next.OTHER_MODEL, Kind.REQUEST)
    return Decision(Next.SAME_TARGET, Kind.UNAVAILABLE)


def _normalised(code: str) -> str:
    """Return an error code as in the table. Stream events use lower camel case; some codes have a URI."""
    code = code.partition(":")[0].rpartition("#")[2]
    return code[:1].upper() + code[1:]


def _retry_after(response: Mapping[str, Any]) -> float | None:
    headers = response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    for name, unit in (("x-amz-retry-after", 1000), ("retry-after", 1)):
        try:
            seconds = float(headers[name]) / unit
        except (KeyError, TypeError, ValueError):
            continue
        if seconds >= 0:
            return seconds
    return None
