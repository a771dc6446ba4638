"""Batches: the bucket that holds them, the three functions, and the state machine that maps over shards.

Plan ─► any shards? ─► Map over shards ─► Collect
  │                       │
  └─ fails: the reason    └─ RunShard ─► done? ─ no: RunShard again, after a wait while there is no quota
                                └─ fails for good: the shard is lost, the batch goes on
"""

from __future__ import annotations

from typing import Any, Final

from aws_cdk import Duration, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.input_files import allow_decrypting_inputs
from infra.log_group import removal_policy
from infra.model_access import allow_sharing_health
from infra.nag import acknowledge, acknowledge_wildcards
from infra.permissions import InvokeModels
from infra.python_function import FunctionBase, PythonFunction
from infra.settings import DeploymentSettings
from infra.state_machine import LAMBDA_RETRIERS, StateMachine

BATCHES: Final = "batches/"
_LAMBDA_MAX_SECONDS = 900
# The largest shard takes 210 MB with all of its calls under way, a usual one 90 MB. More memory is more CPU
# too, for which a worker that waits for models has no use.
WORKER_MEMORY_MB: Final = 512
_NAMED_BY_BATCHES: Final = "Batches, and so their files and executions, have names of their own"


def build_batch_bucket(scope: Construct, settings: DeploymentSettings) -> s3.Bucket:
    """The bucket of all batches. What lies under `batches/` expires; other inputs are the user's."""
    bucket = s3.Bucket(
        scope,
        "BatchBucket",
        block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
        object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
        encryption=s3.BucketEncryption.S3_MANAGED,
        enforce_ssl=True,
        versioned=False,
        lifecycle_rules=[
            s3.LifecycleRule(prefix=BATCHES, expiration=Duration.days(settings.batch_expiry_days)),
            s3.LifecycleRule(abort_incomplete_multipart_upload_after=Duration.days(1)),
        ],
        removal_policy=removal_policy(settings),
    )
    acknowledge(
        bucket,
        "AwsSolutions-S1",
        because="Access logs would need a second bucket, which has none either; CloudTrail's data events "
        "tell the same to those who want them",
    )
    return bucket


