"""The scopes of a caller, and its entries in Converse's metadata."""

from __future__ import annotations

import pytest

from lambdas.usage.budget import BudgetScope
from lambdas.usage.caller import Caller
from llmmanager.json_format.codec import InvalidRequest

ARN = "arn:aws:sts::123456789012:assumed-role/web"


@pytest.mark.parametrize(
    ("caller", "scopes"),
    [
        (Caller(), [(BudgetScope.CALLER, "unknown")]),
        (Caller(ARN, "search"), [(BudgetScope.CALLER, ARN), (BudgetScope.TEAM, "search")]),
        (
            Caller("ada", "search", "key1"),
            [(BudgetScope.KEY, "key1"), (BudgetScope.CALLER, "ada"), (BudgetScope.TEAM, "search")],
        ),
    ],
)
def test_budgets_of_the_key_the_caller_and_the_team_apply(
    caller: Caller, scopes: list[tuple[BudgetScope, str]]
) -> None:
    assert list(caller.scopes()) == scopes


def test_the_metadata_has_only_characters_that_aws_accepts() -> None:
    caller = Caller("arn:aws:iam::1:user/" + "a" * 300, "Bücher & mehr*")
    metadata = caller.metadata("batch/1!")
    assert metadata["team"] == "B_cher _ mehr_"
    assert metadata["batchId"] == "batch/1_"
    assert len(metadata["caller"]) == 256
    assert Caller("ada").metadata() == {"caller": "ada"}


def test_own_entries_replace_those_of_the_request() -> None:
    given = {"caller": "someone else", "batchId": "mine", "ticket": "7"}
    assert Caller("ada", "search").add_metadata(given) == {
        "caller": "ada",
        "batchId": "mine",
        "ticket": "7",
        "team": "search",
    }


def test_more_than_16_entries_together_are_rejected() -> None:
    given = {f"name{number}": "value" for number in range(15)}
    assert len(Caller("ada").add_metadata(given)) == 16
    with pytest.raises(InvalidRequest, match="requestMetadata: must have at most 14 entries"):
        Caller("ada", "search").add_metadata(given)
