"""The benchmark of the streaming API: what is counted, and the configuration of LiteLLM's proxy."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from llmmanager.testing import FakeBedrock, Fault
from local.setup import BENCH_PARTS, SHORT_BENCH_PARTS
from tests.benchmarks.fake import Fake
from tests.benchmarks.litellm_proxy import COMMAND, configuration
from tests.benchmarks.process_usage import Usage, Work, command_of, usages_of, with_descendants, work_between
from tests.benchmarks.streaming import FULL, SHORT
from tests.benchmarks.streaming_client import HttpClient, Received
from tests.benchmarks.streaming_load import Latency, Outcome, percentile
from tests.benchmarks.streaming_report import Measured, section_of
from tests.benchmarks.streaming_sides import FUNCTION, LOCAL_SERVER, PROXY, TARGETS, boto3_side

LATENCY = Latency(first=0.1, gap=0.05)
BUSY = "import time\nwhile time.process_time() < 0.05: pass\nprint(flush=True)\nimport sys; sys.stdin.read()"


def answer(question: str, *, asked: float, pieces: list[float], ended: float, error: str = "") -> Received:
    return Received(question, asked, pieces, "text", ended, error)


def test_time_added_to_an_answer_is_the_time_that_bedrock_did_not_take() -> None:
    answers = [
        answer("one", asked=1.0, pieces=[1.5], ended=1.5),
        answer("two", asked=2.0, pieces=[], ended=9.0, error="x"),
    ]
    outcome = Outcome(answers=answers, bedrock={"one": 0.4, "two": 0.1})
    assert outcome.added() == [pytest.approx(0.1)]
    assert outcome.errors == 1


def test_time_added_to_the_first_token_counts_from_when_the_request_was_due() -> None:
    outcome = Outcome(answers=[answer("one", asked=1.0, pieces=[1.13, 1.2], ended=1.3)])
    assert outcome.added_to_first(LATENCY) == [pytest.approx(0.03)]


def test_chunks_that_come_together_or_late_deviate_from_the_spacing() -> None:
    outcome = Outcome(answers=[answer("one", asked=0, pieces=[1.0, 1.05, 1.05, 1.2], ended=1.3)])
    assert outcome.gap_deviations(LATENCY) == pytest.approx([0, 0.05, 0.1])


def test_percentiles_are_of_the_sorted_values() -> None:
    assert percentile([3, 1, 2], 50) == 2
    assert percentile([3, 1, 2], 99) == 3
    assert str(percentile([], 50)) == "nan"


def test_work_is_that_of_the_processes_that_used_cpu_time() -> None:
    before = {1: Usage(1.0, 50), 2: Usage(2.0, 60)}
    after = {1: Usage(1.0, 51), 2: Usage(2.5, 61), 3: Usage(0.25, 10)}
    work = work_between(before, after)
    assert (work.processes, work.cpu_seconds, work.megabytes) == (2, pytest.approx(0.75), 71)


def test_usage_is_that_of_a_process_and_its_descendants() -> None:
    child = [sys.executable, "-c", BUSY]
    parent = f"import subprocess, sys; subprocess.run({child!r})"
    process = subprocess.Popen([sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with process:
        assert process.stdout is not None
        assert process.stdout.readline()
        found = with_descendants(process.pid)
        usages = usages_of(found)
        commands = [command_of(one) for one in found]
        process.communicate()
    assert len(found) == 2
    assert "process_time" in commands[1]
    assert usages[found[1]].cpu_seconds > 0
    assert usages[found[1]].megabytes > 1
    assert usages_of([process.pid]) == {}


def test_the_proxy_falls_back_to_the_other_regions_in_their_order() -> None:
    settings = configuration("http://127.0.0.1:1", TARGETS)
    models = settings["model_list"]
    assert [model["litellm_params"]["aws_region_name"] for model in models] == [
        region for region, _ in TARGETS
    ]
    (fallbacks,) = settings["router_settings"]["fallbacks"]
    assert [*fallbacks, *fallbacks[models[0]["model_name"]]] == [model["model_name"] for model in models]


@contextmanager
def serving(body: bytes, *, status: int = 200) -> Iterator[str]:
    """The base URL of a server that gives every request the same response."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()
        thread.join()