class Batch(Construct):
    """Runs batches of any size."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        base: FunctionBase,
        bucket: s3.IBucket,
        table: dynamodb.ITable,
        invoke_models: InvokeModels,
    ) -> None:
        super().__init__(scope, construct_id)
        self._base = base
        self._bucket = bucket
        plan = self._build_plan(table)
        self.worker = worker = self._build_worker(table, invoke_models)
        collect = self._build_collect()
        self.state_machine = StateMachine(
            self,
            "Machine",
            definition=batch_definition(
                plan=plan.arn,
                worker=worker.arn,
                collect=collect.arn,
                map_concurrency=base.settings.map_concurrency,
                partition=Stack.of(self).partition,
            ),
            invokes=[plan, worker, collect],
            settings=base.settings,
        )
        self._allow_distributed_map()
        self._allow_describing_executions(plan)

    def _build_plan(self, table: dynamodb.ITable) -> PythonFunction:
        plan = self._build_function("Plan", "lambdas.batch.plan.handler", seconds=_LAMBDA_MAX_SECONDS)
        self._allow_reading_inputs(plan)
        self._allow_listing_inputs(plan)
        self._allow_writing(plan)
        plan.allow("dynamodb:BatchGetItem", on=[table.table_arn])
        return plan

    def _build_worker(self, table: dynamodb.ITable, invoke_models: InvokeModels) -> PythonFunction:
        worker = self._build_function(
            "Worker",
            "lambdas.batch.worker.handler",
            seconds=self._base.settings.worker_timeout_seconds,
            memory_mb=WORKER_MEMORY_MB,
            reserved_concurrency=self._base.settings.batch_concurrency,
        )
        # Bedrock fetches the images and documents that a record names (s3Location) as its caller.
        self._allow_reading_inputs(worker)
        self._allow_writing(worker)
        worker.allow("dynamodb:BatchGetItem", on=[table.table_arn])
        allow_sharing_health(worker, table)
        invoke_models.grant(worker.role)
        return worker

    def _build_collect(self) -> PythonFunction:
        collect = self._build_function(
            "Collect", "lambdas.batch.collect.handler", seconds=_LAMBDA_MAX_SECONDS
        )
        collect.allow(
            "s3:GetObject", on=[self._bucket.arn_for_objects(f"{BATCHES}*")], because=_NAMED_BY_BATCHES
        )
        self._allow_writing(collect)
        return collect

    def _build_function(
        self,
        name: str,
        handler: str,
        *,
        seconds: int,
        memory_mb: int = 1024,
        reserved_concurrency: int = 0,
    ) -> PythonFunction:
        return PythonFunction(
            self,
            name,
            base=self._base,
            handler=handler,
            timeout_seconds=seconds,
            memory_mb=memory_mb,
            reserved_concurrency=reserved_concurrency,
        )

    def _allow_reading_inputs(self, function: PythonFunction) -> None:
        """Read inputs: all of the stack's own bucket, and the buckets that the settings name."""
        partition = Stack.of(self).partition
        others = [f"arn:{partition}:s3:::{name}/*" for name in self._base.settings.input_buckets]
        function.allow(
            "s3:GetObject",
            on=[self._bucket.arn_for_objects("*"), *others],
            because="An input may lie anywhere in the buckets for inputs",
        )
        allow_decrypting_inputs(function, self._base.settings)

    def _allow_listing_inputs(self, function: PythonFunction) -> None:
        """List the buckets that the settings name, for inputs that are all files below a prefix."""
        partition = Stack.of(self).partition
        others = [f"arn:{partition}:s3:::{name}" for name in self._base.settings.input_buckets]
        if others:
            function.allow("s3:ListBucket", on=others)

    def _allow_writing(self, function: PythonFunction) -> None:
        """Write the batches' files. Long ones go up in parts, which end by PutObject or are given up."""
        objects = self._bucket.arn_for_objects(f"{BATCHES}*")
        function.allow("s3:PutObject", "s3:AbortMultipartUpload", on=[objects], because=_NAMED_BY_BATCHES)
        allow_listing(function, self._bucket)

    def _allow_distributed_map(self) -> None:
        """A Distributed Map starts and watches executions of its own machine, and reads the manifest.

        A policy of its own, since the role's cannot name the machine that waits for the role.
        """
        machine = self.state_machine
        manifests = self._bucket.arn_for_objects(f"{BATCHES}*/manifest.json")
        policy = iam.Policy(
            self,
            "DistributedMapPolicy",
            roles=[machine.role],
            statements=[
                iam.PolicyStatement(actions=["states:StartExecution"], resources=[machine.arn]),
                iam.PolicyStatement(
                    actions=["states:DescribeExecution", "states:StopExecution"],
                    resources=[machine.executions_arn],
                ),
                iam.PolicyStatement(
                    actions=["s3:GetObject"],
                    resources=[manifests],
                ),
            ],
        )
        acknowledge_wildcards(policy, [machine.executions_arn, manifests], because=_NAMED_BY_BATCHES)

    def _allow_describing_executions(self, plan: PythonFunction) -> None:
        """The plan asks whether another execution of its batch is running.

        A policy of its own, since the function's cannot name the machine that waits for the function.
        """
        executions = self.state_machine.executions_arn
        policy = iam.Policy(
            self,
            "PlanRunsPolicy",
            roles=[plan.role],
            statements=[iam.PolicyStatement(actions=["states:DescribeExecution"], resources=[executions])],
        )
        acknowledge_wildcards(policy, [executions], because=_NAMED_BY_BATCHES)


def allow_listing(function: PythonFunction, bucket: s3.IBucket) -> None:
    """List the bucket. Without it, S3 calls a missing object forbidden; a condition on the prefix has the
    same effect, since asking for an object names no prefix."""
    function.allow("s3:ListBucket", on=[bucket.bucket_arn])


