"""The schemas of response bodies. Tests compare them with the responses of the functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lambdas.shared.problem_types import PROBLEM_TYPES
from lambdas.usage.budget import BudgetScope, Period
from llmmanager.batch_lanes.lane import LANES, Lane
from llmmanager.bedrock.catalog.catalog_entries import AccessMethod
from local.generate_reference.schemas import (
    ANY_OBJECT,
    NUMBER,
    TEXT,
    TIME,
    WHOLE,
    Schema,
    array,
    by_name,
    described,
    nullable,
    record,
    ref,
)
from local.generate_reference.usage_schemas import USAGE_SCHEMAS

_CONVERSE_EVENTS: Final = (
    "messageStart",
    "contentBlockStart",
    "contentBlockDelta",
    "contentBlockStop",
    "messageStop",
    "metadata",
)
_BATCH_STATUSES: Final = ("running", "succeeded", "estimated", "failed", "stopped", "timed_out")

# Tokens and cost of an answer, and of a problem after calls.
_TOTALS: Final[Mapping[str, Schema]] = {
    "totalUsage": nullable(
        ANY_OBJECT,
        "Tokens of all answers that were paid for, valid or not, with Bedrock's names; null if none are "
        "known.",
    ),
    "estimatedCostUsd": nullable(NUMBER, "Cost of all these answers; null if no price is known."),
    "attemptsWithUnknownUsage": described(
        WHOLE,
        "Number of attempts whose answer was lost. They may have cost tokens that no total includes.",
    ),
    "answersWithoutPrice": described(
        WHOLE, "Number of answers whose tokens are known and whose price is unknown."
    ),
}
_PROBLEM_NAMES: Final = [name for name, (_, _, _, place) in PROBLEM_TYPES.items() if place != "queue"]

_OF_A_BUDGET: Final[Mapping[str, Schema]] = {
    "scope": described(
        {"enum": [scope.value for scope in BudgetScope]}, "What the budget is for; only for budget-exceeded."
    ),
    "name": described(TEXT, "The id of the key, or the name of the caller or team."),
    "period": {"enum": [period.value for period in Period]},
    "limit": described(NUMBER, "The limit of the period in USD."),
    "left": described(NUMBER, "What is neither spent nor reserved, in USD."),
    "reserved": described(NUMBER, "What is reserved for calls in progress, in USD."),
    "resetsAt": described(TIME, "When the next period begins."),
}
_PROBLEMS: Final[Mapping[str, Schema]] = {
    "Problem": record(
        {
            "type": described(
                {"enum": [f"urn:llmmanager:problem:{name}" for name in _PROBLEM_NAMES]},
                "Identifies the kind of problem.",
            ),
            "title": TEXT,
            "status": WHOLE,
            "detail": TEXT,
            "errors": array(TEXT),
        },
        {
            "attempts": array(ref("Attempt")),
            **_TOTALS,
            "requestId": TEXT,
            "keyId": described(TEXT, "The key that was created; only for key-created."),
            **_OF_A_BUDGET,
            "links": ref("Links"),
        },
    ),
    "GatewayProblem": record(
        {
            "type": {"const": "urn:llmmanager:problem:gateway"},
            "title": described(TEXT, "API Gateway's name for the error, such as THROTTLED."),
            "detail": TEXT,
            "requestId": TEXT,
        },
        description="An error of API Gateway, without a response of the function.",
    ),
}
_ANSWERS: Final[Mapping[str, Schema]] = {
    "Attempt": record(
        {"model": TEXT, "region": TEXT, "success": {"type": "boolean"}},
        {
            "accessMethod": nullable(TEXT),
            "durationMs": nullable(NUMBER),
            "error": nullable(ANY_OBJECT),
            "usage": nullable(
                ANY_OBJECT, "Tokens of this attempt: zeros if Bedrock rejected it, null if they are unknown."
            ),
        },
    ),
    "ConverseAnswer": record(
        {
            "text": nullable(TEXT),
            "modelOutput": ANY_OBJECT,
            "model": TEXT,
            "region": TEXT,
            "attempts": array(ref("Attempt")),
        },
        {
            "parsed": described(ANY_OBJECT, "With outputSchema: the value of the answer."),
            "accessMethod": nullable(TEXT),
            "inferenceProfileId": nullable(TEXT),
            "usage": nullable(ANY_OBJECT, "Tokens of the returned answer, as reported by Bedrock."),
            **_TOTALS,
            "durationMs": NUMBER,
            "warnings": array(TEXT),
            "featuresDisabled": array(TEXT),
        },
    ),
    "LargeAnswer": record(
        {"resultUrl": {"type": "string", "format": "uri"}, "expiresInSeconds": WHOLE, "bytes": WHOLE}
    ),
    "Validity": record({"valid": {"type": "boolean"}, "errors": array(TEXT)}),
    "Links": record({"self": TEXT}),
    "ConverseEvent": record(
        {
            "event": described(
                {"enum": [*_CONVERSE_EVENTS, "answer", "error"]},
                "The last event is answer or error. Without one of them, the answer is incomplete.",
            ),
            "data": described(
                TEXT,
                "JSON: for answer a ConverseAnswer without modelOutput, for error a Problem, for the others "
                "the event of ConverseStream.",
            ),
        },
    ),
    "RequestState": record(
        {"requestId": TEXT, "status": {"enum": ["pending", "answered", "failed"]}},
        {"answer": ref("ConverseAnswer"), "error": ref("Problem"), "links": ref("Links")},
    ),
}
_BATCHES: Final[Mapping[str, Schema]] = {
    "Progress": record(
        {},
        {
            "records": nullable(WHOLE),
            "answered": WHOLE,
            "failed": WHOLE,
            "rejected": nullable(WHOLE),
            "answersPerMinute": described(
                NUMBER,
                "Results a minute in the last ten minutes, or since the run began. Only while the batch "
                "runs.",
            ),
            "estimatedEndAt": nullable(
                TIME,
                "When the batch ends at this rate; null without a rate, and while records are in managed "
                "batch jobs.",
            ),
            "inManagedJobs": described(
                WHOLE, "Records in managed batch jobs that are not closed. Only while the batch runs."
            ),
            "waitingForQuota": nullable(
                record(
                    {},
                    {
                        "shards": WHOLE,
                        "quota": {"enum": ["per_minute", "per_day"]},
                        "since": TIME,
                        "nextAttemptAt": TIME,
                    },
                ),
                "The shards that wait for quota while no function runs; null when none waits.",
            ),
        },
    ),
    "QuotaEstimate": nullable(
        record(
            {
                "tokensPerMinute": nullable(
                    NUMBER,
                    "Tokens that all targets of the first model admit, without the part that is left to "
                    "single requests.",
                ),
                "requestsPerMinute": nullable(NUMBER),
                "atLeastSeconds": described(WHOLE, "If no record had any output."),
                "atMostSeconds": described(WHOLE, "If each record had an output of maxTokens."),
                "warning": nullable(TEXT, "Why the deadline cannot or may not be met."),
            }
        ),
        "How long the quotas of the first model make the batch. Null if the quota of a target is unknown.",
    ),
    "Lanes": nullable(
        record(
            {},
            {
                "lane": described({"enum": list(LANES)}, "The requested lane, or auto."),
                "deadlineSeconds": nullable(WHOLE, "The time until the deadline when the batch was planned."),
                "records": by_name(WHOLE, "The number of records by chosen lane."),
                "estimatedCostUsd": nullable(NUMBER, "Of all records in these lanes. Null if it is unknown."),
                "estimates": array(
                    record(
                        {},
                        {
                            "lane": {"enum": list(Lane)},
                            "records": described(
                                WHOLE, "Records that can use the lane. Others run on demand."
                            ),
                            "estimatedCostUsd": nullable(NUMBER, "Of all records. Null if it is unknown."),
                            "estimatedSeconds": WHOLE,
                            "possible": described({"type": "boolean"}, "Whether records can use the lane."),
                            "inTime": described(
                                {"type": "boolean"},
                                "Whether the batch can end before its deadline; true without one.",
                            ),
                            "reason": nullable(TEXT, "Why it is not possible, or not in time."),
                        },
                    )
                ),
                "explanation": described(TEXT, "The choice in plain words."),
                "jobs": array(
                    record({}, dict.fromkeys(("firstShard", "shardCount", "records"), WHOLE)),
                ),
            },
        ),
        "The lanes of the records, as the plan chose them. Null before the plan.",
    ),
    "Batch": record(
        {"batchId": TEXT, "status": {"enum": list(_BATCH_STATUSES)}},
        {
            "caller": nullable(TEXT, "Who pays: the caller that started the batch."),
            "team": nullable(TEXT, "The team that pays."),
            "progress": ref("Progress"),
            "quotaEstimate": ref("QuotaEstimate"),
            "lanes": ref("Lanes"),
            "jobs": described(
                array(
                    record(
                        {},
                        {
                            "job": WHOLE,
                            "attempt": WHOLE,
                            "id": nullable(TEXT, "Bedrock's id of the job."),
                            "model": TEXT,
                            "region": TEXT,
                            "records": WHOLE,
                            "status": described(TEXT, "As Bedrock names it, or NotCreated."),
                            "processed": WHOLE,
                            "answered": nullable(WHOLE, "Null before the import of the results."),
                            "recordsWithoutOutput": nullable(
                                WHOLE,
                                "Records that may be billed and have no answer; null before the import.",
                            ),
                            "reason": nullable(TEXT),
                        },
                    )
                ),
                "The managed batch jobs; only while the batch runs.",
            ),
            "dryRun": described(
                {"const": True},
                "Only for a dry run, which runs no records. It ends with the status estimated.",
            ),
            "summary": described(ANY_OBJECT, "The content of summary.json; only after the end of the batch."),
            "results": by_name(
                TEXT,
                "The S3 URIs of results, failed, rejected, summary and report; only after the batch.",
            ),
            "error": TEXT,
            "links": ref("Links"),
            "startedAt": nullable(TEXT),
            "endedAt": nullable(TEXT),
        },
    ),
    "BatchList": record({"batches": array(ref("Batch"))}, {"nextToken": TEXT}),
}
_MODELS: Final[Mapping[str, Schema]] = {
    "Quotas": by_name(
        nullable(record({"tokensPerMinute": nullable(NUMBER), "requestsPerMinute": nullable(NUMBER)})),
        f"The account's quotas by access method ({', '.join(AccessMethod)}), as Service Quotas listed them "
        "at the last refresh. A quota or an amount that is unknown is null.",
    ),
    "Models": record(
        {
            "models": array(
                record(
                    {
                        "name": TEXT,
                        "modelId": nullable(TEXT),
                        "regions": by_name(
                            record(
                                {
                                    "accessMethod": nullable(TEXT, "The preferred access method."),
                                    "inferenceProfileId": nullable(TEXT),
                                    "quotas": ref("Quotas"),
                                }
                            )
                        ),
                    }
                )
            ),
            "refreshedAt": by_name(nullable(TEXT)),
        }
    ),
    "ModelAccess": record(
        {
            "name": TEXT,
            "modelId": nullable(TEXT),
            "regions": by_name(
                nullable(
                    record(
                        {},
                        {
                            "accessMethod": nullable(TEXT),
                            "accessMethods": array(TEXT),
                            "inferenceProfileId": nullable(TEXT),
                            "quotas": ref("Quotas"),
                        },
                    )
                )
            ),
        }
    ),
    "Health": record(
        {
            "status": {"const": "ok"},
            "models": array(TEXT),
            "regions": array(TEXT),
            "accessDataAgeSeconds": by_name(nullable(NUMBER)),
        }
    ),
}
_KEY: Final[Mapping[str, Schema]] = {
    "keyId": described(TEXT, "The public id of the key."),
    "status": {"enum": ["active", "expired", "revoked"]},
    "owner": described(TEXT, "The person or program that has the key."),
    "team": described(TEXT, "The team that usage is counted for."),
    "models": nullable(array(TEXT), "The models that the key allows; null for all configured models."),
    "regions": nullable(array(TEXT), "The regions that the key allows; null for all configured regions."),
    "expiresAt": nullable(TIME, "When the key expires; null for never."),
    "createdAt": TIME,
    "createdBy": described(TEXT, "The ARN of the IAM user or role that created the key."),
    "revokedAt": nullable(TIME, "When the key was revoked; null if it was not."),
    "revokedBy": nullable(TEXT, "The ARN of the IAM user or role that revoked the key."),
    "links": ref("Links"),
}
_KEYS: Final[Mapping[str, Schema]] = {
    "Key": record(_KEY, description="An API key without its secret."),
    "CreatedKey": record(
        {
            "key": described(
                TEXT, "The key, sk-<id>-<secret>. It is not stored, so no other response has it."
            ),
            **_KEY,
        }
    ),
    "KeyList": record({"keys": array(ref("Key"))}, {"nextToken": TEXT}),
}
RESPONSE_SCHEMAS: Final[Mapping[str, Schema]] = {
    **_PROBLEMS,
    **_ANSWERS,
    **_BATCHES,
    **_MODELS,
    **_KEYS,
    **USAGE_SCHEMAS,
}
