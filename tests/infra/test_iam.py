"""All permissions of all roles, and the reason for each wildcard."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

INVOKE = ["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"]
HAIKU = "anthropic.claude-haiku-4-5-20251001-v1:0"
BATCH_FILES = "<BatchBucket.Arn>/batches/*"
BATCH_EXECUTIONS = "arn:<partition>:states:us-east-1:123456789012:execution:<BatchMachine.Name>:*"

LIST_BUCKET = (["s3:ListBucket"], ["<BatchBucket.Arn>"])
READ_CATALOG = (["dynamodb:BatchGetItem"], ["<CatalogTable.Arn>"])
SHARE_COOLDOWNS = (["dynamodb:PutItem", "dynamodb:Query"], ["<CatalogTable.Arn>"])
STORE_REQUESTS = (
    (
        ["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"],
        ["<RequestTable.Arn>"],
    ),
    (["s3:GetObject", "s3:PutObject"], ["<BatchBucket.Arn>/requests/*"]),
)
COUNT_USAGE = (
    (["dynamodb:BatchGetItem", "dynamodb:GetItem"], ["<UsageTable.Arn>"]),
    (["dynamodb:UpdateItem"], ["<UsageTable.Arn>"]),
    (["dynamodb:DeleteItem", "dynamodb:PutItem"], ["<UsageTable.Arn>"]),
    LIST_BUCKET,
    (["events:PutEvents"], ["<EventBus.Arn>"]),
)
JOB = "arn:aws:bedrock:us-east-1:123456789012:model-invocation-job/*"
MANAGE_JOBS = (
    (["bedrock:GetModelInvocationJob", "bedrock:StopModelInvocationJob"], [JOB]),
    (["bedrock:ListModelInvocationJobs"], ["*"]),
    (["iam:PassRole"], ["<BatchModelJobsRole.Arn>"]),
)
READ_USAGE = (["dynamodb:Query"], ["<UsageTable.Arn>"])
COUNTED_MODELS = [
    f"arn:aws:bedrock:*::foundation-model/{model}"
    for model in ("amazon.nova-lite-v1:0", "amazon.nova-micro-v1:0", HAIKU)
]
WRITE_STATE_MACHINE_LOG = (
    [
        "logs:CreateLogDelivery",
        "logs:DeleteLogDelivery",
        "logs:DescribeLogGroups",
        "logs:DescribeResourcePolicies",
        "logs:GetLogDelivery",
        "logs:ListLogDeliveries",
        "logs:PutResourcePolicy",
        "logs:UpdateLogDelivery",
    ],
    ["*"],
)


def write_log(owner: str) -> tuple[list[str], list[str]]:
    return ["logs:CreateLogStream", "logs:PutLogEvents"], [f"<{owner}Logs.Arn>"]


# The permissions of each role, except invoking models: actions and resources.
EXPECTED = {
    "HttpApiHandlerRole": [
        write_log("HttpApiHandler"),
        READ_CATALOG,
        SHARE_COOLDOWNS,
        (["states:ListExecutions", "states:StartExecution"], ["<BatchMachine>"]),
        (
            ["states:DescribeExecution", "states:StopExecution"],
            [BATCH_EXECUTIONS.replace("<partition>", "aws")],
        ),
        (
            ["s3:AbortMultipartUpload", "s3:PutObject"],
            ["<BatchBucket.Arn>/batches/*/input.jsonl"],
        ),
        (
            ["s3:GetObject"],
            [
                "<BatchBucket.Arn>/batches/*/manifest.json",
                "<BatchBucket.Arn>/batches/*/runs/*.json",
                "<BatchBucket.Arn>/batches/*/waiting/*",
                "<BatchBucket.Arn>/batches/*/summary.json",
                "<BatchBucket.Arn>/batches/*/lanes.json",
                "<BatchBucket.Arn>/batches/*/jobs/*.json",
                "<BatchBucket.Arn>/inputs/*",
            ],
        ),
        LIST_BUCKET,
        *STORE_REQUESTS,
        *COUNT_USAGE,
        READ_USAGE,
        (["dynamodb:DeleteItem", "dynamodb:PutItem", "dynamodb:Query"], ["<UsageTable.Arn>"]),
        (["s3:DeleteObject", "s3:PutObject"], ["<BatchBucket.Arn>/budgets/*"]),
        (["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"], ["<KeyTable.Arn>"]),
        (["dynamodb:Query"], ["<KeyTable.Arn>/index/by-created"]),
        (["sqs:SendMessage"], ["<EventsRequestQueue.Arn>"]),
    ],
    "StreamingApiHandlerRole": [
        write_log("StreamingApiHandler"),
        READ_CATALOG,
        SHARE_COOLDOWNS,
        *STORE_REQUESTS,
        *COUNT_USAGE,
        READ_USAGE,
        (["bedrock:CountTokens"], COUNTED_MODELS),
    ],
    "ConverseStreamHandlerRole": [
        write_log("ConverseStreamHandler"),
        READ_CATALOG,
        SHARE_COOLDOWNS,
        *STORE_REQUESTS,
        *COUNT_USAGE,
        (["s3:GetObject"], ["<BatchBucket.Arn>/inputs/*"]),
    ],
    "KeyAuthorizerHandlerRole": [
        write_log("KeyAuthorizerHandler"),
        (["dynamodb:GetItem"], ["<KeyTable.Arn>"]),
    ],
    "EventsHandlerRole": [
        write_log("EventsHandler"),
        READ_CATALOG,
        SHARE_COOLDOWNS,
        (
            [
                "sqs:ChangeMessageVisibility",
                "sqs:DeleteMessage",
                "sqs:GetQueueAttributes",
                "sqs:GetQueueUrl",
                "sqs:ReceiveMessage",
            ],
            ["<EventsRequestQueue.Arn>"],
        ),
        (["sqs:SendMessage"], ["<EventsDeadLetterQueue.Arn>"]),
        (["s3:GetObject"], ["<BatchBucket.Arn>/inputs/*"]),
        (["states:StartExecution"], ["<BatchMachine>"]),
        LIST_BUCKET,
        *STORE_REQUESTS,
        *COUNT_USAGE,
    ],
    "BatchPlanRole": [
        write_log("BatchPlan"),
        (["s3:GetObject"], ["<BatchBucket.Arn>/*"]),
        (["s3:AbortMultipartUpload", "s3:PutObject"], [BATCH_FILES]),
        LIST_BUCKET,
        READ_CATALOG,
        (["states:DescribeExecution"], [BATCH_EXECUTIONS.replace("<partition>", "aws")]),
    ],
    "BatchWorkerRole": [
        write_log("BatchWorker"),
        (["s3:GetObject"], ["<BatchBucket.Arn>/*"]),
        (["s3:AbortMultipartUpload", "s3:PutObject"], [BATCH_FILES]),
        LIST_BUCKET,
        READ_CATALOG,
        SHARE_COOLDOWNS,
        *COUNT_USAGE,
        (["dynamodb:PutItem"], ["<UsageTable.Arn>"]),
    ],
    "BatchJobRole": [
        write_log("BatchJob"),
        (["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"], [BATCH_FILES]),
        LIST_BUCKET,
        READ_CATALOG,
        *COUNT_USAGE,
        *MANAGE_JOBS,
    ],
    # Bedrock runs jobs with this role.
    "BatchModelJobsRole": [
        (["s3:GetObject"], ["<BatchBucket.Arn>/batches/*/jobs/*/input/*"]),
        (["s3:PutObject"], ["<BatchBucket.Arn>/batches/*/jobs/*/output/*"]),
        LIST_BUCKET,
    ],
    "BatchCollectRole": [
        write_log("BatchCollect"),
        (["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"], [BATCH_FILES]),
        LIST_BUCKET,
        (["dynamodb:PutItem", "dynamodb:Query"], ["<UsageTable.Arn>"]),
        (["dynamodb:UpdateItem"], ["<UsageTable.Arn>"]),
    ],
    "BatchEndHandlerRole": [
        write_log("BatchEndHandler"),
        (["s3:GetObject"], ["<BatchBucket.Arn>/batches/*/*"]),
        (["s3:AbortMultipartUpload", "s3:PutObject"], ["<BatchBucket.Arn>/batches/*/ended/*"]),
        (
            ["s3:PutObject"],
            ["<BatchBucket.Arn>/batches/*/jobs/*.json", "<BatchBucket.Arn>/batches/*/told/*.json"],
        ),
        LIST_BUCKET,
        *MANAGE_JOBS,
        (["states:DescribeExecution"], [BATCH_EXECUTIONS.replace("<partition>", "aws")]),
        (["events:PutEvents"], ["<EventBus.Arn>"]),
    ],
    "BatchMachineRole": [
        (
            ["lambda:InvokeFunction"],
            [
                "<BatchCollectFunction.Arn>",
                "<BatchJobFunction.Arn>",
                "<BatchPlanFunction.Arn>",
                "<BatchWorkerFunction.Arn>",
            ],
        ),
        WRITE_STATE_MACHINE_LOG,
        (["states:StartExecution"], ["<BatchMachine>"]),
        (
            ["states:DescribeExecution", "states:StopExecution"],
            [BATCH_EXECUTIONS.replace("<partition>", "aws")],
        ),
        (
            ["s3:GetObject"],
            [f"<BatchBucket.Arn>/batches/*/{name}.json" for name in ("jobs", "manifest", "map", "rest")],
        ),
    ],
    "ModelAccessRefreshRole": [
        write_log("ModelAccessRefresh"),
        (["dynamodb:BatchGetItem", "dynamodb:PutItem"], ["<CatalogTable.Arn>"]),
        (
            [
                "bedrock:ListFoundationModels",
                "bedrock:ListInferenceProfiles",
                "servicequotas:ListServiceQuotas",
            ],
            ["*"],
        ),
    ],
    "ModelAccessRefreshMachineRole": [
        (["lambda:InvokeFunction"], ["<ModelAccessRefreshFunction.Arn>"]),
        WRITE_STATE_MACHINE_LOG,
    ],
    "ModelAccessScheduleRole": [(["states:StartExecution"], ["<ModelAccessRefreshMachine>"])],
    "HttpApiCloudWatchRole": [],
}

# Every resource with a wildcard, and the reason for it.
WILDCARDS = {
    **dict.fromkeys(COUNTED_MODELS, "a condition limits the regions"),
    "*": "IAM has no resource type for listing models and profiles and for log deliveries",
    "<BatchBucket.Arn>/*": "an input can be anywhere in the stack's bucket",
    BATCH_FILES: "each batch has its own files",
    "<BatchBucket.Arn>/inputs/*": "a request can name any input file",
    "<BatchBucket.Arn>/requests/*": "each request has its own folder",
    "<BatchBucket.Arn>/budgets/*": "one per budget",
    "<BatchBucket.Arn>/batches/*/input.jsonl": "one per batch",
    "<BatchBucket.Arn>/batches/*/manifest.json": "one per batch",
    **{
        f"<BatchBucket.Arn>/batches/*/{name}.json": "one per batch"
        for name in ("jobs", "lanes", "map", "rest", "summary")
    },
    "<BatchBucket.Arn>/batches/*/jobs/*.json": "each job has its own files",
    "<BatchBucket.Arn>/batches/*/jobs/*/input/*": "each job has its own files",
    "<BatchBucket.Arn>/batches/*/jobs/*/output/*": "each job has its own files",
    JOB: "each job has its own id",
    "<BatchBucket.Arn>/batches/*/runs/*.json": "one per execution",
    "<BatchBucket.Arn>/batches/*/waiting/*": "one per execution",
    "<BatchBucket.Arn>/batches/*/*": "each batch has its own files",
    "<BatchBucket.Arn>/batches/*/ended/*": "one folder per execution",
    "<BatchBucket.Arn>/batches/*/told/*.json": "one per execution",
    BATCH_EXECUTIONS.replace("<partition>", "aws"): "each batch has its own executions",
}


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements(stack: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every statement of the inline policies, with the role's name."""
    for policy in stack.of_type("AWS::IAM::Policy").values():
        for role in policy["Roles"]:
            for statement in policy["PolicyDocument"]["Statement"]:
                yield role.strip("<>"), statement


