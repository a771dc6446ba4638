"""The operations of `bedrock-runtime`: Converse, ConverseStream and CountTokens."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from . import event_stream
from .answers import Answer
from .billing import Bill, TokenCount, UsageLedger
from .call_log import Call, CallLog
from .catalog import NO_TOKEN_COUNT
from .errors import ServiceError, invalid
from .http_server import DropConnection, NeverAnswer
from .models import CalledTarget, FakeModel
from .quotas import QuotaLedger, Reservation
from .rule_book import RuleBook
from .shapes import check_shape
from .tokens import CHARS_PER_TOKEN, CacheUse, InputCount, PromptCache, count_input, count_native
from .validation import check_context, check_request

# The reservation of a call if neither the request nor the model sets a maximum.
_DEFAULT_MAX_TOKENS = 4096
_TOOL_INPUT_CHARS = 16
# Interval at which a pausing stream checks whether its client has disconnected.
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class StreamBreak:
    """A fault of a stream.

    After `after_chunks` deltas, the stream ends with an error, hangs, or its connection is closed. `kind`
    is a `stream_fault` of a Fault, which does not affect the connection.
    """

    after_chunks: int | None
    error: ServiceError | None = None
    hang: bool = False
    delay: float = 0.0
    kind: str = ""

    def is_garbled(self, kind: str, deltas: int) -> bool:
        """Whether the event after this number of deltas is sent as invalid JSON."""
        return self.kind == "garbled_event" and kind == "contentBlockDelta" and deltas == self.after_chunks

    def is_over(self, kind: str, deltas: int) -> bool:
        """Whether the stream ends before the event."""
        if self.after_chunks is None or self.kind == "garbled_event":
            return False
        return kind == "messageStop" or (kind == "contentBlockDelta" and deltas >= self.after_chunks)


@dataclass(frozen=True)
class _Turn:
    """An admitted call with its answer."""

    answer: Answer
    tokens: TokenCount
    cached: CacheUse
    burndown: int
    reservation: Reservation
    started: float

    @property
    def usage(self) -> dict[str, Any]:
        details = self.cached.details
        return {**self.tokens.usage, **({"cacheDetails": details} if details else {})}

    @property
    def metrics(self) -> dict[str, int]:
        return _metrics(self.started)


@dataclass(frozen=True)
class BilledResponse:
    """The response of Converse and its bill."""

    body: dict[str, Any]
    bill: Bill


class Runtime:
    """Validates, admits, answers and bills calls. `think` generates the answer to a call and its request."""

    def __init__(
        self,
        *,
        rules: RuleBook,
        quotas: QuotaLedger,
        cache: PromptCache,
        usage: UsageLedger,
        log: CallLog,
        think: Callable[[Call, Mapping[str, Any]], Awaitable[Answer]],
    ) -> None:
        self._rules = rules
        self._quotas = quotas
        self._cache = cache
        self._usage = usage
        self._log = log
        self._think = think

    async def converse(self, call: Call, target: CalledTarget) -> BilledResponse:
        """Answer Converse."""
        turn = await self._turn(call, target, seconds=self._rules.latency_for(call).seconds)
        return BilledResponse(
            _response(call.body, turn.answer, turn.usage, metrics=turn.metrics), self._bill(call, turn)
        )

    async def answer_record(self, call: Call, target: CalledTarget) -> BilledResponse:
        """Answer a record of a batch job as Converse. Quotas, latencies and prompt caches do not apply."""
        started = time.monotonic()
        count = checked_input(call, target.model)
        answer = await self._think(call, call.body)
        tokens = TokenCount(
            input_tokens=count.tokens if answer.input_tokens is None else answer.input_tokens,
            output_tokens=answer.output_tokens,
        )
        return BilledResponse(
            _response(call.body, answer, tokens.usage, metrics=_metrics(started)),
            self._usage.bill(call, tokens),
        )

    async def converse_stream(
        self, call: Call, target: CalledTarget, *, stop: StreamBreak | None, client_left: Callable[[], bool]
    ) -> AsyncGenerator[bytes, None]:
        """Return the frames of ConverseStream. `stop` makes them end early. They end the call in the log."""
        latency = self._rules.latency_for(call)
        turn = await self._turn(call, target, seconds=latency.first_token)
        return self._frames(call, turn, stop, latency.per_chunk, client_left)

    async def lose_answer(self, call: Call, target: CalledTarget) -> None:
        """Generate and bill an answer that is not sent to the caller."""
        self._bill(call, await self._turn(call, target, seconds=0.0), lost=True)

    async def count_tokens(self, call: Call, target: CalledTarget) -> dict[str, Any]:
        """Answer CountTokens."""
        check_shape("CountTokensRequest", call.body)
        if not target.model.is_chat or not target.model.token_counting:
            raise invalid(NO_TOKEN_COUNT)
        counted = call.body["input"]
        if "converse" in counted:
            tokens = count_input(counted["converse"]).tokens
        else:
            tokens = count_native(counted["invokeModel"]["body"])
        await asyncio.sleep(self._rules.latency_for(call).seconds)
        return {"inputTokens": tokens}

    async def _turn(self, call: Call, target: CalledTarget, *, seconds: float) -> _Turn:
        started = time.monotonic()
        model, body = target.model, call.body
        count = checked_input(call, model)
        max_tokens = (body.get("inferenceConfig") or {}).get("maxTokens") or model.max_output_tokens
        reserved = count.tokens + (max_tokens or _DEFAULT_MAX_TOKENS)
        reservation = self._quotas.admit(call, reserved)
        self._usage.reserve(call, reserved)
        cached = self._cache.begin(
            count, model_id=model.model_id, region=call.region, min_tokens=model.cache_min_tokens or 0
        )
        try:
            answer = await self._think(call, body)
            await asyncio.sleep(max(0.0, started + seconds - time.monotonic()))
        except BaseException:
            self._settle(call, reservation, count.tokens)
            raise
        cached.store()
        tokens = count.tokens if answer.input_tokens is None else answer.input_tokens
        counted = TokenCount(
            input_tokens=max(0, tokens - cached.read - cached.written),
            output_tokens=answer.output_tokens,
            cache_read_tokens=cached.read,
            cache_write_tokens=cached.written,
        )
        return _Turn(answer, counted, cached, model.burndown, reservation, started)

    def _bill(self, call: Call, turn: _Turn, *, output_tokens: int | None = None, lost: bool = False) -> Bill:
        """Settle the reservation of a turn and bill it. `output_tokens` limits an interrupted answer."""
        tokens = turn.tokens
        if output_tokens is not None:
            tokens = replace(tokens, output_tokens=min(tokens.output_tokens, output_tokens))
        used = tokens.input_tokens + tokens.cache_write_tokens + tokens.output_tokens * turn.burndown
        self._settle(call, turn.reservation, used)
        tier = turn.answer.service_tier or call.service_tier
        bill = self._usage.bill(replace(call, service_tier=tier), tokens)
        self._log.update(call, usage=tokens.usage)
        if lost:
            self._lose(call, bill)
        return bill

    def _lose(self, call: Call, bill: Bill) -> None:
        bill.lose()
        self._log.update(call, answer_lost=True)

    def _settle(self, call: Call, reservation: Reservation, tokens: int) -> None:
        reservation.settle(tokens)
        self._usage.settle(call, tokens)

    async def _frames(
        self,
        call: Call,
        turn: _Turn,
        stop: StreamBreak | None,
        pause: float,
        client_left: Callable[[], bool],
    ) -> AsyncGenerator[bytes, None]:
        """Yield the frames. The call ends in the log before the last frame is sent."""
        deltas = chars = 0
        bill: Bill | None = None
        try:
            for kind, payload in _events(call.body, turn):
                is_delta = kind == "contentBlockDelta"
                if stop is not None and stop.is_over(kind, deltas):
                    bill = self._bill(call, turn, output_tokens=_tokens_of(chars), lost=True)
                    async for last in self._last_frames(call, stop):
                        yield last
                    return
                if is_delta and deltas:
                    await _sleep(pause, client_left)
                if client_left():
                    raise DropConnection
                if is_delta:
                    deltas, chars = deltas + 1, chars + _delta_chars(payload)
                if kind == "metadata":
                    bill = self._bill(call, turn)
                    self._log.end(call, status=200, error_code=stop.kind if stop else "")
                    if stop is not None and stop.kind == "no_metadata":
                        return
                if stop is not None and stop.is_garbled(kind, deltas - 1):
                    yield event_stream.garbled(kind)
                else:
                    yield event_stream.event(kind, payload)
        except (GeneratorExit, asyncio.CancelledError, DropConnection):
            if bill is None:
                bill = self._bill(call, turn, output_tokens=_tokens_of(chars))
            self._lose(call, bill)
            self._log.end(call, status=200, error_code="disconnected")
            raise

    async def _last_frames(self, call: Call, stop: StreamBreak) -> AsyncGenerator[bytes, None]:
        """Yield the last frame of a stream that ends early, if any. Raise if the connection is closed."""
        await asyncio.sleep(stop.delay)
        if stop.kind == "early_end":
            self._log.end(call, status=200, error_code=stop.kind)
            return
        if stop.hang:
            raise NeverAnswer(lambda: self._log.end(call, status=200, error_code="hang"))
        self._log.end(call, status=200, error_code=stop.error.code if stop.error else "reset")
        if stop.error is None:
            raise DropConnection
        yield event_stream.exception(stop.error.code, stop.error.body)


def checked_input(call: Call, model: FakeModel) -> InputCount:
    """Return the tokens of a request. Raise ServiceError if `model` does not support it."""
    check_request(model, call.body, streaming=call.operation == "ConverseStream")
    count = count_input(call.body)
    check_context(model, count.tokens)
    return count


def _metrics(started: float) -> dict[str, int]:
    return {"latencyMs": max(1, round((time.monotonic() - started) * 1000))}


def _response(
    body: Mapping[str, Any], answer: Answer, usage: Mapping[str, Any], *, metrics: Mapping[str, int]
) -> dict[str, Any]:
    return {
        "output": {"message": {"role": "assistant", "content": list(answer.content)}},
        "stopReason": answer.stop_reason,
        "usage": usage,
        "metrics": metrics,
        **_echoed(body, answer),
    }


async def _sleep(seconds: float, client_left: Callable[[], bool]) -> None:
    """Sleep, or return early when the client disconnects."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0 and not client_left():
        await asyncio.sleep(min(left, _POLL_SECONDS))


