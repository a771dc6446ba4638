"""What to do about each error of a batch."""

from __future__ import annotations

from typing import Any

from llmmanager.bedrock.routing.classification import classify
from llmmanager.bedrock.routing.decision import Kind
from llmmanager.bedrock.routing.error_table import CLIENT_RULES, RULES

AGAIN = "submit failed.jsonl again"
_INVALID = f"The record is invalid. Correct the fields that the message names, and {AGAIN}."
_BY_TYPE = {
    "RecordLost": f"The worker's function failed. Read its log, and {AGAIN} as it is.",
    "DeadlinePassed": "The deadline passed first. Resume the batch with a longer deadlineSeconds.",
    "StoppedOnFailure": "Other records failed, and failureStrategy ended the batch. Correct the cause of "
    "their errors, and resume the batch.",
    "ExecutionEnded": "The batch ended before this record was answered. Resume the batch.",
    "QuotaExceeded": "No quota was left for 24 hours. Request a higher quota, or add models or regions, and "
    "resume the batch.",
    "QuotaExceededError": "The record needs more tokens than the quota ever admits, or waited too long. "
    "Lower maxTokens, or request a higher quota.",
    "BudgetExceeded": f"The budget of the caller, key or team is used up. Raise it, or {AGAIN} in the next "
    "period.",
    "InvalidRequest": _INVALID,
    "RequestValidationError": _INVALID,
    "DeadlineExceededError": f"No target answered in time. Lower maxTokens or add regions, and {AGAIN}.",
    "InvalidResponseError": "The answer broke a rule of responseValidation. Read the validation failures; "
    "make the prompt or the rule clearer.",
    "AuthenticationError": f"Credentials are missing or rejected. Correct them, and {AGAIN}.",
    "ConfigurationError": f"A model, region or setting is invalid. Correct it, and {AGAIN}.",
    "RetryExhaustedError": f"No target answered. Read the message for the last errors, and {AGAIN}.",
}
_BY_KIND = {
    Kind.THROTTLE: "More calls or tokens per minute than the quota admits. Request a higher quota, or add "
    f"regions or models. Failed records: {AGAIN}, with onThrottle wait.",
    Kind.QUOTA: "The quota of the day is used up. Request a higher quota, add regions or models, or "
    f"{AGAIN} tomorrow.",
    Kind.UNAVAILABLE: f"The service or model was not available. Failed records: {AGAIN}. If it lasts, add a "
    "region or a model.",
    Kind.TIMEOUT: f"The answer took too long, and may be billed. Lower maxTokens, and {AGAIN}.",
    Kind.UNREACHABLE: "The region could not be reached. Check its name, DNS, proxy and VPC endpoints, and "
    f"{AGAIN}.",
    Kind.ACCESS: "Access to the model or region is denied. Check model access in the Bedrock console, "
    "the IAM policy and service control policies.",
    Kind.ACCESS_METHOD: "The model needs an inference profile. Add the profile's regions to the IAM policy.",
    Kind.MODEL: "The model is retired or not offered there. Choose another model or region.",
    Kind.REQUEST: f"The model rejects the request. Read the message, correct the record, and {AGAIN}.",
    Kind.FEATURE: "The model does not support a feature of the request. Set featureFallback, or choose a "
    "model that supports it.",
    Kind.INVALID_ANSWER: "The answer broke a rule of responseValidation. Make the prompt or rule clearer.",
    Kind.RESOURCE: "A policy denies a guardrail, key or bucket that the request names. Allow it to the role.",
    Kind.CREDENTIALS: f"Credentials are missing or rejected. Correct them, and {AGAIN}.",
    Kind.EXPIRED_CREDENTIALS: f"Credentials have expired. Renew them, and {AGAIN}.",
    Kind.CONFIGURATION: f"The configuration is invalid. Correct what the message names, and {AGAIN}.",
}
_UNKNOWN = f"Read the message. If the cause can pass, {AGAIN}."
_SERVICE_CODES = frozenset(rule.code for rule in RULES)


class _ServiceError(Exception):
    """An error with the code and message that AWS returned."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.response = {"Error": {"Code": code, "Message": message}}


def next_step(code: str, message: str = "") -> str:
    """Return the cause of an error and what to do about it.

    Args:
        code: the AWS error code, or the type of an error without one.
        message: distinguishes causes with the same code.
    """
    if code in _BY_TYPE:
        return _BY_TYPE[code]
    decision: Any = CLIENT_RULES.get(code)
    if code in _SERVICE_CODES:
        decision = classify(_ServiceError(code, message))
    return _UNKNOWN if decision is None else _BY_KIND[decision.kind]
