"""The options of a batch: read from its start input, and stored in S3 for its functions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args

from lambdas.shared.answer_options import read_feature_fallback, read_max_cost_multiple, read_output_schema
from lambdas.shared.response_rules import read_rules
from lambdas.usage.caller import UNKNOWN, Caller
from lambdas.usage.team import TEAM, with_team
from llmmanager import ResponseValidationConfig, RetryStrategy
from llmmanager.batch_lanes.lane import LANES
from llmmanager.batch_report.limits import MAX_SAMPLES

if TYPE_CHECKING:
    from llmmanager.bedrock.structured.output_schema import OutputSchema

MEMBERS = (
    "failureStrategy",
    "deadlineSeconds",
    "lane",
    "dryRun",
    "expectedOutputTokens",
    "retryStrategy",
    "responseValidation",
    "featureFallback",
    "onThrottle",
    "maxCostMultiple",
    "resultOrder",
    "priority",
    "reportSamples",
    "promptCache",
    TEAM,
    "outputSchema",
)
CALLER = "caller"
"""The field of the state machine's input with the id of the caller. `POST /v1/batches` sets it."""
# The longest ARN of an IAM user: a path of 512 characters and a name of 64.
_CALLER_ID = re.compile(r"[!-~]([ -~]{0,638}[!-~])?")
LOWEST_PRIORITY = 9
MAX_OUTPUT_TOKENS = 10_000_000

MAX_DEADLINE_SECONDS = 365 * 24 * 3600
PROMPT_CACHE = ("auto", "off")
OnThrottle = Literal["wait", "failover"]
ON_THROTTLE: tuple[OnThrottle, ...] = get_args(OnThrottle)
RETRY_STRATEGIES = tuple(strategy.value for strategy in RetryStrategy)

Text = TypeVar("Text", bound=str)


