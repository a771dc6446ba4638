"""The table of API keys on DynamoDB's own protocol."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lambdas.api_keys.api_key import ApiKey, KeyIdentity
from lambdas.api_keys.key_table import InvalidPageToken, KeyPage, KeyTable
from lambdas.api_keys.key_text import KeyText, new_key, new_key_id

START = datetime(2026, 11, 30, tzinfo=UTC)
AddKey = Callable[..., KeyText]


def make_key(**changes: Any) -> ApiKey:
    text = new_key(new_key_id())
    given = {"owner": "ada", "team": "search", "models": None, "regions": None, "expires": None}
    return ApiKey(
        identity=KeyIdentity(**{"key_id": text.id, **given, **changes}),
        digest=text.digest,
        created=START,
        created_by="arn:aws:iam::123456789012:role/admins",
    )


def ids(page: KeyPage) -> list[str]:
    return [key.identity.key_id for key in page.keys]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"models": ("Nova Lite", "amazon.nova-micro-v1:0"), "regions": ("us-east-1",)},
        {"expires": START + timedelta(days=90, milliseconds=5)},
    ],
)
def test_a_stored_key_is_read_as_it_was(key_table: KeyTable, changes: dict[str, Any]) -> None:
    key = make_key(**changes)

    assert key_table.add(key)
    assert key_table.get(key.identity.key_id) == key


def test_an_unknown_key_does_not_exist(key_table: KeyTable) -> None:
    assert key_table.get(new_key_id()) is None
    assert key_table.revoke(new_key_id(), by="arn", now=START) is None
    assert key_table.page(limit=1) == KeyPage((), None)


def test_a_key_is_not_overwritten(key_table: KeyTable) -> None:
    key = make_key()
    key_table.add(key)

    assert not key_table.add(make_key(key_id=key.identity.key_id, owner="mallory"))
    assert key_table.get(key.identity.key_id) == key


def test_the_table_holds_no_secret(key_table: KeyTable, add_key: AddKey) -> None:
    secret = add_key().text.rpartition("-")[2]

    assert secret not in repr(key_table.client.scan(TableName=key_table.name))


def test_a_revoked_key_keeps_the_first_revocation(key_table: KeyTable) -> None:
    key = make_key(models=("Nova Lite",))
    key_table.add(key)

    first = key_table.revoke(key.identity.key_id, by="arn:first", now=START)
    second = key_table.revoke(key.identity.key_id, by="arn:second", now=START + timedelta(days=1))

    assert first == second == key_table.get(key.identity.key_id)
    assert first is not None
    assert (first.revoked, first.revoked_by, first.identity) == (START, "arn:first", key.identity)


def test_pages_have_all_keys_once_the_newest_first(key_table: KeyTable, add_key: AddKey) -> None:
    # Several keys have the same time.
    added = [add_key(created=START + timedelta(hours=n // 3)).id for n in range(10)]

    found, token = [], None
    while True:
        page = key_table.page(limit=3, token=token)
        found += page.keys
        token = page.token
        if token is None:
            break
        assert len(page.keys) == 3

    assert sorted(key.identity.key_id for key in found) == sorted(added)
    times = [key.created for key in found]
    assert times == sorted(times, reverse=True)


@pytest.mark.parametrize("count", [2, 3])
def test_the_last_page_has_no_token(key_table: KeyTable, add_key: AddKey, count: int) -> None:
    for _ in range(count):
        add_key()

    assert (key_table.page(limit=2).token is None) == (count == 2)


def test_filters_apply_before_the_limit(key_table: KeyTable, add_key: AddKey) -> None:
    keys = [
        add_key(owner=owner, team=team, created=START + timedelta(hours=n))
        for n, (owner, team) in enumerate([("ada", "a"), ("bob", "a"), ("ada", "b"), ("ada", "a")])
    ]

    assert ids(key_table.page(limit=9, owner="bob")) == [keys[1].id]
    assert ids(key_table.page(limit=9, team="a")) == [keys[n].id for n in (3, 1, 0)]
    assert ids(key_table.page(limit=9, owner="ada", team="b")) == [keys[2].id]
    first = key_table.page(limit=1, owner="ada", team="a")
    assert ids(first) == [keys[3].id]
    second = key_table.page(limit=1, owner="ada", team="a", token=first.token)
    assert (ids(second), second.token) == ([keys[0].id], None)


def test_a_filter_reads_more_than_one_page_of_dynamodb(key_table: KeyTable, add_key: AddKey) -> None:
    long = "x" * 2000
    for n in range(700):
        add_key(models=(long,), created=START + timedelta(hours=n))
    oldest = add_key(owner="bob", created=START - timedelta(days=1))

    assert ids(key_table.page(limit=1, owner="bob")) == [oldest.id]


@pytest.mark.parametrize("token", ["", "x", "2026-11-30T00:00:00.000Z", "2026-11-30T00:00:00.000Z_../etc"])
def test_an_invalid_token_is_rejected(key_table: KeyTable, token: str) -> None:
    with pytest.raises(InvalidPageToken):
        key_table.page(limit=1, token=token)
