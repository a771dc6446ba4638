"""The stores of the catalog: common behavior, files and DynamoDB."""

from __future__ import annotations

import gzip
import logging
import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from moto import mock_aws

from llmmanager.bedrock.catalog.dynamodb_store import DynamoDBStore
from llmmanager.bedrock.catalog.stores import FileStore, MemoryStore

TABLE = "catalog-table"


@pytest.fixture
def dynamodb(aws_credentials):
    import boto3

    with mock_aws():
        client = boto3.client("dynamodb", region_name="us-east-1")
        client.create_table(
            TableName=TABLE,
            KeySchema=[
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[{"AttributeName": n, "AttributeType": "S"} for n in ("pk", "sk")],
            BillingMode="PAY_PER_REQUEST",
        )
        yield client
        client.close()


@pytest.fixture(params=["memory", "file", "dynamodb"])
def store(request, tmp_path):
    if request.param == "memory":
        return MemoryStore()
    if request.param == "file":
        return FileStore(tmp_path / "not" / "made" / "yet")
    return DynamoDBStore(TABLE, client=request.getfixturevalue("dynamodb"))


def test_an_empty_store_returns_nothing(store):
    assert store.load("us-east-1") is None
    assert store.load_all() == {}
    assert store.load_all([]) == {}
    assert store.load_all(["us-east-1", "us-west-2"]) == {}


def test_a_saved_catalog_is_loaded(store, make_region):
    east = make_region("us-east-1", "acme.one", profiles={"acme.two": ("us.acme.two", "global.acme.two")})
    west = make_region("us-west-2", "acme.one")
    assert store.save(east)
    assert store.save(west)
    assert store.load("us-east-1") == east
    assert store.load_all() == {"us-east-1": east, "us-west-2": west}
    assert store.load_all(["us-west-2", "us-west-2", "eu-west-1"]) == {"us-west-2": west}


def test_a_newer_version_replaces_an_older_one(store, make_region):
    assert store.save(make_region("r-1", "acme.old", hour=1))
    newer = make_region("r-1", "acme.new", hour=2)
    assert store.save(newer)
    assert store.load("r-1") == newer


@pytest.mark.parametrize("hour", [1, 2])
def test_a_late_refresh_does_not_replace_a_newer_one(store, hour, make_region):
    newer = make_region("r-1", "acme.new", hour=2)
    store.save(newer)
    assert not store.save(make_region("r-1", "acme.late", hour=hour))
    assert store.load("r-1") == newer


def test_the_newest_version_of_concurrent_writers_is_stored(store, make_region):
    words = [make_region("r-1", f"acme.m{hour}", hour=hour) for hour in range(24)]
    random.Random(7).shuffle(words)
    with ThreadPoolExecutor(8) as pool:
        kept = [word for word, saved in zip(words, pool.map(store.save, words), strict=True) if saved]
    newest = max(words, key=lambda word: word.version)
    assert newest in kept
    assert store.load("r-1") == newest


def test_an_unreadable_file_is_ignored_and_replaced(tmp_path, make_region, caplog):
    store = FileStore(tmp_path)
    store.save(make_region("r-1", "acme.one"))
    (file,) = tmp_path.iterdir()
    file.write_text('{"format": 99}')
    with caplog.at_level(logging.WARNING):
        assert store.load("r-1") is None
        assert store.load_all() == {}
    assert file.name in caplog.text
    assert store.save(make_region("r-1", "acme.one"))
    assert store.load("r-1") is not None


def test_other_files_in_the_directory_are_ignored(tmp_path, make_region, caplog):
    (tmp_path / "notes.json").write_text("{}")
    store = FileStore(tmp_path)
    store.save(make_region("r-1", "acme.one"))
    assert list(store.load_all()) == ["r-1"]
    assert caplog.text == ""
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("region", ["../etc", "a/b", "", "/tmp/x"])
def test_a_region_name_with_a_path_is_rejected(tmp_path, region, make_region):
    store = FileStore(tmp_path / "inside")
    with pytest.raises(ValueError, match="not a valid region name"):
        store.save(make_region(region, "acme.one"))
    with pytest.raises(ValueError, match="not a valid region name"):
        store.load(region)


def test_a_failed_write_does_not_change_the_file(tmp_path, make_region, monkeypatch):
    store = FileStore(tmp_path)
    before = make_region("r-1", "acme.one", hour=1)
    store.save(before)

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        store.save(make_region("r-1", "acme.two", hour=2))
    assert store.load("r-1") == before
    assert len(list(tmp_path.iterdir())) == 1


def test_the_item_has_the_documented_attributes_and_no_ttl(dynamodb, make_region):
    region = make_region("us-east-1", "acme.one")
    DynamoDBStore(TABLE, client=dynamodb).save(region)
    (item,) = dynamodb.scan(TableName=TABLE)["Items"]
    assert item["pk"] == {"S": "catalog"}
    assert item["sk"] == {"S": "us-east-1"}
    assert item["version"] == {"N": str(region.version)}
    assert item["refreshed_at"] == {"S": "2026-11-22T00:00:00+00:00"}
    assert gzip.decompress(item["data"]["B"]).startswith(b'{"format":1')
    assert "expires_at" not in item


def test_every_region_of_the_snapshot_is_far_below_the_item_limit(dynamodb):
    from llmmanager.bedrock.catalog.snapshot import load_snapshot

    store = DynamoDBStore(TABLE, client=dynamodb)
    for region in load_snapshot().values():
        store.save(region)
    items = dynamodb.scan(TableName=TABLE)["Items"]
    assert len(items) == len(load_snapshot())
    assert max(len(item["data"]["B"]) for item in items) < 40_000


@pytest.mark.parametrize(
    "damage",
    [{"data": {"B": b"not gzip"}}, {"data": {"B": gzip.compress(b"{}")}}, {"data": {"S": "text"}}],
)
def test_a_damaged_item_is_ignored_and_replaced(dynamodb, damage, make_region, caplog):
    store = DynamoDBStore(TABLE, client=dynamodb)
    store.save(make_region("r-1", "acme.one", hour=1))
    store.save(make_region("r-2", "acme.one", hour=1))
    stored = dynamodb.get_item(TableName=TABLE, Key={"pk": {"S": "catalog"}, "sk": {"S": "r-1"}})["Item"]
    dynamodb.put_item(TableName=TABLE, Item={**stored, **damage})
    with caplog.at_level(logging.WARNING):
        assert list(store.load_all(["r-1", "r-2"])) == ["r-2"]
    assert "Ignoring the stored catalog" in caplog.text
    assert store.save(make_region("r-1", "acme.one", hour=2))
    assert set(store.load_all()) == {"r-1", "r-2"}


def test_a_truncated_item_is_ignored(dynamodb, make_region):
    store = DynamoDBStore(TABLE, client=dynamodb)
    store.save(make_region("r-1", "acme.one"))
    item = dynamodb.scan(TableName=TABLE)["Items"][0]
    dynamodb.put_item(TableName=TABLE, Item={**item, "data": {"B": item["data"]["B"][:-20]}})
    assert store.load("r-1") is None


class Unprocessing:
    """A DynamoDB client that processes only one key in the first `times` calls."""

    def __init__(self, client, times):
        self._client = client
        self._left = times
        self.key_counts = []

    def batch_get_item(self, RequestItems):
        keys = RequestItems[TABLE]["Keys"]
        self.key_counts.append(len(keys))
        if not self._left:
            return self._client.batch_get_item(RequestItems=RequestItems)
        self._left -= 1
        answer = self._client.batch_get_item(RequestItems={TABLE: {"Keys": keys[:1]}})
        return {**answer, "UnprocessedKeys": {TABLE: {"Keys": keys[1:]}} if keys[1:] else {}}


def test_regions_are_read_in_one_call_and_unprocessed_keys_are_retried(dynamodb, make_region):
    regions = [f"r-{number}" for number in range(5)]
    for region in regions:
        DynamoDBStore(TABLE, client=dynamodb).save(make_region(region, "acme.one"))
    for times, key_counts in [(0, [5]), (2, [5, 4, 3])]:
        client = Unprocessing(dynamodb, times)
        waits: list[float] = []
        assert set(DynamoDBStore(TABLE, client=client, sleep=waits.append).load_all(regions)) == set(regions)
        assert (client.key_counts, len(waits)) == (key_counts, times)


def test_keys_that_stay_unprocessed_cause_a_warning(dynamodb, make_region, caplog):
    regions = [f"r-{number}" for number in range(9)]
    for region in regions:
        DynamoDBStore(TABLE, client=dynamodb).save(make_region(region, "acme.one"))
    client = Unprocessing(dynamodb, 99)
    assert len(DynamoDBStore(TABLE, client=client, sleep=lambda _: None).load_all(regions)) == 5
    assert "left 4 regions" in caplog.text


def test_many_regions_are_read_in_several_calls(dynamodb, make_region):
    regions = [f"r-{number}" for number in range(130)]
    store = DynamoDBStore(TABLE, client=dynamodb)
    for region in regions:
        store.save(make_region(region, "acme.one"))
    client = Unprocessing(dynamodb, 0)
    assert set(DynamoDBStore(TABLE, client=client).load_all(regions)) == set(regions)
    assert client.key_counts == [100, 30]
    assert set(store.load_all()) == set(regions)


def test_a_missing_table_returns_nothing_and_cannot_be_written(dynamodb, make_region, caplog):
    store = DynamoDBStore("no-such-table", client=dynamodb)
    with caplog.at_level(logging.WARNING):
        assert store.load("r-1") is None
        assert store.load_all() == {}
    assert "no-such-table cannot be read" in caplog.text
    with pytest.raises(dynamodb.exceptions.ResourceNotFoundException):
        store.save(make_region("r-1", "acme.one"))


def test_an_unreachable_dynamodb_returns_nothing(aws_credentials, caplog):
    import boto3
    from botocore.config import Config

    client = boto3.client(
        "dynamodb",
        region_name="us-east-1",
        endpoint_url="http://127.0.0.1:9",
        config=Config(retries={"total_max_attempts": 1}),
    )
    assert DynamoDBStore(TABLE, client=client).load_all(["us-east-1"]) == {}
    assert "cannot be read" in caplog.text


def test_a_client_without_a_region_returns_nothing(aws_credentials, monkeypatch, caplog):
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert DynamoDBStore(TABLE).load_all(["us-east-1"]) == {}
    assert "cannot be read" in caplog.text


def test_a_store_creates_its_client_by_default(dynamodb, make_region):
    store = DynamoDBStore(TABLE)
    assert store.save(make_region("r-1", "acme.one"))
    assert store.load("r-1") is not None
