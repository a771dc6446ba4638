"""Bedrock's errors: HTTP status and default message by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

STATUS: Mapping[str, int] = {
    "AccessDeniedException": 403,
    "BadCScoreException": 403,
    "ConflictException": 400,
    "ExpiredToken": 400,
    "ExpiredTokenException": 403,
    "FTUFormNotFilled": 404,
    "IncompleteSignature": 400,
    "InternalFailure": 500,
    "InternalServerException": 500,
    "InvalidClientTokenId": 403,
    "InvalidSignatureException": 403,
    "LimitExceededException": 429,
    "MPAgreementBeingCreated": 403,
    "MissingAuthenticationToken": 403,
    "MissingAuthenticationTokenException": 403,
    "ModelErrorException": 424,
    "ModelNotReadyException": 429,
    "ModelStreamErrorException": 424,
    "ModelTimeoutException": 408,
    "NotAuthorized": 400,
    "OptInRequired": 403,
    "RequestExpired": 400,
    "ResourceNotFoundException": 404,
    "SerializationException": 400,
    "ServiceQuotaExceededException": 400,
    "ServiceUnavailableException": 503,
    "SignatureDoesNotMatch": 403,
    "Throttling": 400,
    "ThrottlingException": 429,
    "TooManyRequestsException": 429,
    "UnknownOperationException": 404,
    "UnrecognizedClientException": 403,
    "ValidationException": 400,
}

MESSAGE: Mapping[str, str] = {
    "AccessDeniedException": "You don't have access to the model with the specified model ID.",
    "BadCScoreException": "Your account is not authorized to access this model.",
    "ExpiredToken": "The security token included in the request is expired",
    "ExpiredTokenException": "The security token included in the request is expired",
    "FTUFormNotFilled": (
        "Model use case details have not been submitted for this account. Fill out the Anthropic use case "
        "details form before using the model."
    ),
    "IncompleteSignature": "The request signature does not conform to AWS standards.",
    "InternalFailure": "The request processing has failed because of an unknown error.",
    "InternalServerException": "The system encountered an unexpected error during processing. Try again.",
    "InvalidClientTokenId": "The security token included in the request is invalid.",
    "InvalidSignatureException": (
        "The request signature we calculated does not match the signature you provided. Check your AWS "
        "Secret Access Key and signing method."
    ),
    "LimitExceededException": "The limit on the number of requests was exceeded.",
    "MPAgreementBeingCreated": (
        "The AWS Marketplace subscription for this model is still being processed. Try again in 15 minutes."
    ),
    "MissingAuthenticationToken": "Missing Authentication Token",
    "MissingAuthenticationTokenException": "Missing Authentication Token",
    "ModelErrorException": "The model encountered an unexpected error while processing the request.",
    "ModelNotReadyException": "Model is not ready for inference. Wait and try your request again.",
    "ModelStreamErrorException": "The model encountered an error while streaming the response.",
    "ModelTimeoutException": "Model has timed out in processing the request. Try your request again.",
    "NotAuthorized": "You do not have permission to perform this action.",
    "OptInRequired": "The AWS access key ID needs a subscription for the service in this region.",
    "RequestExpired": "Request has expired. Check the clock of the machine that signed it.",
    "ResourceNotFoundException": (
        "Could not resolve the foundation model from the provided model identifier."
    ),
    "SerializationException": "The request body could not be read.",
    "ServiceQuotaExceededException": "Your request exceeds the service quota for your account.",
    "ServiceUnavailableException": "Bedrock is unable to process your request.",
    "SignatureDoesNotMatch": (
        "The request signature we calculated does not match the signature you provided."
    ),
    "Throttling": "Rate exceeded",
    "ThrottlingException": "Too many requests, please wait before trying again.",
    "TooManyRequestsException": "Too many requests, please wait before trying again.",
    "UnknownOperationException": "The requested operation is not known to this service.",
    "UnrecognizedClientException": "The security token included in the request is invalid.",
    "ValidationException": "The request is not valid.",
}


@dataclass(eq=False)
class ServiceError(Exception):
    """An error response of Bedrock, which a responder can raise.

    Attributes:
        code: the error's name, as in the header `x-amzn-ErrorType`.
        message, status: the error's message and HTTP status; by default those of Bedrock for this error.
        headers: further headers of the response.
        fields: further members of the body, such as `originalStatusCode`.
    """

    code: str
    message: str = ""
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.message = self.message or MESSAGE.get(self.code, self.code)
        self.status = self.status or default_status(self.code) or 400
        super().__init__(f"{self.code}: {self.message}")

    @property
    def body(self) -> dict[str, Any]:
        """The JSON body of the error."""
        return {"message": self.message, **self.fields}


def default_status(code: str) -> int:
    """Return the default HTTP status of an error's name, or 0 for an unknown name.

    Errors inside streams have names in lower camel case.
    """
    return STATUS.get(code[:1].upper() + code[1:], 0)


def invalid(message: str) -> ServiceError:
    """Return a ValidationException with `message`."""
    return ServiceError("ValidationException", message)


def rejected_by_model(message: str) -> ServiceError:
    """Return a ValidationException with an error message of the model."""
    return invalid(f"The model returned the following errors: {message}")
