"""Sends Converse requests to the models and regions of a manager, and validates the answers."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from llmmanager.bedrock.catalog.catalog_entries import ModelAccess
from llmmanager.bedrock.exceptions.llm_manager_exceptions import InvalidResponseError, RetryExhaustedError
from llmmanager.bedrock.invocation import converse_api
from llmmanager.bedrock.invocation.attempt_loop import AttemptLoop
from llmmanager.bedrock.invocation.manager_resources import ManagerResources
from llmmanager.bedrock.invocation.request import ValidRequest
from llmmanager.bedrock.models.bedrock_response import BedrockResponse
from llmmanager.bedrock.models.deadline import Deadline
from llmmanager.bedrock.models.llm_manager_structures import ResponseValidationConfig, ValidationResult
from llmmanager.bedrock.models.streaming_response import StreamingResponse
from llmmanager.bedrock.routing.quota_pacing import ONE_CALL, QuotaPatience


class Invoker:
    """Sends one request at a time and returns its response."""

    def __init__(self, resources: ManagerResources) -> None:
        self._resources = resources

    def converse(
        self,
        request: ValidRequest,
        *,
        deadline: Deadline,
        regions: Sequence[str] | None = None,
        validation: ResponseValidationConfig | None = None,
        cancelled: threading.Event | None = None,
        quota_patience: QuotaPatience = ONE_CALL,
    ) -> BedrockResponse:
        """Send a Converse request and return the response.

        Args:
            request: the request.
            deadline: when the call must end.
            regions: the regions to use, in this order; None for all regions of the manager.
            validation: the validation of the answer, or None.
            cancelled: stops the call when it is set.
            quota_patience: how the call waits when its targets are throttled.

        Raises:
            RetryExhaustedError, DeadlineExceededError: no target answered.
            AuthenticationError, RequestValidationError, ConfigurationError: no target can answer.
        """
        loop = AttemptLoop(
            self._resources,
            request,
            send=converse_api.converse,
            operation="Converse",
            deadline=deadline,
            regions=regions,
            cancelled=cancelled,
            patience=quota_patience,
        )
        try:
            if validation is None:
                target, data = loop.answer()
                return loop.response(target, data, success=True)
            return _valid_answer(loop, validation)
        finally:
            loop.count()

    def converse_stream(
        self,
        request: ValidRequest,
        *,
        deadline: Deadline,
        validation: ResponseValidationConfig | None = None,
    ) -> StreamingResponse:
        """Send a ConverseStream request and return the stream when its first content has arrived.

        Raises:
            The exceptions of `converse`.
        """
        # Imported here, since many programs do not stream.
        from llmmanager.bedrock.invocation.stream import AnswerStream, open_stream

        loop = AttemptLoop(
            self._resources,
            request,
            send=open_stream,
            operation="ConverseStream",
            deadline=deadline,
        )
        validate = None if validation is None else partial(_validated, validation)
        try:
            stream = AnswerStream(
                loop, request.fields, deadline=deadline, timeout=self._resources.timeout, validate=validate
            )
        except BaseException:
            loop.count()
            raise
        return StreamingResponse(stream)


def _validated(validation: ResponseValidationConfig, response: BedrockResponse) -> BedrockResponse:
    """Return a streamed answer with the result of its validation, which does not cause a retry."""
    result = _validate(validation, response)
    if result.success:
        return response
    return replace(
        response,
        success=False,
        validation_errors=[_validation_error(result, len(response.attempts))],
        error=InvalidResponseError(str(result.error_message)),
    )


def _validation_error(result: ValidationResult, attempt: int) -> dict[str, Any]:
    return {
        "error_message": result.error_message,
        "error_details": result.error_details,
        "attempt": attempt,
    }


def _valid_answer(loop: AttemptLoop[dict[str, Any]], validation: ResponseValidationConfig) -> BedrockResponse:
    """Retry until an answer is valid or `response_validation_retries` are used up, for all targets together.

    A target with an invalid answer is called again. If the call fails, the next target is called. A failed
    attempt does not count as an answer.
    """
    retries_left = validation.response_validation_retries
    last: tuple[ModelAccess, dict[str, Any]] | None = None
    while True:
        try:
            last = loop.answer()
        except RetryExhaustedError:
            if last is None:
                raise
            return loop.response(*last, success=False)
        response = loop.response(*last, success=True)
        result = _validate(validation, response)
        if result.success:
            return response
        loop.record.validation_errors.append(_validation_error(result, len(loop.record.attempts)))
        loop.reject_answer(InvalidResponseError(str(result.error_message)), final=retries_left == 0)
        if retries_left == 0 or not loop.wait(validation.response_validation_delay):
            return loop.response(*last, success=False)
        retries_left -= 1


def _validate(validation: ResponseValidationConfig, response: BedrockResponse) -> ValidationResult:
    try:
        result = validation.response_validation_function(response)
    except Exception as error:
        return ValidationResult(
            success=False,
            error_message=f"the validation function raised {type(error).__name__}: {error}",
            error_details={"exception": type(error).__name__},
        )
    if not isinstance(result, ValidationResult):
        return ValidationResult(
            success=False,
            error_message="the validation function must return a ValidationResult "
            f"(got {type(result).__name__})",
        )
    if not result.success and not result.error_message:
        return replace(result, error_message="the answer is invalid")
    return result
