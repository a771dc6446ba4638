"""The DynamoDB table of API keys. It has one item for each key, without the key's secret.

Revoked and expired keys stay in the table, so that their usage can still be attributed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from lambdas.api_keys.api_key import ApiKey, KeyIdentity
from lambdas.api_keys.key_text import KEY_ID
from lambdas.contract import API_KEY_INDEX, TableAttribute
from lambdas.shared.time_text import format_time, parse_time

# The partition key of the index has the same value in all items.
_KIND: Final = {"S": "key"}
_PAGE_TOKEN: Final = re.compile(rf"(?P<created>[0-9T:.Z-]{{24}})_(?P<id>{KEY_ID.pattern})")
_Item = Mapping[str, Any]


class InvalidPageToken(Exception):
    """The token is not that of a page of keys."""


@dataclass(frozen=True, slots=True)
class KeyPage:
    """A part of the list of keys, the newest first.

    Attributes:
        token: the token of the next page; None for the last page.
    """

    keys: tuple[ApiKey, ...]
    token: str | None


@dataclass(frozen=True, slots=True)
class KeyTable:
    """The table of keys.

    Attributes:
        client: a DynamoDB client of botocore.
        name: name of the table.
    """

    client: Any
    name: str

    def add(self, key: ApiKey) -> bool:
        """Store a new key. Return False if the table already has a key with its id."""
        try:
            self.client.put_item(
                TableName=self.name,
                Item=_encode(key),
                ConditionExpression=f"attribute_not_exists({TableAttribute.ID})",
            )
        except self.client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def get(self, id_: str) -> ApiKey | None:
        """Return a key, or None if it does not exist."""
        # A consistent read: a new key works at once, and so does revoking a key that no cache has.
        found = self.client.get_item(
            TableName=self.name, Key={TableAttribute.ID: {"S": id_}}, ConsistentRead=True
        )
        return _decode(found["Item"]) if "Item" in found else None

    def revoke(self, id_: str, *, by: str, now: datetime) -> ApiKey | None:
        """Revoke a key and return it, or None if it does not exist.

        A key that was revoked before keeps the time of its revocation.

        Args:
            by: the ARN of the IAM user or role that revokes it.
        """
        try:
            changed = self.client.update_item(
                TableName=self.name,
                Key={TableAttribute.ID: {"S": id_}},
                UpdateExpression="SET revoked = if_not_exists(revoked, :now), "
                "revoked_by = if_not_exists(revoked_by, :by)",
                ConditionExpression=f"attribute_exists({TableAttribute.ID})",
                ExpressionAttributeValues={":now": {"S": format_time(now)}, ":by": {"S": by}},
                ReturnValues="ALL_NEW",
            )
        except self.client.exceptions.ConditionalCheckFailedException:
            return None
        return _decode(changed["Attributes"])

    def page(
        self, *, limit: int, owner: str | None = None, team: str | None = None, token: str | None = None
    ) -> KeyPage:
        """Return a page of keys, the newest first.

        Args:
            limit: maximum number of keys.
            owner, team: return only keys with this owner and team.
            token: the token of the page, from the page before it.

        Raises:
            InvalidPageToken: the token is invalid.
        """
        filters = {name: value for name, value in (("owner", owner), ("team", team)) if value is not None}
        found: list[ApiKey] = []
        for item in self._items(filters, start=_start_key(token), limit=limit + 1):
            if len(found) == limit:
                last = found[-1]
                return KeyPage(tuple(found), f"{format_time(last.created)}_{last.identity.key_id}")
            found.append(_decode(item))
        return KeyPage(tuple(found), None)

    def _items(
        self, filters: Mapping[str, str], *, start: Mapping[str, Any] | None, limit: int
    ) -> Iterator[_Item]:
        query: dict[str, Any] = {
            "TableName": self.name,
            "IndexName": API_KEY_INDEX,
            "KeyConditionExpression": f"{TableAttribute.KIND} = :kind",
            "ExpressionAttributeValues": {":kind": _KIND},
            "ScanIndexForward": False,
        }
        if filters:
            query["FilterExpression"] = " AND ".join(f"#{name} = :{name}" for name in filters)
            # OWNER is a reserved word of DynamoDB.
            query["ExpressionAttributeNames"] = {f"#{name}": name for name in filters}
            query["ExpressionAttributeValues"] |= {f":{name}": {"S": text} for name, text in filters.items()}
        else:
            # DynamoDB applies a limit before a filter.
            query["Limit"] = limit
        while True:
            found = self.client.query(**query, **({"ExclusiveStartKey": start} if start else {}))
            yield from found["Items"]
            start = found.get("LastEvaluatedKey")
            if not start:
                return


def _start_key(token: str | None) -> dict[str, Any] | None:
    """Return the key of the last item of the page before."""
    if token is None:
        return None
    match = _PAGE_TOKEN.fullmatch(token)
    if match is None:
        raise InvalidPageToken
    return {
        TableAttribute.ID: {"S": match["id"]},
        TableAttribute.KIND: _KIND,
        TableAttribute.CREATED: {"S": match["created"]},
    }


def _encode(key: ApiKey) -> dict[str, Any]:
    identity = key.identity
    texts = {
        TableAttribute.ID: identity.key_id,
        "digest": key.digest,
        "owner": identity.owner,
        "team": identity.team,
        TableAttribute.CREATED: format_time(key.created),
        "created_by": key.created_by,
        # The table's items expire by the attribute expires_at. Keys do not use it, because they stay.
        "expires": identity.expires and format_time(identity.expires),
        "revoked": key.revoked and format_time(key.revoked),
        "revoked_by": key.revoked_by,
    }
    lists = {"models": identity.models, "regions": identity.regions}
    return {
        TableAttribute.KIND: _KIND,
        **{name: {"S": text} for name, text in texts.items() if text is not None},
        **{name: {"L": [{"S": item} for item in items]} for name, items in lists.items() if items},
    }


def _decode(item: _Item) -> ApiKey:
    def text(name: str) -> str | None:
        return item[name]["S"] if name in item else None

    def time(name: str) -> datetime | None:
        return parse_time(item[name]["S"]) if name in item else None

    def names(name: str) -> tuple[str, ...] | None:
        return tuple(entry["S"] for entry in item[name]["L"]) if name in item else None

    return ApiKey(
        identity=KeyIdentity(
            key_id=item[TableAttribute.ID]["S"],
            owner=item["owner"]["S"],
            team=item["team"]["S"],
            models=names("models"),
            regions=names("regions"),
            expires=time("expires"),
        ),
        digest=item["digest"]["S"],
        created=parse_time(item[TableAttribute.CREATED]["S"]),
        created_by=item["created_by"]["S"],
        revoked=time("revoked"),
        revoked_by=text("revoked_by"),
    )
