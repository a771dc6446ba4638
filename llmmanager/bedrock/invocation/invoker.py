"""Sends Converse requests to the models and regions of a manager, and validates the answers."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial

from llmmanager.bedrock.invocation.attempt_loop import AttemptLoop
from llmmanager.bedrock.invocation.manager_resources import ManagerResources
from llmmanager.bedrock.models.bedrock_response import BedrockResponse
from llmmanager.bedrock.models.deadline import Deadline
from llmmanager.bedrock.models.llm_manager_structures import ResponseValidationConfig
from llmmanager.bedrock.models.streaming_response import StreamingResponse
from llmmanager.bedrock.routing.quota_pacing import ONE_CALL, QuotaPatience
from llmmanager.bedrock.transport import converse_api
from llmmanager.bedrock.validation.request import ValidRequest


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
                answer = loop.answer()
                return loop.response(answer.target, answer.content, success=True)
            # Imported here, since few calls have a validation.
            from llmmanager.bedrock.invocation.answer_validation import valid_answer

            return valid_answer(loop, validation)
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
        validate = None
        if validation is not None:
            from llmmanager.bedrock.invocation.answer_validation import validated

            validate = partial(validated, validation)
        try:
            stream = AnswerStream(
                loop, request.fields, deadline=deadline, timeout=self._resources.timeout, validate=validate
            )
        except BaseException:
            loop.count()
            raise
        return StreamingResponse(stream)
