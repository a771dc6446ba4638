"""The settings of a deployment. Each is declared once, in `DeploymentSettings`.

`python -m infra.settings_files` writes the declarations to cdk.json and to the table in docs/deployment.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast

import attrs

from infra.catalog_values import (
    AliasesKind,
    ModelsKind,
    RegionsKind,
    availability_warnings,
    check_aliases,
    check_available,
)
from infra.schedule_expression import SCHEDULE_FORMAT, is_recurring_schedule
from infra.setting_values import (
    BaseUrlKind,
    ChoiceKind,
    FlagKind,
    IntegerChoiceKind,
    IntegerKind,
    NamesKind,
    SettingsError,
    ShareKind,
    TextKind,
    ValueKind,
    check_spelling,
    is_bucket_name,
    is_origin,
    matches,
)
from lambdas.contract import EnvironmentVariable
from llmmanager.bedrock.catalog.names import ResolvedModel

__all__ = ["DEFAULTS", "LOG_RETENTION_DAYS", "SETTINGS", "DeploymentSettings", "Setting", "SettingsError"]

# The retention periods that CloudWatch Logs supports.
# fmt: off
LOG_RETENTION_DAYS: Final = (
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
)
# All lists in the environment of the functions.
_LISTS: Final = (
    "models", "regions", "model_aliases", "input_buckets", "reply_queues", "cors_origins", "team_callers",
)
# fmt: on

# The environment of a function is at most 4 KB of JSON, of which 1.4 KB are other values.
_MAX_LISTS_CHARACTERS: Final = 2_650

_T = TypeVar("_T")


@dataclass(frozen=True)
class Setting:
    """The declaration of a setting.

    Attributes:
        key: its key in the CDK context.
        kind: the values that it accepts.
        default: its value in cdk.json.
        description: Markdown, for the table in docs/deployment.md.
        variable: the environment variable in which every function gets the value; None for none.
    """

    key: str
    kind: ValueKind[object]
    default: object
    description: str
    variable: str | None


def _setting(kind: ValueKind[_T], default: object, description: str, *, variable: str | None = None) -> _T:
    """Return a field that reads its value, and its default, with `kind`."""

    def read(value: object, field: attrs.Attribute[_T]) -> _T:
        return kind.read(field.name, value)

    field = attrs.field(
        default=default,
        converter=attrs.Converter(read, takes_field=True),
        metadata={"kind": kind, "default": default, "description": description, "variable": variable},
    )
    return cast(_T, field)


@attrs.frozen(kw_only=True)
class DeploymentSettings:
    """The validated settings of a deployment. The arguments can be strings of the command line.

    Raises:
        SettingsError: a value is invalid.
    """

    stack_name: str = _setting(
        # The format of CloudFormation.
        TextKind(
            'a name of 1 to 128 letters, digits and "-" that begins with a letter',
            matches("[A-Za-z][A-Za-z0-9-]{0,127}"),
            'such as "LlmManager-dev"',
        ),
        "LlmManager",
        "name of the stack and prefix of its resources; an account and region can have "
        "[several stacks](operations.md#several-stacks)",
    )
    models: tuple[ResolvedModel, ...] = _setting(
        ModelsKind(),
        ["Nova Lite", "Nova Micro", "Claude Haiku 4.5"],
        "models in order of preference",
        variable=EnvironmentVariable.MODELS,
    )
    regions: tuple[str, ...] = _setting(
        RegionsKind(),
        ["us-east-1", "us-west-2", "eu-central-1"],
        "regions whose Bedrock is called, in order of preference",
        variable=EnvironmentVariable.REGIONS,
    )
    model_aliases: Mapping[str, ResolvedModel] = _setting(
        AliasesKind(),
        {},
        "other names of these models for clients of the streaming API, such as "
        '`{"gpt-4o": "Nova Lite"}`; a name can stand for one model',
        variable=EnvironmentVariable.MODEL_ALIASES,
    )
    refresh_schedule: str = _setting(
        TextKind("a recurring schedule of EventBridge Scheduler", is_recurring_schedule, SCHEDULE_FORMAT),
        "rate(6 hours)",
        "when model access and quotas are refreshed (UTC)",
    )
    map_concurrency: int = _setting(
        IntegerKind(1, 10_000),
        10,
        "concurrent shards of one batch",
        variable=EnvironmentVariable.MAP_CONCURRENCY,
    )
    worker_concurrency: int = _setting(
        IntegerKind(1, 512),
        32,
        "concurrent Converse calls of one worker",
        variable=EnvironmentVariable.WORKER_CONCURRENCY,
    )
    shard_size: int = _setting(
        IntegerKind(1, 10_000, "records"),
        1_000,
        "maximum number of records in a shard",
        variable=EnvironmentVariable.SHARD_SIZE,
    )
    worker_timeout_seconds: int = _setting(
        IntegerKind(30, 900, "seconds"), 900, "timeout of a worker; the next worker continues its shard"
    )
    batch_concurrency: int = _setting(
        IntegerKind(0, 100_000),
        50,
        "reserved Lambda concurrency of batch workers, for all batches, at least `map_concurrency`; "
        "0: not reserved and not limited",
    )
    single_request_share: float = _setting(
        ShareKind(0.9),
        0.1,
        "part of each Bedrock quota that batches leave to single requests",
        variable=EnvironmentVariable.SINGLE_REQUEST_SHARE,
    )
    managed_lane: bool = _setting(
        FlagKind(),
        True,
        "whether batches can use [managed batch jobs](operations.md#managed-batch-jobs), at half price",
        variable=EnvironmentVariable.MANAGED_LANE,
    )
    batch_expiry_days: int = _setting(
        IntegerKind(1, 3650, "days"), 30, "time until the files of batches and of single requests are deleted"
    )
    input_buckets: tuple[str, ...] = _setting(
        NamesKind(
            "names of S3 buckets",
            is_bucket_name,
            "each 3 to 63 of a-z, 0-9, - and ., without s3://",
        ),
        [],
        "other buckets that batches can read",
        variable=EnvironmentVariable.INPUT_BUCKETS,
    )
    input_keys: tuple[str, ...] = _setting(
        # No aliases, because a permission to decrypt needs the ARN of the key.
        NamesKind(
            "ARNs of KMS keys (no aliases)",
            matches(r"arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[A-Za-z0-9-]{1,128}"),
            'such as "arn:aws:kms:us-east-1:123456789012:key/1234abcd-…"',
        ),
        [],
        "the customer managed KMS keys of these buckets",
    )
    event_concurrency: int = _setting(
        IntegerKind(2, 1000),
        10,
        "maximum concurrency of the events function, which gets up to 10 messages per invocation",
    )
    reply_queues: tuple[str, ...] = _setting(
        NamesKind(
            "ARNs of SQS standard queues",
            matches(r"arn:aws[a-z-]*:sqs:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,80}"),
            'such as "arn:aws:sqs:us-east-1:123456789012:answers"',
        ),
        [],
        "queues that requests by event can use as `replyTo`",
    )
    api_auth: str = _setting(
        ChoiceKind(("iam", "api_key")),
        "iam",
        "`iam`: requests must be signed; `api_key`: they must also have an API key (`x-api-key`), which has "
        "the limits below",
    )
    api_daily_quota: int = _setting(
        IntegerKind(1, 100_000_000, "requests per day"), 100_000, "limit of each API key"
    )
    api_rate_limit: int = _setting(
        IntegerKind(1, 10_000, "requests per second"),
        100,
        "rate of requests that each of the two APIs accepts",
    )
    api_burst_limit: int = _setting(
        IntegerKind(1, 5_000, "requests"), 200, "burst of requests that each of the two APIs accepts"
    )
    http_concurrency: int = _setting(
        IntegerKind(0, 100_000),
        100,
        "reserved Lambda concurrency of the HTTP API's function; 0: not reserved and not limited",
    )
    streaming: bool = _setting(
        FlagKind(),
        True,
        "whether the streaming API and `POST /v1/converse-stream` stream; `false`: their functions run on "
        "Lambda's standard runtime and send each response as a whole, within 29 s",
    )
    streaming_concurrency: int = _setting(
        IntegerKind(0, 100_000),
        100,
        "reserved Lambda concurrency of the streaming API's function, and of that of "
        "`POST /v1/converse-stream`: the maximum number of their concurrent streams; 0: not reserved and not "
        "limited",
    )
    cors_origins: tuple[str, ...] = _setting(
        NamesKind("origins of web pages, or `*` for all", is_origin, 'such as "https://chat.example.com"'),
        ["*"],
        "web pages whose scripts can call the streaming API; a call needs an API key in any case, and no "
        "cookies are used",
        variable=EnvironmentVariable.CORS_ORIGINS,
    )
    key_cache_seconds: int = _setting(
        IntegerKind(0, 3600, "seconds"),
        300,
        "time for which API Gateway caches the check of an [API key](api-keys.md#caching), so that a revoked "
        "key can still work; 0: no cache",
    )
    team_callers: tuple[str, ...] = _setting(
        NamesKind(
            "ARNs of IAM users and roles, or beginnings of ARNs with a final `*`",
            matches(r"\*|arn:aws[a-z-]*:(iam|sts)::[A-Za-z0-9:_+=,.@/-]+\*?"),
            'such as "arn:aws:sts::123456789012:assumed-role/gateway"',
        ),
        ["*"],
        "callers of the signed API whose requests can name the `team` that pays",
        variable=EnvironmentVariable.TEAM_CALLERS,
    )
    budget_max_tokens: int = _setting(
        IntegerKind(1, 1_000_000, "tokens"),
        4096,
        "`maxTokens` of a request that has none and that a [budget](usage-and-budgets.md) applies to",
        variable=EnvironmentVariable.BUDGET_MAX_TOKENS,
    )
    log_retention_days: int = _setting(
        IntegerChoiceKind("a retention that CloudWatch Logs supports", LOG_RETENTION_DAYS, "days"),
        30,
        "time until log lines are deleted",
    )
    log_payloads: bool = _setting(
        FlagKind(),
        False,
        "whether prompts and answers are logged",
        variable=EnvironmentVariable.LOG_PAYLOADS,
    )
    tracing: bool = _setting(
        FlagKind(), False, "whether X-Ray [traces](operations.md#traces) a sample of the requests"
    )
    alarm_email: str = _setting(
        TextKind(
            "an e-mail address",
            matches(r"[^@\s,]+@[^@\s,]+\.[^@\s,.]+"),
            'such as "ops@example.com"',
            empty="none",
        ),
        "",
        "recipient of [alarms](operations.md#alarms); the stack creates an SNS topic with this address",
    )
    alarm_topic_arn: str = _setting(
        TextKind(
            "the ARN of an SNS topic",
            matches(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,256}"),
            'such as "arn:aws:sns:us-east-1:123456789012:on-call"',
            empty="none",
        ),
        "",
        "existing SNS topic for alarms, used instead of `alarm_email`",
    )
    dashboard: bool = _setting(FlagKind(), True, "whether the stack has a CloudWatch dashboard")
    removal_policy: str = _setting(
        ChoiceKind(("retain", "destroy")),
        "retain",
        "whether removing the stack keeps tables, bucket and logs; a bucket with files is never deleted",
    )
    bedrock_endpoint_url: str = _setting(
        BaseUrlKind(empty="AWS endpoints"),
        "",
        "address of Bedrock; set by `make local`",
    )

    @classmethod
    def from_context(cls, context: Mapping[str, object]) -> DeploymentSettings:
        """Return the settings of a CDK context, with defaults for missing keys. Keys of the CDK are ignored.

        Raises:
            SettingsError: a value is invalid, or a key is probably misspelt.
        """
        check_spelling(context, DEFAULTS)
        given: dict[str, Any] = {key: context[key] for key in DEFAULTS if key in context}
        return cls(**given)

    def __attrs_post_init__(self) -> None:
        """Check values that depend on each other."""
        check_available("models", self.models, regions=self.regions)
        check_aliases("model_aliases", self.model_aliases, models=self.models)
        # Otherwise the workers of a single batch would wait for each other.
        if 0 < self.batch_concurrency < self.map_concurrency:
            raise SettingsError.expected(
                "batch_concurrency",
                self.batch_concurrency,
                f"0 (no reserved concurrency), or at least map_concurrency ({self.map_concurrency})",
            )
        self._check_length_of_lists()

    def _check_length_of_lists(self) -> None:
        lists = {key: getattr(self, key) for key in _LISTS}
        lengths = {key: len(json.dumps(_variable_text(names))) for key, names in lists.items()}
        if sum(lengths.values()) > _MAX_LISTS_CHARACTERS:
            longest = max(lengths, key=lambda key: lengths[key])
            raise SettingsError(
                longest,
                lists[longest],
                f"the list is too long. {', '.join(lists)} together have {sum(lengths.values())} characters "
                f"of JSON, but at most {_MAX_LISTS_CHARACTERS} fit into the environment of a function (4 KB)",
            )

    def environment(self) -> dict[str, str]:
        """Return the environment variables of every function with settings as values."""
        return {
            setting.variable: _variable_text(getattr(self, setting.key))
            for setting in SETTINGS
            if setting.variable is not None
        }

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings to print at synth."""
        return availability_warnings(self.models, regions=self.regions)


SETTINGS: Final = tuple(
    Setting(key=field.name, **field.metadata) for field in attrs.fields(DeploymentSettings)
)
# The values in cdk.json, which users change. These are used without the CDK command line.
DEFAULTS: Final[Mapping[str, object]] = {setting.key: setting.default for setting in SETTINGS}


def _variable_text(value: object) -> str:
    """Return a value as lambdas/shared/settings.py reads it."""
    match value:
        case bool():
            return str(value).lower()
        case tuple():
            return json.dumps([_name(item) for item in value])
        case dict():
            return json.dumps({key: _name(item) for key, item in value.items()})
    return str(value)


def _name(item: object) -> object:
    return item.requested if isinstance(item, ResolvedModel) else item