def granted(stack: Any, role: str) -> list[tuple[list[str], list[str]]]:
    """Return actions and resources of each statement of the role."""
    return [
        (sorted(as_list(statement["Action"])), sorted(as_list(statement["Resource"])))
        for owner, statement in statements(stack)
        if owner == role
    ]


def test_all_roles_are_listed(stack: Any) -> None:
    assert set(stack.of_type("AWS::IAM::Role")) == set(EXPECTED)


@pytest.mark.parametrize("role", EXPECTED)
def test_a_role_has_exactly_the_permissions_it_needs(stack: Any, role: str) -> None:
    expected = [(sorted(actions), sorted(resources)) for actions, resources in EXPECTED[role]]
    assert sorted(granted(stack, role)) == sorted(expected)


def test_every_statement_allows_and_no_action_is_a_wildcard(stack: Any) -> None:
    policies = [statement for _, statement in statements(stack)] + invoke_statements(stack)
    for statement in policies:
        assert statement["Effect"] == "Allow"
        assert [action for action in as_list(statement["Action"]) if "*" in action] == []


def test_every_wildcard_in_a_resource_has_a_reason(stack: Any) -> None:
    found = {
        resource
        for _, statement in statements(stack)
        for resource in as_list(statement["Resource"])
        if "*" in resource
    }
    assert found == set(WILDCARDS)


