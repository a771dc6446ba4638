"""FakeBedrock: a Bedrock on loopback, and the ways to tell it what to do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any

from .answers import Answer, compose
from .call_log import Call, CallLog
from .catalog import FakeCatalog
from .clients import make_client
from .control_plane import ControlPlane
from .errors import ServiceError
from .http_server import HOST, HttpServer
from .quotas import QuotaLedger
from .rule_book import RuleBook
from .rules import Fault, Latency, Quota, Scope
from .runtime import Runtime
from .service import Service
from .tokens import PromptCache

Responder = Callable[[Call], str | None]
_THREADS = 64


class FakeBedrock:
    """A Bedrock that listens on 127.0.0.1 between `start()` and `stop()`, or inside a `with` block.

    `responder` may dictate the text of an answer, or leave it to FakeBedrock with None; it runs in a thread
    and may raise ServiceError. `seed` decides shares and latency ranges, `window_seconds` is the length of
    the minute that quotas count in, `page_size` the profiles on a page, `log_limit` the calls remembered.
    """

    def __init__(
        self,
        catalog: FakeCatalog | None = None,
        *,
        port: int = 0,
        responder: Responder | None = None,
        seed: int = 0,
        default_region: str = "us-east-1",
        window_seconds: float = 60.0,
        page_size: int = 100,
        log_limit: int = 10_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._default_region = default_region
        self._responder = responder
        self._threads: ThreadPoolExecutor | None = None
        self._log = CallLog(limit=log_limit)
        self._rules = RuleBook(seed=seed)
        self._quotas = QuotaLedger(window_seconds=window_seconds, clock=clock)
        self._cache = PromptCache(clock)
        catalog = catalog or FakeCatalog.bundled()
        runtime = Runtime(
            rules=self._rules, quotas=self._quotas, cache=self._cache, log=self._log, think=self._think
        )
        service = Service(
            catalog=catalog,
            control_plane=ControlPlane(catalog, page_size=page_size),
            runtime=runtime,
            rules=self._rules,
            log=self._log,
            default_region=default_region,
        )
        self._server = HttpServer(service.handle, port=port)

    def start(self) -> FakeBedrock:
        """Listen. Raises OSError when the port is taken."""
        self._server.start()
        return self

    def stop(self) -> None:
        """Break every connection and stop listening."""
        self._server.stop()
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)

    def __enter__(self) -> FakeBedrock:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def endpoint_url(self) -> str:
        """Where it listens, for `endpoint_url` of a client."""
        return f"http://{HOST}:{self._server.port}"

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables under which any boto3 client for Bedrock reaches this one."""
        return {
            "AWS_ENDPOINT_URL_BEDROCK": self.endpoint_url,
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": self._default_region,
        }

    def client(self, service: str = "bedrock-runtime", *, region: str = "", config: Any = None) -> Any:
        """A boto3 client of `bedrock-runtime` or `bedrock` in `region` that sends each request once."""
        return make_client(
            service, endpoint_url=self.endpoint_url, region=region or self._default_region, config=config
        )

    def add_fault(self, fault: Fault) -> int:
        """Put `fault` in force; the handle takes it out again. The first fault that hits a call wins."""
        return self._rules.add_fault(fault)

    def remove_fault(self, handle: int) -> None:
        """Take a fault out. Raises KeyError for a handle that is not in force."""
        self._rules.remove_fault(handle)

    def clear_faults(self) -> None:
        """Take every fault out."""
        self._rules.clear_faults()

    def set_quota(
        self,
        *,
        tokens_per_minute: int | None = None,
        requests_per_minute: int | None = None,
        tokens_per_day: int | None = None,
        **scope: str,
    ) -> None:
        """Limit every model, region and access in `scope` (fields of Scope), each on its own."""
        self._quotas.add(
            Quota(
                tokens_per_minute=tokens_per_minute,
                requests_per_minute=requests_per_minute,
                tokens_per_day=tokens_per_day,
                **scope,
            )
        )

    def clear_quotas(self) -> None:
        """Drop every quota and all that was counted."""
        self._quotas.clear()

    def set_latency(
        self,
        seconds: float | tuple[float, float] = 0.0,
        *,
        first_token: float | tuple[float, float] | None = None,
        per_chunk: float | tuple[float, float] = 0.0,
        **scope: str,
    ) -> None:
        """Let answers in `scope` (fields of Scope) take this long; the last one set wins."""
        self._rules.add_latency(
            Latency(seconds=seconds, first_token=first_token, per_chunk=per_chunk, **scope)
        )

    def deny(self, model: str = "", **scope: str) -> None:
        """Answer AccessDeniedException for `model` in `scope` (fields of Scope)."""
        self._rules.deny(Scope(model=model, **scope))

    def close_region(self, region: str) -> None:
        """Treat `region` as one that the account has not opted in to."""
        self._rules.close_region(region)

    def reject_credentials(self, access_key_id: str, *, error: str = "ExpiredTokenException") -> None:
        """Answer `error` to whoever signs with `access_key_id`."""
        self._rules.reject_credentials(access_key_id, error)

    @property
    def calls(self) -> tuple[Call, ...]:
        """What was received, by arrival; a later read shows how the calls went on."""
        return self._log.snapshot()

    @property
    def in_flight(self) -> int:
        """How many calls are being answered now."""
        return self._log.in_flight

    @property
    def peak_in_flight(self) -> int:
        """The most calls that were being answered at one moment."""
        return self._log.peak_in_flight

    def reset(self) -> None:
        """Forget every rule, call, quota and cached prefix; connections stay open."""
        self._rules.clear()
        self._quotas.clear()
        self._cache.clear()
        self._log.clear()

    async def _think(self, call: Call, body: Mapping[str, Any]) -> Answer:
        if self._responder is None:
            return compose(body)
        return compose(body, await self._in_thread(self._dictate, call))

    def _dictate(self, call: Call) -> str | None:
        assert self._responder is not None
        try:
            return self._responder(call)
        except ServiceError:
            raise
        except Exception as error:
            raise ServiceError("InternalServerException", f"the responder raised {error!r}") from error

    async def _in_thread(self, work: Callable[[Call], str | None], call: Call) -> str | None:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="fake-bedrock-answer")
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, call)
