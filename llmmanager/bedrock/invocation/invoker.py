"""Sends Converse requests to the models and regions of a manager, and validates the answers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from llmmanager.bedrock.catalog.catalog_entries import ModelAccess
from llmmanager.bedrock.exceptions.llm_manager_exceptions import InvalidResponseError, RetryExhaustedError
from llmmanager.bedrock.invocation import converse_api
from llmmanager.bedrock.invocation.request import ValidRequest, invalid
from llmmanager.bedrock.invocation.request_media import with_models
from llmmanager.bedrock.invocation.run import ManagerResources, Run
from llmmanager.bedrock.invocation.stream import AnswerStream, OpenStream, open_stream
from llmmanager.bedrock.invocation.targets import TargetGroup, Targets
from llmmanager.bedrock.models.bedrock_response import BedrockResponse
from llmmanager.bedrock.models.deadline import Deadline
from llmmanager.bedrock.models.llm_manager_structures import ResponseValidationConfig, ValidationResult
from llmmanager.bedrock.models.streaming_response import StreamingResponse
from llmmanager.bedrock.routing.quota_pacing import ONE_CALL, QuotaPatience

if TYPE_CHECKING:
    from llmmanager.bedrock.invocation.cost_limit import CostLimit


class Invoker:
    """Sends one request at a time and returns its response."""

    def __init__(self, resources: ManagerResources, targets: Targets) -> None:
        self._resources = resources
        self._targets = targets

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
        run = Run(
            self._resources,
            self._groups(request, regions),
            request=request.fields,
            send=converse_api.converse,
            operation="Converse",
            deadline=deadline,
            warnings=[*self._targets.warnings, *request.warnings],
            cancelled=cancelled,
            patience=quota_patience,
            cost_limit=self._cost_limit(request, regions),
        )
        try:
            if validation is None:
                target, data = run.answer()
                return run.response(target, data, success=True)
            return _valid_answer(run, validation)
        finally:
            run.count()

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
        run: Run[OpenStream] = Run(
            self._resources,
            self._groups(request, None),
            request=request.fields,
            send=open_stream,
            operation="ConverseStream",
            deadline=deadline,
            warnings=[*self._targets.warnings, *request.warnings],
            cost_limit=self._cost_limit(request, None),
        )
        validate = None if validation is None else partial(_validated, validation)
        try:
            stream = AnswerStream(
                run, request.fields, deadline=deadline, timeout=self._resources.timeout, validate=validate
            )
        except BaseException:
            run.count()
            raise
        return StreamingResponse(stream)

    def _cost_limit(self, request: ValidRequest, regions: Sequence[str] | None) -> CostLimit | None:
        multiple = self._resources.retry_config.max_cost_multiple
        if multiple is None:
            return None
        from llmmanager.bedrock.invocation.cost_limit import CostLimit

        return CostLimit(multiple, request.fields, self._targets.first(regions))

    def _groups(
        self, request: ValidRequest, regions: Sequence[str] | None
    ) -> Callable[[], Sequence[TargetGroup]]:
        """Return a function that returns the current target groups for the request.

        Raises:
            ConfigurationError: no model can be called in the regions.
            RequestValidationError: every model that can be called there is skipped.
        """
        if not request.skipped_models:
            self._targets.required(regions)
            return partial(self._targets.groups, regions)
        found = dict.fromkeys(group[0].model_id for group in self._targets.required(regions))
        if found.keys() <= request.skipped_models.keys():
            raise invalid(with_models({model_id: request.skipped_models[model_id] for model_id in found}))
        return lambda: [
            group
            for group in self._targets.groups(regions)
            if group[0].model_id not in request.skipped_models
        ]


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


def _valid_answer(run: Run[dict[str, Any]], validation: ResponseValidationConfig) -> BedrockResponse:
    """Retry until an answer is valid or `response_validation_retries` are used up, for all targets together.

    A target with an invalid answer is called again. If the call fails, the next target is called. A failed
    attempt does not count as an answer.
    """
    retries_left = validation.response_validation_retries
    last: tuple[ModelAccess, dict[str, Any]] | None = None
    while True:
        try:
            last = run.answer()
        except RetryExhaustedError:
            if last is None:
                raise
            return run.response(*last, success=False)
        response = run.response(*last, success=True)
        result = _validate(validation, response)
        if result.success:
            return response
        run.record.validation_errors.append(_validation_error(result, len(run.record.attempts)))
        run.reject_answer(InvalidResponseError(str(result.error_message)), final=retries_left == 0)
        if retries_left == 0 or not run.wait(validation.response_validation_delay):
            return run.response(*last, success=False)
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
