"""The command `python -m llmmanager.testing`, called as a function."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from llmmanager.testing.__main__ import main
from tests.waiting import PATIENCE_SECONDS, wait_until


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_the_command_serves_and_prints_each_call_until_it_is_stopped(
    capsys: pytest.CaptureFixture[str],
) -> None:
    port = free_port()

    def answered() -> bool:
        url = f"http://127.0.0.1:{port}/foundation-models"
        try:
            urllib.request.urlopen(url, timeout=PATIENCE_SECONDS).close()
        except urllib.error.HTTPError as error:
            error.close()
        except OSError:
            return False
        return True

    def call_and_end() -> None:
        wait_until(answered)
        os.kill(os.getpid(), signal.SIGTERM)

    caller = threading.Thread(target=call_and_end)
    caller.start()
    assert main(["--port", str(port)]) == 0
    caller.join()
    printed = capsys.readouterr().out.splitlines()
    # The server may answer before the command prints its first line.
    assert f"FakeBedrock listening on http://127.0.0.1:{port}" in printed
    assert any(line.startswith("ListFoundationModels") for line in printed)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "must contain a JSON object"),
        ("{", "fake-bedrock: "),
        (json.dumps({"colour": "red"}), "colour is unknown"),
    ],
)
def test_invalid_settings_end_the_command_at_once(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    file = tmp_path / "settings.json"
    file.write_text(text)
    assert main(["--config", str(file)]) == 2
    assert message in capsys.readouterr().err
