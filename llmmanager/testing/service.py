"""The HTTP API of Bedrock and Service Quotas: determines operation, caller and target of a request."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from . import event_stream
from .batch_jobs import BatchJobs
from .call_log import Call, CallLog
from .catalog import FakeCatalog
from .control_plane import ControlPlane
from .errors import ServiceError
from .http_server import DropConnection, NeverAnswer, ServerRequest, ServerResponse, json_response
from .models import CalledTarget
from .resources import Resource, Resources, render_prompt
from .rule_book import RuleBook
from .rules import Fault
from .runtime import BilledResponse, Runtime, StreamBreak
from .service_quotas import TARGET as LIST_SERVICE_QUOTAS
from .service_quotas import ServiceQuotas
from .shapes import check_shape

_ROUTES = tuple(
    (method, re.compile(pattern), operation)
    for method, pattern, operation in (
        ("POST", r"/model/(.+)/converse", "Converse"),
        ("POST", r"/model/(.+)/converse-stream", "ConverseStream"),
        ("POST", r"/model/(.+)/count-tokens", "CountTokens"),
        ("GET", r"/foundation-models", "ListFoundationModels"),
        ("GET", r"/foundation-models/(.+)", "GetFoundationModel"),
        ("GET", r"/inference-profiles", "ListInferenceProfiles"),
        ("GET", r"/inference-profiles/(.+)", "GetInferenceProfile"),
        ("POST", r"/model-invocation-job", "CreateModelInvocationJob"),
        ("GET", r"/model-invocation-jobs", "ListModelInvocationJobs"),
        ("GET", r"/model-invocation-job/(.+)", "GetModelInvocationJob"),
        ("POST", r"/model-invocation-job/(.+)/stop", "StopModelInvocationJob"),
    )
)
_CREDENTIAL = re.compile(r"AWS4-\S+\s.*?Credential=([^/,\s]+)/\d{8}/([a-z0-9-]+)/[a-z0-9-]+/aws4_request")
_KEY_REGION = re.compile(r"X-Amz-Credential=[^/&]+/\d{8}/([a-z0-9-]+)/bedrock/")
_UNREADABLE = object()


class Service:
    """Answers the AWS requests of the HTTP server."""

    def __init__(
        self,
        *,
        catalog: FakeCatalog,
        control_plane: ControlPlane,
        service_quotas: ServiceQuotas,
        jobs: BatchJobs,
        runtime: Runtime,
        rules: RuleBook,
        resources: Resources,
        log: CallLog,
        default_region: str,
    ) -> None:
        self._catalog = catalog
        self._control_plane = control_plane
        self._service_quotas = service_quotas
        self._jobs = jobs
        self._runtime = runtime
        self._rules = rules
        self._resources = resources
        self._log = log
        self._default_region = default_region

    async def handle(self, request: ServerRequest) -> ServerResponse:
        """Answer `request`, also with an error. Raise DropConnection or NeverAnswer for such faults."""
        operation, identifier = _route(request)
        access_key_id, region = _caller(request)
        body = _parsed(request.body)
        call = self._log.begin(
            operation=operation,
            region=region or self._default_region,
            invoked_id=identifier,
            service_tier=_service_tier(body) if request.path.startswith("/model/") else "",
            access_key_id=access_key_id,
            request_id=str(uuid.uuid4()),
            body=None if body is _UNREADABLE else body,
            body_bytes=len(request.body),
        )
        try:
            return await self._serve(call, request, unreadable=body is _UNREADABLE)
        except ServiceError as error:
            return self._error(call, error)
        except NeverAnswer:
            raise
        except (DropConnection, asyncio.CancelledError):
            self._log.end(call, status=None, error_code="reset")
            raise
        except Exception as error:  # an error of FakeBedrock must not appear as a closed connection
            return self._error(call, ServiceError("InternalServerException", repr(error)))

    async def _serve(self, call: Call, request: ServerRequest, *, unreadable: bool) -> ServerResponse:
        if not call.operation:
            raise ServiceError("UnknownOperationException")
        _check_authorization(request)
        self._rules.check_caller(call)
        if call.operation == "CreateModelInvocationJob":
            return await self._create_job(call, unreadable=unreadable)
        if not request.path.startswith("/model/"):
            await self._apply_fault(call, self._rules.fault_for(call))
            return self._answered(call, await self._describe(call, request.query))
        return await self._invoke(call, request, unreadable=unreadable)

    async def _invoke(self, call: Call, request: ServerRequest, *, unreadable: bool) -> ServerResponse:
        resource = self._resources.find(call.invoked_id)
        target = self._resolve(call, resource)
        if isinstance(target, CalledTarget):
            call = self._log.update(call, model_id=target.model.model_id, access_method=target.access)
        fault = self._rules.fault_for(call)
        if fault is not None and not fault.billed and not fault.breaks_stream:
            await self._apply_fault(call, fault)
        if isinstance(target, ServiceError):
            raise target
        self._rules.check_access(call)
        if unreadable:
            raise ServiceError("SerializationException")
        if call.operation != "CountTokens":
            call = self._completed(call, resource)
        if fault is not None and fault.billed:
            await self._runtime.lose_answer(call, target)
            await self._apply_fault(call, fault)
        if call.operation == "ConverseStream":
            frames = await self._runtime.converse_stream(
                call, target, stop=_break_of(fault), client_left=request.client_left
            )
            headers = {"Content-Type": event_stream.CONTENT_TYPE, "x-amzn-RequestId": call.request_id}
            return ServerResponse(200, frames, headers)
        if call.operation == "Converse":
            return self._delivered(call, await self._runtime.converse(call, target), request)
        return self._answered(call, await self._runtime.count_tokens(call, target))

    async def _create_job(self, call: Call, *, unreadable: bool) -> ServerResponse:
        if unreadable:
            raise ServiceError("SerializationException")
        check_shape("CreateModelInvocationJobRequest", call.body, service="bedrock")
        call = self._log.update(call, invoked_id=call.body["modelId"])
        target = self._resolve(call, self._resources.find(call.invoked_id))
        if isinstance(target, CalledTarget):
            call = self._log.update(call, model_id=target.model.model_id, access_method=target.access)
        fault = self._rules.fault_for(call)
        if fault is not None and not fault.billed:
            await self._apply_fault(call, fault)
        if isinstance(target, ServiceError):
            raise target
        self._rules.check_access(call)
        await asyncio.sleep(self._rules.latency_for(call).seconds)
        answer = await asyncio.to_thread(self._jobs.create, call, target)
        await self._apply_fault(call, fault)
        return self._answered(call, answer)

    def _delivered(self, call: Call, reply: BilledResponse, request: ServerRequest) -> ServerResponse:
        """Return the response of Converse. Raise DropConnection if the client has disconnected."""

        def lose() -> None:
            reply.bill.lose()
            self._log.update(call, answer_lost=True)

        if request.client_left():
            lose()
            self._log.end(call, status=None, error_code="disconnected")
            raise DropConnection
        return self._answered(call, reply.body, on_lost=lose)

    async def _describe(self, call: Call, query: Mapping[str, str]) -> dict[str, Any]:
        await asyncio.sleep(self._rules.latency_for(call).seconds)
        if call.operation == "ListServiceQuotas":
            return self._service_quotas.list_service_quotas(call.region, call.body)
        if call.operation.endswith(("ModelInvocationJob", "ModelInvocationJobs")):
            return await asyncio.to_thread(self._jobs.handle, call, query)
        control_plane = self._control_plane
        if call.operation == "ListFoundationModels":
            return control_plane.list_foundation_models(call.region, query)
        if call.operation == "GetFoundationModel":
            return control_plane.get_foundation_model(call.region, call.invoked_id)
        if call.operation == "ListInferenceProfiles":
            return control_plane.list_inference_profiles(call.region, query)
        return control_plane.get_inference_profile(call.region, call.invoked_id)

    def _completed(self, call: Call, resource: Resource | None) -> Call:
        """Return `call` with the rendered request of its prompt. The log contains the original body."""
        if isinstance(call.body, Mapping):  # Bedrock checks the guardrail before the request's shape
            self._resources.check_guardrail(call.body, region=call.region)
        check_shape(f"{call.operation}Request", call.body)
        if resource is None or not resource.is_prompt:
            return call
        return replace(call, body=render_prompt(resource, call.body))

    def _resolve(self, call: Call, resource: Resource | None) -> CalledTarget | ServiceError:
        """Return the target of `call`, or the error. Faults are applied before the error is raised."""
        try:
            if resource is not None and call.operation != "CountTokens":
                return self._resources.resolve(resource, region=call.region)
            if call.operation == "CountTokens":
                return self._catalog.resolve_for_counting(call.invoked_id, region=call.region)
            return self._catalog.resolve(call.invoked_id, region=call.region)
        except ServiceError as error:
            return error

    def _answered(
        self, call: Call, answer: Mapping[str, Any], *, on_lost: Callable[[], None] | None = None
    ) -> ServerResponse:
        self._log.end(call, status=200)
        return json_response(answer, headers={"x-amzn-RequestId": call.request_id}, on_lost=on_lost)

    def _error(self, call: Call, error: ServiceError) -> ServerResponse:
        self._log.end(call, status=error.status, error_code=error.code)
        headers = {"x-amzn-RequestId": call.request_id, "x-amzn-ErrorType": error.code, **error.headers}
        # In the protocol of Service Quotas, the body contains the error's name.
        body = {"__type": error.code, **error.body} if call.operation == "ListServiceQuotas" else error.body
        return json_response(body, status=error.status, headers=headers)

    async def _apply_fault(self, call: Call, fault: Fault | None) -> None:
        if fault is None:
            return
        if fault.delay:
            await asyncio.sleep(fault.delay)
        if fault.hang:
            raise NeverAnswer(lambda: self._log.end(call, status=None, error_code="hang"))
        if fault.reset:
            raise DropConnection
        raise _error_of(fault)


def _error_of(fault: Fault) -> ServiceError:
    return ServiceError(
        fault.error, fault.message, status=fault.status, headers=_retry_headers(fault), fields=fault.fields
    )


def _retry_headers(fault: Fault) -> Mapping[str, str]:
    """Return the headers of a fault, with its `retry_after` in both forms that AWS uses."""
    if fault.retry_after is None:
        return fault.headers
    return {
        "Retry-After": f"{fault.retry_after:g}",
        "x-amz-retry-after": str(round(fault.retry_after * 1000)),
        **fault.headers,
    }


def _break_of(fault: Fault | None) -> StreamBreak | None:
    if fault is None or not fault.breaks_stream:
        return None
    error = _error_of(fault) if fault.error else None
    return StreamBreak(
        fault.after_chunks, error=error, hang=fault.hang, delay=fault.delay, kind=fault.stream_fault
    )


def _route(request: ServerRequest) -> tuple[str, str]:
    if request.path == "/" and request.headers.get("x-amz-target") == LIST_SERVICE_QUOTAS:
        return "ListServiceQuotas", ""
    for method, pattern, operation in _ROUTES:
        if method == request.method and (match := pattern.fullmatch(request.path)):
            return operation, unquote(match[1]) if match.groups() else ""
    return "", ""


def _caller(request: ServerRequest) -> tuple[str, str]:
    """Return the access key id and the region of the signature, both empty without one.

    For a Bedrock API key, return the key and the region of a short-term key.
    """
    authorization = request.headers.get("authorization", "")
    if match := _CREDENTIAL.match(authorization):
        return match[1], match[2]
    scheme, _, key = authorization.partition(" ")
    return (key.strip(), _region_of_key(key.strip())) if scheme == "Bearer" else ("", "")


def _region_of_key(api_key: str) -> str:
    """Return the region of a short-term Bedrock API key, which is a presigned URL, or an empty string."""
    try:
        url = base64.b64decode(api_key.removeprefix("bedrock-api-key-")).decode()
    except ValueError:
        return ""
    match = _KEY_REGION.search(unquote(url))
    return match[1] if match else ""


def _check_authorization(request: ServerRequest) -> None:
    authorization = request.headers.get("authorization", "")
    if not authorization:
        raise ServiceError("MissingAuthenticationToken")
    if not (_CREDENTIAL.match(authorization) or authorization.startswith("Bearer ")):
        raise ServiceError("IncompleteSignature")


def _service_tier(body: Any) -> str:
    tier = body.get("serviceTier") if isinstance(body, Mapping) else None
    kind = tier.get("type") if isinstance(tier, Mapping) else None
    return kind if isinstance(kind, str) else ""


def _parsed(body: bytes) -> Any:
    if not body:
        return {}
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return _UNREADABLE