@dataclass(frozen=True)
class Options:
    """The options of one run of a batch. A resumed batch uses the options of its new start.

    `to_json` stores the names of the attributes, so they must not change.

    Attributes:
        run: the name of the execution.
        max_failed_share: the share of the records that may fail before the batch stops; None for no limit.
        deadline: when no further record starts, as ISO 8601 text in UTC; None without a deadline.
        retry_strategy: "region_first" or "model_first".
        response_validation: the `responseValidation` of the start input.
        feature_fallback: whether features that a model does not support may be removed from a request.
        on_throttle: "wait" or "failover": whether a throttled record waits for its model, or uses another.
        max_cost_multiple: maximum cost of another target, as a multiple of the first model's; None for no
            limit.
        in_input_order: whether results have the order of the input.
        priority: 0 to `LOWEST_PRIORITY`; each higher number halves the parallel calls of a worker.
        report_samples: number of answers in the report.
        prompt_cache: whether records with the same long prompt get cache points.
        caller: the id of the caller, who pays.
        team: the team that pays; empty if it is unknown.
        output_schema: the `outputSchema` of the start input.
        lane: a value of `LANES`.
        dry_run: whether the batch is only validated and estimated.
        expected_output_tokens: the output of a record for estimates; None for its `maxTokens`.
    """

    run: str = ""
    max_failed_share: float | None = None
    deadline: str | None = None
    retry_strategy: str = RETRY_STRATEGIES[0]
    response_validation: Mapping[str, Any] | None = None
    in_input_order: bool = False
    priority: int = 0
    feature_fallback: bool = True
    on_throttle: OnThrottle = ON_THROTTLE[0]
    max_cost_multiple: float | None = None
    report_samples: int = 0
    prompt_cache: bool = True
    caller: str = UNKNOWN
    team: str = ""
    output_schema: Mapping[str, Any] | None = None
    lane: str = LANES[0]
    dry_run: bool = False
    expected_output_tokens: int | None = None

    def rules(self) -> ResponseValidationConfig | None:
        """Return the rules for each answer, or None."""
        return read_rules(self.response_validation)

    def payer(self) -> Caller:
        """Return who pays for the batch."""
        return Caller(self.caller, self.team)

    def schema(self) -> OutputSchema | None:
        """Return the form of each answer, or None."""
        return read_output_schema(self.output_schema)

    def seconds_left(self) -> float | None:
        """Return the seconds until the deadline, negative after it; None without a deadline."""
        if self.deadline is None:
            return None
        return (datetime.fromisoformat(self.deadline) - datetime.now(UTC)).total_seconds()

    def calls_at_once(self, limit: int) -> int:
        """Return the number of parallel calls of a worker, at most `limit`."""
        return max(1, limit >> self.priority)

    def to_json(self) -> dict[str, Any]:
        """Return the options for `from_json`.

        Default values are left out, so that functions of an earlier version can read the options.
        """
        defaults = asdict(Options())
        return {name: value for name, value in asdict(self).items() if value != defaults[name]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Options:
        """Return stored options. Options of a later version are ignored."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in data.items() if name in known})


def payer_members(payer: Caller) -> dict[str, str | None]:
    """Return who pays for a batch, as its summary and the HTTP API report it."""
    return {"caller": payer.id, "team": payer.team or None}


def read_options(data: Mapping[str, Any], *, run: str) -> Options:
    """Return the options in a batch's start input. A null member counts as omitted.

    Raises:
        ValueError: the value of a member is invalid; the message names it.
        InvalidRequest: `responseValidation`, `featureFallback`, `maxCostMultiple`, `team` or `outputSchema`
            is invalid.
    """
    read_rules(data.get("responseValidation"))
    read_output_schema(data.get("outputSchema"))
    payer = with_team(Caller(_caller(data.get(CALLER))), data.get(TEAM))
    return Options(
        run=run,
        max_failed_share=_max_failed_share(data.get("failureStrategy")),
        deadline=_deadline(data.get("deadlineSeconds")),
        retry_strategy=_one_of("retryStrategy", data.get("retryStrategy"), RETRY_STRATEGIES)
        or RETRY_STRATEGIES[0],
        response_validation=data.get("responseValidation"),
        in_input_order=_one_of("resultOrder", data.get("resultOrder"), ("input",)) is not None,
        priority=_integer("priority", data.get("priority"), LOWEST_PRIORITY, note=", the highest,"),
        feature_fallback=read_feature_fallback(data.get("featureFallback")),
        on_throttle=_one_of("onThrottle", data.get("onThrottle"), ON_THROTTLE) or ON_THROTTLE[0],
        max_cost_multiple=read_max_cost_multiple(data.get("maxCostMultiple")),
        report_samples=_integer("reportSamples", data.get("reportSamples"), MAX_SAMPLES),
        prompt_cache=_one_of("promptCache", data.get("promptCache"), PROMPT_CACHE) != "off",
        caller=payer.id,
        team=payer.team,
        output_schema=data.get("outputSchema"),
        lane=_one_of("lane", data.get("lane"), LANES) or LANES[0],
        dry_run=_flag("dryRun", data.get("dryRun")),
        expected_output_tokens=_integer(
            "expectedOutputTokens", data.get("expectedOutputTokens"), MAX_OUTPUT_TOKENS, least=1
        )
        or None,
    )


def _max_failed_share(strategy: Any) -> float | None:
    if strategy in (None, "continue"):
        return None
    if strategy == "stopOnFirstFailure":
        return 0.0
    if isinstance(strategy, dict) and list(strategy) == ["stopOnThreshold"]:
        share = strategy["stopOnThreshold"]
        if isinstance(share, int | float) and not isinstance(share, bool) and 0 <= share <= 1:
            return float(share)
    raise ValueError(
        'failureStrategy: must be "continue", "stopOnFirstFailure" or {"stopOnThreshold": 0 to 1} '
        f"(got {strategy!r:.100})"
    )


def _caller(id_: Any) -> str:
    if id_ is None:
        return UNKNOWN
    if isinstance(id_, str) and _CALLER_ID.fullmatch(id_):
        return id_
    raise ValueError(f"{CALLER}: must be an ARN without session, or another name (got {id_!r:.100})")


def _integer(name: str, value: Any, most: int, *, least: int = 0, note: str = "") -> int:
    """Return an integer from `least` to `most`; 0 for None."""
    if value is None:
        return 0
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ValueError(f"{name}: must be an integer from {least}{note} to {most} (got {value!r:.100})")
    return value


def _flag(name: str, value: Any) -> bool:
    if value is None or isinstance(value, bool):
        return value is True
    raise ValueError(f"{name}: must be true or false (got {value!r:.100})")


def _deadline(seconds: Any) -> str | None:
    if seconds is None:
        return None
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not is_number or not 0 < seconds <= MAX_DEADLINE_SECONDS:
        raise ValueError(
            f"deadlineSeconds: must be a number above 0, at most {MAX_DEADLINE_SECONDS} "
            f"(got {seconds!r:.100})"
        )
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def _one_of(name: str, value: Any, known: tuple[Text, ...]) -> Text | None:
    if value is None or (isinstance(value, str) and value in known):
        return value
    raise ValueError(f"{name}: must be {' or '.join(map(repr, known))} (got {value!r:.100})")
