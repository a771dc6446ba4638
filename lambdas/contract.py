"""The names on which the template in `infra/` and the functions in `lambdas/` must agree.

Of `lambdas/`, `infra/` imports only this module and the tables of routes. It imports nothing, so the template
is built without the packages of the functions. Stored data and the callers of deployed stacks depend on the
values, so the values do not change.
"""

GATEWAY_SECONDS = 29
"""API Gateway's timeout of a request, in seconds. It is also the timeout of the HTTP API's function."""

STREAMING_SECONDS = 900
"""API Gateway's timeout of a streamed response, in seconds. It is also the timeout of the function."""

STREAMING_WRAPPER = "lambdas/streaming_wrapper"
"""The script in the functions' code with which Lambda starts the streaming runtime."""


class EnvironmentVariable:
    """Environment variables that the template sets and the functions read."""

    BATCH_STATE_MACHINE_ARN = "LLMMANAGER_BATCH_STATE_MACHINE_ARN"
    BUCKET = "LLMMANAGER_BUCKET"
    BUDGET_MAX_TOKENS = "LLMMANAGER_BUDGET_MAX_TOKENS"
    CORS_ORIGINS = "LLMMANAGER_CORS_ORIGINS"
    DEAD_LETTER_QUEUE_URL = "LLMMANAGER_DEAD_LETTER_QUEUE_URL"
    EVENT_BUS = "LLMMANAGER_EVENT_BUS"
    INPUT_BUCKETS = "LLMMANAGER_INPUT_BUCKETS"
    JOB_ROLE_ARN = "LLMMANAGER_JOB_ROLE_ARN"
    LOG_PAYLOADS = "LLMMANAGER_LOG_PAYLOADS"
    KEY_TABLE = "LLMMANAGER_KEY_TABLE"
    MANAGED_LANE = "LLMMANAGER_MANAGED_LANE"
    MAP_CONCURRENCY = "LLMMANAGER_MAP_CONCURRENCY"
    MAX_TRIES = "LLMMANAGER_MAX_TRIES"
    METRICS_NAMESPACE = "LLMMANAGER_METRICS_NAMESPACE"
    MODEL_ALIASES = "LLMMANAGER_MODEL_ALIASES"
    MODELS = "LLMMANAGER_MODELS"
    REGIONS = "LLMMANAGER_REGIONS"
    REPLY_QUEUES = "LLMMANAGER_REPLY_QUEUES"
    REQUEST_LOST_SECONDS = "LLMMANAGER_REQUEST_LOST_SECONDS"
    REQUEST_QUEUE_URL = "LLMMANAGER_REQUEST_QUEUE_URL"
    REQUEST_TABLE = "LLMMANAGER_REQUEST_TABLE"
    SHARD_SIZE = "LLMMANAGER_SHARD_SIZE"
    SINGLE_REQUEST_SHARE = "LLMMANAGER_SINGLE_REQUEST_SHARE"
    TABLE = "LLMMANAGER_TABLE"
    TEAM_CALLERS = "LLMMANAGER_TEAM_CALLERS"
    USAGE_TABLE = "LLMMANAGER_USAGE_TABLE"
    WORKER_CONCURRENCY = "LLMMANAGER_WORKER_CONCURRENCY"


class BucketPrefix:
    """Prefixes of the objects in the stack's bucket."""

    BATCHES = "batches/"
    """The files of a batch are under `batches/{batchId}/`."""
    BUDGETS = "budgets/"
    """One empty object for each scope with a budget, which is read if the usage table cannot be reached."""
    INBOX = "inbox/"
    """A file that is uploaded here starts a batch."""
    INPUTS = "inputs/"
    """Files that requests and batches name."""
    REQUESTS = "requests/"
    """The files of a single request are under `requests/{requestId}/`."""


JSON_LINES_SUFFIX = ".jsonl"
"""The end of the keys of files with a JSON object in each line. The inbox ignores other files."""


class BatchObject:
    """Files and folders of a batch, below `batches/{batchId}/`. `lambdas.batch.storage` describes them."""

    INPUT = "input.jsonl"
    OPTIONS = "options.json"
    MANIFEST = "manifest.json"
    LANES = "lanes.json"
    MAP = "map.json"
    JOB_ITEMS = "jobs.json"
    REST = "rest.json"
    REJECTED = "rejected.jsonl"
    RESULTS = "results.jsonl"
    FAILED_RESULTS = "failed.jsonl"
    SUMMARY = "summary.json"
    REPORT = "report.html"
    SHARDS = "shards/"
    RESULT_PARTS = "results/"
    RUNS = "runs/"
    STOP_REASONS = "ended/"
    END_EVENTS = "told/"
    FAILURES = "failures/"
    WAITING_SHARDS = "waiting/"
    JOBS = "jobs/"


