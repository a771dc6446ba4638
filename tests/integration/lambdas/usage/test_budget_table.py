"""The table of budgets on DynamoDB's own protocol, and what is known while it cannot be reached."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.config import Config

from lambdas.shared.outage import Outage
from lambdas.usage.budget import Budget, BudgetScope, NamedScope, Period
from lambdas.usage.budget_table import (
    MAX_NAME_BYTES,
    BudgetPage,
    BudgetsUnavailable,
    BudgetTable,
    InvalidBudgetToken,
)
from llmmanager.testing import FakeBedrock
from tests.clock import manual_outage_clock
from tests.deployed_storage import BUCKET, USAGE_TABLE
from tests.silent_server import SilentServer, silent_server
from tests.waiting import SILENCE_SECONDS

TEAM: NamedScope = (BudgetScope.TEAM, "search/ads")
CALLER: NamedScope = (BudgetScope.CALLER, "arn:aws:iam::123456789012:user/ada")
KEY: NamedScope = (BudgetScope.KEY, "k" * 16)


def budget(scope: NamedScope = TEAM, *, day: int | None = 5_000_000_000, month: int | None = None) -> Budget:
    limits = {Period.DAY: day, Period.MONTH: month}
    return Budget(
        scope=scope[0],
        name=scope[1],
        limits={period: limit for period, limit in limits.items() if limit is not None},
        updated=datetime(2026, 12, 1, 9, 30, tzinfo=UTC),
        updated_by="arn:aws:iam::123456789012:role/admins",
    )


def unreachable(service: str) -> Any:
    """Return a client of a server that does not exist."""
    config = Config(connect_timeout=1, retries={"total_max_attempts": 1})
    return boto3.client(service, endpoint_url="http://127.0.0.1:1", config=config)


MakeTable = Callable[..., BudgetTable]


@pytest.fixture
def make_table(deployed: FakeBedrock) -> MakeTable:
    """Return a function that returns the table as a new process sees it, with these clients."""

    def make(*, dynamodb: Any = None, s3: Any = None, outage: Outage | None = None) -> BudgetTable:
        return BudgetTable(
            dynamodb or boto3.client("dynamodb"),
            USAGE_TABLE,
            s3=lambda: s3 or boto3.client("s3"),
            bucket=BUCKET,
            outage=outage or Outage(),
        )

    return make


@pytest.fixture
def table(make_table: MakeTable) -> BudgetTable:
    return make_table()


def lose_table() -> None:
    boto3.client("dynamodb").delete_table(TableName=USAGE_TABLE)


def test_a_stored_budget_is_read_as_it_was(table: BudgetTable) -> None:
    stored = budget(day=1, month=10**18)
    table.put(stored)

    assert table.get(*TEAM) == stored
    assert table.find([CALLER, TEAM, TEAM]) == (stored,)


def test_a_budget_replaces_that_of_its_scope_for_the_next_read_of_another_process(
    table: BudgetTable, make_table: MakeTable
) -> None:
    other = make_table()
    table.put(budget(day=5, month=7))
    assert other.find([TEAM])[0].limits == {Period.DAY: 5, Period.MONTH: 7}

    table.put(budget(day=3))

    assert other.find([TEAM])[0].limits == {Period.DAY: 3}


def test_budgets_of_a_call_are_found_in_the_order_of_its_scopes(table: BudgetTable) -> None:
    for scope in (TEAM, KEY, CALLER):
        table.put(budget(scope))

    assert [found.named_scope for found in table.find([KEY, CALLER, TEAM])] == [KEY, CALLER, TEAM]
    assert table.find([]) == ()


def test_a_team_and_a_caller_of_one_name_have_their_own_budgets(table: BudgetTable) -> None:
    table.put(budget((BudgetScope.TEAM, "search")))

    assert table.find([(BudgetScope.CALLER, "search")]) == ()
    assert table.delete(BudgetScope.CALLER, "search") is None
    assert table.get(BudgetScope.TEAM, "search") is not None


def test_a_name_that_is_too_long_for_a_budget_has_none(table: BudgetTable) -> None:
    table.put(budget())

    assert table.find([(BudgetScope.CALLER, "ä" * MAX_NAME_BYTES), TEAM]) == (budget(),)


def test_a_deleted_budget_is_gone(table: BudgetTable) -> None:
    table.put(budget())

    assert table.delete(*TEAM) == budget()
    assert table.delete(*TEAM) is None
    assert table.find([TEAM]) == ()


def test_pages_have_all_budgets_in_the_order_of_scope_and_name(table: BudgetTable) -> None:
    assert table.page(limit=2) == BudgetPage((), None)
    scopes = [
        (scope, name)
        for scope in (BudgetScope.CALLER, BudgetScope.KEY, BudgetScope.TEAM)
        for name in ("a", "b:c")
    ]
    for scope in reversed(scopes):
        table.put(budget(scope))

    found, token = [], None
    for size in (4, 2):
        page = table.page(limit=4, token=token)
        assert len(page.budgets) == size
        found += [one.named_scope for one in page.budgets]
        token = page.token

    assert (found, token) == (scopes, None)
    assert table.page(limit=6).token is None


@pytest.mark.parametrize("token", ["", "team", "team:", "group:a", "team:" + "a" * 2000])
def test_an_invalid_token_is_rejected(table: BudgetTable, token: str) -> None:
    with pytest.raises(InvalidBudgetToken):
        table.page(limit=1, token=token)


def test_a_process_that_knows_the_budget_is_closed_without_the_table(table: BudgetTable) -> None:
    table.put(budget())
    table.find([CALLER])
    boto3.client("s3").delete_object(Bucket=BUCKET, Key=only_object())
    lose_table()

    assert table.find([CALLER]) == ()
    with pytest.raises(BudgetsUnavailable) as raised:
        table.find([CALLER, TEAM])
    assert raised.value.document()["type"] == "urn:llmmanager:problem:store-unavailable"
    assert raised.value.status == 503


def test_a_new_process_knows_from_the_bucket_which_scopes_have_budgets(
    table: BudgetTable, make_table: MakeTable
) -> None:
    table.put(budget())
    table.put(budget(KEY))
    table.delete(*KEY)
    new = make_table(dynamodb=unreachable("dynamodb"))

    assert new.find([KEY, CALLER, (BudgetScope.TEAM, "search")]) == ()
    with pytest.raises(BudgetsUnavailable):
        new.find([CALLER, TEAM])


def test_a_new_process_is_closed_if_it_reaches_neither_table_nor_bucket(make_table: MakeTable) -> None:
    new = make_table(dynamodb=unreachable("dynamodb"), s3=unreachable("s3"))

    with pytest.raises(BudgetsUnavailable):
        new.find([CALLER])


def test_deleting_again_completes_a_deletion_that_ended_early(
    table: BudgetTable, make_table: MakeTable
) -> None:
    table.put(budget())
    interrupted = make_table(s3=unreachable("s3"))
    with pytest.raises(Exception, match="Could not connect"):
        interrupted.delete(*TEAM)
    assert only_object()

    table.delete(*TEAM)

    assert make_table(dynamodb=unreachable("dynamodb")).find([TEAM]) == ()


def test_a_budget_that_is_set_while_it_is_deleted_keeps_its_object(
    table: BudgetTable, make_table: MakeTable
) -> None:
    class SetsAgain:
        """An S3 client before whose deletion another process sets the budget again."""

        def __init__(self) -> None:
            self._s3 = boto3.client("s3")
            self.put_object = self._s3.put_object

        def delete_object(self, **arguments: Any) -> None:
            table.put(budget(month=9))
            self._s3.delete_object(**arguments)

    table.put(budget())
    make_table(s3=SetsAgain()).delete(*TEAM)

    assert table.get(*TEAM) == replace(budget(), limits={Period.DAY: 5_000_000_000, Period.MONTH: 9})
    with pytest.raises(BudgetsUnavailable):
        make_table(dynamodb=unreachable("dynamodb")).find([TEAM])


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[SilentServer]:
    manual_outage_clock(monkeypatch)
    with silent_server() as server:
        yield server


def silent_client(service: str, server: SilentServer) -> Any:
    """Return a client of a server that never answers."""
    config = Config(read_timeout=SILENCE_SECONDS, retries={"total_max_attempts": 2})
    return boto3.client(service, endpoint_url=server.url, config=config)


def test_an_outage_costs_one_wait_and_not_one_for_each_call(
    table: BudgetTable, make_table: MakeTable, silent: SilentServer
) -> None:
    table.put(budget())
    new = make_table(dynamodb=silent_client("dynamodb", silent))

    for _ in range(3):
        assert new.find([CALLER]) == ()
        with pytest.raises(BudgetsUnavailable):
            new.find([CALLER, TEAM])

    assert silent.connections == 2


def test_an_outage_of_table_and_bucket_costs_one_wait_for_each(
    make_table: MakeTable, silent: SilentServer
) -> None:
    new = make_table(dynamodb=silent_client("dynamodb", silent), s3=silent_client("s3", silent))

    for _ in range(3):
        with pytest.raises(BudgetsUnavailable):
            new.find([CALLER])

    assert silent.connections == 4


def test_a_table_that_can_be_reached_again_is_read_after_some_seconds(
    table: BudgetTable, make_table: MakeTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = manual_outage_clock(monkeypatch)
    outage = Outage()
    with pytest.raises(BudgetsUnavailable):
        make_table(dynamodb=unreachable("dynamodb"), s3=unreachable("s3"), outage=outage).find([TEAM])
    table.put(budget())
    again = make_table(outage=outage)

    with pytest.raises(BudgetsUnavailable):
        again.find([TEAM])
    clock.now += 5
    assert again.find([TEAM]) == (budget(),)


def only_object() -> str:
    (found,) = boto3.client("s3").list_objects_v2(Bucket=BUCKET)["Contents"]
    return str(found["Key"])


def test_the_name_of_an_object_does_not_show_the_name_of_the_scope(table: BudgetTable) -> None:
    table.put(budget())

    assert only_object().startswith("budgets/team/")
    assert "search" not in only_object()
