"""Sends Converse requests to the models and regions of a manager, and validates the answers."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from llmmanager.bedrock.invocation.attempt_loop import AttemptLoop
from llmmanager.bedrock.invocation.manager_resources import ManagerResources
from llmmanager.bedrock.models.bedrock_response import BedrockResponse
from llmmanager.bedrock.models.deadline import Deadline
from llmmanager.bedrock.models.llm_manager_structures import ResponseValidationConfig
from llmmanager.bedrock.models.streaming_response import StreamingResponse
from llmmanager.bedrock.routing.quota_pacing import ONE_CALL, QuotaPatience
from llmmanager.bedrock.transport import converse_api
from llmmanager.bedrock.validation.request import ValidRequest

if TYPE_CHECKING:
    from llmmanager.bedrock.invocation.attempt_check import AttemptCheck
    from llmmanager.bedrock.models.attempt_guard import AttemptGuard


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
        before_attempt: AttemptGuard | None = None,
        request_id: str | None = None,
    ) -> BedrockResponse:
        """Send a Converse request and return the response.

        Args:
            request: the request.
            deadline: when the call must end.
            regions: the regions to use, in this order; None for all regions of the manager.
            validation: the validation of the answer, or None.
            cancelled: stops the call when it is set.
            quota_patience: how the call waits when its targets are throttled.
            before_attempt: called before each attempt, or None.
            request_id: the id of the request for `before_attempt`, or None.

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
            check=_check(before_attempt, request_id),
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
        before_attempt: AttemptGuard | None = None,
        request_id: str | None = None,
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
            check=_check(before_attempt, request_id),
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


def _check(guard: AttemptGuard | None, request_id: str | None) -> AttemptCheck | None:
    """Return what calls the guard before each attempt. None without a guard."""
    if guard is None:
        return None
    # Imported here, since most calls have no guard.
    from llmmanager.bedrock.invocation.attempt_check import AttemptCheck

    return AttemptCheck(guard, request_id)
