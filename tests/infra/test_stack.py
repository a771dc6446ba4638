"""The resources of the stack: functions, tables, bucket, schedule and outputs."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

from infra.lambda_asset import LAMBDA_PYTHON

ROOT = Path(__file__).resolve().parents[2]

FUNCTIONS = {
    "HttpApiHandlerFunction": ("lambdas.http_api.handler.handler", 29),
    "StreamingApiHandlerFunction": ("lambdas.streaming_api.handler.handler", 900),
    "ConverseStreamHandlerFunction": ("lambdas.converse_stream.handler.handler", 900),
    "EventsHandlerFunction": ("lambdas.events.handler.handler", 300),
    "KeyAuthorizerHandlerFunction": ("lambdas.api_keys.authorizer.handler", 10),
    "BatchPlanFunction": ("lambdas.batch.plan.handler", 900),
    "BatchWorkerFunction": ("lambdas.batch.worker.handler", 900),
    "BatchJobFunction": ("lambdas.batch.managed.job_step.handler", 900),
    "BatchCollectFunction": ("lambdas.batch.collect.handler", 900),
    "BatchEndHandlerFunction": ("lambdas.batch.execution_ended.handler", 900),
    "ModelAccessRefreshFunction": ("lambdas.model_access.refresh.handler", 60),
}


def test_the_functions_have_their_handlers_and_timeouts(stack: Any) -> None:
    deployed = stack.of_type("AWS::Lambda::Function")
    assert {name: (f["Handler"], f["Timeout"]) for name, f in deployed.items()} == FUNCTIONS


@pytest.mark.parametrize("handler", [handler for handler, _ in FUNCTIONS.values()])
def test_the_handlers_exist(handler: str) -> None:
    module, _, name = handler.rpartition(".")
    tree = ast.parse((ROOT / f"{module.replace('.', '/')}.py").read_text())
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_the_functions_share_one_asset_runtime_and_architecture(stack: Any) -> None:
    deployed = stack.of_type("AWS::Lambda::Function").values()
    assert len({json.dumps(function["Code"]) for function in deployed}) == 1
    assert {(function["Runtime"], *function["Architectures"]) for function in deployed} == {
        (f"python{LAMBDA_PYTHON}", "arm64")
    }


def test_the_cloud_assembly_has_the_asset_of_build_asset(stack: Any, asset: Path) -> None:
    def contents(folder: Path) -> dict[str, bytes]:
        return {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
        }

    (staged,) = stack.assembly.glob("asset.*")
    assert contents(staged) == contents(asset)


def test_the_settings_reach_every_function_as_environment_variables(stack: Any) -> None:
    common = {
        "LLMMANAGER_MODELS": '["Nova Lite", "Nova Micro", "Claude Haiku 4.5"]',
        "LLMMANAGER_REGIONS": '["us-east-1", "us-west-2", "eu-central-1"]',
        "LLMMANAGER_MODEL_ALIASES": "{}",
        "LLMMANAGER_CORS_ORIGINS": '["*"]',
        "LLMMANAGER_TABLE": "<CatalogTable>",
        "LLMMANAGER_BUCKET": "<BatchBucket>",
        "LLMMANAGER_INPUT_BUCKETS": "[]",
        "LLMMANAGER_EVENT_BUS": "<EventBus>",
        "LLMMANAGER_WORKER_CONCURRENCY": "32",
        "LLMMANAGER_MAP_CONCURRENCY": "10",
        "LLMMANAGER_SINGLE_REQUEST_SHARE": "0.1",
        "LLMMANAGER_MANAGED_LANE": "true",
        "LLMMANAGER_SHARD_SIZE": "1000",
        "LLMMANAGER_METRICS_NAMESPACE": "LLMManager/LlmManager",
        "LLMMANAGER_LOG_PAYLOADS": "false",
        "LLMMANAGER_TEAM_CALLERS": '["*"]',
        "LLMMANAGER_BUDGET_MAX_TOKENS": "4096",
        "POWERTOOLS_SERVICE_NAME": "llmmanager",
        "POWERTOOLS_LOG_LEVEL": "INFO",
    }
    more = {
        "HttpApiHandlerFunction": {
            "LLMMANAGER_BATCH_STATE_MACHINE_ARN": "<BatchMachine>",
            "LLMMANAGER_REQUEST_TABLE": "<RequestTable>",
            "LLMMANAGER_USAGE_TABLE": "<UsageTable>",
            "LLMMANAGER_KEY_TABLE": "<KeyTable>",
            "LLMMANAGER_REQUEST_QUEUE_URL": "<EventsRequestQueue>",
            "LLMMANAGER_REQUEST_LOST_SECONDS": "345900",
        },
        "EventsHandlerFunction": {
            "LLMMANAGER_BATCH_STATE_MACHINE_ARN": "<BatchMachine>",
            "LLMMANAGER_REQUEST_TABLE": "<RequestTable>",
            "LLMMANAGER_USAGE_TABLE": "<UsageTable>",
            "LLMMANAGER_REQUEST_QUEUE_URL": "<EventsRequestQueue>",
            "LLMMANAGER_DEAD_LETTER_QUEUE_URL": "<EventsDeadLetterQueue>",
            "LLMMANAGER_REPLY_QUEUES": "[]",
            "LLMMANAGER_MAX_TRIES": "5",
        },
        "StreamingApiHandlerFunction": {
            "AWS_LAMBDA_EXEC_WRAPPER": "/var/task/lambdas/streaming_wrapper",
            "LLMMANAGER_REQUEST_TABLE": "<RequestTable>",
            "LLMMANAGER_USAGE_TABLE": "<UsageTable>",
        },
        "ConverseStreamHandlerFunction": {
            "AWS_LAMBDA_EXEC_WRAPPER": "/var/task/lambdas/streaming_wrapper",
            "LLMMANAGER_REQUEST_TABLE": "<RequestTable>",
            "LLMMANAGER_USAGE_TABLE": "<UsageTable>",
        },
        "KeyAuthorizerHandlerFunction": {"LLMMANAGER_KEY_TABLE": "<KeyTable>"},
        "BatchWorkerFunction": {"LLMMANAGER_USAGE_TABLE": "<UsageTable>"},
        "BatchCollectFunction": {"LLMMANAGER_USAGE_TABLE": "<UsageTable>"},
        "BatchJobFunction": {
            "LLMMANAGER_JOB_ROLE_ARN": "<BatchModelJobsRole.Arn>",
            "LLMMANAGER_USAGE_TABLE": "<UsageTable>",
        },
        "BatchEndHandlerFunction": {"LLMMANAGER_JOB_ROLE_ARN": "<BatchModelJobsRole.Arn>"},
    }
    for name, function in stack.of_type("AWS::Lambda::Function").items():
        assert function["Environment"]["Variables"] == {**common, **more.get(name, {})}


def test_entry_points_have_reserved_concurrency(stack: Any, varied: Any, synthesise: Any) -> None:
    def reserved(deployed: Any) -> dict[str, int]:
        functions = deployed.of_type("AWS::Lambda::Function").items()
        return {
            n: f["ReservedConcurrentExecutions"] for n, f in functions if "ReservedConcurrentExecutions" in f
        }

    assert reserved(stack) == {
        "HttpApiHandlerFunction": 100,
        "StreamingApiHandlerFunction": 100,
        "ConverseStreamHandlerFunction": 100,
        "BatchWorkerFunction": 50,
    }
    assert reserved(varied) == {
        "HttpApiHandlerFunction": 20,
        "StreamingApiHandlerFunction": 5,
        "ConverseStreamHandlerFunction": 5,
        "BatchWorkerFunction": 6,
    }
    unreserved = synthesise(http_concurrency=0, streaming_concurrency=0, batch_concurrency=0)
    assert reserved(unreserved) == {}


def test_every_function_has_its_own_role_and_log_group(stack: Any) -> None:
    groups = stack.of_type("AWS::Logs::LogGroup")
    for name, function in stack.of_type("AWS::Lambda::Function").items():
        owner = name.removesuffix("Function")
        assert function["Role"] == f"<{owner}Role.Arn>"
        assert function["LoggingConfig"] == {"LogGroup": f"<{owner}Logs>"}
        assert f"{owner}Logs" in groups


def test_every_log_group_has_the_configured_retention(stack: Any) -> None:
    assert set(stack.of_type("AWS::Logs::LogGroup")) == {
        "HttpApiHandlerLogs",
        "HttpApiAccessLogs",
        "StreamingApiHandlerLogs",
        "ConverseStreamHandlerLogs",
        "StreamingApiAccessLogs",
        "EventsHandlerLogs",
        "KeyAuthorizerHandlerLogs",
        "BatchPlanLogs",
        "BatchWorkerLogs",
        "BatchJobLogs",
        "BatchCollectLogs",
        "BatchEndHandlerLogs",
        "BatchMachineLogs",
        "ModelAccessRefreshLogs",
        "ModelAccessRefreshMachineLogs",
    }
    for group in stack.of_type("AWS::Logs::LogGroup").values():
        assert group["RetentionInDays"] == 30


def test_the_tables_have_their_keys_and_are_protected(stack: Any) -> None:
    protected = {
        "BillingMode": "PAY_PER_REQUEST",
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
        "SSESpecification": {"SSEEnabled": True},
        "TimeToLiveSpecification": {"AttributeName": "expires_at", "Enabled": True},
    }
    assert stack.of_type("AWS::DynamoDB::Table") == {
        "CatalogTable": {
            "AttributeDefinitions": [
                {"AttributeName": "pk", "AttributeType": "S"},
                {"AttributeName": "sk", "AttributeType": "S"},
            ],
            "KeySchema": [
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
            **protected,
        },
        "UsageTable": {
            "AttributeDefinitions": [
                {"AttributeName": "pk", "AttributeType": "S"},
                {"AttributeName": "sk", "AttributeType": "S"},
            ],
            "KeySchema": [
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
            **protected,
        },
        "RequestTable": {
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            **protected,
        },
        "KeyTable": {
            "AttributeDefinitions": [
                {"AttributeName": "id", "AttributeType": "S"},
                {"AttributeName": "kind", "AttributeType": "S"},
                {"AttributeName": "created", "AttributeType": "S"},
            ],
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "GlobalSecondaryIndexes": [
                {
                    "IndexName": "by-created",
                    "KeySchema": [
                        {"AttributeName": "kind", "KeyType": "HASH"},
                        {"AttributeName": "created", "KeyType": "RANGE"},
                    ],
                    "Projection": {"ProjectionType": "ALL"},
                }
            ],
            **protected,
        },
    }


def test_the_bucket_is_private_encrypted_unversioned_and_batches_expire(stack: Any) -> None:
    (bucket,) = stack.of_type("AWS::S3::Bucket").values()
    assert bucket == {
        "BucketEncryption": {
            "ServerSideEncryptionConfiguration": [
                {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
            ]
        },
        "LifecycleConfiguration": {
            "Rules": [
                {"ExpirationInDays": 30, "Prefix": "batches/", "Status": "Enabled"},
                {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}, "Status": "Enabled"},
                {"ExpirationInDays": 30, "Prefix": "requests/", "Status": "Enabled"},
            ]
        },
        "NotificationConfiguration": {"EventBridgeConfiguration": {"EventBridgeEnabled": True}},
        "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
        "PublicAccessBlockConfiguration": {
            "BlockPublicAcls": True,
            "BlockPublicPolicy": True,
            "IgnorePublicAcls": True,
            "RestrictPublicBuckets": True,
        },
    }


def test_the_bucket_requires_tls(stack: Any) -> None:
    (policy,) = stack.of_type("AWS::S3::BucketPolicy").values()
    assert policy["PolicyDocument"]["Statement"] == [
        {
            "Action": "s3:*",
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            "Effect": "Deny",
            "Principal": {"AWS": "*"},
            "Resource": ["<BatchBucket.Arn>", "<BatchBucket.Arn>/*"],
        }
    ]


def test_resources_with_data_are_retained_unless_the_removal_policy_is_destroy(
    stack: Any, varied: Any
) -> None:
    # A failed first deployment still deletes them.
    for deployed, policy in ((stack, "RetainExceptOnCreate"), (varied, "Delete")):
        for resource in deployed.resources.values():
            if resource["Type"] in ("AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::Logs::LogGroup"):
                assert resource["DeletionPolicy"] == policy


def test_the_refresh_is_scheduled(stack: Any) -> None:
    assert stack.of_type("AWS::Scheduler::Schedule") == {
        "ModelAccessSchedule": {
            "Description": "Refreshes the model catalog",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "ScheduleExpression": "rate(6 hours)",
            "Target": {
                "Arn": "<ModelAccessRefreshMachine>",
                "Input": "{}",
                "RoleArn": "<ModelAccessScheduleRole.Arn>",
            },
        }
    }


def test_the_stack_has_these_outputs(stack: Any) -> None:
    assert stack.outputs == {
        "ApiUrl": "https://<HttpApi>.execute-api.us-east-1.<AWS::URLSuffix>/<HttpApiDeploymentStageprod>/",
        "StreamingApiUrl": "https://<StreamingApi>.execute-api.us-east-1.<AWS::URLSuffix>"
        "/<StreamingApiDeploymentStagev1>",
        "BatchBucketName": "<BatchBucket>",
        "BatchStateMachineArn": "<BatchMachine>",
        "RefreshStateMachineArn": "<ModelAccessRefreshMachine>",
        "TableName": "<CatalogTable>",
        "EventBusName": "<EventBus>",
        "RequestQueueUrl": "<EventsRequestQueue>",
        "RequestTopicArn": "<EventsRequestTopic>",
        "DeadLetterQueueUrl": "<EventsDeadLetterQueue>",
        "EventsFunctionName": "<EventsHandlerFunction>",
    }


def test_state_machines_log_to_vended_log_groups_named_after_the_stack(stack: Any, varied: Any) -> None:
    """Any other log group adds a statement to the account's resource policy (limit: 5,120 characters)."""
    for deployed, name in ((stack, "LlmManager"), (varied, "llm-dev")):
        groups = deployed.of_type("AWS::Logs::LogGroup")
        logged = {}
        for machine, properties in deployed.of_type("AWS::StepFunctions::StateMachine").items():
            (destination,) = properties["LoggingConfiguration"]["Destinations"]
            (group,) = (
                g for g in groups if destination["CloudWatchLogsLogGroup"]["LogGroupArn"] == f"<{g}.Arn>"
            )
            logged[machine] = groups[group]["LogGroupName"]
        # With the stack's id, a new stack does not conflict with log groups of a deleted one.
        unique = "<AWS::StackId>.split('/')[2].split('-')[0]"
        assert logged == {
            "BatchMachine": f"/aws/vendedlogs/states/{name}-Batch-Machine-{unique}",
            "ModelAccessRefreshMachine": f"/aws/vendedlogs/states/{name}-ModelAccess-RefreshMachine-{unique}",
        }


