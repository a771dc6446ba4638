"""Compare parts that this project wrote itself with the libraries that could replace them.

    python -m tests.benchmarks.library_choices

Install these beside requirements/lambda.txt; libraries that are not installed are left out:

    aiohttp aws-xray-sdk fastjsonschema jsonschema jsonschema-rs orjson pydantic-settings
    trustme

The decisions are in docs/contributing.md, under "Libraries and own code".
"""

from __future__ import annotations

import asyncio
import contextlib
import http.server
import importlib.util
import io
import json
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib import metadata
from pathlib import Path
from typing import Any, TypeAlias

import botocore
from botocore.parsers import ResponseParserFactory
from botocore.session import Session
from botocore.validate import ParamValidator

from infra.lambda_asset import build_asset, locked_distributions
from lambdas.shared import metrics
from llmmanager.batch_files.id_set import IdSet
from llmmanager.bedrock.structured.json_schema import schema_problems, violations
from llmmanager.bedrock.transport.event_parser import ParserFactory
from llmmanager.bedrock.validation.request_validation import validate_request
from llmmanager.json_format import json_text
from llmmanager.testing.certificate import make_certificate
from llmmanager.testing.http_server import HttpServer, ServerRequest, ServerResponse
from tests.benchmarks.table import number, print_table

ROUNDS = 9
HEADINGS = ("part", "library", "import ms", "MB", "own us", "library us", "library : own")
# What every function has loaded before a request needs one of these libraries.
LOADED = "import lambdas.http_api.handler, botocore.session"
MODEL = Session().get_service_model("bedrock-runtime")

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["name", "tags"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 50},
        "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 20},
        "age": {"type": ["integer", "null"], "minimum": 0, "exclusiveMaximum": 150},
        "any": {"anyOf": [{"type": "string"}, {"type": "boolean"}]},
    },
}
ANSWER = {"name": "Ada", "tags": ["a", "b"] * 5, "age": 36, "any": False}
REQUEST: dict[str, Any] = {
    "modelId": "amazon.nova-lite-v1:0",
    "messages": [{"role": "user", "content": [{"text": "What is the capital of France?"}]}],
    "inferenceConfig": {"maxTokens": 200, "temperature": 0.5},
}
COUNTERS = {"Requests": 3.0, "Attempts": 4.0, "InputTokens": 900.0, "OutputTokens": 120.0}
TARGET = {"Model": "amazon.nova-lite-v1:0", "Region": "us-east-1"}

# Our function and the library's. Both do the same work.
Sides: TypeAlias = tuple[Callable[[], Any], Callable[[], Any]]


def fast_json_schema(_: ExitStack) -> Sides:
    import fastjsonschema

    validate = fastjsonschema.compile(SCHEMA)
    return lambda: next(violations(ANSWER, SCHEMA), None), lambda: validate(ANSWER)


def fast_json_schema_with_compilation(_: ExitStack) -> Sides:
    import fastjsonschema

    return own_schema_and_answer, lambda: fastjsonschema.compile(SCHEMA)(ANSWER)


def json_schema(_: ExitStack) -> Sides:
    import jsonschema

    validator = jsonschema.Draft202012Validator(SCHEMA)
    return lambda: next(violations(ANSWER, SCHEMA), None), lambda: validator.is_valid(ANSWER)


def rust_json_schema(_: ExitStack) -> Sides:
    import jsonschema_rs

    validator = jsonschema_rs.validator_for(SCHEMA)
    return lambda: next(violations(ANSWER, SCHEMA), None), lambda: validator.is_valid(ANSWER)


def own_schema_and_answer() -> None:
    assert not schema_problems(SCHEMA, "schema")
    assert next(violations(ANSWER, SCHEMA), None) is None


def event_parser(_: ExitStack) -> Sides:
    shape = MODEL.operation_model("ConverseStream").output_shape.members["stream"]
    headers = {":event-type": "contentBlockDelta", ":message-type": "event"}
    event = {"status_code": 200, "headers": headers}
    event["body"] = b'{"contentBlockIndex":0,"delta":{"text":"Paris is"},"p":"abcdefgh"}'
    parsers = [
        factory.create_parser("rest-json")._event_stream_parser
        for factory in (ParserFactory(), ResponseParserFactory())
    ]
    return lambda: parsers[0].parse(event, shape), lambda: parsers[1].parse(event, shape)


def request_validation(_: ExitStack) -> Sides:
    shape = MODEL.operation_model("Converse").input_shape
    validator = ParamValidator()
    return lambda: validate_request(REQUEST), lambda: validator.validate(REQUEST, shape)


