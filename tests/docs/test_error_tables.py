"""The tables of errors in the guides agree with the decisions of the library."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from llmmanager.bedrock.invocation.feature_table import find_feature, public_name
from llmmanager.bedrock.routing.classification import classify
from llmmanager.bedrock.routing.decision import Decision, Kind
from llmmanager.bedrock.routing.error_rule import GAP
from llmmanager.bedrock.routing.error_table import ANY, CLIENT_RULES, RULES
from llmmanager.bedrock.routing.unsupported_features import NAMED_FIELDS

GUIDES = Path(__file__).resolve().parents[2] / "docs" / "guides"
ERROR = re.compile(r"`(?P<code>\w+)`(?: “(?P<text>[^”]+)”)?")


def rows(page: str, header: str) -> list[list[str]]:
    """Return the cells of each row of the table that starts with `header`."""
    _, found, rest = (GUIDES / page).read_text("utf-8").partition(f"| {header} |")
    assert found, f"{page} has no table with {header!r}"
    table = rest.partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def decided(code: str, text: str) -> Decision | None:
    """Return the decision for an error of a service, or of a client by its class name."""
    if code in CLIENT_RULES:
        return CLIENT_RULES[code]
    code = "SomethingException" if code == "any" else code
    return classify(ClientError({"Error": {"Code": code, "Message": f"So: {text}."}}, "Converse"))


DECISIONS = [
    (match["code"], match["text"] or "", row)
    for row in rows("failover-and-retries.md", "errors")
    for match in ERROR.finditer(row[0])
]
DROPS = [
    (match["code"], match["text"] or "", row)
    for row in rows("feature-fallback.md", "rejection")
    for match in ERROR.finditer(row[0])
]


@pytest.mark.parametrize(("code", "text", "row"), DECISIONS, ids=lambda value: str(value)[:60])
def test_an_error_leads_to_the_decision_on_the_page(code: str, text: str, row: list[str]) -> None:
    decision = decided(code, text)
    assert decision is not None
    assert row[1:3] == [f"`{decision.next.value}`", "yes" if decision.transient else "no"]


@pytest.mark.parametrize(("code", "text", "row"), DROPS, ids=lambda value: str(value)[:60])
def test_a_rejection_leaves_out_the_feature_on_the_page(code: str, text: str, row: list[str]) -> None:
    code = ANY if code == "any" else code
    message = text.replace(GAP, " x ")
    rule = next(rule for rule in RULES if rule.matches(code, message))
    assert (rule.code, rule.text, rule.decision.kind) == (code, text, Kind.FEATURE)
    assert row[1] == ", ".join(f"`{public_name(key)}`" for key in rule.decision.features)
    found = [find_feature(key) for key in rule.decision.features if key != NAMED_FIELDS]
    assert set(row[2].split(", ")) >= {feature.feature_class.value for feature in found if feature}


def test_every_error_that_the_library_knows_is_on_a_page() -> None:
    documented = {(code, text) for code, text, _ in (*DECISIONS, *DROPS)}
    known = {("any" if rule.code == ANY else rule.code, rule.text) for rule in RULES}
    known |= {(name, "") for name in CLIENT_RULES}
    assert documented == known