def test_functions_that_call_models_write_only_cooldowns_to_the_catalog_table(stack: Any) -> None:
    writers = {
        role: statement.get("Condition")
        for role, statement in statements(stack)
        if "dynamodb:PutItem" in statement["Action"] and statement["Resource"] == "<CatalogTable.Arn>"
    }
    only_cooldowns = {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["health"]}}
    assert writers == {
        "BatchWorkerRole": only_cooldowns,
        "EventsHandlerRole": only_cooldowns,
        "HttpApiHandlerRole": only_cooldowns,
        "StreamingApiHandlerRole": only_cooldowns,
        "ConverseStreamHandlerRole": only_cooldowns,
        "ModelAccessRefreshRole": None,
    }


def test_only_the_routes_of_budgets_write_budgets_and_each_write_is_limited_to_its_items(stack: Any) -> None:
    def keys(role: str) -> dict[str, list[str]]:
        return {
            ",".join(sorted(as_list(statement["Action"]))): next(iter(statement["Condition"].values()))[
                "dynamodb:LeadingKeys"
            ]
            for owner, statement in statements(stack)
            if owner == role and statement["Resource"] == "<UsageTable.Arn>" and "Condition" in statement
        }

    counting = {
        "dynamodb:UpdateItem": ["spent#*", "usage#*", "lease#*"],
        "dynamodb:DeleteItem,dynamodb:PutItem": ["lease#*"],
    }
    reading = {"dynamodb:Query": ["usage#*", "lease#*"]}
    managing = {"dynamodb:DeleteItem,dynamodb:PutItem,dynamodb:Query": ["budgets"]}
    assert {role: keys(role) for role in EXPECTED if keys(role)} == {
        "BatchJobRole": counting,
        "BatchWorkerRole": counting | {"dynamodb:PutItem": ["counted#*"]},
        "BatchCollectRole": {
            "dynamodb:PutItem,dynamodb:Query": ["counted#*"],
            "dynamodb:UpdateItem": ["usage#*"],
        },
        "ConverseStreamHandlerRole": counting,
        "EventsHandlerRole": counting,
        "StreamingApiHandlerRole": counting | reading,
        "HttpApiHandlerRole": counting | reading | managing,
    }