def json_parser(_: ExitStack) -> Sides:
    import orjson

    text = json.dumps(REQUEST).encode()
    return lambda: json_text.parse(text), lambda: orjson.loads(text)


def metrics_line(_: ExitStack) -> Sides:
    from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

    def library() -> None:
        line = EphemeralMetrics(namespace="LLMManager")
        for name, value in TARGET.items():
            line.add_dimension(name, value)
        for name, value in COUNTERS.items():
            line.add_metric(name, MetricUnit.Count, value)
        line.flush_metrics()

    return lambda: metrics.put_metrics(COUNTERS, by=TARGET), library


def threading_server(stack: ExitStack) -> Sides:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: Any) -> None:
            """Do not log requests."""

    server = stack.enter_context(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    stack.callback(server.shutdown)
    return exchange(stack, own_server(stack)), exchange(stack, server.server_port)


def aiohttp_server(stack: ExitStack) -> Sides:
    from aiohttp import web

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(body=b"{}")

    async def serve() -> int:
        app = web.Application()
        app.router.add_post("/", answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return int(runner.addresses[0][1])

    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    stack.callback(loop.call_soon_threadsafe, loop.stop)
    port = asyncio.run_coroutine_threadsafe(serve(), loop).result()
    return exchange(stack, own_server(stack)), exchange(stack, port)


def own_server(stack: ExitStack) -> int:
    async def answer(_: ServerRequest) -> ServerResponse:
        return ServerResponse(200, b"{}")

    server = HttpServer(answer)
    server.start()
    stack.callback(server.stop)
    return server.port


def exchange(stack: ExitStack, port: int) -> Callable[[], Any]:
    """Return a function that sends a request on one connection and reads the response."""
    client = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
    body = json.dumps(REQUEST).encode()
    head = f"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n".encode()

    def send() -> None:
        client.sendall(head + body)
        received = b""
        while not received.endswith(b"\r\n\r\n{}"):
            received += client.recv(65536)

    return send


def certificate(_: ExitStack) -> Sides:
    import trustme

    return make_certificate, lambda: trustme.CA().issue_cert("127.0.0.1")


def id_set(_: ExitStack) -> Sides:
    own, other = IdSet(), set[str]()
    numbers = (iter(range(10_000_000)), iter(range(10_000_000)))
    return lambda: own.add(f"record-{next(numbers[0])}"), lambda: other.add(f"record-{next(numbers[1])}")


# Part, library, module to import, packages that would be added, function that returns both sides.
COMPARISONS: tuple[tuple[str, str, str, tuple[str, ...], Callable[[ExitStack], Sides] | None], ...] = (
    ("JSON Schema: answer", "fastjsonschema", "fastjsonschema", ("fastjsonschema",), fast_json_schema),
    ("JSON Schema: schema, answer", "fastjsonschema", "", (), fast_json_schema_with_compilation),
    ("JSON Schema: answer", "jsonschema", "jsonschema", ("jsonschema",), json_schema),
    ("JSON Schema: answer", "jsonschema-rs", "jsonschema_rs", ("jsonschema-rs",), rust_json_schema),
    ("patterns (replaced)", "google-re2", "re2", (), None),
    ("event of a stream", "botocore", "", (), event_parser),
    ("request validation", "botocore", "botocore.validate", (), request_validation),
    ("JSON text", "orjson", "orjson", ("orjson",), json_parser),
    ("metrics line", "Powertools Metrics", "aws_lambda_powertools.metrics", (), metrics_line),
    ("traces", "Powertools Tracer", "aws_xray_sdk.core", ("aws-xray-sdk",), None),
    ("routes", "Powertools", "aws_lambda_powertools.event_handler.api_gateway", (), None),
    ("queue messages", "Powertools", "aws_lambda_powertools.utilities.batch", (), None),
    ("settings", "pydantic-settings", "pydantic_settings", ("pydantic-settings",), None),
    ("HTTP server", "http.server", "http.server", (), threading_server),
    ("HTTP server", "aiohttp", "aiohttp.web", ("aiohttp",), aiohttp_server),
    ("certificate", "trustme", "trustme", ("trustme",), certificate),
    ("set of ids", "set", "", (), id_set),
)


def rows() -> Iterator[tuple[str, ...]]:
    """Measure each comparison whose library is installed, and yield its row."""
    for part, library, module, packages, sides in COMPARISONS:
        if module and importlib.util.find_spec(module.partition(".")[0]) is None:
            continue
        cells = [part, library, import_ms(module) if module else "", added_mb(packages) if packages else ""]
        if sides is not None:
            with ExitStack() as stack:
                own, other = ratio_of(*sides(stack))
            cells += [number(1e6 * own), number(1e6 * other), number(other / own)]
        yield tuple(cells) + ("",) * (len(HEADINGS) - len(cells))


def ratio_of(own: Callable[[], Any], other: Callable[[], Any]) -> tuple[float, float]:
    """Return the least seconds of both functions, measured in turn. Other processes only add time."""
    with contextlib.redirect_stdout(io.StringIO()):
        calls = max(1, int(0.02 / max(seconds(own, 1), seconds(own, 1))))
        taken = [(seconds(own, calls), seconds(other, calls)) for _ in range(ROUNDS)]
    return min(turn[0] for turn in taken), min(turn[1] for turn in taken)


def seconds(function: Callable[[], Any], calls: int) -> float:
    started = time.perf_counter()
    for _ in range(calls):
        function()
    return (time.perf_counter() - started) / calls


def import_ms(module: str) -> str:
    """Return the time to import a module in a new process that has loaded what a function has loaded."""
    code = f"import time\n{LOADED}\nstarted = time.perf_counter()\nimport {module}\n"
    (seconds,) = in_new_processes(code + "print(time.perf_counter() - started)")
    return number(1e3 * seconds)


def in_new_processes(*codes: str) -> list[float]:
    """Return the least number that each code prints, run in turn."""

    def run(code: str) -> float:
        command = [sys.executable, "-W", "ignore", "-c", code]
        return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    rounds = [[run(code) for code in codes] for _ in range(ROUNDS)]
    return [min(turns) for turns in zip(*rounds, strict=True)]


def added_mb(packages: tuple[str, ...]) -> str:
    """Size of the packages and of what they require, without what the asset has already."""
    asset = {name.lower() for name, _ in locked_distributions()}
    found: set[str] = set()
    pending = list(packages)
    while pending:
        name = pending.pop().lower().replace("_", "-")
        if name in asset | found:
            continue
        with contextlib.suppress(metadata.PackageNotFoundError):
            requirements = metadata.requires(name) or []
            found.add(name)
            plain = (text for text in requirements if "extra ==" not in text)
            pending += [re.split(r"[^\w.-]", text, maxsplit=1)[0] for text in plain]
    return number(sum(map(installed_bytes, found)) / 1e6)


def installed_bytes(name: str) -> int:
    files = [file for file in metadata.files(name) or [] if "__pycache__" not in file.parts]
    return sum(Path(str(file.locate())).stat().st_size for file in files)


def botocore_data() -> Iterator[tuple[str, ...]]:
    """Yield size and time to the first client with botocore's whole data, and with less of it."""
    code = "import time\nstarted = time.perf_counter()\nfrom botocore import loaders, session\n"
    code += "loaders.Loader.BUILTIN_DATA_PATH = {!r}\nsession = session.Session()\n{}\n"
    code += "session.create_client('bedrock-runtime', region_name='us-east-1')\n"
    code += "print(time.perf_counter() - started)"
    skip = "from llmmanager.bedrock.transport.botocore_data import skip_unused_data\n"
    skip += "skip_unused_data(session.get_component('data_loader'))"
    with tempfile.TemporaryDirectory() as folder:
        build_asset(Path(folder), packages=None)
        whole, trimmed = (Path(path, "data") for path in (botocore.__path__[0], f"{folder}/botocore"))
        variants = {
            "whole": (whole, ""),
            "whole, large files skipped (library)": (whole, skip),
            "used services only (asset)": (trimmed, skip),
        }
        times = in_new_processes(*(code.format(str(data), more) for data, more in variants.values()))
        for (name, (data, _)), first in zip(variants.items(), times, strict=True):
            size = sum(file.stat().st_size for file in data.rglob("*") if file.is_file())
            yield name, number(size / 1e6), number(1e3 * first)


def id_set_mb(ids: int = 2_000_000) -> Iterator[tuple[str, ...]]:
    """Yield the memory of the digests of so many ids."""
    tables = IdSet()._tables
    yield "IdSet", number(sum(table.nbytes for table in tables) / 1e6)
    digests = {number << 32 for number in range(1, ids + 1)}
    yield "set of int", number((sys.getsizeof(digests) + ids * sys.getsizeof(1 << 63)) / 1e6)


if __name__ == "__main__":
    print_table(HEADINGS, list(rows()))
    print()
    print_table(("botocore data", "MB", "import and first client ms"), list(botocore_data()))
    print()
    print_table(("2 million ids", "MB"), list(id_set_mb()))