def test_settings_reach_their_resources(varied: Any) -> None:
    functions = varied.of_type("AWS::Lambda::Function")
    variables = functions["HttpApiHandlerFunction"]["Environment"]["Variables"]
    assert functions["BatchWorkerFunction"]["Timeout"] == 120
    assert variables["LLMMANAGER_MODELS"] == '["Nova Micro"]'
    assert variables["LLMMANAGER_REGIONS"] == '["eu-west-2"]'
    assert variables["LLMMANAGER_INPUT_BUCKETS"] == '["prompts-a", "prompts-b"]'
    assert variables["LLMMANAGER_WORKER_CONCURRENCY"] == "8"
    assert variables["LLMMANAGER_SHARD_SIZE"] == "50"
    assert variables["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"] == "http://127.0.0.1:8080"
    assert variables["AWS_ENDPOINT_URL_BEDROCK"] == "http://127.0.0.1:8080"
    assert variables["AWS_ENDPOINT_URL_SERVICE_QUOTAS"] == "http://127.0.0.1:8080"
    (bucket,) = varied.of_type("AWS::S3::Bucket").values()
    assert bucket["LifecycleConfiguration"]["Rules"][0]["ExpirationInDays"] == 7
    (schedule,) = varied.of_type("AWS::Scheduler::Schedule").values()
    assert schedule["ScheduleExpression"] == "cron(0 6 * * ? *)"
    assert {group["RetentionInDays"] for group in varied.of_type("AWS::Logs::LogGroup").values()} == {1}
    assert varied.definition("BatchMachine")["States"]["RunShards"]["MaxConcurrency"] == 3
    regions = varied.definition("ModelAccessRefreshMachine")["States"]["ConfiguredRegions"]["Result"]
    assert regions == {"regions": ["eu-west-2"]}


def test_synthesising_twice_gives_the_same_template(stack: Any, synthesise: Any) -> None:
    assert synthesise().template == stack.template


def test_the_cloud_assembly_keeps_the_mode_of_the_streaming_wrapper(stack: Any) -> None:
    wrappers = list(stack.assembly.glob("asset.*/lambdas/streaming_wrapper"))
    assert wrappers
    assert {path.stat().st_mode & 0o777 for path in wrappers} == {0o755}
