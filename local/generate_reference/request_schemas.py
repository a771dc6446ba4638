"""The schemas of request bodies, from the code that validates them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lambdas.api_keys import key_request
from lambdas.batch import batch_request, options
from lambdas.shared.converse_request import OPTION_FIELDS
from lambdas.shared.linear_regex import MAX_PATTERN
from lambdas.usage import budget_request
from llmmanager.batch_lanes.lane import LANES
from llmmanager.batch_report.limits import MAX_SAMPLES
from llmmanager.bedrock.structured.json_schema import KEYWORDS, MAX_PATTERNS
from llmmanager.bedrock.validation.converse_schema import CONVERSE_REQUEST
from llmmanager.json_format import response_rules
from llmmanager.json_format.codec import MAX_ID_LENGTH, REQUEST_FIELDS
from local.generate_reference.schemas import (
    ANY_OBJECT,
    SOME_TEXT,
    TEXT,
    Schema,
    array,
    described,
    nullable,
    record,
    ref,
)
from local.generate_reference.shape_schemas import ShapeSchemas

# What each field of Converse is. Its schema comes from `converse_schema`.
_CONVERSE_TEXTS: Final[Mapping[str, str]] = {
    "messages": "The conversation. A string is one user message. Optional only with a managed prompt.",
    "system": "The system prompt. A string is one block.",
    "inferenceConfig": "Inference parameters. Each replaces the model's default.",
    "additionalModelRequestFields": "Settings of a specific model, such as top_k.",
    "additionalModelResponseFieldPaths": "JSON pointers into the model's own response.",
    "guardrailConfig": "The guardrail. It is never removed from a request.",
    "toolConfig": "The tools that the model may use.",
    "requestMetadata": "Pairs of text for the log of model invocations.",
    "promptVariables": "Values for the variables of a managed prompt.",
    "performanceConfig": "The latency of the model.",
    "serviceTier": "The service tier, which has its own price.",
    "outputConfig": "The format of the answer, and the effort of the model.",
}
# The fields that the functions add to those of Converse.
_OWN_FIELDS: Final[Mapping[str, Schema]] = {
    "priority": {
        "type": "integer",
        "minimum": 0,
        "description": "The order in which the records of a batch start; 0 is the highest priority.",
    },
    "promptCache": {
        "const": "auto",
        "description": "Cache points are placed for each model that supports them.",
    },
    "extraRequestFields": described(ANY_OBJECT, "Other fields of Converse. They are merged last."),
}
_NAME: Final[Schema] = {"type": "string", "minLength": 1, "maxLength": key_request.MAX_NAME}
_SHARED_OPTIONS: Final[Mapping[str, Schema]] = {
    "models": ref("Names"),
    "regions": ref("Names"),
    "responseValidation": ref("ResponseValidation"),
    "featureFallback": ref("FeatureFallback"),
    "maxCostMultiple": ref("MaxCostMultiple"),
    "team": described(_NAME, "The team that pays. The setting team_callers limits who can name one."),
    "outputSchema": {
        "type": "object",
        "description": "The answer must be JSON that is valid for this JSON Schema of an object. It is sent "
        "in the form that each model supports, and the answer has its value in parsed. Supported keywords: "
        f"{', '.join(KEYWORDS)}. At most {MAX_PATTERNS} patterns.",
    },
}
_BATCH_FIELDS: Final[Mapping[str, Schema]] = {
    "requests": array(ref("Record"), minItems=1, maxItems=batch_request.MAX_INLINE_RECORDS),
    "inputS3Uri": {
        "type": "string",
        "pattern": r"^s3://[^/]+/[\s\S]*[^/]$",
        "description": "One JSON Lines file. To run all files under a prefix, start the state machine with "
        "prefix.",
    },
    **_SHARED_OPTIONS,
    "failureStrategy": {
        "description": "When failed records end the batch. A threshold is a share of all records of the "
        "batch that were not rejected.",
        "oneOf": [
            {"enum": ["continue", "stopOnFirstFailure"]},
            record({"stopOnThreshold": {"type": "number", "minimum": 0, "maximum": 1}}, closed=True),
        ],
    },
    "deadlineSeconds": {
        "type": "number",
        "exclusiveMinimum": 0,
        "maximum": options.MAX_DEADLINE_SECONDS,
        "description": "Seconds after the start of the batch. No record is started later.",
    },
    "lane": {
        "enum": list(LANES),
        "default": LANES[0],
        "description": "How the records run. `onDemand`: Converse. `flex`: Converse in the flex tier. "
        "`managed`: batch jobs of Bedrock. `auto`: the cheapest lane that can meet deadlineSeconds; without "
        "it, on demand. Records that cannot use the lane run on demand.",
    },
    "dryRun": {
        "type": "boolean",
        "default": False,
        "description": "Only validate the records and estimate each lane. The status of the batch has the "
        "estimates as lanes.",
    },
    "expectedOutputTokens": {
        "type": "integer",
        "minimum": 1,
        "maximum": options.MAX_OUTPUT_TOKENS,
        "description": "The expected output of a record, for the estimates of lanes. Default: its maxTokens, "
        "or the maximum of the model.",
    },
    "retryStrategy": {
        "enum": list(options.RETRY_STRATEGIES),
        "default": options.RETRY_STRATEGIES[0],
        "description": "What a failed record changes first: the region or the model.",
    },
    "onThrottle": {
        "enum": list(options.ON_THROTTLE),
        "default": options.ON_THROTTLE[0],
        "description": "What a throttled record does. `wait`: it uses the other regions and access methods "
        "of its model, then waits for quota, and uses another model only if the deadline would be missed at "
        "the present rate. `failover`: it uses another model at once.",
    },
    "priority": {
        "type": "integer",
        "minimum": 0,
        "maximum": options.LOWEST_PRIORITY,
        "default": 0,
        "description": "0 is the highest priority. Each higher number halves the number of simultaneous "
        "calls of the batch.",
    },
    "reportSamples": {
        "type": "integer",
        "minimum": 0,
        "maximum": MAX_SAMPLES,
        "default": 0,
        "description": "How many answers, chosen at random, are in the report.",
    },
    "promptCache": {
        "enum": list(options.PROMPT_CACHE),
        "default": options.PROMPT_CACHE[0],
        "description": "`auto`: records of a shard with the same long tools and system prompt get cache "
        "points. `off`: only records that state `promptCache` or have cache points use the cache.",
    },
    "resultOrder": {"const": "input", "description": "Write the results in the order of the input."},
}
_PHRASES: Final[Schema] = array(SOME_TEXT, minItems=1, maxItems=response_rules.MAX_PHRASES)
_RULES: Final[Mapping[str, Schema]] = {
    "jsonSchema": {
        "type": ["object", "boolean"],
        "description": "The answer must be JSON that is valid for this schema. Supported keywords: "
        f"{', '.join(KEYWORDS)}. At most {MAX_PATTERNS} patterns.",
    },
    "mustContain": _PHRASES,
    "mustNotContain": _PHRASES,
    "pattern": {
        "type": "string",
        "minLength": 1,
        "maxLength": MAX_PATTERN,
        "description": "Must match anywhere in the answer. The syntax is that of RE2, which has no back "
        "references and lookarounds.",
    },
    "minLength": {"type": "integer", "minimum": 0, "maximum": response_rules.MAX_LENGTH},
    "retries": {
        "type": "integer",
        "minimum": 0,
        "maximum": response_rules.MAX_RETRIES,
        "default": response_rules.DEFAULT_RETRIES,
        "description": "How often a model is called again after an answer that breaks a rule. N means at "
        "most N + 1 answers, over all models and regions together.",
    },
}
_KEY_FIELDS: Final[Mapping[str, Schema]] = {
    "owner": described(
        _NAME,
        "The person or program that gets the key. Letters A to Z, digits, spaces and :_@$#=/+,.-, without a "
        "space at the start or end.",
    ),
    "team": described(_NAME, "The team that usage is counted for. Characters as for owner."),
    "models": nullable(
        array(TEXT, minItems=1),
        "Names or ids of configured models that the key allows; without it, all of them.",
    ),
    "regions": nullable(
        array(TEXT, minItems=1), "Configured regions that the key allows; without it, all of them."
    ),
    "expiresAt": nullable(
        {"type": "string", "format": "date-time"},
        "A future time with an offset from UTC. Without it and expiresInDays, the key does not expire.",
    ),
    "expiresInDays": nullable(
        {"type": "integer", "minimum": 1, "maximum": key_request.MAX_DAYS},
        "Days until the key expires, instead of expiresAt.",
    ),
}
_OPTION_SCHEMAS: Final[Mapping[str, Schema]] = {
    "Names": described(
        array(SOME_TEXT, minItems=1),
        "Configured names, the preferred one first. Default: all configured ones.",
    ),
    "ResponseValidation": record({}, {name: _RULES[name] for name in response_rules.MEMBERS}, closed=True),
    "FeatureFallback": {
        "type": "boolean",
        "default": True,
        "description": "Whether content and tuning parameters that a model does not support may be removed "
        "from the request. With false, the request fails over to the next model instead. A guardrail is "
        "never removed.",
    },
    "MaxCostMultiple": {
        "type": "number",
        "minimum": 1,
        "description": "How many times as much as the first model another model, region or access method may "
        "cost, for the request's input and maxTokens at list prices. What costs more, or has no known price, "
        "is not used. Without it, there is no limit.",
    },
}


def request_schemas() -> dict[str, Schema]:
    """Return the schemas of request bodies and of their parts, by name."""
    shapes = ShapeSchemas()
    fields = {name: _field(name, shapes) for name in REQUEST_FIELDS.values()}
    return {
        "ConverseRequest": record(
            {},
            {**fields, **{name: _SHARED_OPTIONS[name] for name in OPTION_FIELDS}},
            "A request with the fields of Bedrock's Converse API, and the models, regions and rules for "
            "answers.",
            closed=True,
        ),
        "BatchRequest": record(
            {},
            {name: _BATCH_FIELDS[name] for name in batch_request.MEMBERS},
            "Either requests or inputS3Uri. A field that is null counts as missing.",
            closed=True,
        ),
        "KeyRequest": record(
            {name: _KEY_FIELDS[name] for name in ("owner", "team")},
            {name: _KEY_FIELDS[name] for name in key_request.MEMBERS},
            closed=True,
        ),
        "BudgetRequest": record(
            {},
            {
                name: nullable(
                    {"type": "number", "minimum": 0, "maximum": budget_request.MAX_USD},
                    f"Limit per UTC {period.value} in USD; null for none.",
                )
                for name, period in budget_request.LIMITS.items()
            },
            "At least one of the limits.",
            closed=True,
        ),
        "Record": record(
            {},
            {
                "recordId": {"type": "string", "minLength": 1, "maxLength": MAX_ID_LENGTH},
                "modelInput": ref("ConverseFields"),
            },
            "recordId and modelInput, or requestId and the fields of the request.",
        ),
        "ConverseFields": record(
            {}, fields, "A request with the fields of Bedrock's Converse API.", closed=True
        ),
        **_OPTION_SCHEMAS,
        **shapes.components,
    }


def _field(name: str, shapes: ShapeSchemas) -> Schema:
    if name in _OWN_FIELDS:
        return _OWN_FIELDS[name]
    schema = shapes.schema(CONVERSE_REQUEST.members[name])
    if name == "messages":
        schema = {"oneOf": [schema, SOME_TEXT]}
    if name == "system":
        schema = {"oneOf": [schema, {"type": "string"}]}
    return described(schema, _CONVERSE_TEXTS[name])
