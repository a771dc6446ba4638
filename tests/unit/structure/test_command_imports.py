"""The help of the command line starts fast: it loads argparse, and only the command that it is about."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
CODE = """
import sys
before = set(sys.modules)
from llmmanager.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
import json
print("\\n" + json.dumps(sorted(set(sys.modules) - before - {"json"})))
"""
OF_THE_COMMAND = {
    "llmmanager",
    "llmmanager.cli",
    "llmmanager.cli.command_table",
    "llmmanager.cli.exit_status",
    "llmmanager.cli.main",
    "llmmanager.cli.parser",
    "llmmanager.cli.terminal",
}
OF_ASK = {
    "llmmanager.cli.answering",
    "llmmanager.cli.commands",
    "llmmanager.cli.commands.ask",
    "llmmanager.cli.common_options",
}
HEAVY = {"botocore", "boto3", "urllib3", "ssl", "dataclasses", "asyncio", "inspect", "logging", "subprocess"}


def loaded_by(*arguments: str) -> set[str]:
    """Return the modules that a command loads."""
    done = subprocess.run(
        [sys.executable, "-c", CODE, *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    ("arguments", "own"),
    [(("--help",), OF_THE_COMMAND), (("ask", "--help"), OF_THE_COMMAND | OF_ASK)],
)
def test_the_help_loads_its_own_modules_only(arguments: tuple[str, ...], own: set[str]) -> None:
    loaded = loaded_by(*arguments)
    assert {name for name in loaded if name.startswith("llmmanager")} == own
    assert not HEAVY & loaded
    assert len(loaded) < 80