def test_models_are_listed_in_the_configured_regions_only(stack: Any) -> None:
    (listing,) = (s for _, s in statements(stack) if "bedrock:ListFoundationModels" in s["Action"])
    assert listing["Condition"] == {
        "StringEquals": {"aws:RequestedRegion": ["us-east-1", "us-west-2", "eu-central-1"]}
    }


def test_tokens_are_counted_in_the_configured_regions_only(stack: Any) -> None:
    (counting,) = (s for _, s in statements(stack) if s["Action"] == "bedrock:CountTokens")
    assert counting["Condition"] == {
        "StringEquals": {"aws:RequestedRegion": ["us-east-1", "us-west-2", "eu-central-1"]}
    }


def test_jobs_are_created_of_the_configured_models_and_with_their_profiles_only(stack: Any) -> None:
    (policy,) = (
        policy
        for name, policy in stack.of_type("AWS::IAM::ManagedPolicy").items()
        if name.startswith("BatchModelJobsCreate")
    )
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert statement["Action"] == "bedrock:CreateModelInvocationJob"
    profiles = "arn:aws:bedrock:us-east-1:123456789012:inference-profile"
    assert sorted(statement["Resource"]) == sorted(
        [
            JOB,
            *COUNTED_MODELS,
            *(f"{profiles}/{area}.{HAIKU}" for area in ("eu", "global", "us")),
            *(
                f"{profiles}/{area}.amazon.nova-{size}-v1:0"
                for area in ("eu", "us")
                for size in ("lite", "micro")
            ),
        ]
    )


