"""What a function with the streaming runtime writes to its log."""

from __future__ import annotations

import json
import re
import subprocess

from tests.integration.lambdas.streaming_runtime.conftest import Start
from tests.integration.lambdas.streaming_runtime.loopback_api import LoopbackApi


def log_of(process: subprocess.Popen[str], api: LoopbackApi) -> list[str]:
    """Invoke the handler, end the process, and return the lines of its log."""
    api.invoke({})
    response = api.response()
    response.prelude()
    response.chunks()
    response.reply()
    api.accept("GET", "invocation/next")
    # SIGKILL: lines that wait in a buffer would be lost.
    process.kill()
    # As bytes: reading text would replace carriage returns.
    return process.stdout.buffer.read().decode().split("\n")


def test_a_record_of_the_standard_library_is_one_line_with_the_request_id(
    api: LoopbackApi, start: Start
) -> None:
    line, *_ = log_of(start("logs"), api)
    assert re.fullmatch(r"\[WARNING\]\t\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\trequest-1\ttwo\rlines", line)


def test_printed_text_is_not_buffered(api: LoopbackApi, start: Start) -> None:
    assert "printed" in log_of(start("logs"), api)


def test_records_of_powertools_are_json_with_the_request_id(api: LoopbackApi, start: Start) -> None:
    records = [json.loads(line) for line in log_of(start("powertools"), api) if line]
    assert [record["message"] for record in records] == ["in the handler", "in the body"]
    assert {record["function_request_id"] for record in records} == {"request-1"}
    assert {record["function_name"] for record in records} == {"streaming"}