def batch_definition(
    *, plan: str, worker: str, collect: str, map_concurrency: int, partition: str
) -> dict[str, Any]:
    """The state machine in Amazon States Language; `plan`, `worker` and `collect` are the functions' ARNs."""
    return {
        "Comment": "Plans a batch, answers its shards side by side, collects the results",
        "StartAt": "Plan",
        "States": {
            "Plan": {
                "Type": "Task",
                "Resource": plan,
                "Parameters": {
                    "executionName.$": "$$.Execution.Name",
                    "executionId.$": "$$.Execution.Id",
                    "input.$": "$$.Execution.Input",
                },
                "Retry": _retries("InvalidBatch", attempts=1),
                # The input may be anything at all: an error cannot be put into it, only in its place.
                "Catch": [
                    {"ErrorEquals": ["InvalidBatch"], "ResultPath": "$", "Next": "ReadReason"},
                    {"ErrorEquals": ["States.ALL"], "ResultPath": "$", "Next": "PlanFailed"},
                ],
                "Next": "AnyShards",
            },
            # What a function raised comes as JSON with a stack trace: its sender is told the message alone.
            "ReadReason": {
                "Type": "Pass",
                "Parameters": {"Error.$": "$.Error", "Cause.$": "States.StringToJson($.Cause)"},
                "Next": "PlanRefused",
            },
            "PlanRefused": {"Type": "Fail", "ErrorPath": "$.Error", "CausePath": "$.Cause.errorMessage"},
            "PlanFailed": {"Type": "Fail", "ErrorPath": "$.Error", "CausePath": "$.Cause"},
            "AnyShards": {
                "Type": "Choice",
                "Choices": [{"Variable": "$.shardCount", "NumericGreaterThan": 0, "Next": "RunShards"}],
                "Default": "Collect",
            },
            "RunShards": _run_shards(worker, map_concurrency, partition=partition),
            "Collect": {
                "Type": "Task",
                "Resource": collect,
                "Retry": _retries(attempts=3),
                "End": True,
            },
        },
    }


def _run_shards(worker: str, map_concurrency: int, *, partition: str) -> dict[str, Any]:
    return {
        "Type": "Map",
        "Label": "Shards",
        "ItemReader": {
            "Resource": f"arn:{partition}:states:::s3:getObject",
            "ReaderConfig": {"InputType": "JSON"},
            "Parameters": {"Bucket.$": "$.bucket", "Key.$": "$.manifestKey"},
        },
        "MaxConcurrency": map_concurrency,
        # Nothing has run when the manifest could not be read, which S3 answers with 503 at times.
        "Retry": [
            {
                "ErrorEquals": ["States.ItemReaderFailed"],
                "IntervalSeconds": 2,
                "MaxAttempts": 5,
                "BackoffRate": 2,
                "MaxDelaySeconds": 30,
                "JitterStrategy": "FULL",
            }
        ],
        # Even a child that ends in an error which no Catch can catch must not stop the others.
        "ToleratedFailurePercentage": 100,
        "ItemProcessor": _run_shard(worker),
        # What a shard came to is in S3. Collect gets Plan's output.
        "ResultPath": None,
        "Next": "Collect",
    }


def _run_shard(worker: str) -> dict[str, Any]:
    # All children's outputs together may have 256 KiB, so each has next to none.
    nothing = {"Type": "Pass", "Result": {}, "End": True}
    return {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "RunShard",
        "States": {
            "RunShard": {
                "Type": "Task",
                "Resource": worker,
                "Retry": _retries("NoProgress", attempts=3),
                "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "ShardLost"}],
                "Next": "ShardDone",
            },
            "ShardDone": {
                "Type": "Choice",
                "Choices": [
                    {"Variable": "$.done", "BooleanEquals": True, "Next": "ShardAnswered"},
                    {"Variable": "$.waitSeconds", "IsPresent": True, "Next": "WaitForQuota"},
                ],
                "Default": "RunShard",
            },
            # No function runs and no state changes while there is no quota.
            "WaitForQuota": {"Type": "Wait", "SecondsPath": "$.waitSeconds", "Next": "RunShard"},
            "ShardAnswered": nothing,
            # Its input, in the history, holds the error; Collect reports the records without a result.
            "ShardLost": nothing,
        },
    }


def _retries(*final_errors: str, attempts: int) -> list[dict[str, Any]]:
    """Every function here may run again on the same input, and passing faults are worth it.

    Args:
        final_errors: exceptions that would only be raised again.
        attempts: further attempts after any other exception.
    """
    final = [{"ErrorEquals": list(final_errors), "MaxAttempts": 0}] if final_errors else []
    others = {
        "ErrorEquals": ["States.ALL"],
        "IntervalSeconds": 1,
        "MaxAttempts": attempts,
        "BackoffRate": 4,
        "JitterStrategy": "FULL",
    }
    return [*final, *map(dict, LAMBDA_RETRIERS), others]
