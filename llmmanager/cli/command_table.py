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
    "batch": "run batches of records, on this machine or on a deployed stack",
    "keys": "manage the API keys of a deployed stack",
    "budgets": "manage the budgets of a deployed stack",
}
"""What the commands that start with the same word are about."""

COMMANDS: Final = (
    Command("ask", "answer a prompt", "ask"),
    Command("chat", "hold a conversation", "chat"),
    Command("models", "show models with their access, quotas and prices", "models"),
    Command("doctor", "check credentials, regions, access, quotas and the clock", "doctor"),
    Command("batch run", "run a batch on this machine", "batch_run"),
    Command("batch validate", "check a file of records without a call", "batch_validate"),
    Command("batch estimate", "estimate the cost and the time of a batch before it runs", "batch_estimate"),
    Command("batch report", "write the report of a folder of results", "batch_report"),
    Command("batch submit", "start a batch on a deployed stack", "batch_submit"),
    Command("batch watch", "follow a batch of a deployed stack until it ends", "batch_watch"),
    Command("batch list", "list the batches of a deployed stack", "batch_list"),
    Command("batch stop", "stop a batch of a deployed stack", "batch_stop"),
    Command("batch resume", "resume a batch of a deployed stack", "batch_resume"),
    Command("batch fetch", "download the files of a batch of a deployed stack", "batch_fetch"),
    Command("usage", "show requests, tokens and cost on a deployed stack", "usage"),
    Command("keys list", "list the API keys of a deployed stack", "keys_list"),
    Command("keys create", "create an API key of a deployed stack", "keys_create"),
    Command("keys revoke", "revoke an API key of a deployed stack", "keys_revoke"),
    Command("budgets list", "list the budgets of a deployed stack, and what is left of them", "budgets_list"),
    Command("budgets set", "set a budget of a deployed stack", "budgets_set"),
    Command("budgets delete", "delete a budget of a deployed stack", "budgets_delete"),
    Command("local", "run FakeBedrock, an imitation of Amazon Bedrock, on this machine", "local"),
    Command("completion", "print the completion script of a shell", "completion"),
)