def test_the_job_role_is_passed_to_bedrock_only_and_jobs_are_listed_in_the_own_region_only(
    stack: Any,
) -> None:
    conditions = {
        (role, statement["Action"]): statement["Condition"]["StringEquals"]
        for role, statement in statements(stack)
        if statement["Action"] in ("iam:PassRole", "bedrock:ListModelInvocationJobs")
    }
    assert {role for role, _ in conditions} == {"BatchJobRole", "BatchEndHandlerRole"}
    for (_, action), condition in conditions.items():
        passes = action == "iam:PassRole"
        assert condition == (
            {"iam:PassedToService": "bedrock.amazonaws.com"}
            if passes
            else {"aws:RequestedRegion": "us-east-1"}
        )


def test_bedrock_reads_and_writes_only_files_of_the_own_account(stack: Any) -> None:
    conditions = [s["Condition"] for role, s in statements(stack) if role == "BatchModelJobsRole"]
    assert conditions == 3 * [{"StringEquals": {"aws:ResourceAccount": "123456789012"}}]


def test_without_the_managed_lane_no_role_concerns_jobs(varied: Any) -> None:
    assert not {"BatchJobRole", "BatchModelJobsRole"} & set(varied.of_type("AWS::IAM::Role"))
    actions = {action for _, statement in statements(varied) for action in as_list(statement["Action"])}
    assert not any("ModelInvocationJob" in action or action == "iam:PassRole" for action in actions)
    managed = varied.of_type("AWS::IAM::ManagedPolicy")
    assert all(name.startswith("InvokeModels") for name in managed)
    assert "LLMMANAGER_JOB_ROLE_ARN" not in str(varied.of_type("AWS::Lambda::Function"))


def invoke_statements(stack: Any) -> list[dict[str, Any]]:
    policies = stack.of_type("AWS::IAM::ManagedPolicy").items()
    return [
        statement
        for name, policy in policies
        if name.startswith("InvokeModels")
        for statement in policy["PolicyDocument"]["Statement"]
    ]


def test_only_the_functions_that_call_models_and_jobs_may_invoke_them(stack: Any) -> None:
    names = list(stack.of_type("AWS::IAM::ManagedPolicy"))
    policies = [f"<{name}>" for name in names if name.startswith("InvokeModels")]
    create_jobs = [f"<{name}>" for name in names if name.startswith("BatchModelJobsCreate")]
    assert len(policies) + len(create_jobs) == len(names)
    managed = {
        name: role["ManagedPolicyArns"]
        for name, role in stack.of_type("AWS::IAM::Role").items()
        if "ManagedPolicyArns" in role
    }
    assert managed == {
        "HttpApiHandlerRole": policies,
        "StreamingApiHandlerRole": policies,
        "ConverseStreamHandlerRole": policies,
        "EventsHandlerRole": policies,
        "BatchWorkerRole": policies,
        "BatchModelJobsRole": policies,
        "BatchJobRole": create_jobs,
        "BatchEndHandlerRole": create_jobs,
        # API Gateway requires this policy for its account-wide role.
        "HttpApiCloudWatchRole": [
            "arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"
        ],
    }


def test_a_small_deployment_allows_exactly_its_model(varied: Any) -> None:
    # Nova Micro in eu-west-2: on demand only.
    assert invoke_statements(varied) == [
        {
            "Action": INVOKE,
            "Effect": "Allow",
            "Resource": "arn:aws:bedrock:eu-west-2::foundation-model/amazon.nova-micro-v1:0",
        }
    ]


