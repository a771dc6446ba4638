"""The table of commands: for dispatch, the help, the reference page and shell completion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple


class Command(NamedTuple):
    """A command.

    Attributes:
        name: its words, such as "batch run".
        summary: what it does, in one line.
        module: its module in `llmmanager.cli.commands`.
    """

    name: str
    summary: str
    module: str

    @property
    def words(self) -> tuple[str, ...]:
        """The words of the name."""
        return tuple(self.name.split())


GROUPS: Final[Mapping[str, str]] = {
    "batch": "run, check and report batches of records",
}
"""What the commands that start with the same word are about."""

COMMANDS: Final = (
    Command("ask", "answer a prompt", "ask"),
    Command("chat", "hold a conversation", "chat"),
    Command("batch run", "run a batch on this machine", "batch_run"),
    Command("batch validate", "check a file of records without a call", "batch_validate"),
    Command("batch report", "write the report of a folder of results", "batch_report"),
    Command("local", "run FakeBedrock, an imitation of Amazon Bedrock, on this machine", "local"),
    Command("completion", "print the completion script of a shell", "completion"),
)
