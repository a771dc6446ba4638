"""`llmmanager ask` as a process, with pipes and on a terminal."""

from __future__ import annotations

import json
import signal
import struct
import zlib
from pathlib import Path

import pytest

from llmmanager.testing import FakeBedrock, Fault
from tests.command_line import run, run_in_terminal, start
from tests.waiting import PATIENCE_SECONDS, wait_until


def png() -> bytes:
    """Return a picture of one pixel."""
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"\0\0\0\0")),
        (b"IEND", b""),
    )
    chunks = (struct.pack(">I", len(b)) + n + b + struct.pack(">I", zlib.crc32(n + b)) for n, b in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def test_the_answer_alone_is_written_to_a_pipe(settings: dict[str, str], fake_bedrock: FakeBedrock) -> None:
    ended = run("ask", "What is a shard?", "--system", "Be brief", "--max-tokens", "50", settings=settings)

    (call,) = fake_bedrock.calls
    assert (ended.status, ended.err) == (0, "")
    assert "shard" in ended.out
    assert "\x1b" not in ended.out
    assert call.operation == "ConverseStream"
    assert call.body["system"] == [{"text": "Be brief"}]
    assert call.body["inferenceConfig"] == {"maxTokens": 50}


def test_standard_input_and_files_come_before_the_prompt(
    settings: dict[str, str], fake_bedrock: FakeBedrock, tmp_path: Path
) -> None:
    (tmp_path / "photo.PNG").write_bytes(png())
    (tmp_path / "notes.md").write_text("# Notes")
    (tmp_path / "main.go").write_text("package main")

    ended = run(
        *("ask", "Compare them", "-f", "photo.PNG", "-f", "notes.md", "-f", "main.go", "--no-stream"),
        input="a,b\n",
        cwd=tmp_path,
        settings=settings,
    )

    assert ended.status == 0, ended.err
    (call,) = fake_bedrock.calls
    assert call.operation == "Converse"
    image, document, code, text = call.body["messages"][0]["content"]
    assert image["image"]["format"] == "png"
    assert (document["document"]["name"], document["document"]["format"]) == ("notes", "md")
    assert (code["document"]["name"], code["document"]["format"]) == ("main", "txt")
    assert text == {"text": "a,b\n\nCompare them"}


def test_json_has_the_text_the_target_and_the_cost(settings: dict[str, str]) -> None:
    ended = run("ask", "--json", "-m", "Nova Micro", input="Hello", settings=settings)

    answer = json.loads(ended.out)
    assert ended.status == 0
    assert answer["text"] == answer["modelOutput"]["output"]["message"]["content"][0]["text"]
    assert (answer["model"], answer["region"]) == ("amazon.nova-micro-v1:0", "us-east-1")
    assert answer["estimatedCostUsd"] > 0


def test_an_answer_follows_a_schema(settings: dict[str, str], tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    (tmp_path / "city.json").write_text(json.dumps(schema))

    from_file = run("ask", "Which city?", "--schema", "city.json", cwd=tmp_path, settings=settings)
    inline = run("ask", "Which city?", "--schema", json.dumps(schema), "--json", settings=settings)
    invalid = run("ask", "Which city?", "--schema", "{", settings=settings)

    assert isinstance(json.loads(from_file.out)["name"], str)
    assert json.loads(inline.out)["parsed"].keys() == {"name"}
    assert (invalid.status, len(invalid.err.splitlines())) == (2, 1)


def test_a_terminal_shows_model_and_cost_after_the_answer(settings: dict[str, str]) -> None:
    coloured = run_in_terminal("ask", "Hello", settings=settings)
    plain = run_in_terminal("ask", "Hello", settings={**settings, "NO_COLOR": "1"})

    assert coloured.out.splitlines()[-1].startswith("\x1b[2mamazon.nova-lite-v1:0 in us-east-1, ")
    assert plain.out.splitlines()[-1].startswith("amazon.nova-lite-v1:0 in us-east-1, ")
    assert "\x1b" not in plain.out


def test_a_terminal_gets_no_control_characters_of_an_answer(settings: dict[str, str]) -> None:
    with FakeBedrock(responder=lambda call: "red \x1b[31m and \x07\x9b2J bell") as bedrock:
        ended = run_in_terminal("ask", "Hello", settings={**settings, **bedrock.environment, "NO_COLOR": "1"})

    assert "red" in ended.out
    assert not {"\x1b", "\x07", "\x9b"} & set(ended.out)


@pytest.mark.parametrize(
    ("arguments", "removed", "status", "message", "advice"),
    [
        (("ask", "Hi"), "AWS_ACCESS_KEY_ID", 3, "no AWS credentials were found", "llmmanager doctor"),
        (("ask", "Hi"), "AWS_REGION", 3, "no AWS region is configured", "--region us-east-1"),
        (("ask", "Hi", "-m", "Nova Lit"), None, 3, 'Similar names: "Nova Lite"', "llmmanager models"),
        (("usage",), "AWS_ACCESS_KEY_ID", 3, "no AWS credentials were found", "llmmanager doctor"),
        (("usage",), "AWS_REGION", 3, "no AWS region is configured", "--region us-east-1"),
        (("budgets", "set", "team", "x"), None, 2, "--daily or --monthly is required", "budgets delete"),
        (("ask",), None, 2, "there is no prompt", "Example"),
        (("ask", "Hi", "-f", "missing.pdf"), None, 2, "missing.pdf: No such file", None),
        (("ask", "Hi", "-f", "/dev/null"), None, 2, "the file is empty", "Accepted: text, jpeg"),
        (("ask", "Hi", "--temperature", "3"), None, 2, "temperature", None),
    ],
)
def test_an_error_is_one_line_and_what_to_do(
    settings: dict[str, str],
    arguments: tuple[str, ...],
    removed: str | None,
    status: int,
    message: str,
    advice: str | None,
) -> None:
    emptied = {name: "" for name in ("AWS_REGION", "AWS_DEFAULT_REGION") if removed == "AWS_REGION"}
    if removed == "AWS_ACCESS_KEY_ID":
        emptied = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}

    ended = run(*arguments, settings={**settings, **emptied})

    lines = ended.err.splitlines()
    assert (ended.status, ended.out) == (status, "")
    assert lines[0].startswith("llmmanager: ")
    assert message in lines[0]
    assert len(lines) == (2 if advice else 1)
    assert advice is None or advice in lines[1]


def test_a_request_that_no_target_answers_fails(settings: dict[str, str], fake_bedrock: FakeBedrock) -> None:
    fake_bedrock.add_fault(Fault(error="ModelErrorException"))

    ended = run("ask", "Hi", settings=settings)

    assert ended.status == 1
    assert len(ended.err.splitlines()) == 1


def test_a_time_limit_that_passes_has_its_own_status(
    settings: dict[str, str], fake_bedrock: FakeBedrock
) -> None:
    fake_bedrock.set_latency(seconds=PATIENCE_SECONDS)

    assert run("ask", "Hi", "--timeout", "0.5", settings=settings).status == 4


def test_ctrl_c_ends_the_command_without_a_traceback(
    settings: dict[str, str], fake_bedrock: FakeBedrock
) -> None:
    fake_bedrock.set_latency(seconds=PATIENCE_SECONDS)
    process = start("ask", "Hi", settings=settings)
    wait_until(lambda: fake_bedrock.calls)

    process.send_signal(signal.SIGINT)

    assert process.communicate(timeout=PATIENCE_SECONDS) == ("", "interrupted\n")
    assert process.returncode == 130


def test_a_reader_that_ends_early_is_no_error(settings: dict[str, str], fake_bedrock: FakeBedrock) -> None:
    process = start("ask", "Hello", settings=settings)
    assert process.stdout is not None
    process.stdout.close()

    assert process.wait(PATIENCE_SECONDS) == 0
    assert process.stderr is not None
    assert process.stderr.read() == ""
    process.stderr.close()


@pytest.mark.parametrize("arguments", [(), ("ask", "--modell", "x"), ("asks",)])
def test_a_usage_error_has_status_2(arguments: tuple[str, ...]) -> None:
    ended = run(*arguments)
    assert ended.status == 2
    assert "usage: llmmanager" in ended.err


def test_the_version_is_printed() -> None:
    assert run("--version").out.startswith("llmmanager 0.")


def test_local_serves_fake_bedrock_for_the_commands_of_another_shell() -> None:
    process = start("local")
    assert process.stdout is not None
    listening = process.stdout.readline()
    endpoint = listening.split()[-1]
    names = ("AWS_ENDPOINT_URL_BEDROCK", "AWS_ENDPOINT_URL_BEDROCK_RUNTIME")
    keys = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "testing")

    ended = run("ask", "Hi", "-r", "us-west-2", settings={**dict.fromkeys(names, endpoint), **keys})
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=PATIENCE_SECONDS)

    assert ended.status == 0
    assert "ConverseStream us-west-2" in printed
    assert process.returncode == 0