TEXT = b'data: {"choices": [{"delta": {"content": "one"}, "finish_reason": null}]}\n\n'
END = b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\n'
DONE = b"data: [DONE]\n\n"
FAILED = b'data: {"error": {"message": "region failed"}}\n\n'


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (TEXT + TEXT + END + b": cost\n\n" + DONE, ""),
        (TEXT + TEXT + END, "the stream ended"),
        (TEXT + TEXT + DONE, "the stream ended"),
        (TEXT + TEXT + FAILED + DONE, "HTTPException: error event"),
    ],
)
def test_a_stream_is_complete_if_answer_and_stream_have_an_end(body: bytes, error: str) -> None:
    with serving(body) as url:
        received = HttpClient(url, "key", "model").ask("?", stream=True)
    assert received.error.startswith(error)
    assert bool(received.error) == bool(error)
    assert received.text == "oneone"
    assert received.asked <= received.pieces[0] <= received.pieces[1] <= received.ended


def test_an_error_status_is_an_incomplete_answer() -> None:
    with serving(b"overloaded", status=503) as url:
        received = HttpClient(url, "key", "model").ask("?", stream=False)
    assert "503" in received.error
    assert "overloaded" in received.error


def test_boto3_streams_are_complete_unless_they_break() -> None:
    with FakeBedrock() as fake:
        side = boto3_side(Fake(fake.endpoint_url, pid=0))
        whole = side.client.ask("?", stream=True)
        fake.add_fault(Fault(reset=True, after_chunks=2))
        broken = side.client.ask("?", stream=True)
    assert whole.error == ""
    assert broken.error
    assert len(broken.pieces) == 2


def outcomes(scale: float) -> dict[str, Outcome]:
    """Outcomes of one answer, of which the proxy's took and used `scale` times as much as ours."""

    def one(factor: float, *parts: str) -> Outcome:
        works = {part: [Work(2, 0.01 * factor, 100 * factor)] for part in parts}
        received = answer("?", asked=0, pieces=[0.1 + 0.02 * factor], ended=0.1 + 0.02 * factor)
        return Outcome(answers=[received], bedrock={"?": 0.1}, works=works)

    return {"LLMManager": one(1, FUNCTION, LOCAL_SERVER), "LiteLLM proxy": one(scale, PROXY)}


def measured(scale: float) -> Measured:
    return Measured(
        rate=20,
        seconds=60,
        streams=20,
        single_latency=LATENCY,
        concurrent_latency=LATENCY,
        **{name: outcomes(scale) for name in ("singles", "complete", "concurrent", "failing")},
    )


def test_ratios_are_of_our_value_to_that_of_the_proxy() -> None:
    section = section_of(measured(4), short=False)
    ratios = [figure for figure in section.figures if figure.unit == "x LiteLLM proxy"]
    assert [figure.value for figure in ratios] == pytest.approx([0.25] * 8)
    assert {figure.bar for figure in ratios} == {1.0}


def test_the_local_server_is_shown_apart_from_the_function() -> None:
    table = section_of(measured(4), short=False).tables[1]
    ours, theirs = table.rows
    assert ours[-2:] == [
        "10 ms (function), 10 ms (local server)",
        "100 MB in 2 processes (function), 100 MB in 2 processes (local server)",
    ]
    assert theirs[-2:] == ["40 ms", "400 MB in 2 processes"]


def test_a_short_run_is_not_judged() -> None:
    assert all(figure.bar is None for figure in section_of(measured(1), short=True).figures)


def test_a_short_run_needs_no_environment_of_the_proxy() -> None:
    folder = COMMAND.parents[1]
    assert folder in [part.folder for part in BENCH_PARTS]
    assert [part for part in BENCH_PARTS if part.folder != folder] == list(SHORT_BENCH_PARTS)
    assert FULL.with_proxy
    assert not SHORT.with_proxy