class TableAttribute:
    """Attributes of the items in the DynamoDB tables that are keys or have a meaning for DynamoDB."""

    PARTITION_KEY = "pk"
    """Of the catalog's table and of the usage table. `llmmanager` defines the keys of the catalog's table."""
    SORT_KEY = "sk"
    ID = "id"
    """The key of the request table and of the table of API keys."""
    KIND = "kind"
    CREATED = "created"
    """With `KIND`, the key of the index of all API keys."""
    EXPIRES_AT = "expires_at"
    """Seconds since 1970 after which DynamoDB deletes an item."""


API_KEY_INDEX = "by-created"
"""The index of all API keys by creation time."""

COOLDOWN_PARTITION = "health"
"""The partition of the catalog's table with the shared cooldowns."""


class UsagePartition:
    """Partitions of the usage table, or the beginnings of their names."""

    BUDGETS = "budgets"
    """The definitions of all budgets."""
    SPENT = "spent#"
    """What a scope has spent and reserved, by period."""
    LEASES = "lease#"
    """The reservations of a UTC day."""
    USAGE = "usage#"
    """The usage of a UTC day."""
    COUNTED = "counted#"
    """The invocations of workers of a batch whose usage is counted."""


class DetailType:
    """The `detail-type` of the events that a function sends or receives."""

    REQUEST = "LLM Request"
    ANSWER = "LLM Answer"
    FAILURE = "LLM Failure"
    BATCH_FINISHED = "Batch Finished"
    BUDGET_THRESHOLD = "Budget Threshold"
    OBJECT_CREATED = "Object Created"
    EXECUTION_ENDED = "Step Functions Execution Status Change"


class EventSource:
    """The `source` of the events that a function sends or receives."""

    OWN = "llmmanager"
    S3 = "aws.s3"
    STEP_FUNCTIONS = "aws.states"


ENDED_STATUSES = {
    "SUCCEEDED": "succeeded",
    "FAILED": "failed",
    "TIMED_OUT": "timed_out",
    "ABORTED": "stopped",
}
"""The statuses of an execution that has ended, as Step Functions and as this project name them."""


class BatchStep:
    """Fields with which the batch state machine calls its functions and reads their responses."""

    EXECUTION_NAME = "executionName"
    EXECUTION_ID = "executionId"
    INPUT = "input"
    RUNS_JOBS = "runsJobs"
    """Whether the state machine can run jobs. One of an earlier version of the stack cannot."""
    DRY_RUN = "dryRun"
    BUCKET = "bucket"
    MANIFEST_KEY = "manifestKey"
    SHARD_COUNT = "shardCount"
    JOBS_KEY = "jobsKey"
    JOB_COUNT = "jobCount"
    JOB = "job"
    DONE = "done"
    WAIT_SECONDS = "waitSeconds"


class BatchError:
    """Exceptions of the batch functions that the state machine does not retry, by their class names."""

    INVALID_BATCH = "InvalidBatch"
    NO_PROGRESS = "NoProgress"


MIN_JOB_WAIT = 5
"""The least seconds between two steps of a managed batch job."""


def seconds_to_next_poll(age: float) -> float:
    """Return the seconds until the status of a managed batch job is read again.

    They are a tenth of its age, at most five minutes. Those of a job of more than a day are longer, because
    an execution of a state machine has a limited number of steps.

    Args:
        age: seconds since the job was created.
    """
    return max(MIN_JOB_WAIT, min(age / 10, max(300, age / 300)))


REFRESH_REGION = "region"
"""The field of the refresh function's event with the region to refresh."""

METRICS_NAMESPACE = "LLMManager"
"""The namespace of a stack's metrics is this name, a slash and the name of the stack."""


class Metric:
    """CloudWatch metrics that the functions write. Alarms and the dashboard read most of them."""

    REQUESTS = "Requests"
    ATTEMPTS = "Attempts"
    FAILOVERS = "Failovers"
    THROTTLES = "Throttles"
    FAILURES = "Failures"
    INPUT_TOKENS = "InputTokens"
    OUTPUT_TOKENS = "OutputTokens"
    COST = "EstimatedCostUsd"
    UNKNOWN_USAGE = "AttemptsWithUnknownUsage"
    ALL_COOLING = "AllTargetsCooling"
    CATALOG_AGE = "CatalogAgeSeconds"
    USAGE_NOT_RECORDED = "UsageNotRecorded"
    BUDGET_THRESHOLD = "BudgetThreshold"


class MetricDimension:
    """Dimensions of the metrics of one target."""

    MODEL = "Model"
    REGION = "Region"


PROBLEM_CONTENT_TYPE = "application/problem+json"
PROBLEM_TYPE_PREFIX = "urn:llmmanager:problem:"
"""The start of the `type` of a problem document. Its last part is the name of the problem."""
PROBLEM_ATTRIBUTE = "problem"
"""The attribute of a message in the dead-letter queue with the name of its problem."""
