"""Recordings of commands on a page: `python -m tests.docs.console_page` records them again.

A block of the language `console` has commands after `$ ` and what a terminal shows. Blocks with the info
`console stack` need a deployed stack. The files of the page, in blocks with the info `text FILE` or
`jsonl FILE`, are written first. All commands of a page run in one folder. A line `^C` is Ctrl-C: it is sent
when the command has printed as many lines as the page shows before it.
"""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

from llmmanager.testing import FakeBedrock
from tests.command_line import ROOT, environment, read_terminal, shown

PAGE = ROOT / "docs" / "guides" / "command-line.md"
BLOCK = re.compile(r"^```console(?P<where>[^\n]*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
FILE = re.compile(r"^```(?:jsonl|text) (?P<name>\S+)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
# The page shows these names instead of ids. A command that has one of them runs with the last id of its kind.
_IDS = {
    "ID": re.compile(r"\b\d{8}T\d{6}-[0-9a-f]{16}\b"),
    "KEY": re.compile(r"(?<=sk-)[0-9A-Za-z]+(?=-)"),
}
_SECRET = re.compile(r"(?<=sk-KEY-)\S+")
# These differ between two runs.
_VARIABLE = (
    (re.compile(r"\b\d+(\.\d+)? (ms|s)\b|\b\d+ min \d+ s\b"), "DURATION"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"), "TIME"),
    (re.compile(r"127\.0\.0\.1:\d+"), "ADDRESS"),
    (re.compile(r" +"), " "),
)
INTERRUPT = "^C"


def commands_of(text: str) -> Iterator[str]:
    """Yield the commands of a block."""
    return (line.removeprefix("$ ") for line in text.splitlines() if line.startswith("$ "))


def lines_before_interrupt(text: str) -> Iterator[int | None]:
    """Yield for each command of a block after how many lines it is interrupted; None if it ends by itself."""
    for command in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        _, *lines = command.splitlines()
        yield lines.index(INTERRUPT) if INTERRUPT in lines else None


def normalized(text: str) -> str:
    """Return a text without what differs between two runs."""
    for pattern, replacement in _VARIABLE:
        text = pattern.sub(replacement, text)
    return text


def recorded(page: str, folder: Path, settings: Mapping[str, str], *, where: str = "") -> str:
    """Run the commands of a page in a folder, and return the page with what they have printed.

    Args:
        settings: environment variables of the commands.
        where: the info of the blocks to run, after `console`.
    """
    (folder / "bin").mkdir(exist_ok=True)
    command = folder / "bin" / "llmmanager"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m llmmanager "$@"\n')
    command.chmod(0o755)
    for file in FILE.finditer(page):
        (folder / file["name"]).write_text(file["text"])
    paths = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    variables = {**environment(settings), "PATH": paths, "NO_COLOR": "1"}

    ids: dict[str, str] = {}

    def run(block: re.Match[str]) -> str:
        if block["where"].strip() != where:
            return block[0]
        outputs = [
            _recorded_command(line, folder, variables, ids, lines=lines)
            for line, lines in zip(
                commands_of(block["text"]), lines_before_interrupt(block["text"]), strict=True
            )
        ]
        return f"```console{block['where']}\n{''.join(outputs)}```"

    return BLOCK.sub(run, page)


def _recorded_command(
    line: str, folder: Path, variables: Mapping[str, str], ids: dict[str, str], *, lines: int | None
) -> str:
    """Return a command and its output, with names instead of ids. New ids are added to `ids`."""
    command = line
    for name, id_ in ids.items():
        command = re.sub(rf"\b{name}\b", id_, command)
    output = shown(on_terminal(command, folder, variables, lines_before_interrupt=lines))
    for name, pattern in _IDS.items():
        if found := pattern.search(output):
            ids[name] = found[0]
        if name in ids:
            # In a table, the columns after the name stay in place.
            output = re.sub(f"{ids[name]}(?=  )", name.ljust(len(ids[name])), output)
            output = output.replace(ids[name], name)
    return f"$ {line}\n{_SECRET.sub('SECRET', output)}"


def on_terminal(
    command: str, folder: Path, variables: Mapping[str, str], *, lines_before_interrupt: int | None = None
) -> str:
    """Run a command line in a shell on a pseudo-terminal, and return what it prints."""
    ours, theirs = pty.openpty()
    # Standard input is empty, so that a command that reads it does not wait.
    process = subprocess.Popen(
        ["bash", "-c", command],
        cwd=folder,
        env=dict(variables),
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    with closing(os.fdopen(ours, "rb", buffering=0)) as terminal:
        printed = ""
        if lines_before_interrupt is not None:
            printed = read_terminal(terminal, lines=lines_before_interrupt) + f"{INTERRUPT}\n"
            # A terminal shows Ctrl-C, and sends the signal to all processes in it.
            os.killpg(process.pid, signal.SIGINT)
        printed += read_terminal(terminal)
    process.wait()
    return printed


def settings_for(bedrock: FakeBedrock) -> dict[str, str]:
    """Set the quotas that the page shows, and return the variables of its commands."""
    for model in ("amazon.nova-lite-v1:0", "amazon.nova-micro-v1:0"):
        for access, tokens in (("on_demand", 200_000), ("geo", 400_000)):
            bedrock.set_quota(tokens_per_minute=tokens, model=model, access=access)
    return {**bedrock.environment, "AWS_REGION": "us-east-1"}


def main() -> None:
    """Record the commands that need FakeBedrock only, and update the page."""
    with tempfile.TemporaryDirectory() as folder, FakeBedrock() as bedrock:
        page = recorded(PAGE.read_text("utf-8"), Path(folder), settings_for(bedrock))
        PAGE.write_text(page, "utf-8")


if __name__ == "__main__":
    main()