def test_the_template_has_profiles_with_their_conditions(stack: Any) -> None:
    account = "123456789012"
    sources = ["us-east-1", "us-west-2", "eu-central-1"]
    through = [f"arn:aws:bedrock:{r}:{account}:inference-profile/global.{HAIKU}" for r in sources]
    expected = {
        "Action": INVOKE,
        "Condition": {
            "StringEquals": {
                "aws:RequestedRegion": ["unspecified"],
                "bedrock:InferenceProfileArn": through,
            }
        },
        "Effect": "Allow",
        "Resource": f"arn:aws:bedrock:::foundation-model/{HAIKU}",
    }
    assert expected in invoke_statements(stack)


def test_other_accounts_cannot_use_a_role_through_a_service(stack: Any) -> None:
    for name, role in stack.of_type("AWS::IAM::Role").items():
        (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
        service = trust["Principal"]["Service"]
        own_account = {"StringEquals": {"aws:SourceAccount": "123456789012"}}
        if service in ("states.amazonaws.com", "scheduler.amazonaws.com"):
            assert trust["Condition"] == own_account, name
        elif service == "bedrock.amazonaws.com":
            assert trust["Condition"] == {**own_account, "ArnLike": {"aws:SourceArn": JOB}}, name
        else:
            # Lambda and API Gateway use a role only for its own account.
            assert service in ("lambda.amazonaws.com", "apigateway.amazonaws.com")


def test_input_buckets_can_be_read_but_not_written(varied: Any) -> None:
    readers = sorted(
        (role, as_list(statement["Action"]))
        for role, statement in statements(varied)
        if any("prompts-" in resource for resource in as_list(statement["Resource"]))
    )
    assert readers == [
        ("BatchPlanRole", ["s3:GetObject"]),
        ("BatchPlanRole", ["s3:ListBucket"]),
        ("BatchWorkerRole", ["s3:GetObject"]),
        ("ConverseStreamHandlerRole", ["s3:GetObject"]),
        ("EventsHandlerRole", ["s3:GetObject"]),
        ("HttpApiHandlerRole", ["s3:GetObject"]),
    ]
    listed = ["<BatchBucket.Arn>", "arn:aws:s3:::prompts-a", "arn:aws:s3:::prompts-b"]
    assert (["s3:ListBucket"], listed) in granted(varied, "BatchPlanRole")
    read = ["<BatchBucket.Arn>/*", "arn:aws:s3:::prompts-a/*", "arn:aws:s3:::prompts-b/*"]
    assert (["s3:GetObject"], read) in granted(varied, "BatchPlanRole")


def test_input_keys_allow_decrypting_through_s3_for_readers_of_inputs(stack: Any, varied: Any) -> None:
    key = "arn:aws:kms:eu-west-2:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    decrypting = [
        (role, statement["Resource"], statement["Condition"])
        for role, statement in statements(varied)
        if statement["Action"] == "kms:Decrypt"
    ]
    through_s3 = {"StringLike": {"kms:ViaService": "s3.*"}}
    assert sorted(decrypting) == [
        (role, key, through_s3)
        for role in (
            "BatchPlanRole",
            "BatchWorkerRole",
            "ConverseStreamHandlerRole",
            "EventsHandlerRole",
            "HttpApiHandlerRole",
        )
    ]
    assert not any("kms:Decrypt" in as_list(statement["Action"]) for _, statement in statements(stack))


def test_tracing_permissions_are_granted_only_if_tracing_is_on(stack: Any, varied: Any) -> None:
    def tracing(deployed: Any) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for role, statement in statements(deployed):
            actions = [action for action in as_list(statement["Action"]) if action.startswith("xray:")]
            if actions:
                assert as_list(statement["Resource"]) == ["*"]
                found[role] = sorted(actions)
        return found

    sends = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
    samples = ["xray:GetSamplingRules", "xray:GetSamplingTargets", *sends]
    assert tracing(stack) == {}
    traced = tracing(varied)
    machines = {"BatchMachineRole", "ModelAccessRefreshMachineRole"}
    assert machines < set(traced)
    for role, actions in traced.items():
        assert actions == (samples if role in machines else sends)
    functions = varied.of_type("AWS::Lambda::Function").values()
    assert set(traced) - machines == {
        function["Role"].removeprefix("<").removesuffix(".Arn>") for function in functions
    }
