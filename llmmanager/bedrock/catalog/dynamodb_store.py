"""Stores the catalog in DynamoDB: one item per region, shared by all deployed functions.

An item has `pk` = "catalog", `sk` = the region, `version` (N), `refreshed_at` (S, ISO) and `data` (B, the
region's catalog as gzipped JSON, about 4 KB; the limit of an item is 400 KB). It has no TTL: it stays until a
newer catalog replaces it. The version is the time of the call to Bedrock, so that a late refresh does not
replace a newer one.
"""

from __future__ import annotations

import gzip
import logging
import random
import threading
import time
import zlib
from collections.abc import Callable, Iterable
from typing import Any

from llmmanager.bedrock.catalog.catalog_entries import RegionCatalog
from llmmanager.bedrock.forks import after_fork

_PARTITION = "catalog"
# Maximum number of keys of one BatchGetItem.
_BATCH = 100
_ATTEMPTS = 5
_FIRST_DELAY_SECONDS = 0.05

_log = logging.getLogger(__name__)


class DynamoDBStore:
    """Stores each region in an item of a DynamoDB table with the keys `pk` and `sk`, both strings.

    Args:
        table_name: name of the table.
        client: a boto3 DynamoDB client; by default it is created when first needed.
        sleep: waits before unprocessed keys are read again, in seconds.
    """

    def __init__(
        self, table_name: str, *, client: Any = None, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._table = table_name
        self._given_client = client
        self._sleep = sleep
        self._start_empty()
        after_fork(self, DynamoDBStore._start_empty)

    def _start_empty(self) -> None:
        """Start without a client: a fork must not use the connections of its parent."""
        self._lock = threading.Lock()
        self._own_client: Any = None

    def load(self, region: str) -> RegionCatalog | None:
        """See `CatalogStore`."""
        return self.load_all([region]).get(region)

    def load_all(self, regions: Iterable[str] | None = None) -> dict[str, RegionCatalog]:
        """See `CatalogStore`. Given regions are read with one BatchGetItem."""
        distinct = None if regions is None else list(dict.fromkeys(regions))
        if distinct == []:
            return {}
        try:
            items = self._query() if distinct is None else self._batch_get(distinct)
        except Exception as error:
            _log.warning("The catalog in table %s cannot be read: %s", self._table, error)
            return {}
        catalogs = [catalog for item in items if (catalog := _decode(item))]
        return {catalog.region: catalog for catalog in catalogs}

    def save(self, catalog: RegionCatalog) -> bool:
        """See `CatalogStore`."""
        client = self._client()
        try:
            client.put_item(
                TableName=self._table,
                Item=_encode(catalog),
                ConditionExpression="attribute_not_exists(pk) OR #version < :version",
                ExpressionAttributeNames={"#version": "version"},
                ExpressionAttributeValues={":version": {"N": str(catalog.version)}},
            )
        except client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def _query(self) -> list[dict[str, Any]]:
        pages = (
            self._client()
            .get_paginator("query")
            .paginate(
                TableName=self._table,
                KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues={":pk": {"S": _PARTITION}},
            )
        )
        return [item for page in pages for item in page["Items"]]

    def _batch_get(self, regions: list[str]) -> list[dict[str, Any]]:
        keys = [_key(region) for region in regions]
        items: list[dict[str, Any]] = []
        for start in range(0, len(keys), _BATCH):
            items += self._get(keys[start : start + _BATCH])
        return items

    def _get(self, keys: list[dict[str, Any]]) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        for attempt in range(_ATTEMPTS):
            answer = self._client().batch_get_item(RequestItems={self._table: {"Keys": keys}})
            items += answer.get("Responses", {}).get(self._table, [])
            keys = answer.get("UnprocessedKeys", {}).get(self._table, {}).get("Keys", [])
            if not keys:
                return items
            self._sleep(random.uniform(0, _FIRST_DELAY_SECONDS * 2**attempt))
        _log.warning("DynamoDB left %d regions of table %s unread", len(keys), self._table)
        return items

    def _client(self) -> Any:
        if self._given_client is not None:
            return self._given_client
        with self._lock:
            if self._own_client is None:
                self._own_client = _default_client()
            return self._own_client


def _key(region: str) -> dict[str, Any]:
    return {"pk": {"S": _PARTITION}, "sk": {"S": region}}


def _encode(catalog: RegionCatalog) -> dict[str, Any]:
    item = {
        **_key(catalog.region),
        "version": {"N": str(catalog.version)},
        # With a fixed mtime, equal catalogs have equal bytes.
        "data": {"B": gzip.compress(catalog.to_json().encode(), mtime=0)},
    }
    if catalog.refreshed_at:
        item["refreshed_at"] = {"S": catalog.refreshed_at.isoformat()}
    return item


def _decode(item: dict[str, Any]) -> RegionCatalog | None:
    try:
        return RegionCatalog.from_json(gzip.decompress(item["data"]["B"]))
    except (EOFError, KeyError, OSError, TypeError, ValueError, zlib.error) as error:
        _log.warning("Ignoring the stored catalog %s: %r", item.get("sk"), error)
        return None


def _default_client() -> Any:
    import boto3
    from botocore.config import Config

    # Short timeouts, since the catalog can use the bundled snapshot instead of the store.
    config = Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 2})
    return boto3.Session().client("dynamodb", config=config)
