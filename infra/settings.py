"""The settings of a deployment, read from the CDK context (cdk.json, or `-c key=value`) and validated."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from infra.model_targets import is_described, ways_in
from infra.setting_values import LOG_RETENTION_DAYS, ContextReader, SettingsError
from llmmanager.bedrock.catalog.catalog_entries import Catalog
from llmmanager.bedrock.catalog.names import ResolvedModel
from llmmanager.bedrock.catalog.snapshot import load_snapshot

__all__ = ["DEFAULTS", "LOG_RETENTION_DAYS", "DeploymentSettings", "SettingsError"]

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
    "single_request_share": 0.1,
    "batch_expiry_days": 30,
    "input_buckets": [],
    "input_keys": [],
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

# The functions' environment, 4 KB of JSON, holds all lists; what else is in it takes some 1.2 KB.
_MAX_LISTS_CHARACTERS: Final = 2_800


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
        single_request_share: the part of each Bedrock quota that batches leave to single requests.
        batch_expiry_days: after how many days a batch's files are deleted.
        input_buckets: buckets, besides the stack's own, that batches may read from.
        input_keys: ARNs of the KMS keys of customers that objects in these buckets are encrypted with.
        event_concurrency: invocations of the events function that the request queue makes at once.
        reply_queues: ARNs of queues that a request by event may have its outcome sent to.
        api_auth: "iam" for signed requests, "api_key" for signed requests that carry an API key as well.
        api_daily_quota: requests a day of one API key.
        api_rate_limit, api_burst_limit: requests a second, and at once, that the HTTP API lets through.
        http_concurrency: the same of the HTTP API's function.
        log_retention_days: one of `LOG_RETENTION_DAYS`.
        log_payloads: whether prompts and answers are logged.
        tracing: whether X-Ray traces what it samples of the API, the functions and the state machines.
        alarm_email, alarm_topic_arn: the alarm recipient; "" for none. The topic is preferred.
        dashboard: whether there is one.
        removal_policy: "retain" or "destroy": what happens to tables, bucket and logs. A bucket
            that still holds files is never deleted.
        bedrock_endpoint_url: where Bedrock is, "" for AWS's own endpoints.
        warnings: shown when the stack is synthesised.
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
    single_request_share: float
    batch_expiry_days: int
    input_buckets: tuple[str, ...]
    input_keys: tuple[str, ...]
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
        read = ContextReader({**DEFAULTS, **context})
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
            single_request_share=read.share("single_request_share", high=0.9),
            batch_concurrency=read.batch_concurrency("batch_concurrency", shards=map_concurrency),
            batch_expiry_days=read.integer("batch_expiry_days", low=1, high=3650),
            input_buckets=read.buckets("input_buckets"),
            input_keys=read.keys("input_keys"),
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
            alarm_email=read.email("alarm_email"),
            alarm_topic_arn=read.topic("alarm_topic_arn"),
            dashboard=read.flag("dashboard"),
            removal_policy=read.choice("removal_policy", ("retain", "destroy")),
            bedrock_endpoint_url=read.url("bedrock_endpoint_url"),
            warnings=_warnings(models, regions),
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