def _tokens_of(chars: int) -> int:
    return -(-chars // CHARS_PER_TOKEN)


def _delta_chars(payload: Mapping[str, Any]) -> int:
    delta = payload["delta"].get("reasoningContent", payload["delta"])
    return len(delta["toolUse"]["input"] if "toolUse" in delta else delta.get("text", ""))


def _events(body: Mapping[str, Any], turn: _Turn) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "messageStart", {"role": "assistant"}
    for index, block in enumerate(turn.answer.content):
        at = {"contentBlockIndex": index}
        if "toolUse" in block:
            call = block["toolUse"]
            start = {name: call[name] for name in ("toolUseId", "name")}
            yield "contentBlockStart", {"start": {"toolUse": start}, **at}
            for part in re.findall(rf"(?s).{{1,{_TOOL_INPUT_CHARS}}}", json.dumps(call["input"])):
                yield "contentBlockDelta", {"delta": {"toolUse": {"input": part}}, **at}
        elif "reasoningContent" in block:
            for delta in _reasoning_deltas(block["reasoningContent"]["reasoningText"]):
                yield "contentBlockDelta", {"delta": {"reasoningContent": delta}, **at}
        else:
            for part in _words(block["text"]):
                yield "contentBlockDelta", {"delta": {"text": part}, **at}
        yield "contentBlockStop", at
    echoed = _echoed(body, turn.answer)
    extra = {name: echoed.pop(name) for name in ("additionalModelResponseFields",) if name in echoed}
    yield "messageStop", {"stopReason": turn.answer.stop_reason, **extra}
    yield "metadata", {"usage": turn.usage, "metrics": turn.metrics, **echoed}


def _words(text: str) -> list[str]:
    return re.findall(r"\s*\S+|\s+$", text)


def _reasoning_deltas(reasoning: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Yield the words of a reasoning text, then its signature in two parts. Bedrock may split it as well."""
    yield from ({"text": part} for part in _words(reasoning["text"]))
    signature = reasoning["signature"]
    half = len(signature) // 2
    yield {"signature": signature[:half]}
    yield {"signature": signature[half:]}


def _echoed(body: Mapping[str, Any], answer: Answer) -> dict[str, Any]:
    """Return the request fields that a response repeats, and the supported additional response field."""
    echoed = {name: body[name] for name in ("performanceConfig", "serviceTier") if body.get(name)}
    if answer.service_tier:
        echoed["serviceTier"] = {"type": answer.service_tier}
    if "/stop_sequence" in (body.get("additionalModelResponseFieldPaths") or []):
        echoed["additionalModelResponseFields"] = {"stop_sequence": answer.stop_sequence}
    return echoed
