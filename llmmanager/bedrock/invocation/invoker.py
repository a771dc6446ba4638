"""Sends Converse requests to the models and regions of a manager, and validates the answers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeVar, Unpack, overload

from llmmanager.bedrock.exceptions.llm_manager_exceptions import ConfigurationError
from llmmanager.bedrock.invocation.attempt_loop import AttemptLoop
from llmmanager.bedrock.invocation.manager_resources import ManagerResources
from llmmanager.bedrock.invocation.parameter_edits import schema_format
from llmmanager.bedrock.invocation.targets import Targets
from llmmanager.bedrock.models.bedrock_response import BedrockResponse
from llmmanager.bedrock.models.call_parameters import CallParameters, check_options, check_type, takes
from llmmanager.bedrock.models.deadline import NEVER, Cancellation, Deadline
from llmmanager.bedrock.models.llm_manager_structures import ResponseValidationConfig
from llmmanager.bedrock.routing.quota_pacing import ONE_CALL, QuotaPatience
from llmmanager.bedrock.transport import converse_api
from llmmanager.bedrock.transport.clients import ClientPool
from llmmanager.bedrock.validation.request import ValidRequest, build_request

if TYPE_CHECKING:
    from llmmanager.bedrock.async_calls.async_streaming_response import AsyncStreamingResponse
    from llmmanager.bedrock.async_calls.call_threads import CallThreads
    from llmmanager.bedrock.invocation.attempt_check import AttemptCheck
    from llmmanager.bedrock.invocation.stream import AnswerStream
    from llmmanager.bedrock.models.attempt_guard import AttemptGuard
    from llmmanager.bedrock.models.call_keywords import CallKeywords, Messages
    from llmmanager.bedrock.models.converse_types import (
        Message,
        SystemContentBlock,
        ToolConfiguration,
        UntypedDict,
    )
    from llmmanager.bedrock.models.cost_estimates import CostEstimate
    from llmmanager.bedrock.models.parallel_structures import BedrockConverseRequest
    from llmmanager.bedrock.models.parsed_response import ParsedResponse, T
    from llmmanager.bedrock.models.token_count import InputTokenCount
    from llmmanager.bedrock.tokens.token_counter import TokenCounter

R = TypeVar("R")


@dataclass(frozen=True)
class CallOptions:
    """What bounds a call, and what checks its attempts and its answer.

    Attributes:
        deadline: when the call must end.
        regions: the regions to use, in this order; None for all regions of the manager.
        validation: the validation of the answer, or None. With a schema for the answer, the validation of
            answers that follow it.
        cancelled: ends the call when it is set. See `AttemptLoop`.
        quota_patience: how the call waits when its targets are throttled.
        before_attempt: called before each attempt, or None.

    Raises:
        ConfigurationError: an option has the wrong type.
    """

    deadline: Deadline
    regions: Sequence[str] | None = None
    validation: ResponseValidationConfig | None = None
    cancelled: threading.Event | None = None
    quota_patience: QuotaPatience = ONE_CALL
    before_attempt: AttemptGuard | None = None

    def __post_init__(self) -> None:
        check_type("regions", self.regions, Sequence)
        check_options(self.validation, self.before_attempt)


class Invoker:
    """Sends one request at a time and returns its response."""

    def __init__(self, resources: ManagerResources) -> None:
        self._resources = resources

    def converse(
        self, request: ValidRequest, options: CallOptions, *, request_id: str | None = None
    ) -> BedrockResponse:
        """Send a Converse request and return the response.

        Args:
            request_id: the id of the request for `before_attempt`, or None.

        Raises:
            RetryExhaustedError, DeadlineExceededError: no target answered.
            AuthenticationError, RequestValidationError, ConfigurationError: no target can answer.
        """
        loop = AttemptLoop(
            self._resources,
            request,
            send=partial(converse_api.converse, cancelled=options.cancelled, deadline=options.deadline),
            operation="Converse",
            deadline=options.deadline,
            regions=options.regions,
            cancelled=options.cancelled,
            patience=options.quota_patience,
            check=_check(options.before_attempt, request_id),
        )
        try:
            text_format = schema_format(request.fields)
            if text_format is not None:
                parsed: BedrockResponse = text_format.answer(loop, request.fields, options.validation)
                return parsed
            if options.validation is None:
                answer = loop.answer()
                return loop.response(answer.target, answer.content, success=True)
            # Imported here, since few calls have a validation.
            from llmmanager.bedrock.invocation.answer_validation import valid_answer

            return valid_answer(loop, options.validation, request.fields)
        finally:
            loop.count()

    def converse_stream(
        self, request: ValidRequest, options: CallOptions, *, request_id: str | None = None
    ) -> AnswerStream:
        """Send a ConverseStream request and return its events when the first content has arrived.

        Raises:
            The exceptions of `converse`.
        """
        # Imported here, since many programs do not stream.
        from llmmanager.bedrock.invocation.stream import AnswerStream, open_stream

        loop = AttemptLoop(
            self._resources,
            request,
            send=partial(open_stream, cancelled=options.cancelled, deadline=options.deadline),
            operation="ConverseStream",
            deadline=options.deadline,
            regions=options.regions,
            cancelled=options.cancelled,
            check=_check(options.before_attempt, request_id),
        )
        validate = None
        if options.validation is not None:
            from llmmanager.bedrock.invocation.answer_validation import validated

            validate = partial(validated, options.validation)
        try:
            return AnswerStream(
                loop,
                request.fields,
                deadline=options.deadline,
                validate=validate,
            )
        except BaseException:
            loop.count()
            raise


def _options(call: CallParameters, deadline: Deadline, cancelled: threading.Event | None) -> CallOptions:
    """Return the options in the parameters of a call."""
    return CallOptions(
        deadline,
        validation=call.response_validation_config,
        cancelled=cancelled,
        before_attempt=call.before_attempt,
    )


def _check(guard: AttemptGuard | None, request_id: str | None) -> AttemptCheck | None:
    """Return what calls the guard before each attempt. None without a guard."""
    if guard is None:
        return None
    # Imported here, since most calls have no guard.
    from llmmanager.bedrock.invocation.attempt_check import AttemptCheck

    return AttemptCheck(guard, request_id)


class ManagerCalls:
    """The calls of a manager: their requests, and the methods that await them in an event loop.

    Attributes that `LLMManager` sets: the invoker, its resources, targets and clients, and the defaults of
    requests.
    """

    _invoker: Invoker
    _targets: Targets
    _clients: ClientPool
    _default_inference_config: dict[str, Any]
    _resources: ManagerResources

    @takes(CallParameters)
    async def aconverse(self, call: CallParameters) -> BedrockResponse:
        """Send a request and return the response, without blocking the event loop.

        The arguments and exceptions are those of `converse`. Cancelling the task ends waits and retries, and
        closes the connection.
        """
        limit = Deadline.from_value(call.deadline)
        return await self._on_thread(partial(self._converse, call, limit), limit)

    @overload
    async def aparse(
        self, messages: Messages, schema: type[T], **call: Unpack[CallKeywords]
    ) -> ParsedResponse[T]: ...

    @overload
    async def aparse(
        self, messages: Messages, schema: Mapping[str, Any], **call: Unpack[CallKeywords]
    ) -> ParsedResponse[dict[str, Any]]: ...

    async def aparse(self, messages: Any, schema: Any, **call: Any) -> ParsedResponse[Any]:
        """Send a request and return an answer that follows a schema, without blocking the event loop.

        The arguments and exceptions are those of `parse`.
        """
        from llmmanager.bedrock.structured.parsing import parsed_response, with_schema

        return parsed_response(await self.aconverse(messages, **with_schema(schema, call)))

    @takes(CallParameters)
    async def aconverse_stream(self, call: CallParameters) -> AsyncStreamingResponse:
        """Send a request and return the response as a stream for `async for`.

        The method returns, or raises, as `converse_stream` does. Cancelling the task closes the connection.
        """
        limit = Deadline.from_value(call.deadline)
        return await self._stream_on_thread(partial(self._answer_stream, call, limit), limit)

    async def aconverse_with_request(
        self,
        request: BedrockConverseRequest,
        response_validation_config: ResponseValidationConfig | None = None,
        *,
        regions: Sequence[str] | None = None,
        deadline: float | Deadline | None = None,
        before_attempt: AttemptGuard | None = None,
    ) -> BedrockResponse:
        """Send a request object as `aconverse` does. The arguments are those of `converse_with_request`."""
        limit = Deadline.from_value(deadline)

        def send(cancelled: Cancellation) -> BedrockResponse:
            return self._send(
                request,
                CallOptions(
                    limit,
                    regions=regions,
                    validation=response_validation_config,
                    cancelled=cancelled,
                    before_attempt=before_attempt,
                ),
            )

        return await self._on_thread(send, limit)

    async def aconverse_stream_with_request(
        self,
        request: BedrockConverseRequest,
        *,
        deadline: float | Deadline | None = None,
        before_attempt: AttemptGuard | None = None,
    ) -> AsyncStreamingResponse:
        """Send a request object as `aconverse_stream` does. See `converse_stream_with_request`."""
        limit = Deadline.from_value(deadline)

        def connect(cancelled: Cancellation) -> AnswerStream:
            options = CallOptions(limit, cancelled=cancelled, before_attempt=before_attempt)
            return self._answer_stream_of(request, options)

        return await self._stream_on_thread(connect, limit)

    async def acount_tokens(
        self,
        messages: str | Sequence[Message | UntypedDict],
        system: str | Sequence[SystemContentBlock | UntypedDict] | None = None,
        tool_config: ToolConfiguration | UntypedDict | None = None,
        *,
        model: str | None = None,
    ) -> InputTokenCount:
        """Return the number of input tokens of a request, without blocking the event loop.

        The arguments and exceptions are those of `count_tokens`. Cancelling the task closes the connection.
        """
        counted = {"messages": messages, "system": system, "tool_config": tool_config}
        return await self._on_thread(partial(self._count_tokens, counted, model))

    async def aestimate_cost(
        self, request: BedrockConverseRequest, *, output_tokens: int | None = None
    ) -> CostEstimate:
        """Return the cost of a request on each target, without blocking the event loop.

        The arguments and exceptions are those of `estimate_cost`. Cancelling the task closes the connection.
        """
        return await self._on_thread(partial(self._estimate_cost, request, output_tokens))

    def _converse(
        self, call: CallParameters, deadline: Deadline, cancelled: threading.Event | None = None
    ) -> BedrockResponse:
        options = _options(call, deadline, cancelled)
        return self._invoker.converse(self._build_request(vars(call)), options)

    def _answer_stream(
        self, call: CallParameters, deadline: Deadline, cancelled: threading.Event | None = None
    ) -> AnswerStream:
        options = _options(call, deadline, cancelled)
        return self._invoker.converse_stream(self._build_request(vars(call), stream=True), options)

    def _send(self, request: BedrockConverseRequest, options: CallOptions) -> BedrockResponse:
        """Send a request object."""
        valid = self._valid_request(request)
        return self._invoker.converse(valid, options, request_id=request.request_id)

    def _answer_stream_of(self, request: BedrockConverseRequest, options: CallOptions) -> AnswerStream:
        """Send a request object, and return its events."""
        valid = self._valid_request(request, stream=True)
        return self._invoker.converse_stream(valid, options, request_id=request.request_id)

    def _count_tokens(
        self, counted: Mapping[str, Any], model: str | None, cancelled: threading.Event | None = None
    ) -> InputTokenCount:
        model_id = self._targets.model_id(model)
        fields = build_request(counted, model_ids=(model_id,)).fields
        regions = self._targets.regions_of(model_id)
        return self._token_counter.count(fields, model_id=model_id, regions=regions, cancelled=cancelled)

    def _estimate_cost(
        self,
        request: BedrockConverseRequest,
        output_tokens: int | None,
        cancelled: threading.Event | None = None,
    ) -> CostEstimate:
        from llmmanager.bedrock.tokens.request_cost import request_cost

        count = partial(self._token_counter.count, cancelled=cancelled)
        return request_cost(self._resources, count, self._valid_request(request), output_tokens=output_tokens)

    @cached_property
    def _token_counter(self) -> TokenCounter:
        from llmmanager.bedrock.tokens.token_counter import TokenCounter

        return TokenCounter(partial(self._clients.client, "bedrock-runtime"))

    async def _on_thread(self, send: Callable[[Cancellation], R], deadline: Deadline = NEVER) -> R:
        """Return the result of a call that runs on a thread."""
        from llmmanager.bedrock.async_calls.thread_call import on_thread

        return await on_thread(self._call_threads, send, deadline=deadline)

    async def _stream_on_thread(
        self, connect: Callable[[Cancellation], AnswerStream], deadline: Deadline
    ) -> AsyncStreamingResponse:
        """Return a stream that is read on a thread."""
        from llmmanager.bedrock.async_calls.async_streaming_response import open_stream

        return await open_stream(self._call_threads, connect, deadline=deadline)

    @cached_property
    def _call_threads(self) -> CallThreads:
        from llmmanager.bedrock.async_calls.call_threads import CallThreads

        return CallThreads(self._clients.max_connections)

    def _valid_request(self, request: BedrockConverseRequest, *, stream: bool = False) -> ValidRequest:
        """Return the valid request of a request object. One that was validated before is trusted."""
        from llmmanager.bedrock.models.parallel_structures import (
            BedrockConverseRequest,
            ValidatedConverseRequest,
        )

        if not isinstance(request, BedrockConverseRequest):
            raise ConfigurationError(
                f"request must be a BedrockConverseRequest (got {type(request).__name__})",
                {"request": type(request).__name__},
            )
        skipped_models = None
        if isinstance(request, ValidatedConverseRequest) and request.model_ids == self._targets.model_ids:
            skipped_models = request.skipped_models
        return self._build_request(request.to_converse_args(), stream=stream, skipped_models=skipped_models)

    def _build_request(
        self,
        parameters: Mapping[str, Any],
        *,
        stream: bool = False,
        skipped_models: Mapping[str, Sequence[str]] | None = None,
    ) -> ValidRequest:
        return build_request(
            parameters,
            model_ids=self._targets.model_ids,
            default_inference_config=self._default_inference_config,
            stream=stream,
            skipped_models=skipped_models,
        )
