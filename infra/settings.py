"""The settings of a deployment, read from the CDK context (cdk.json or `-c key=value`) and validated."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from infra.model_targets import access_methods, is_in_catalog
from infra.setting_values import LOG_RETENTION_DAYS, ContextReader, SettingsError
from llmmanager.bedrock.catalog.catalog_entries import Catalog
from llmmanager.bedrock.catalog.names import ResolvedModel
from llmmanager.bedrock.catalog.snapshot import load_snapshot

__all__ = ["DEFAULTS", "LOG_RETENTION_DAYS", "DeploymentSettings", "SettingsError"]

# cdk.json has the same values for users to change. These are used without the CDK command line.
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

# All lists are in the environment of the functions: at most 4 KB of JSON, of which 1.2 KB are other values.
_MAX_LISTS_CHARACTERS: Final = 2_800


@dataclass(frozen=True, kw_only=True)
class DeploymentSettings:
    """The validated settings of a deployment.

    Attributes:
        stack_name: name of the stack. The names of its resources start with it.
        models: the configured models, in order of preference.
        regions: regions whose Bedrock is called, in order of preference.
        refresh_schedule: when the model catalog is refreshed (EventBridge Scheduler, UTC).
        map_concurrency: concurrent shards of one batch.
        worker_concurrency: concurrent Converse calls of one worker.
        shard_size: maximum number of records in a shard.
        worker_timeout_seconds: timeout of a worker. The next worker continues its shard.
        batch_concurrency: reserved concurrency of the batch worker, for all batches; 0 for none.
        single_request_share: part of each Bedrock quota that batches leave to single requests.
        batch_expiry_days: days until the files of a batch are deleted.
        input_buckets: other buckets that batches can read.
        input_keys: ARNs of the customer managed KMS keys of these buckets.
        event_concurrency: maximum concurrency of the events function for the request queue.
        reply_queues: ARNs of queues that requests by event can choose for their outcome.
        api_auth: "iam" for signed requests, "api_key" for signed requests that also have an API key.
        api_daily_quota: requests per day and API key.
        api_rate_limit, api_burst_limit: requests per second and burst that the HTTP API accepts.
        http_concurrency: reserved concurrency of the HTTP API's function; 0 for none.
        log_retention_days: one of `LOG_RETENTION_DAYS`.
        log_payloads: whether prompts and answers are logged.
        tracing: whether X-Ray traces a sample of requests to the API, the functions and the state machines.
        alarm_email, alarm_topic_arn: the alarm recipient; "" for none. The topic is preferred.
        dashboard: whether the stack has a dashboard.
        removal_policy: "retain" or "destroy", for tables, bucket and logs. A bucket with files is never
            deleted.
        bedrock_endpoint_url: address of Bedrock; "" for AWS's endpoints.
        warnings: warnings to print at synth.
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
        lengths = {key: len(json.dumps(json.dumps(names))) for key, names in lists.items()}
        if sum(lengths.values()) > _MAX_LISTS_CHARACTERS:
            longest = max(lengths, key=lambda key: lengths[key])
            raise SettingsError(
                longest,
                lists[longest],
                f"the list is too long. {', '.join(lists)} together have {sum(lengths.values())} characters "
                f"of JSON, but at most {_MAX_LISTS_CHARACTERS} fit into the environment of a function (4 KB)",
            )

    @classmethod
    def from_context(cls, context: Mapping[str, object]) -> DeploymentSettings:
        """Return the settings of a CDK context, with defaults for missing keys. Keys of the CDK are ignored.

        Raises:
            SettingsError: a value is invalid, or a key is probably misspelt.
        """
        _check_spelling(context)
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
    warnings = [warning for model in models for warning in model.warnings]
    if all(is_in_catalog(model, catalog) for model in models):
        warnings += [
            f"No configured model is available in {region}, according to bedrock-models"
            for region in regions
            if not any(access_methods(model, [region], catalog=catalog) for model in models)
        ]
    return tuple(warnings)


def _check_spelling(context: Mapping[str, object]) -> None:
    """Raise SettingsError for a key similar to a setting, which would silently have no effect."""
    for key, value in context.items():
        similar = difflib.get_close_matches(key, DEFAULTS, n=1, cutoff=0.75)
        if key not in DEFAULTS and similar:
            raise SettingsError(key, value, f'unknown key. Did you mean "{similar[0]}"?')
